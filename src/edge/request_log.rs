//! One id and one log line a request: who, what, how it ended, how long it took. Never a secret, a query or a prompt.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::edge::error::ApiError;

/// Names the request on every answer and in every log line.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 64;

/// The id of a request; an extension of the request.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

/// Keeps an id that a proxy in front gave, when it is harmless.
fn request_id(request: &Request) -> Arc<str> {
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let harmless = |id: &&str| {
        !id.is_empty()
            && id.len() <= LONGEST_ID
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match given.filter(harmless) {
        Some(id) => id.into(),
        None => uuid::Uuid::now_v7().simple().to_string().into(),
    }
}

/// The layer.
pub async fn log(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let span = tracing::info_span!("request", id = &*id, user = Empty, key = Empty);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let _entered = span.enter();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let status = response.status();
    let error = response.extensions().get::<Arc<ApiError>>();
    if status.is_server_error() && status != StatusCode::BAD_GATEWAY {
        let cause = error.and_then(|error| error.private_cause()).unwrap_or_default();
        tracing::error!(%method, route, status = status.as_u16(), elapsed_us, cause, "failed");
    } else {
        let code = error.map_or("", |error| error.code());
        tracing::info!(%method, route, status = status.as_u16(), elapsed_us, code, "answered");
    }
    response
}
