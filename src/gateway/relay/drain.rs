//! Reads a streamed answer on for nobody: its client has gone, but the provider bills the whole of it, and its owner wants
//! to know what it was. Only accounts that say so (`drain_bytes`), only up to that bound, and never past the end of the
//! process.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use millpond_wire::StreamObserver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::gateway::relay::Patience;
use crate::gateway::settlement::{Settlement, client_closed};
use crate::gateway::upstream::AnswerBody;
use crate::tasks::Tasks;

/// What is left of an answer whose client has gone.
pub(crate) struct Rest {
    pub(crate) upstream: AnswerBody,
    pub(crate) observer: StreamObserver,
    pub(crate) settlement: Settlement,
    pub(crate) patience: Patience,
    /// So much is read at most.
    pub(crate) bytes: u64,
}

impl Rest {
    /// Reads on in the background and settles the call at the end.
    pub(crate) fn read_on(self, tasks: &Tasks) {
        tasks.spawn("drain", |stop| self.read(stop));
    }

    async fn read(mut self, stop: CancellationToken) {
        let (mut left, mut ended) = (self.bytes, false);
        while left > 0 && !self.observer.has_ended() {
            let due = self.patience.deadline.min(Instant::now() + self.patience.idle);
            let frame = tokio::select! {
                () = stop.cancelled() => break,
                frame = tokio::time::timeout_at(due, self.upstream.frame()) => frame,
            };
            ended = matches!(frame, Ok(None));
            let Ok(Some(Ok(frame))) = frame else { break };
            let data = frame.into_data().unwrap_or_default();
            left = left.saturating_sub(u64::try_from(data.len()).unwrap_or(u64::MAX));
            self.feed(&data);
        }
        drop(self.upstream);
        // Nobody waits for it.
        let ended = ended || self.observer.has_ended();
        let observed = if ended { self.observer.end() } else { self.observer.cut() };
        drop(self.settlement.finish(client_closed(), observed));
    }

    fn feed(&mut self, data: &Bytes) {
        self.observer.feed(data);
        while self.observer.pop().is_some() {}
    }
}
