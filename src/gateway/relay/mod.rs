//! The answer on its way back: bytes as they came, watched but not changed. The end of a stream, and the whole of a short
//! answer, is handed over only when the call is on record; a client that leaves takes the upstream call down with it.

mod drain;

use std::future::Future as _;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use http_body::{Body as _, Frame};
use millpond_wire::error::{ErrorKind, WireError, body as error_body};
use millpond_wire::observe::observe_body;
use millpond_wire::{Dialect, Observed, StreamObserver};
use serde_json::Value;
use tokio::time::{Instant, Sleep};

use crate::edge::error::{ApiError, Result};
use crate::gateway::journal::{NotRecorded, Recorded};
use crate::gateway::relay::drain::Rest;
use crate::gateway::settlement::{End, Settlement, client_closed};
use crate::gateway::upstream::{AnswerBody, Failure, Refused, read_body};
use crate::store::usage::Outcome;
use crate::tasks::Tasks;

/// How long the provider may be silent, and until when the whole call must be over.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) idle: Duration,
    pub(crate) deadline: Instant,
}

/// What an answer looks like.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) dialect: Dialect,
    /// Usage was asked for on the client's behalf.
    pub(crate) drop_usage_chunk: bool,
    /// A stream comes as one JSON array.
    pub(crate) array: bool,
}

/// Hands an answer to the client.
pub(crate) async fn deliver(
    answer: Response<AnswerBody>,
    settlement: Settlement,
    shape: Shape,
    patience: Patience,
    tasks: &Tasks,
) -> Result<Response<Body>> {
    if is_event_stream(&answer) {
        return Ok(stream(answer, settlement, Shape { array: false, ..shape }, patience, tasks));
    }
    if shape.array {
        return Ok(stream(answer, settlement, shape, patience, tasks));
    }
    whole(answer, settlement, shape.dialect, patience).await
}

fn is_event_stream(answer: &Response<AnswerBody>) -> bool {
    let content_type = answer.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// A provider's word that the request itself is wrong: its status, and its body as it came where that is an error
/// of the caller's dialect.
pub(crate) async fn refusal(
    refused: Refused,
    settlement: Settlement,
    dialect: Dialect,
) -> Result<Response<Body>> {
    let Refused { status, body, .. } = refused;
    let end = End {
        outcome: Outcome::UpstreamError,
        status: status.as_u16(),
        error_code: Some("upstream_refused_request"),
    };
    recorded(settlement.finish(end, Observed::default())).await?;
    let mut response = Response::new(Body::from(in_shape(dialect, status, body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn in_shape(dialect: Dialect, status: StatusCode, body: Bytes) -> Bytes {
    let read: Option<Value> = serde_json::from_slice(&body).ok();
    // Google puts the errors of streams into an array.
    let is_error = |value: &Value| {
        let inner = value.get(0).filter(|_| dialect == Dialect::Gemini).unwrap_or(value);
        inner.get("error").is_some_and(Value::is_object)
    };
    if read.as_ref().is_some_and(is_error) {
        return body;
    }
    let said = read.as_ref().and_then(|value| {
        let places = [value.get("error"), value.get("message"), value.get("detail")];
        places.into_iter().flatten().find_map(Value::as_str)
    });
    let kind = match status.as_u16() {
        404 => ErrorKind::NotFound,
        413 => ErrorKind::TooLarge,
        415 => ErrorKind::UnsupportedMediaType,
        _ => ErrorKind::InvalidRequest,
    };
    let message = said.unwrap_or("The provider refused the request without saying why.");
    error_body(dialect, &WireError::new(kind, message).with_code("upstream_refused_request")).into()
}

async fn whole(
    answer: Response<AnswerBody>,
    mut settlement: Settlement,
    dialect: Dialect,
    patience: Patience,
) -> Result<Response<Body>> {
    let (parts, body) = answer.into_parts();
    let body = match read_body(body, patience.idle, patience.deadline.into_std()).await {
        Ok(body) => body,
        Err(failure) => return Err(cut_short(settlement, failure).await?),
    };
    settlement.first_byte();
    let observed = observe_body(dialect, &body);
    // Some providers say 200 and mean an error.
    let failed = observed.provider_error.is_some() && !observed.any_content;
    let status = if failed { StatusCode::BAD_GATEWAY } else { parts.status };
    let end = End {
        outcome: if failed { Outcome::UpstreamError } else { Outcome::Ok },
        status: status.as_u16(),
        error_code: failed.then_some("upstream_error"),
    };
    recorded(settlement.finish(end, observed)).await?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let content_type = parts.headers.get(CONTENT_TYPE).cloned();
    let json = || HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type.unwrap_or_else(json));
    Ok(response)
}

async fn cut_short(settlement: Settlement, failure: Failure) -> Result<ApiError> {
    let (status, code, message) = match failure {
        Failure::Timeout => (
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "The provider did not finish its answer in time.",
        ),
        _ => (StatusCode::BAD_GATEWAY, "upstream_error", "The provider broke off its answer."),
    };
    let end = End { outcome: Outcome::UpstreamError, status: status.as_u16(), error_code: Some(code) };
    recorded(settlement.finish(end, Observed::default())).await?;
    Ok(ApiError::new(status, code, message).because(failure))
}

/// Waits until a call is on record; an answer that could not be recorded is not given.
pub(crate) async fn recorded(recorded: Recorded) -> Result<()> {
    recorded.await.map_err(ApiError::unavailable)
}

fn stream(
    answer: Response<AnswerBody>,
    settlement: Settlement,
    shape: Shape,
    patience: Patience,
    tasks: &Tasks,
) -> Response<Body> {
    let (parts, upstream) = answer.into_parts();
    let now = Instant::now();
    let relay = Relay {
        upstream: Some(upstream),
        observer: match shape.array {
            true => StreamObserver::of_array(shape.dialect),
            false => StreamObserver::new(shape.dialect, shape.drop_usage_chunk),
        },
        shape,
        tasks: tasks.clone(),
        settlement: Some(settlement),
        phase: Phase::Streaming,
        status: parts.status.as_u16(),
        patience,
        last_frame: now,
        alarm: Box::pin(tokio::time::sleep_until(patience.deadline.min(now + patience.idle))),
    };
    let mut response = Response::new(Body::new(relay));
    *response.status_mut() = parts.status;
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(match shape.array {
        true => "application/json; charset=UTF-8",
        false => "text/event-stream; charset=utf-8",
    });
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Tells nginx not to collect the chunks.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// Why the end of an answer must not look like one.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    #[error("the provider broke off in the middle of an event that was too large to be held back")]
    Torn,
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
    Over,
}

enum Event {
    Bytes(Bytes),
    Nothing,
    End,
    Cut,
    Silence,
}

/// The body of a streamed answer.
struct Relay {
    upstream: Option<AnswerBody>,
    observer: StreamObserver,
    shape: Shape,
    tasks: Tasks,
    settlement: Option<Settlement>,
    phase: Phase,
    status: u16,
    patience: Patience,
    last_frame: Instant,
    /// Set anew only when it rings, not with every frame.
    alarm: Pin<Box<Sleep>>,
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = Unfinished;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unfinished>>> {
        let relay = self.get_mut();
        loop {
            if let Some(bytes) = relay.observer.pop() {
                if let Some(settlement) = &mut relay.settlement {
                    settlement.first_byte();
                }
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            match &mut relay.phase {
                Phase::Streaming => match ready!(relay.poll_upstream(context)) {
                    Event::Bytes(bytes) => relay.take(&bytes),
                    Event::Nothing => {}
                    Event::End => relay.end(),
                    Event::Cut => relay.fail("upstream_error", "The provider broke off its answer."),
                    Event::Silence => relay.fail("upstream_timeout", "The provider did not go on in time."),
                },
                Phase::Recording { recorded, last } => {
                    let is_recorded = ready!(Pin::new(recorded).poll(context));
                    let last = mem::replace(last, Last::Nothing);
                    relay.drain(context);
                    if let Err(error) = is_recorded {
                        relay.phase = Phase::Over;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    relay.observer.release();
                    relay.phase = Phase::Ending(last);
                }
                Phase::Ending(last) => {
                    let last = mem::replace(last, Last::Nothing);
                    relay.phase = Phase::Over;
                    match last {
                        Last::Nothing => {}
                        Last::Error(event) => return Poll::Ready(Some(Ok(Frame::data(event)))),
                        Last::Break => return Poll::Ready(Some(Err(Unfinished::Torn))),
                    }
                }
                Phase::Over => return Poll::Ready(None),
            }
        }
    }
}

impl Relay {
    fn poll_upstream(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let Some(upstream) = &mut self.upstream else { return Poll::Ready(Event::End) };
        if let Poll::Ready(frame) = Pin::new(upstream).poll_frame(context) {
            self.last_frame = Instant::now();
            return Poll::Ready(match frame {
                None => Event::End,
                Some(Err(_)) => Event::Cut,
                Some(Ok(frame)) => frame.into_data().map_or(Event::Nothing, Event::Bytes),
            });
        }
        while self.alarm.as_mut().poll(context).is_ready() {
            let due = self.patience.deadline.min(self.last_frame + self.patience.idle);
            if due <= Instant::now() {
                return Poll::Ready(Event::Silence);
            }
            self.alarm.as_mut().reset(due);
        }
        Poll::Pending
    }

    fn take(&mut self, bytes: &Bytes) {
        self.observer.feed(bytes);
        if self.observer.has_ended() {
            self.end();
        }
    }

    /// The provider is done, or went away in a way that looks like it.
    fn end(&mut self) {
        let observed = self.observer.end();
        if observed.provider_error.is_some() {
            return self.record(observed, Outcome::UpstreamError, Some("upstream_error"), Last::Nothing);
        }
        if observed.is_complete {
            return self.record(observed, Outcome::Ok, None, Last::Nothing);
        }
        let last = self.broken("upstream_error", "The provider broke off its answer.");
        self.record(observed, Outcome::UpstreamError, Some("upstream_error"), last);
    }

    fn fail(&mut self, code: &'static str, message: &'static str) {
        self.upstream = None;
        let observed = self.observer.cut();
        let last = self.broken(code, message);
        self.record(observed, Outcome::UpstreamError, Some(code), last);
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
                        self.observer.feed(&bytes);
                    }
                }
                Poll::Ready(None | Some(Err(_))) => self.upstream = None,
                Poll::Pending => return,
            }
        }
    }
}

impl Relay {
    /// An error inside the stream.
    fn broken(&mut self, code: &'static str, message: &'static str) -> Last {
        let error = WireError::new(ErrorKind::Upstream, message).with_code(code);
        self.observer.broken(&error).map_or(Last::Break, Last::Error)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let drained = self.settlement.as_ref().map_or(0, Settlement::drain_bytes);
        if drained > 0
            && let (Some(upstream), Some(settlement)) = (self.upstream.take(), self.settlement.take())
        {
            let observer = mem::replace(&mut self.observer, StreamObserver::new(self.shape.dialect, false));
            let rest = Rest { upstream, observer, settlement, patience: self.patience, bytes: drained };
            return rest.read_on(&self.tasks);
        }
        // The upstream first: whoever waits for the lease must not find the call still running.
        self.upstream = None;
        if let Some(settlement) = self.settlement.take() {
            // Nobody waits for it.
            drop(settlement.finish(client_closed(), self.observer.cut()));
        }
    }
}
