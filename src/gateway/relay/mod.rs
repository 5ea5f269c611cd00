//! The answer on its way back: bytes as they came, watched but not changed. The end of a stream, and the whole of a short
//! answer, is handed over only when the call is on record; a client that leaves takes the upstream call down with it.

mod drain;
mod passage;
mod stream;
mod watch;

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use bytes::Bytes;
use millpond_wire::error::{ErrorKind, WireError, body as error_body};
use millpond_wire::observe::observe_body;
use millpond_wire::{Dialect, Observed};
use serde_json::Value;
use tokio::time::Instant;

use crate::edge::error::{ApiError, Result};
use crate::gateway::journal::Recorded;
pub(crate) use crate::gateway::relay::passage::Shape;
use crate::gateway::relay::stream::{Relay, Stream};
pub(crate) use crate::gateway::relay::watch::Watch;
use crate::gateway::settlement::{End, Settlement};
use crate::gateway::upstream::{AnswerBody, Failure, Refused, read_body};
use crate::store::usage::Outcome;

/// How long the provider may be silent and the client may take nothing, and until when the whole call must be over.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) idle: Duration,
    pub(crate) client: Duration,
    pub(crate) deadline: Instant,
}

/// Hands an answer to the client.
pub(crate) async fn deliver(
    answer: Response<AnswerBody>,
    settlement: Settlement,
    shape: Shape,
    patience: Patience,
    watch: &Watch,
) -> Result<Response<Body>> {
    if is_event_stream(&answer) {
        return Ok(stream(answer, settlement, Shape { array: false, ..shape }, patience, watch));
    }
    if shape.array {
        return Ok(stream(answer, settlement, shape, patience, watch));
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
    watch: &Watch,
) -> Response<Body> {
    let (parts, upstream) = answer.into_parts();
    let stream = Stream::new(upstream, settlement, shape, parts.status.as_u16(), patience, watch.clone());
    let mut response = Response::new(Body::new(Relay::new(stream)));
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
