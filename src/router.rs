//! Every route and every layer, from the outside in: request id and log, errors that no route has written, panics, CORS,
//! then the routes, each with its dialect or the language of people.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::edge::error::{self, ApiError};
use crate::edge::{headers, openapi, request_log};
use crate::messages::Language;
use crate::{api, gateway};

/// Every route, and the document that describes each: one list makes both.
pub fn described() -> (Router<App>, utoipa::openapi::OpenApi) {
    let api = api::routes().layer(middleware::from_fn(in_language));
    let all = OpenApiRouter::with_openapi(openapi::base()).merge(api).merge(gateway::routes());
    let (routes, mut document) = all.split_for_parts();
    openapi::complete(&mut document);
    (routes, document)
}

/// The whole service.
pub fn router(app: App) -> Router {
    let (mut routes, document) = described();
    if app.core.config.serves_docs() {
        routes = routes.merge(openapi::pages(document));
    }
    routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(cors(&app))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()))
        .layer(middleware::from_fn(in_dialect_of_path))
        .layer(middleware::from_fn_with_state(app.core.clone(), headers::set_all))
        .layer(middleware::from_fn(request_log::log))
        .with_state(app)
}

/// Writes words for people in their language.
async fn in_language(request: Request, next: Next) -> Response {
    let language = Language::wanted(request.headers());
    language.answering(async { error::write(None, next.run(request).await) }).await
}

/// Writes the errors that no route has written: there was none for the path or the method, or its handler panicked.
async fn in_dialect_of_path(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let response = next.run(request).await;
    if response.status().is_success() {
        return response;
    }
    error::write(error::dialect_of(uri.path()), response)
}

/// 404, or the way to the path without a trailing slash, which the original's framework showed.
async fn unknown_path(request: Request) -> Response {
    let path = request.uri().path();
    match path.strip_suffix('/').filter(|path| path.starts_with("/api/") || path.starts_with("/v1")) {
        Some(trimmed) => {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            Redirect::temporary(&format!("{trimmed}{query}")).into_response()
        }
        None => error::unknown_path().await.into_response(),
    }
}

/// Browsers of the listed origins may call with credentials; `*` lets every origin call without.
fn cors(app: &App) -> CorsLayer {
    let origins = &app.core.config.http.cors_origins;
    let layer = CorsLayer::new()
        .allow_methods(AllowMethods::list([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ]))
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("x-request-id"), error::ERROR_CODE, header::RETRY_AFTER])
        .max_age(std::time::Duration::from_secs(600));
    if origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(AllowOrigin::any());
    }
    let listed: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    layer.allow_origin(AllowOrigin::list(listed)).allow_credentials(true)
}
