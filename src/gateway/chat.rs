//! `POST /v1/chat/completions`: read what is asked, admit it, try up to two accounts, hand the answer to the relay.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use millpond_pool::account::Provider;
use millpond_wire::openai::ChatHead;
use millpond_wire::{Observed, RequestError};

use super::accounts::Serving;
use super::admission;
use super::health::Met;
use super::pool::Wanted;
use super::relay::{self, Patience};
use super::settlement::{Call, End, Settlement};
use super::upstream::{Failure, Refused};
use crate::api::input;
use crate::app::App;
use crate::auth::extract::Caller;
use crate::error::{ApiError, Result};
use crate::request_log::RequestId;
use crate::store::usage::Outcome;

pub(super) const PATH: &str = "/v1/chat/completions";
/// The first account and one more; after the first byte none.
const ATTEMPTS: usize = 2;

/// Why a call got no answer, and whose decision that was.
struct Refusal {
    error: ApiError,
    outcome: Outcome,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, outcome: Outcome::Rejected }
    }
}

impl Refusal {
    /// Nobody answered; the last failure says most. `wait` is how long its account rests.
    fn after(failure: Failure, wait: Option<Duration>) -> Self {
        let bad_gateway = |code, message| ApiError::new(StatusCode::BAD_GATEWAY, code, message);
        let error = match &failure {
            Failure::Timeout => {
                let message = "The provider did not answer in time.";
                ApiError::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", message)
            }
            Failure::Refused(refused) if refused.status == StatusCode::TOO_MANY_REQUESTS => {
                let message = "The provider's rate limit is reached; try again in a moment.";
                ApiError::too_many("rate_limit_exceeded", message, wait.unwrap_or(Duration::from_secs(5)))
            }
            Failure::Refused(_) => {
                bad_gateway("upstream_error", "The provider can't serve the call at present.")
            }
            Failure::Forbidden | Failure::Broken(_) => {
                bad_gateway("upstream_unreachable", "The provider can't be reached.")
            }
        };
        Self { error: error.because(failure), outcome: Outcome::UpstreamError }
    }
}

fn unreadable(error: RequestError) -> ApiError {
    let refused = ApiError::bad_request(error.code, error.message);
    match error.param {
        Some(param) => refused.param(param),
        None => refused,
    }
}

/// The handler.
#[utoipa::path(post, path = PATH, tag = "models", request_body(content = serde_json::Value,
    description = "OpenAI's chat completion request"), security(("api_key" = []), ("access_token" = [])), responses(
    (status = 200, body = serde_json::Value, description = "OpenAI's chat completion, or its chunks as server-sent events"),
    (status = 400, description = "The request can't be read"), (status = 401, description = "No such key"),
    (status = 404, description = "No such model"),
    (status = 429, description = "Out of quota or over a limit; see Retry-After")))]
pub(super) async fn complete_chat(
    State(app): State<Arc<App>>,
    caller: Caller,
    Extension(RequestId(request_id)): Extension<RequestId>,
    request: Request,
) -> Result<Response<Body>> {
    let (started, created_at) = (Instant::now(), app.clock.now());
    let (parts, body) = request.into_parts();
    if !input::is_json(&parts.headers) {
        return Err(input::unsupported_media_type());
    }
    let body = input::read(body, &app).await?;
    let head = ChatHead::parse(&body).map_err(unreadable)?;
    let place = app.gateway.ledger.place().ok_or_else(|| {
        let message = "Too many calls are running at present.";
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", message)
            .retry_after(std::time::Duration::from_secs(1))
    })?;
    let call = Call {
        user: caller.user.id,
        key: caller.key.as_ref().map(|key| key.id),
        request_id,
        model: head.model.clone().into_owned(),
        stream: head.stream,
        body: body.clone(),
        started,
        created_at,
    };
    let mut settlement = Settlement::new(place, call, *app.gateway.quotas.reference());
    let deadline = started + app.config.upstream.deadline;
    match answer(&app, &caller, &head, &body, &mut settlement, deadline).await {
        Ok(Answer::Refused(refused)) => relay::refusal(*refused, settlement).await,
        Ok(Answer::Success(answer)) => {
            let patience =
                Patience { idle: app.gateway.upstream.limits().idle_timeout, deadline: deadline.into() };
            relay::deliver(answer, settlement, head.lacks_usage(), patience).await
        }
        Err(Refusal { error, outcome }) => {
            let end = End { outcome, status: error.status().as_u16(), error_code: Some(error.code()) };
            relay::recorded(settlement.finish(end, Observed::default())).await?;
            Err(error)
        }
    }
}

/// What a provider said that the client gets.
enum Answer {
    Success(Response<Incoming>),
    /// The request itself is wrong.
    Refused(Box<Refused>),
}

/// A failed attempt for the rules.
fn met<'a>(account: &'a Serving, upstream_model: &'a str, failure: &'a Failure) -> Met<'a> {
    let refused = match failure {
        Failure::Refused(refused) => Some(refused),
        _ => None,
    };
    Met {
        account,
        provider: Provider::OpenAi,
        upstream_model,
        trouble: failure.trouble(),
        headers: refused.map(|refused| &refused.headers),
        body: refused.map_or(&[], |refused| &refused.body),
        secret: account.secret(),
    }
}

/// A provider's answer to the call, or why there is none.
async fn answer(
    app: &App,
    caller: &Caller,
    head: &ChatHead<'_>,
    body: &Bytes,
    settlement: &mut Settlement,
    deadline: Instant,
) -> Result<Answer, Refusal> {
    app.gateway.pool.fresh().await;
    let health = &app.gateway.pool.health;
    let estimate = admission::estimate(head, body.len());
    admission::enter(app, caller, &head.model, estimate, settlement).await?;
    let conversation = conversation(caller, head);
    let mut tried = Vec::with_capacity(ATTEMPTS);
    let mut last: Option<Refusal> = None;
    let mut attempts = 0;
    while attempts < ATTEMPTS {
        let wanted = Wanted {
            model: &head.model,
            caller: caller.user.id,
            conversation,
            estimate: estimate.cost(),
            tried: &tried,
        };
        let mut picked = match admission::choose(app, caller, &wanted, estimate, settlement).await {
            Ok(picked) => picked,
            // A second account was wanted; that there is none says less than what the first answered.
            Err(error) => return Err(last.unwrap_or_else(|| error.into())),
        };
        let (account, slot, model) =
            (picked.account.clone(), picked.lease.slot, picked.upstream_model.clone());
        let Some(probes) = health.admit(&account.id, &model).await else {
            tried.push(slot);
            continue;
        };
        picked.lease.probes = probes;
        attempts += 1;
        let sent = head.upstream_body(body, Some(&picked.upstream_model), true);
        settlement.attempt(picked);
        match app.gateway.upstream.chat(&account, sent, deadline).await {
            Ok(answer) => {
                health.after_answer(&account.id, &model);
                app.gateway.pool.allowances.learn(&account.id, &model, answer.headers());
                return Ok(Answer::Success(answer));
            }
            Err(failure) => {
                if let Failure::Refused(refused) = &failure {
                    app.gateway.pool.allowances.learn(&account.id, &model, &refused.headers);
                }
                let judged = health.after_failure(&met(&account, &model, &failure));
                let cause = judged.cause.as_str();
                tracing::warn!(account = %account.id, %failure, cause, "an attempt failed");
                tried.push(slot);
                match failure {
                    Failure::Refused(refused) if !judged.go_on => return Ok(Answer::Refused(refused)),
                    failure => last = Some(Refusal::after(failure, judged.wait)),
                }
            }
        }
    }
    Err(last.unwrap_or_else(|| Refusal::after(Failure::Timeout, None)))
}

/// Calls of one conversation should meet one account, whose provider remembers the prompt.
fn conversation(caller: &Caller, head: &ChatHead<'_>) -> Option<u64> {
    let name = head.prompt_cache_key.as_ref().or(head.user.as_ref()).or(head.metadata_user_id.as_ref())?;
    let mut hasher = DefaultHasher::new();
    (caller.user.id, name).hash(&mut hasher);
    Some(hasher.finish())
}
