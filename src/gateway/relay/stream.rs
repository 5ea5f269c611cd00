//! A streamed answer: a body that hyper polls whenever the client takes bytes, and behind it the stream, which the watch
//! can end as well. The provider is read only as fast as the client takes.

use std::future::Future as _;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use millpond_wire::Observed;
use millpond_wire::error::{ErrorKind, WireError};
use tokio::time::Instant;

use crate::gateway::journal::{NotRecorded, Recorded};
use crate::gateway::relay::Patience;
use crate::gateway::relay::drain::Rest;
use crate::gateway::relay::passage::{Passage, Shape};
use crate::gateway::relay::watch::{Watch, lock};
use crate::gateway::settlement::{End, Settlement, client_closed};
use crate::gateway::upstream::AnswerBody;
use crate::store::usage::Outcome;

/// Why the end of an answer must not look like one.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfinished {
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    #[error("the provider broke off in the middle of an event that was too large to be held back")]
    Torn,
    /// The call is settled already.
    #[error("the client took nothing for too long")]
    NotTaken,
}

/// The body of a streamed answer.
pub(super) struct Relay(Arc<Mutex<Stream>>);

impl Relay {
    pub(super) fn new(stream: Stream) -> Self {
        let watch = stream.watch.clone();
        let stream = Arc::new(Mutex::new(stream));
        watch.add(&stream);
        Self(stream)
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        lock(&self.0).poll(context)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        lock(&self.0).leave();
    }
}

/// What follows the provider's answer.
enum Last {
    Nothing,
    /// An error, as an event of its own.
    Error(Bytes),
    /// The client has a part of an event, after which no other can be read.
    Break,
}

enum Phase {
    /// Bytes come and go.
    Streaming,
    /// The end is known and kept back until the call is on record; then `last` follows what was kept.
    Recording {
        recorded: Recorded,
        last: Last,
    },
    /// What is left goes out.
    Ending(Last),
    /// The client had its chance.
    Left,
    Over,
}

enum Event {
    Bytes(Bytes),
    Nothing,
    End,
    Cut,
}

/// What the watch wants of a stream.
enum Order {
    /// The provider was silent for too long, or the call is past its deadline.
    GiveUp,
    /// The process ends.
    ShutDown,
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Client,
    Provider,
}

/// What is known of a stream's standing still.
struct Pace {
    turn: Turn,
    /// Something went on since the watch looked last. It keeps the time, so that a frame costs no look at the clock.
    moved: bool,
    since: Instant,
    waker: Option<Waker>,
}

/// What is behind the body.
pub(super) struct Stream {
    upstream: Option<AnswerBody>,
    passage: Passage,
    settlement: Option<Settlement>,
    phase: Phase,
    shape: Shape,
    status: u16,
    patience: Patience,
    pace: Pace,
    order: Option<Order>,
    watch: Watch,
}

impl Stream {
    pub(super) fn new(
        upstream: AnswerBody,
        settlement: Settlement,
        shape: Shape,
        status: u16,
        patience: Patience,
        watch: Watch,
    ) -> Self {
        let pace = Pace { turn: Turn::Client, moved: false, since: Instant::now(), waker: None };
        Self {
            upstream: Some(upstream),
            passage: Passage::new(shape),
            settlement: Some(settlement),
            phase: Phase::Streaming,
            shape,
            status,
            patience,
            pace,
            order: None,
            watch,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        self.pace.moved |= self.pace.turn == Turn::Client;
        let polled = self.advance(context);
        match &polled {
            Poll::Ready(_) => self.pace.turn = Turn::Client,
            Poll::Pending => {
                self.pace.turn = Turn::Provider;
                match &mut self.pace.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
            }
        }
        polled
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        loop {
            if let Some(bytes) = self.passage.pop() {
                if let Some(settlement) = &mut self.settlement {
                    settlement.first_byte();
                }
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            match &mut self.phase {
                Phase::Streaming => {
                    let event = ready!(self.poll_upstream(context));
                    self.go_on(event);
                }
                Phase::Recording { recorded, last } => {
                    let is_recorded = ready!(Pin::new(recorded).poll(context));
                    let last = mem::replace(last, Last::Nothing);
                    self.drain(context);
                    if let Err(error) = is_recorded {
                        self.phase = Phase::Over;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    self.passage.release();
                    self.phase = Phase::Ending(last);
                }
                Phase::Ending(last) => {
                    let last = mem::replace(last, Last::Nothing);
                    self.phase = Phase::Over;
                    match last {
                        Last::Nothing => {}
                        Last::Error(event) => return Poll::Ready(Some(Ok(Frame::data(event)))),
                        Last::Break => return Poll::Ready(Some(Err(Unfinished::Torn))),
                    }
                }
                Phase::Left => {
                    self.phase = Phase::Over;
                    return Poll::Ready(Some(Err(Unfinished::NotTaken)));
                }
                Phase::Over => return Poll::Ready(None),
            }
        }
    }

    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if self.order.is_some() {
            return Poll::Ready(Event::Nothing);
        }
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(Event::End) };
        let frame = ready!(Pin::new(upstream).poll_frame(context));
        self.pace.moved = true;
        Poll::Ready(match frame {
            None => Event::End,
            Some(Err(_)) => Event::Cut,
            Some(Ok(frame)) => frame.into_data().map_or(Event::Nothing, Event::Bytes),
        })
    }

    fn go_on(&mut self, event: Event) {
        match self.order.take() {
            Some(Order::GiveUp) => {
                return self.fail("upstream_timeout", "The provider did not go on in time.");
            }
            Some(Order::ShutDown) => return self.say_goodbye(),
            None => {}
        }
        match event {
            Event::Bytes(bytes) => {
                self.passage.feed(&bytes);
                if self.passage.has_ended() {
                    self.end();
                }
            }
            Event::Nothing => {}
            Event::End => self.end(),
            Event::Cut => self.fail("upstream_error", "The provider broke off its answer."),
        }
    }

    /// The provider is done, or went away in a way that looks like it.
    fn end(&mut self) {
        let observed = self.passage.end();
        if observed.provider_error.is_some() {
            return self.record(observed, Outcome::UpstreamError, Some("upstream_error"), Last::Nothing);
        }
        if observed.is_complete {
            return self.record(observed, Outcome::Ok, None, Last::Nothing);
        }
        let code = "upstream_error";
        let last = self.broken(ErrorKind::Upstream, code, "The provider broke off its answer.");
        self.record(observed, Outcome::UpstreamError, Some(code), last);
    }

    fn fail(&mut self, code: &'static str, message: &'static str) {
        self.upstream = None;
        let observed = self.passage.cut();
        let last = self.broken(ErrorKind::Upstream, code, message);
        self.record(observed, Outcome::UpstreamError, Some(code), last);
    }

    /// Neither the provider nor the client is at fault: no account's health suffers, and what came is charged.
    fn say_goodbye(&mut self) {
        self.upstream = None;
        let observed = self.passage.cut();
        let code = "shutting_down";
        let message = "The service is being restarted; send the request again.";
        let last = self.broken(ErrorKind::Overloaded, code, message);
        self.record(observed, Outcome::ClientClosed, Some(code), last);
    }

    /// An error inside the stream.
    fn broken(&mut self, kind: ErrorKind, code: &'static str, message: &'static str) -> Last {
        let error = WireError::new(kind, message).with_code(code);
        self.passage.broken(&error).map_or(Last::Break, Last::Error)
    }

    fn record(&mut self, observed: Observed, outcome: Outcome, error_code: Option<&'static str>, last: Last) {
        let Some(settlement) = self.settlement.take() else { return };
        let recorded = settlement.finish(End { outcome, status: self.status, error_code }, observed);
        self.phase = Phase::Recording { recorded, last };
    }

    /// Reads the upstream's end, which has mostly come meanwhile, so that its connection can serve the next call.
    fn drain(&mut self, context: &mut Context<'_>) {
        while let Some(upstream) = &mut self.upstream {
            match Pin::new(upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.passage.feed(&bytes);
                    }
                }
                Poll::Ready(None | Some(Err(_))) => self.upstream = None,
                Poll::Pending => return,
            }
        }
    }

    /// The client has gone, or might as well have: what the call holds is given back, and the provider's stream ends.
    fn leave(&mut self) {
        if matches!(self.phase, Phase::Streaming) {
            self.phase = Phase::Left;
        }
        // The upstream first: whoever waits for the lease must not find the call still running.
        let upstream = self.upstream.take();
        let Some(settlement) = self.settlement.take() else { return };
        let bytes = settlement.drain_bytes();
        if let Some(upstream) = upstream.filter(|_| bytes > 0) {
            let passage = mem::replace(&mut self.passage, Passage::new(self.shape));
            let rest = Rest { upstream, passage, settlement, patience: self.patience, bytes };
            return rest.read_on(self.watch.tasks());
        }
        // Nobody waits for it.
        drop(settlement.finish(client_closed(), self.passage.cut()));
    }

    /// The watch's look: has it stood still for too long?
    pub(super) fn check(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Streaming) {
            return;
        }
        if mem::take(&mut self.pace.moved) {
            self.pace.since = now;
        }
        let still = now.saturating_duration_since(self.pace.since);
        let late = now >= self.patience.deadline;
        match self.pace.turn {
            Turn::Provider if late || still >= self.patience.idle => self.obey(Order::GiveUp),
            Turn::Client if late || still >= self.patience.client => self.leave(),
            Turn::Provider | Turn::Client => {}
        }
    }

    /// The process ends: a stream that still runs ends with an error.
    pub(super) fn shut_down(&mut self) {
        if matches!(self.phase, Phase::Streaming) {
            self.obey(Order::ShutDown);
        }
    }

    fn obey(&mut self, order: Order) {
        self.order = Some(order);
        if let Some(waker) = self.pace.waker.take() {
            waker.wake();
        }
    }
}
