//! The routes of the model endpoints: each reads what stands outside the body and hands the request on to `call`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use millpond_wire::Endpoint;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Gateway;
use super::call::serve;
use super::models;
use super::request::Outside;
use super::upstream::{USUAL_VERSION, VERSION};
use crate::app::App;
use crate::auth::extract::Caller;
use crate::edge::error::{ApiError, Result};
use crate::edge::input::{QueryMap, Segment};
use crate::edge::request_log::RequestId;

const BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// Calls a model in OpenAI's dialect.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "models", request_body(content = serde_json::Value,
    description = "OpenAI's chat completion request",
    example = json!({"model": "gpt-5-mini", "messages": [{"role": "user", "content": "What is a mill pond?"}]})), security(("api_key" = []), ("access_token" = [])), responses(
    (status = 200, body = serde_json::Value, description = "OpenAI's chat completion, or its chunks as server-sent events"),
    (status = 400, description = "The request can't be read"),
    (status = 404, description = "No such model"),
    (status = 429, description = "Out of quota or over a limit; see Retry-After")))]
pub(crate) async fn complete_chat(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    complete_chat_by_plugin(&gateway, caller, id, request).await
}

/// The same for the routes of the Plug-in API, once they know the caller and have read the body.
pub async fn complete_chat_by_plugin(
    gateway: &Gateway,
    caller: Caller,
    request_id: Arc<str>,
    request: Request,
) -> Result<Response<Body>> {
    let outside = |_: &HeaderMap| Outside {
        endpoint: Endpoint::ChatCompletions,
        model: None,
        headers: HeaderMap::new(),
        query: None,
    };
    serve(gateway, caller, request_id, request, outside).await
}

/// Calls a model in Anthropic's dialect.
#[utoipa::path(post, path = "/v1/messages", tag = "models", request_body(content = serde_json::Value,
    description = "Anthropic's message request", example = json!({"model": "claude-sonnet-4-5", "max_tokens": 200,
    "messages": [{"role": "user", "content": "What is a mill pond?"}]})), security(("api_key" = []), ("access_token" = []), ("x_api_key" = [])), responses(
    (status = 200, body = serde_json::Value, description = "Anthropic's message, or its events"),
    (status = 400, description = "The request can't be read"),
    (status = 404, description = "No such model"),
    (status = 429, description = "Out of quota or over a limit; see Retry-After")))]
pub(crate) async fn create_message(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    query: QueryMap,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    let outside = |headers: &HeaderMap| of_anthropic(Endpoint::Messages, headers, &query);
    serve(&gateway, caller, id, request, outside).await
}

/// Counts the tokens of a message, as its provider would.
#[utoipa::path(post, path = "/v1/messages/count_tokens", tag = "models", request_body(content = serde_json::Value,
    description = "Anthropic's message request", example = json!({"model": "claude-sonnet-4-5", "max_tokens": 200,
    "messages": [{"role": "user", "content": "What is a mill pond?"}]})), security(("api_key" = []), ("access_token" = []), ("x_api_key" = [])), responses(
    (status = 200, body = serde_json::Value)))]
pub(crate) async fn count_message_tokens(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    query: QueryMap,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    let outside = |headers: &HeaderMap| of_anthropic(Endpoint::CountMessageTokens, headers, &query);
    serve(&gateway, caller, id, request, outside).await
}

fn of_anthropic(endpoint: Endpoint, headers: &HeaderMap, query: &QueryMap) -> Outside {
    let mut passed = HeaderMap::new();
    let usual = || HeaderValue::from_static(USUAL_VERSION);
    passed.insert(VERSION, headers.get(VERSION).cloned().unwrap_or_else(usual));
    for value in headers.get_all(BETA) {
        passed.append(BETA, value.clone());
    }
    let query = (query.get("beta") == Some("true")).then_some("beta=true");
    Outside { endpoint, model: None, headers: passed, query }
}

/// Calls a model in Google's dialect: `generateContent`, `streamGenerateContent` or `countTokens`.
#[utoipa::path(post, path = "/v1beta/models/{*model}", tag = "models", params(("model" = String, Path,
    description = "The model, a colon and what to do: `gemini-2.5-flash:generateContent`")),
    request_body(content = serde_json::Value,
    description = "Google's generateContent request",
    example = json!({"contents": [{"role": "user", "parts": [{"text": "What is a mill pond?"}]}]})),
    security(("api_key" = []), ("access_token" = []), ("x_goog_api_key" = []), ("query_key" = [])), responses(
    (status = 200, body = serde_json::Value, description = "Google's answer; streamed as server-sent events with `alt=sse`, else as one JSON array"),
    (status = 400, description = "The request can't be read"),
    (status = 404, description = "No such model or action"),
    (status = 429, description = "Out of quota or over a limit; see Retry-After")))]
pub(crate) async fn generate_content(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Segment(target): Segment,
    query: QueryMap,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    generate_by_plugin(&gateway, caller, &target, &query, id, request).await
}

/// The same under the path that Google's newer clients call.
#[utoipa::path(post, path = "/v1/models/{*id}", tag = "models", params(("id" = String, Path,
    description = "The model, a colon and what to do: `gemini-2.5-flash:generateContent`")),
    request_body(content = serde_json::Value,
    description = "Google's generateContent request",
    example = json!({"contents": [{"role": "user", "parts": [{"text": "What is a mill pond?"}]}]})),
    security(("api_key" = []), ("access_token" = []), ("x_goog_api_key" = []), ("query_key" = [])), responses(
    (status = 200, body = serde_json::Value, description = "Google's answer; streamed as server-sent events with `alt=sse`, else as one JSON array"),
    (status = 400, description = "The request can't be read"),
    (status = 404, description = "No such model or action"),
    (status = 429, description = "Out of quota or over a limit; see Retry-After")))]
pub(crate) async fn generate_content_v1(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Segment(target): Segment,
    query: QueryMap,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    generate_by_plugin(&gateway, caller, &target, &query, id, request).await
}

/// The same for the routes of the Plug-in API, once they know the caller.
pub async fn generate_by_plugin(
    gateway: &Gateway,
    caller: Caller,
    target: &str,
    query: &QueryMap,
    request_id: Arc<str>,
    request: Request,
) -> Result<Response<Body>> {
    let (model, action) = target.rsplit_once(':').unwrap_or((target, ""));
    let endpoint = Endpoint::of_gemini_action(action).filter(|_| !model.is_empty());
    let endpoint = endpoint.ok_or_else(|| ApiError::not_found("There is no such method for models here."))?;
    if model.len() > 256 || model.chars().any(char::is_control) {
        return Err(ApiError::bad_request("invalid_value", "The model's name is too long or not printable."));
    }
    let query = (query.get("alt") == Some("sse")).then_some("alt=sse");
    let outside =
        |_: &HeaderMap| Outside { endpoint, model: Some(model.to_owned()), headers: HeaderMap::new(), query };
    serve(gateway, caller, request_id, request, outside).await
}

/// The routes of this room, with their description.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(models::list_models))
        .routes(routes!(models::find_model, generate_content_v1))
        .routes(routes!(complete_chat))
        .routes(routes!(create_message))
        .routes(routes!(count_message_tokens))
        .routes(routes!(models::list_gemini_models))
        .routes(routes!(models::find_gemini_model, generate_content))
}
