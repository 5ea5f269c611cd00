//! Model calls under `/api/plugin-api`: the gateway's own way with the Plug-in API's defaults (`stream` is on unless said
//! otherwise) and with errors as everywhere under `/api`. A key is meant; an access token is taken as well, as AntiHub's
//! README has it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode};
use axum::{Extension, Json};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::extract::Caller;
use crate::edge::error::{ApiError, ErrorBody, FieldError, Result, ValidationBody};
use crate::edge::input;
use crate::edge::request_log::RequestId;
use crate::gateway;
use crate::messages::say;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(models)).routes(routes!(chat)).routes(routes!(generate))
}

/// A provider's refusal is no longer than this.
const LONGEST_REFUSAL: usize = 1 << 20;

/// Who calls, refused in the contract's words.
struct PluginCaller(Caller);

impl FromRequestParts<App> for PluginCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        Caller::from_request_parts(parts, app).await.map(Self).map_err(|refused| match refused.code() {
            "missing_api_key" => ApiError::forbidden("not_authenticated", "Not authenticated"),
            "invalid_api_key" => ApiError::unauthorized("invalid_api_key", say("invalid_api_key")),
            "api_key_disabled" => ApiError::unauthorized("api_key_disabled", say("api_key_disabled")),
            _ => refused,
        })
    }
}

/// The models that I can call.
#[utoipa::path(get, operation_id = "plugin_models", path = "/api/plugin-api/models", tag = "models", security(("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = Value), (status = 401, body = ErrorBody)))]
async fn models(State(app): State<App>, PluginCaller(caller): PluginCaller) -> Json<Value> {
    Json(json!(gateway::models_of_caller(&app.gateway, &caller).await))
}

/// Calls a model in OpenAI's dialect, streamed unless the request says `"stream": false`.
#[utoipa::path(post, operation_id = "plugin_chat", path = "/api/plugin-api/chat/completions", tag = "models", request_body(content = Value,
    description = "OpenAI's chat completion request"), security(("api_key" = []), ("access_token" = [])), responses(
    (status = 200, body = Value, description = "Chunks as server-sent events, or OpenAI's chat completion"),
    (status = 401, body = ErrorBody), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody),
    (status = 429, body = ErrorBody, description = "Out of quota or over a limit; see Retry-After"),
    (status = 503, body = ErrorBody)))]
async fn chat(
    State(app): State<App>,
    PluginCaller(caller): PluginCaller,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    if !input::is_json(&parts.headers) {
        return Err(input::unsupported_media_type());
    }
    let body = streaming_by_default(&input::read(body, &app.core.config).await?)?;
    parts.headers.remove(CONTENT_LENGTH);
    let request = Request::from_parts(parts, Body::from(body));
    in_shape(gateway::complete_chat_by_plugin(&app.gateway, caller, id, request).await?).await
}

/// The request with `stream` on unless it says something about it. Nothing else of it is touched.
fn streaming_by_default(body: &Bytes) -> Result<Bytes> {
    let problem = |kind, loc: Vec<Value>, msg: &str| FieldError { kind, loc, msg: msg.to_owned() };
    let unreadable =
        |_| ApiError::validation(vec![problem("json_invalid", vec![json!("body")], "JSON decode error")]);
    let members: HashMap<&str, IgnoredAny> = match serde_json::from_slice(body) {
        Ok(members) => members,
        // Names with escapes in them can't be borrowed.
        Err(_) => {
            let read: HashMap<String, IgnoredAny> = serde_json::from_slice(body).map_err(unreadable)?;
            return with_stream(body, read.contains_key("stream"), |name| read.contains_key(name));
        }
    };
    with_stream(body, members.contains_key("stream"), |name| members.contains_key(name))
}

fn with_stream(body: &Bytes, says: bool, has: impl Fn(&str) -> bool) -> Result<Bytes> {
    let missing = ["model", "messages"].into_iter().filter(|name| !has(name));
    let problems: Vec<FieldError> = missing
        .map(|name| FieldError {
            kind: "missing",
            loc: vec![json!("body"), json!(name)],
            msg: "Field required".to_owned(),
        })
        .collect();
    if !problems.is_empty() {
        return Err(ApiError::validation(problems));
    }
    let begin = body.iter().position(|byte| *byte == b'{').filter(|_| !says);
    Ok(begin.map_or_else(
        || body.clone(),
        |begin| [&body[..=begin], b"\"stream\":true,", &body[begin + 1..]].concat().into(),
    ))
}

/// Calls a model in Google's dialect.
#[utoipa::path(post, operation_id = "plugin_generate_content", path = "/api/plugin-api/v1beta/models/{model}", tag = "models", params(("model" = String, Path,
    description = "The model, a colon and what to do: `gemini-2.5-flash:generateContent`")),
    request_body(content = Value, description = "Google's generateContent request"),
    security(("api_key" = []), ("access_token" = [])), responses(
    (status = 200, body = Value), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 429, body = ErrorBody), (status = 503, body = ErrorBody)))]
async fn generate(
    State(app): State<App>,
    PluginCaller(caller): PluginCaller,
    input::Segment(target): input::Segment,
    query: input::QueryMap,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    in_shape(gateway::generate_by_plugin(&app.gateway, caller, &target, &query, id, request).await?).await
}

/// A provider's own refusal, which comes in its dialect, as the contract has it: whole, below `detail`.
async fn in_shape(response: Response<Body>) -> Result<Response<Body>> {
    if response.status() < StatusCode::BAD_REQUEST || response.extensions().get::<Arc<ApiError>>().is_some() {
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, LONGEST_REFUSAL).await.map_err(ApiError::internal)?;
    let said = serde_json::from_slice::<Value>(&body);
    let said = said.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    let said = match said {
        Value::Object(mut members) if members.contains_key("detail") => {
            members.remove("detail").unwrap_or_default()
        }
        said => said,
    };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(Response::from_parts(parts, Body::from(json!({"detail": said}).to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_unless_told() {
        let written = |text: &'static str| streaming_by_default(&Bytes::from_static(text.as_bytes()));
        let good = |text| String::from_utf8(written(text).unwrap().to_vec()).unwrap();
        assert_eq!(good(r#" {"model":"m","messages":[]}"#), r#" {"stream":true,"model":"m","messages":[]}"#);
        for told in [
            r#"{"model":"m","messages":[],"stream":false}"#,
            r#"{"stre\u0061m":null,"model":1,"messages":2}"#,
        ] {
            assert_eq!(good(told), told);
        }
        assert_eq!(written(r#"{"model":"m"}"#).unwrap_err().details()[0].loc[1], "messages");
        assert!(written("[]").is_err() && written("{").is_err() && written("").is_err());
    }
}
