//! `POST /v1/chat/completions`: the way of a call from its body to its relay.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request as HttpRequest, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use millpond_pool::account::{MemberId, Provider};
use millpond_pool::index::{Providers, Request as Wanted, Slot, Sources};
use millpond_wire::openai::ChatHead;
use millpond_wire::{Dialect, StreamObserver, observe};

use super::admission::{Refusal, estimate};
use super::call::{Call, Ending};
use super::relay::{Limits, Relay, pass_headers};
use super::upstream::UpstreamError;
use crate::api::input;
use crate::app::App;
use crate::auth::extract::Caller;
use crate::error::{ApiError, Result};
use crate::request_log::RequestId;

/// Accounts that are tried for one call.
const ATTEMPTS: usize = 2;
/// An answer that is not streamed is held whole; a longer one is no chat.
const LARGEST_ANSWER_BYTES: usize = 64 << 20;
const LARGEST_ERROR_BYTES: usize = 1 << 20;
/// How long an account rests that is over its limit and does not say until when.
const REST: Duration = Duration::from_secs(10);
const LONGEST_REST: Duration = Duration::from_secs(3_600);
/// How long an account rests whose credential is refused.
const REFUSED_REST: Duration = Duration::from_secs(60);

/// The handler.
pub(super) async fn completions(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    request: HttpRequest,
) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    if !input::is_json(&parts.headers) {
        return Err(input::unsupported_media_type());
    }
    let body = input::read(body, &app).await?;
    let head = ChatHead::parse(&body).map_err(|error| {
        let refused = ApiError::bad_request(error.code, error.message);
        match error.param {
            Some(param) => refused.param(param),
            None => refused,
        }
    })?;
    let permit =
        app.gateway.ledger.place().ok_or_else(|| ApiError::unavailable("the ledger takes no calls"))?;
    let call = Call::new(permit, &caller, &request_id, &head, body.clone(), app.clock.now());
    let mut way = Way { app: &app, caller: &caller, head: &head, body: &body, call, started: Instant::now() };
    match way.go().await {
        Ok(answer) => way.answer(answer).await,
        Err(refusal) => Err(way.refuse(refusal).await),
    }
}

/// A call on its way.
struct Way<'a> {
    app: &'a App,
    caller: &'a Caller,
    head: &'a ChatHead<'a>,
    body: &'a Bytes,
    call: Call,
    started: Instant,
}

/// Why there is no answer to relay.
struct Refused {
    error: Box<ApiError>,
    ending: Ending,
}

impl Refused {
    fn rejected(error: ApiError) -> Self {
        let ending = Ending::rejected(error.status().as_u16(), error.code());
        Self { error: Box::new(error), ending }
    }

    fn upstream(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        let ending = Ending::upstream(status.as_u16(), code);
        Self { error: Box::new(ApiError::new(status, code, message)), ending }
    }
}

type Answer = axum::http::Response<Incoming>;

impl Way<'_> {
    /// Admission, selection and sending, until a provider answers with something to hand on.
    async fn go(&mut self) -> std::result::Result<Answer, Refused> {
        self.admit().await.map_err(Refused::rejected)?;
        self.app.gateway.accounts.refresh().await;
        let mut tried: Vec<Slot> = Vec::with_capacity(ATTEMPTS);
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match self.next_account(&tried) {
                Ok(()) => {}
                Err(refused) => return Err(last.unwrap_or(refused)),
            }
            tried.extend(self.call.lease().map(|lease| lease.slot));
            match self.send().await {
                Ok(answer) => match self.judge(&answer) {
                    None => return Ok(answer),
                    Some(refused) => last = Some(refused),
                },
                Err(error) => {
                    tracing::warn!(%error, account = self.account(), "a provider gave no answer");
                    self.call.give_back();
                    last = Some(unreachable(&error));
                }
            }
        }
        Err(last.unwrap_or_else(|| self.nothing_left(&tried)))
    }

    fn account(&self) -> &str {
        self.call.lease().map_or("-", |lease| &lease.target.id.0)
    }

    /// The key's own rules.
    async fn admit(&self) -> Result<()> {
        let Some(key) = &self.caller.key else { return Ok(()) };
        if !key.allows(&self.head.model) {
            return Err(no_such_model(&self.head.model));
        }
        let Some(limit) = key.requests_per_minute else { return Ok(()) };
        let minute = Duration::from_secs(60);
        let calls = self.app.state.count(&format!("calls:{}", key.id), minute).await?;
        if calls > u64::from(limit) {
            let message = format!("This key may make {limit} calls per minute.");
            return Err(ApiError::too_many("rate_limit_exceeded", message, minute));
        }
        Ok(())
    }

    fn wanted<'b>(&'b self, sources: Sources, tried: &'b [Slot]) -> Wanted<'b> {
        let head = self.head;
        let hint = head.prompt_cache_key.as_ref().or(head.metadata_user_id.as_ref()).or(head.user.as_ref());
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        Wanted {
            model: &head.model,
            caller: MemberId(self.caller.user.id.0.into()),
            providers: Providers::only(Provider::OpenAi),
            sources,
            conversation: hint.map(|hint| hasher.hash_one((self.caller.user.id, hint))),
            tried,
        }
    }

    /// Chooses an account, and sets quota aside when it is somebody else's.
    fn next_account(&mut self, tried: &[Slot]) -> std::result::Result<(), Refused> {
        let accounts = &self.app.gateway.accounts;
        let prefers_shared = self.caller.user.prefers_shared();
        let sources = if prefers_shared { Sources::SharedFirst } else { Sources::OwnFirst };
        let Some(lease) = accounts.choose(&self.wanted(sources, tried)) else {
            return Err(self.nothing_left(tried));
        };
        if lease.own {
            self.call.attempt(lease, None);
            return Ok(());
        }
        let unit = lease.target.unit_of(&lease.upstream_model);
        let cost = estimate(self.head);
        match self.app.gateway.quotas.reserve(self.caller.user.id, &self.head.model, &cost, unit) {
            Ok(reservation) => self.call.attempt(lease, Some(reservation)),
            Err(refusal) => {
                drop(lease);
                let own = accounts.choose(&self.wanted(Sources::OwnOnly, tried));
                self.call.attempt(own.ok_or_else(|| out_of_quota(&self.head.model, refusal))?, None);
            }
        }
        Ok(())
    }

    /// Why no account is left, as an error that the client can act on.
    fn nothing_left(&self, tried: &[Slot]) -> Refused {
        let why = self.app.gateway.accounts.explain(&self.wanted(Sources::OwnFirst, tried));
        if why.tried + why.resting + why.full + why.usable == 0 {
            return Refused::rejected(no_such_model(&self.head.model));
        }
        let wait = why.earliest.map_or(REST, |then| {
            let millis = then.0.saturating_sub(self.app.clock.now().millis());
            Duration::from_millis(u64::try_from(millis).unwrap_or_default()).max(Duration::from_secs(1))
        });
        let message = "All accounts that serve this model are busy or resting; try again later.";
        Refused::rejected(ApiError::too_many("no_account_available", message, wait))
    }

    async fn send(&self) -> std::result::Result<Answer, UpstreamError> {
        let Some(lease) = self.call.lease() else { return Err(UpstreamError::Timeout) };
        let body = self.head.upstream_body(self.body, Some(&lease.upstream_model), self.head.lacks_usage());
        let uri = format!("{}/chat/completions", lease.target.base_url);
        let accept = if self.head.stream { "text/event-stream" } else { "application/json" };
        let request = Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header(AUTHORIZATION, lease.target.authorization.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(ACCEPT, HeaderValue::from_static(accept))
            .header(USER_AGENT, HeaderValue::from_static(concat!("millpond/", env!("CARGO_PKG_VERSION"))))
            .body(Full::new(body));
        match request {
            Ok(request) => self.app.gateway.upstream.send(request).await,
            // The base URL was checked when the account was made.
            Err(error) => {
                tracing::error!(%error, account = self.account(), "an account's address is unusable");
                Err(UpstreamError::Timeout)
            }
        }
    }

    /// Whether another account should be tried, and what to say when there is none.
    fn judge(&mut self, answer: &Answer) -> Option<Refused> {
        let status = answer.status();
        let rest = match status.as_u16() {
            401 | 403 => REFUSED_REST,
            429 => retry_after(answer).unwrap_or(REST).min(LONGEST_REST),
            500.. => Duration::ZERO,
            _ => return None,
        };
        let lease = self.call.give_back()?;
        if !rest.is_zero() {
            self.app.gateway.accounts.pause(&lease, rest, status.as_str());
        }
        Some(match status.as_u16() {
            401 | 403 => {
                let message = "The provider refused the account that was to serve this call.";
                Refused::upstream(StatusCode::BAD_GATEWAY, "upstream_refused", message)
            }
            429 => {
                let message = "The provider's own limit is reached; try again later.";
                let mut refused =
                    Refused::upstream(StatusCode::TOO_MANY_REQUESTS, "upstream_rate_limited", message);
                refused.error = Box::new(refused.error.retry_after(rest));
                refused
            }
            _ => {
                Refused::upstream(StatusCode::BAD_GATEWAY, "upstream_error", "The provider failed to answer.")
            }
        })
    }

    /// Records a call that has no answer to hand on.
    async fn refuse(&mut self, refused: Refused) -> ApiError {
        if let Some(recorded) = self.call.finish(refused.ending, None) {
            recorded.await.ok();
        }
        *refused.error
    }

    fn limits(&self) -> Limits {
        let config = self.app.gateway.upstream.config();
        Limits { idle: config.idle_timeout, deadline: self.started + config.deadline }
    }

    /// Hands the provider's answer on.
    async fn answer(mut self, answer: Answer) -> Result<Response> {
        let is_stream = answer
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
        if answer.status().is_success() && is_stream {
            return Ok(self.stream(answer));
        }
        let limit = if answer.status().is_success() { LARGEST_ANSWER_BYTES } else { LARGEST_ERROR_BYTES };
        let (parts, body) = answer.into_parts();
        let reading = Limited::new(body, limit).collect();
        let read = match tokio::time::timeout_at(self.limits().deadline.into(), reading).await {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) => {
                tracing::warn!(error, account = self.account(), "a provider's answer broke off");
                return Err(self.refuse(broken()).await);
            }
            Err(_) => return Err(self.refuse(unreachable(&UpstreamError::Timeout)).await),
        };
        self.call.first_byte();
        let (ending, observed) = if parts.status.is_success() {
            (Ending::OK, Some(observe::observe_body(Dialect::OpenAi, &read)))
        } else {
            (Ending::upstream(parts.status.as_u16(), "provider_refused_request"), None)
        };
        if let Some(recorded) = self.call.finish(ending, observed) {
            recorded.await.ok();
        }
        if !parts.status.is_success() && serde_json::from_slice::<serde::de::IgnoredAny>(&read).is_err() {
            let message = "The provider refused the request without saying why.";
            return Err(ApiError::new(parts.status, "provider_refused_request", message));
        }
        Ok((parts.status, pass_headers(&parts.headers), Body::from(read)).into_response())
    }

    fn stream(self, answer: Answer) -> Response {
        const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
        let limits = self.limits();
        let observer = StreamObserver::new(Dialect::OpenAi, self.head.lacks_usage());
        let (parts, body) = answer.into_parts();
        let relay = Relay::new(body, observer, self.call, limits);
        let mut response = Response::new(Body::new(relay));
        *response.headers_mut() = pass_headers(&parts.headers);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response.headers_mut().insert(UNBUFFERED, HeaderValue::from_static("no"));
        response
    }
}

fn no_such_model(model: &str) -> ApiError {
    let shown: String = model.chars().take(100).collect();
    let message = format!("The model '{shown}' does not exist or you do not have access to it.");
    ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message).param("model")
}

fn out_of_quota(model: &str, refusal: Refusal) -> Refused {
    let lacking = refusal.lacking.0;
    let shown: String = model.chars().take(100).collect();
    let message =
        format!("Your pool quota for '{shown}' lacks {lacking} millionths of a unit for this call.");
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", message);
    Refused::rejected(match refusal.wait {
        Some(wait) => error.retry_after(wait),
        None => error,
    })
}

fn unreachable(error: &UpstreamError) -> Refused {
    match error {
        UpstreamError::Timeout => Refused::upstream(
            StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "The provider did not answer in time.",
        ),
        UpstreamError::Unreachable(_) => Refused::upstream(
            StatusCode::BAD_GATEWAY,
            "upstream_unreachable",
            "The provider could not be reached.",
        ),
    }
}

fn broken() -> Refused {
    Refused::upstream(StatusCode::BAD_GATEWAY, "upstream_cut", "The provider's answer broke off.")
}

fn retry_after(answer: &Answer) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
