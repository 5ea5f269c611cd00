//! One id and one log line a request: who, what, how it ended, how long it took. Never a secret, a query or a prompt.
//! Where the level of the line is off there is no span, and nothing is formatted.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::core::Core;
use crate::edge::error::ApiError;

/// Names the request on every answer and in every log line.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_ID: usize = 64;

/// The id of a request; an extension of the request.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

impl RequestId {
    /// A name that no other request has: one random number of the process, and one that is counted and then mixed, so
    /// that ids don't tell how many requests there were.
    fn new() -> Self {
        static PROCESS: LazyLock<(u64, u64)> = LazyLock::new(rand::random);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (process, key) = *PROCESS;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("{process:016x}{:016x}", mixed(count ^ key)).into())
    }

    /// Keeps the id that a trusted proxy in front gave, when it is harmless.
    fn given(core: &Core, request: &Request) -> Option<Self> {
        let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
        let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
        let harmless = !id.is_empty()
            && id.len() <= LONGEST_ID
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        (harmless && core.config.http.trusts(peer.ip())).then(|| Self(id.into()))
    }
}

/// SplitMix64's last step: no two numbers become the same one.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A request from its beginning to the line that tells its end.
pub struct RequestLog {
    id: Arc<str>,
    started: Instant,
    method: Method,
    route: Option<MatchedPath>,
    span: Span,
}

impl RequestLog {
    /// Gives the request its id.
    pub fn begin(core: &Core, request: &mut Request) -> Self {
        let RequestId(id) = RequestId::given(core, request).unwrap_or_else(RequestId::new);
        let span = tracing::info_span!("request", id = &*id, user = Empty, key = Empty);
        let method = request.method().clone();
        let route = request.extensions().get::<MatchedPath>().cloned();
        request.extensions_mut().insert(RequestId(id.clone()));
        Self { id, started: Instant::now(), method, route, span }
    }

    /// What everything that happens for the request belongs to.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Writes the id into the answer and the line into the log.
    pub fn end(self, response: &mut Response) {
        if let Ok(value) = HeaderValue::from_str(&self.id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        let (method, status) = (&self.method, response.status());
        let route = self.route.as_ref().map_or("-", MatchedPath::as_str);
        let elapsed_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let error = response.extensions().get::<Arc<ApiError>>();
        let _entered = self.span.enter();
        if status.is_server_error() && status != StatusCode::BAD_GATEWAY {
            let cause = error.and_then(|error| error.private_cause()).unwrap_or_default();
            let (id, status) = (&*self.id, status.as_u16());
            tracing::error!(id, %method, route, status, elapsed_us, cause, "failed");
        } else {
            let code = error.map_or("", |error| error.code());
            tracing::info!(%method, route, status = status.as_u16(), elapsed_us, code, "answered");
        }
    }
}

/// The layer.
pub async fn log(State(core): State<Arc<Core>>, mut request: Request, next: Next) -> Response {
    let log = RequestLog::begin(&core, &mut request);
    let mut response = next.run(request).instrument(log.span()).await;
    log.end(&mut response);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ() {
        let ids: std::collections::HashSet<_> = (0..10_000).map(|_| RequestId::new().0).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
