//! Headers that every answer carries for the browser's sake: what it may load, frame, remember and tell others.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use crate::core::Core;

/// Answers are data: a browser that is led to one loads and runs nothing.
const DATA: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// The two readers of the API's description: scripts of our own, and the styles and workers that they make themselves.
const DOCS: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'";
const A_YEAR: &str = "max-age=31536000";

fn is_docs(path: &str) -> bool {
    path.starts_with("/api/docs") || path.starts_with("/api/redoc")
}

/// Whether a proxy that we trust says that the client came over TLS.
fn came_over_tls(core: &Core, request: &Request) -> bool {
    let says_so = request.headers().get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    says_so && peer.is_some_and(|peer| core.config.http.trusts(peer))
}

/// The layer. What a handler has set itself stays.
pub async fn set_all(State(core): State<Arc<Core>>, request: Request, next: Next) -> Response {
    let policy = if is_docs(request.uri().path()) { DOCS } else { DATA };
    let tls = came_over_tls(&core, &request);
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    set_policy(headers, policy);
    if tls {
        set(headers, STRICT_TRANSPORT_SECURITY, A_YEAR);
    }
    answer
}

/// What an answer of a model route carries: all of it where a browser may have been led to it, and that its type is its
/// type where the answer was asked for with a body.
pub fn set_on_model_answer(headers: &mut HeaderMap, method: &Method) {
    match *method {
        Method::POST => set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff"),
        _ => set_policy(headers, DATA),
    }
}

fn set_policy(headers: &mut HeaderMap, policy: &'static str) {
    set(headers, CONTENT_SECURITY_POLICY, policy);
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, X_FRAME_OPTIONS, "DENY");
    set(headers, REFERRER_POLICY, "no-referrer");
    set(headers, CACHE_CONTROL, "no-store");
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}
