//! The OpenAPI document and the pages that show it, served from the binary; production has none of them.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_swagger_ui::SwaggerUi;

#[derive(OpenApi)]
#[openapi(
    info(title = "Millpond", description = "Shares AI accounts fairly: one endpoint, one key, a pool that recovers."),
    modifiers(&Schemes)
)]
struct Base;

struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, document: &mut Document) {
        let bearer = |format: &str| {
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(format).build(),
            )
        };
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("access_token", bearer("JWT"));
        components.add_security_scheme("api_key", bearer("sk-…"));
    }
}

/// The document without paths.
pub fn base() -> Document {
    Base::openapi()
}

/// `/api/openapi.json`, `/api/docs` (Swagger UI) and `/api/redoc` (ReDoc).
pub fn pages<S: Clone + Send + Sync + 'static>(document: Document) -> Router<S> {
    Router::new()
        .merge(SwaggerUi::new("/api/docs").url("/api/openapi.json", document))
        .route("/api/redoc", get(redoc))
        .route("/api/redoc/redoc.standalone.js", get(redoc_script))
}

async fn redoc() -> impl IntoResponse {
    Html(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Millpond</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"></head>\
         <body style=\"margin:0\"><redoc spec-url=\"/api/openapi.json\"></redoc>\
         <script src=\"/api/redoc/redoc.standalone.js\"></script></body></html>",
    )
}

async fn redoc_script() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/javascript; charset=utf-8"), (CACHE_CONTROL, "max-age=86400")];
    (headers, include_bytes!("../../assets/redoc/redoc.standalone.js").as_slice())
}
