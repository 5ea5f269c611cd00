//! The routes of the model endpoints: each reads what stands outside the body and hands the request on to `call`.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::http::{HeaderMap, Response};
use millpond_wire::{Dialect, Endpoint};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::Gateway;
use super::call::serve;
use super::models;
use super::request::Outside;
use crate::auth::Auth;
use crate::auth::extract::Caller;
use crate::edge::dialect::speaking;
use crate::edge::error::{ApiError, Result};
use crate::edge::input::{QueryMap, Segment};
use crate::edge::request_log::RequestId;

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
    let outside = |headers: &HeaderMap| Outside::of(Endpoint::ChatCompletions, None, headers, |_| None);
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
    let outside =
        |headers: &HeaderMap| Outside::of(Endpoint::Messages, None, headers, |name| query.get(name));
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
    let outside = |headers: &HeaderMap| {
        Outside::of(Endpoint::CountMessageTokens, None, headers, |name| query.get(name))
    };
    serve(&gateway, caller, id, request, outside).await
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
    let outside =
        |headers: &HeaderMap| Outside::of(endpoint, Some(model.to_owned()), headers, |name| query.get(name));
    serve(gateway, caller, request_id, request, outside).await
}

/// The routes of this room, with their description.
pub fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Gateway>: FromRef<S>,
    Arc<Auth>: FromRef<S>,
{
    let openai = |routes| described(Dialect::OpenAi, routes);
    let anthropic = |routes| described(Dialect::Anthropic, routes);
    let gemini = |routes| described(Dialect::Gemini, routes);
    OpenApiRouter::new()
        .routes(openai(routes!(models::list_models)))
        .routes(openai(routes!(models::find_model)))
        // Google's newer clients call `/v1/models/{model}:generateContent` and the like.
        .routes(gemini(routes!(generate_content_v1)))
        .routes(openai(routes!(complete_chat)))
        .routes(anthropic(routes!(create_message)))
        .routes(anthropic(routes!(count_message_tokens)))
        .routes(gemini(routes!(models::list_gemini_models)))
        .routes(gemini(routes!(models::find_gemini_model, generate_content)))
}

/// The same routes and their description, speaking a dialect.
fn described<S>(dialect: Dialect, (schemas, paths, routes): UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    (schemas, paths, speaking(dialect, routes))
}
