//! Every route and every layer, from the outside in: request id and log, errors that no route has written, panics, CORS,
//! then the routes, each with its dialect or the language of people. Model routes have one layer that does what they need
//! of it.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::edge::model_routes::{self, ModelRoutes};
use crate::edge::{cors, error, headers, openapi, request_log};
use crate::messages::Language;
use crate::{api, gateway};

/// Every route, and the document that describes each: one list makes both.
pub struct Described {
    /// What people and the console call.
    pub api: Router<App>,
    /// The model endpoints.
    pub models: Router<App>,
    pub document: utoipa::openapi::OpenApi,
}

/// Puts routes and document together.
pub fn described() -> Described {
    let (api, mut document) =
        OpenApiRouter::with_openapi(openapi::base()).merge(api::routes()).split_for_parts();
    let (models, of_models) = gateway::routes().split_for_parts();
    document.merge(of_models);
    openapi::complete(&mut document);
    Described { api, models, document }
}

/// The whole service.
pub fn router(app: App) -> Router {
    let Described { api, models, document } = described();
    let mut routes = api.layer(middleware::from_fn(in_language));
    if app.core.config.serves_docs() {
        routes = routes.merge(openapi::pages(document));
    }
    let models = models
        .method_not_allowed_fallback(error::wrong_method)
        .layer(middleware::from_fn_with_state(ModelRoutes::new(app.core.clone()), model_routes::answer));
    routes
        .fallback(unknown_path)
        .method_not_allowed_fallback(error::wrong_method)
        .layer(cors::layer(&app.core.config.http))
        .layer(CatchPanicLayer::custom(|_| error::panicked()))
        .layer(middleware::from_fn(in_dialect_of_path))
        .layer(middleware::from_fn_with_state(app.core.clone(), headers::set_all))
        .layer(middleware::from_fn_with_state(app.core.clone(), request_log::log))
        .merge(models)
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
    let response = match model_routes::one_host(&request) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
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
