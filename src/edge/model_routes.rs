//! The one layer around the model endpoints, by hand, because every call pays for it: id and log, a panic, the dialect of
//! errors, and CORS for those few who come from a browser.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, HOST, ORIGIN};
use axum::http::{HeaderValue, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use tower::{Layer as _, Service as _};
use tower_http::cors::CorsLayer;
use tracing::Instrument as _;

use crate::core::Core;
use crate::edge::error::{self, ApiError};
use crate::edge::request_log::RequestLog;
use crate::edge::visitors::Visitor;
use crate::edge::{cors, headers};

/// What the layer needs.
pub struct ModelRoutes {
    core: Arc<Core>,
    cors: CorsLayer,
}

impl ModelRoutes {
    pub fn new(core: Arc<Core>) -> Arc<Self> {
        let cors = cors::layer(&core.config.http);
        Arc::new(Self { core, cors })
    }
}

/// The layer.
pub async fn answer(State(routes): State<Arc<ModelRoutes>>, mut request: Request, next: Next) -> Response {
    let log = RequestLog::begin(&routes.core, &mut request);
    let uri = request.uri().clone();
    let visitor = request.extensions().get::<Arc<Visitor>>().cloned();
    let version = request.version();
    let handled = AssertUnwindSafe(handle(&routes, request, next)).catch_unwind().instrument(log.span());
    let answered = handled.await.unwrap_or_else(|_| error::panicked());
    let mut response = match answered.status().is_success() {
        true => answered,
        // Where no route was reached, none has written it.
        false => error::write(error::dialect_of(uri.path()), answered),
    };
    if response.status().is_success() {
        if let Some(visitor) = visitor {
            visitor.is_let_in();
        }
    } else if routes.core.shutdown.has_begun() && version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    headers::set_on_model_answer(response.headers_mut(), log.method());
    log.end(&mut response);
    response
}

async fn handle(routes: &ModelRoutes, request: Request, mut next: Next) -> Response {
    if routes.core.shutdown.has_begun() {
        return shutting_down().into_response();
    }
    if let Err(refused) = one_host(&request) {
        return refused.into_response();
    }
    let answered: Result<Response, Infallible> = match request.headers().contains_key(ORIGIN) {
        true => routes.cors.layer(next).call(request).await,
        false => next.call(request).await,
    };
    let Ok(response) = answered;
    response
}

fn shutting_down() -> ApiError {
    let message = "The service is being restarted; send the request again.";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message)
        .retry_after(Duration::from_secs(1))
}

/// Of two hosts a proxy in front may have believed the other one.
pub fn one_host(request: &Request) -> Result<(), ApiError> {
    match request.headers().get_all(HOST).iter().nth(1) {
        None => Ok(()),
        Some(_) => Err(ApiError::bad_request("invalid_request", "There is more than one Host header.")),
    }
}
