//! The model endpoints of all dialects: read what is asked, admit it, find an answer, hand it to the relay. There is one
//! way for every dialect; what differs is in `millpond_wire::Head` and in the small tables here.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use millpond_wire::{Dialect, Endpoint, Head, Observed, RequestError};

use super::attempts::{self, Answer, Refusal};
use super::journal::Closed;
use super::relay::{self, Patience, Shape};
use super::settlement::{Call, End, Settlement};
use super::upstream::{USUAL_VERSION, VERSION};
use crate::api::input::{self, QueryMap, Segment};
use crate::app::App;
use crate::auth::extract::Caller;
use crate::error::{ApiError, Result};
use crate::request_log::RequestId;

const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
/// Headers by which clients name their conversation.
const SESSION: [&str; 5] =
    ["session_id", "session-id", "x-session-id", "x-claude-code-session-id", "x-conversation-id"];

/// A request as far as it was read.
pub(super) struct Asked<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) model: Cow<'a, str>,
    pub(super) stream: bool,
    pub(super) head: Head<'a>,
    /// Headers and query that go on to the provider.
    pub(super) headers: HeaderMap,
    pub(super) query: Option<&'static str>,
    pub(super) conversation: u64,
}

/// What stands outside the body.
struct Outside {
    endpoint: Endpoint,
    model: Option<String>,
    headers: HeaderMap,
    query: Option<&'static str>,
}

fn unreadable(error: RequestError) -> ApiError {
    let refused = ApiError::bad_request(error.code, error.message);
    match error.param {
        Some(param) => refused.param(param),
        None => refused,
    }
}

/// Calls a model in OpenAI's dialect.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "models", request_body(content = serde_json::Value,
    description = "OpenAI's chat completion request"), security(("api_key" = []), ("access_token" = [])), responses(
    (status = 200, body = serde_json::Value, description = "OpenAI's chat completion, or its chunks as server-sent events"),
    (status = 400, description = "The request can't be read"), (status = 401, description = "No such key"),
    (status = 404, description = "No such model"),
    (status = 429, description = "Out of quota or over a limit; see Retry-After")))]
pub(super) async fn complete_chat(
    State(app): State<Arc<App>>,
    caller: Caller,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    complete_chat_by_plugin(&app, caller, id, request).await
}

/// The same for the routes of the Plug-in API, once they know the caller and have read the body.
pub async fn complete_chat_by_plugin(
    app: &App,
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
    serve(app, caller, request_id, request, outside).await
}

/// Calls a model in Anthropic's dialect.
#[utoipa::path(post, path = "/v1/messages", tag = "models", request_body(content = serde_json::Value,
    description = "Anthropic's message request"), security(("api_key" = []), ("access_token" = [])), responses(
    (status = 200, body = serde_json::Value, description = "Anthropic's message, or its events"),
    (status = 400, description = "The request can't be read"), (status = 401, description = "No such key"),
    (status = 404, description = "No such model"),
    (status = 429, description = "Out of quota or over a limit; see Retry-After")))]
pub(super) async fn create_message(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: QueryMap,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    let outside = |headers: &HeaderMap| of_anthropic(Endpoint::Messages, headers, &query);
    serve(&app, caller, id, request, outside).await
}

/// Counts the tokens of a message, as its provider would.
#[utoipa::path(post, path = "/v1/messages/count_tokens", tag = "models", request_body(content = serde_json::Value,
    description = "Anthropic's message request"), security(("api_key" = []), ("access_token" = [])), responses(
    (status = 200, body = serde_json::Value), (status = 401, description = "No such key")))]
pub(super) async fn count_message_tokens(
    State(app): State<Arc<App>>,
    caller: Caller,
    query: QueryMap,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    let outside = |headers: &HeaderMap| of_anthropic(Endpoint::CountMessageTokens, headers, &query);
    serve(&app, caller, id, request, outside).await
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
#[utoipa::path(post, path = "/v1beta/models/{model}", tag = "models", params(("model" = String, Path,
    description = "The model, a colon and what to do: `gemini-2.5-flash:generateContent`")),
    request_body(content = serde_json::Value, description = "Google's generateContent request"),
    security(("api_key" = []), ("access_token" = [])), responses(
    (status = 200, body = serde_json::Value, description = "Google's answer; streamed as server-sent events with `alt=sse`, else as one JSON array"),
    (status = 400, description = "The request can't be read"), (status = 401, description = "No such key"),
    (status = 404, description = "No such model or action"),
    (status = 429, description = "Out of quota or over a limit; see Retry-After")))]
pub(super) async fn generate_content(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(target): Segment,
    query: QueryMap,
    Extension(RequestId(id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    generate_by_plugin(&app, caller, &target, &query, id, request).await
}

/// The same for the routes of the Plug-in API, once they know the caller.
pub async fn generate_by_plugin(
    app: &App,
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
    serve(app, caller, request_id, request, outside).await
}

/// The way of every call.
async fn serve(
    app: &App,
    caller: Caller,
    request_id: Arc<str>,
    request: Request,
    outside: impl FnOnce(&HeaderMap) -> Outside,
) -> Result<Response<Body>> {
    let (started, created_at) = (Instant::now(), app.clock.now());
    let (parts, body) = request.into_parts();
    if !input::is_json(&parts.headers) {
        return Err(input::unsupported_media_type());
    }
    let body = input::read(body, app).await?;
    let outside = outside(&parts.headers);
    let head = Head::parse(outside.endpoint, &body).map_err(unreadable)?;
    let asked = asked(&caller, &parts.headers, outside, head);
    let place = app.gateway.journal.place().await.map_err(closed)?;
    let call = Call {
        user: caller.user.id,
        key: caller.key.as_ref().map(|key| key.id),
        request_id,
        endpoint: asked.endpoint,
        model: asked.model.clone().into_owned(),
        stream: asked.stream,
        body: body.clone(),
        started,
        created_at,
    };
    let mut settlement = Settlement::new(&app.gateway, place, call);
    let deadline = started + app.config.upstream.deadline;
    match attempts::answer(app, &caller, &asked, &body, &mut settlement, deadline).await {
        Ok(Answer::Refused(refused)) => relay::refusal(*refused, settlement, asked.endpoint.dialect()).await,
        Ok(Answer::Success(answer)) => {
            let patience =
                Patience { idle: app.gateway.upstream.limits().idle_timeout, deadline: deadline.into() };
            let shape = Shape {
                dialect: asked.endpoint.dialect(),
                drop_usage_chunk: asked.head.lacks_usage(),
                array: asked.endpoint == Endpoint::StreamGenerateContent && asked.query.is_none(),
            };
            relay::deliver(answer, settlement, shape, patience, &app.tasks).await
        }
        Err(Refusal { error, outcome }) => {
            let end = End { outcome, status: error.status().as_u16(), error_code: Some(error.code()) };
            relay::recorded(settlement.finish(end, Observed::default())).await?;
            Err(error)
        }
    }
}

fn closed(why: Closed) -> ApiError {
    let (code, message) = match why {
        Closed::Full => ("overloaded", "Too many calls are running at present."),
        Closed::Ending => ("overloaded", "The server is ending."),
        Closed::Recovering => ("starting", "What was recorded before the server's start is still being read."),
        Closed::Stuck => ("not_recordable", "Calls can't be recorded at present, so none is made."),
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
        .retry_after(Duration::from_secs(1))
        .because(why)
}

fn asked<'a>(caller: &Caller, headers: &HeaderMap, outside: Outside, head: Head<'a>) -> Asked<'a> {
    let Outside { endpoint, model, headers: passed, query } = outside;
    let model = model.map(Cow::Owned).or_else(|| head.model().cloned()).unwrap_or_default();
    Asked {
        endpoint,
        model,
        stream: head.stream() || endpoint == Endpoint::StreamGenerateContent,
        conversation: conversation(caller, headers, &head, endpoint.dialect()),
        head,
        headers: passed,
        query,
    }
}

/// Calls of one conversation should meet one account, whose provider remembers the prompt. It is known by the name that
/// the client gives it, or else by what it begins with.
fn conversation(caller: &Caller, headers: &HeaderMap, head: &Head<'_>, dialect: Dialect) -> u64 {
    let mut hasher = DefaultHasher::new();
    (caller.user.id, dialect).hash(&mut hasher);
    let session = || SESSION.iter().find_map(|name| headers.get(*name)).map(HeaderValue::as_bytes);
    match head.conversation().map(str::as_bytes).or_else(session) {
        Some(name) => hasher.write(name),
        None => head.hash_opening(&mut hasher),
    }
    hasher.finish()
}
