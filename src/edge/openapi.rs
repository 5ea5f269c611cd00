//! The OpenAPI document and the pages that show it, served from the binary; production has none of them.
//!
//! Handlers say what is theirs. What holds for all of them is said once, in [`complete`].

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder};
use utoipa_swagger_ui::SwaggerUi;

use super::error::{ErrorBody, ValidationBody};

#[derive(OpenApi)]
#[openapi(
    info(title = "Millpond", description = "Shares AI accounts fairly: one endpoint, one key, a pool that recovers."),
    components(schemas(ErrorBody, ValidationBody)),
    modifiers(&Schemes)
)]
struct Base;

struct Schemes;

impl utoipa::Modify for Schemes {
    fn modify(&self, document: &mut Document) {
        let bearer = |format: &str, about: &str| {
            let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(format);
            SecurityScheme::Http(http.description(Some(about)).build())
        };
        let key = |name: &str, about: &str| ApiKeyValue::with_description(name, about);
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("access_token", bearer("JWT", "What signing in answers."));
        components.add_security_scheme("api_key", bearer("sk-…", "A key of `/api/api-keys`."));
        let anthropic = key("x-api-key", "The same key, as Anthropic's clients send it.");
        components.add_security_scheme("x_api_key", SecurityScheme::ApiKey(ApiKey::Header(anthropic)));
        let google = key("x-goog-api-key", "The same key, as Google's clients send it.");
        components.add_security_scheme("x_goog_api_key", SecurityScheme::ApiKey(ApiKey::Header(google)));
        let query = key("key", "The same key, as Google's examples send it. Addresses end up in logs.");
        components.add_security_scheme("query_key", SecurityScheme::ApiKey(ApiKey::Query(query)));
    }
}

/// Makes a function for `#[schema(schema_with = …)]`: a text that is one of these words.
macro_rules! one_of {
    ($name:ident: $($word:literal),+ $(,)?) => {
        pub(crate) fn $name() -> utoipa::openapi::Object {
            utoipa::openapi::ObjectBuilder::new()
                .schema_type(utoipa::openapi::schema::Type::String)
                .enum_values(Some([$($word),+]))
                .build()
        }
    };
}
pub(crate) use one_of;

/// The document without paths.
pub fn base() -> Document {
    Base::openapi()
}

/// Says of every operation what holds for all of its kind, and what a status means where the handler says no more.
pub fn complete(document: &mut Document) {
    let paths = std::mem::take(&mut document.paths.paths);
    for (path, mut item) in paths {
        for operation in operations(&mut item) {
            complete_operation(&path, operation);
        }
        // The router's way to write a parameter that takes slashes; the document has none of its own.
        document.paths.paths.insert(path.replace("{*", "{"), item);
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    [get, put, post, patch, delete].into_iter().flatten()
}

fn complete_operation(path: &str, operation: &mut Operation) {
    // The model endpoints answer errors in their providers' shapes.
    let shape = if path.starts_with("/v1") { None } else { Some("ErrorBody") };
    let mut common = Vec::new();
    if operation.security.is_some() {
        common.extend([(401, shape), (403, shape), (503, shape)]);
    }
    if operation.request_body.is_some() {
        common.extend([(413, shape), (415, shape), (422, shape.map(|_| "ValidationBody"))]);
    }
    let responses = &mut operation.responses.responses;
    for (status, shape) in common {
        // Reading the body of a model call fails with 400, as its provider's own errors do.
        if status != 422 || shape.is_some() {
            responses.entry(status.to_string()).or_insert_with(|| error(shape));
        }
    }
    for (status, response) in responses {
        if let RefOr::T(Response { description, .. }) = response
            && description.is_empty()
        {
            meaning(status).clone_into(description);
        }
    }
}

fn error(shape: Option<&str>) -> RefOr<Response> {
    let content = |shape| ContentBuilder::new().schema(Some(Ref::from_schema_name(shape))).build();
    let response = ResponseBuilder::new();
    RefOr::T(match shape {
        Some(shape) => response.content("application/json", content(shape)).build(),
        None => response.build(),
    })
}

fn meaning(status: &str) -> &'static str {
    match status {
        "200" => "What was asked for",
        "201" => "It is made",
        "400" => "It can't be done as asked for",
        "401" => "Nobody, or not who was claimed: the credential is absent, unknown or over",
        "403" => "Known, but not allowed; or without any credential",
        "404" => "There is no such thing, or it is somebody else's",
        "409" => "It conflicts with what there is",
        "413" => "The body is too large",
        "415" => "The body is of a type that is not read here",
        "422" => "What is wrong with the request, and where",
        "429" => "Too many; see Retry-After",
        "502" => "The other side can't be reached",
        "503" => "Something that is needed is away; try again in a moment",
        other => StatusCode::from_bytes(other.as_bytes())
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("An answer"),
    }
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
