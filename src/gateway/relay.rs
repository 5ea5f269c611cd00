//! The answer on its way back: bytes pass as they came and are only observed. The last frame is held until the call
//! is on record, so nobody has a whole answer that was not metered.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;
use millpond_wire::{Dialect, ErrorKind, StreamObserver, WireError, error::stream_frame};
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::call::{Call, Ending};

/// How long a stream may be silent and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub idle: Duration,
    pub deadline: Instant,
}

enum Phase {
    Streaming,
    /// The row is being committed.
    Recording(Option<oneshot::Receiver<()>>),
    /// The row is on record; what was held back goes out.
    Releasing,
    Done,
}

/// The body of a streamed answer.
pub(super) struct Relay {
    upstream: Incoming,
    observer: StreamObserver,
    call: Call,
    phase: Phase,
    limits: Limits,
    last_frame: Instant,
    alarm: Pin<Box<Sleep>>,
    /// An error event that ends the stream.
    farewell: Option<Bytes>,
}

impl Relay {
    /// Relays `upstream` for `call`.
    pub(super) fn new(upstream: Incoming, observer: StreamObserver, call: Call, limits: Limits) -> Self {
        let now = Instant::now();
        let first = limits.deadline.min(now + limits.idle);
        Self {
            upstream,
            observer,
            call,
            phase: Phase::Streaming,
            limits,
            last_frame: now,
            alarm: Box::pin(tokio::time::sleep_until(first.into())),
            farewell: None,
        }
    }

    fn record(&mut self, ending: Ending) {
        let recorded = self.call.finish_stream(ending, &mut self.observer);
        self.phase = Phase::Recording(recorded);
    }

    /// The provider failed in the middle: the client is told in the words of its dialect.
    fn fail(&mut self, error: &'static str, message: &'static str) {
        let told = WireError::new(ErrorKind::Upstream, message).with_code(error);
        self.farewell = Some(stream_frame(Dialect::OpenAi, &told).into());
        self.record(Ending::upstream(200, error));
    }

    /// The next bytes of the provider, or how the stream ended.
    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match Pin::new(&mut self.upstream).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    self.call.first_byte();
                    self.last_frame = Instant::now();
                    self.observer.feed(data);
                }
                Poll::Ready(())
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::warn!(%error, "a provider's stream broke");
                self.fail("upstream_cut", "The provider's stream broke off.");
                Poll::Ready(())
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(())
            }
            Poll::Pending => self.poll_alarm(context),
        }
    }

    /// The provider closed the stream. Some never say `[DONE]`, but all say why they finished.
    fn end(&mut self) {
        let observed = self.observer.take();
        if observed.saw_end || observed.finished {
            let recorded = self.call.finish(Ending::OK, Some(observed));
            self.phase = Phase::Recording(recorded);
        } else {
            let told = WireError::new(ErrorKind::Upstream, "The provider's stream ended too early.");
            self.farewell = Some(stream_frame(Dialect::OpenAi, &told.with_code("upstream_cut")).into());
            let recorded = self.call.finish(Ending::upstream(200, "upstream_cut"), Some(observed));
            self.phase = Phase::Recording(recorded);
        }
    }

    /// The alarm is not moved with every frame; when it rings, the last frame says whether it is time.
    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.alarm.as_mut().poll(context));
        let now = Instant::now();
        let due = self.limits.deadline.min(self.last_frame + self.limits.idle);
        if due > now {
            self.alarm.as_mut().reset(due.into());
        } else {
            self.fail("upstream_timeout", "The provider stopped answering.");
        }
        Poll::Ready(())
    }

    fn poll_recorded(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Phase::Recording(Some(recorded)) = &mut self.phase {
            let kept = ready!(Pin::new(recorded).poll(context));
            if kept.is_err() {
                tracing::error!("the ledger is gone");
            }
        }
        self.observer.release();
        self.phase = Phase::Releasing;
        Poll::Ready(())
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        loop {
            if !matches!(this.phase, Phase::Done)
                && let Some(bytes) = this.observer.pop()
            {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            match &this.phase {
                Phase::Streaming if this.observer.has_ended() => this.record(Ending::OK),
                Phase::Streaming => ready!(this.poll_upstream(context)),
                Phase::Recording(_) => ready!(this.poll_recorded(context)),
                Phase::Releasing => {
                    this.phase = Phase::Done;
                    if let Some(bytes) = this.farewell.take() {
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
                Phase::Done => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if !self.call.is_finished() {
            self.call.finish_stream(Ending::CLIENT_CLOSED, &mut self.observer);
        }
    }
}

/// The provider's headers that concern the client.
pub(super) fn pass_headers(from: &HeaderMap) -> HeaderMap {
    use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
    let mut to = HeaderMap::with_capacity(4);
    for name in [CONTENT_TYPE, RETRY_AFTER] {
        if let Some(value) = from.get(&name) {
            to.insert(name, value.clone());
        }
    }
    to
}
