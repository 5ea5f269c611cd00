//! Calls to providers: one pooled client, no redirects, every connection past the guard, every wait bounded.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::ConfigBuilderExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use millpond_pool::account::Provider;
use moka::sync::Cache;

use super::accounts::Serving;
use super::dial::{Connector, NoAllowedAddress};
use super::guard::Guard;
use crate::config::UpstreamConfig;

const IDLE_CONNECTION: Duration = Duration::from_secs(60);
/// So many proxies are remembered, each for this long after its last call.
const PROXIES: u64 = 1_000;
const PROXY_IDLE: Duration = Duration::from_secs(600);
/// Anthropic's header for the version of its API, and the one that is meant when nobody says.
pub(super) const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
pub(super) const USUAL_VERSION: &str = "2023-06-01";
const AGENT: &str = concat!("millpond/", env!("CARGO_PKG_VERSION"));
/// The longest rest that a provider's `Retry-After` is believed.
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// An answer that is not streamed may be this large.
pub(super) const LARGEST_ANSWER: usize = 64 << 20;

/// Why an attempt failed in a way that another account may not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The host resolves to nothing that may be connected to.
    #[error("no allowed address")]
    Forbidden,
    /// No connection, or it broke before an answer came.
    #[error("{0}")]
    Broken(String),
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
    /// The account or its provider can't serve at present.
    #[error("status {0}")]
    Status(StatusCode, Option<Duration>),
}

impl Failure {
    /// Whether another credential of the same account may do better.
    pub(super) fn is_about_credential(&self) -> bool {
        matches!(self, Self::Status(status, _) if matches!(status.as_u16(), 401 | 402 | 403 | 429))
    }

    /// How long the account is left alone.
    pub(super) fn rest(&self) -> Duration {
        let seconds = match self {
            Self::Status(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(wait)) => {
                return *wait;
            }
            Self::Status(StatusCode::TOO_MANY_REQUESTS, None) => 5,
            Self::Status(status, _) if status.is_client_error() => 60,
            Self::Forbidden => 60,
            Self::Broken(_) => 2,
            Self::Timeout | Self::Status(..) => 1,
        };
        Duration::from_secs(seconds)
    }
}

type Connected = Client<Connector, Full<Bytes>>;

/// The way to providers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Upstream {
    direct: Connected,
    /// One client for each proxy, so that connections of one are never used for another.
    proxied: Cache<String, Connected>,
    tls: rustls::ClientConfig,
    guard: Arc<Guard>,
    limits: UpstreamConfig,
}

/// What is sent in one attempt.
pub(super) struct Sending {
    pub(super) url: Uri,
    /// Which of the account's credentials.
    pub(super) credential: usize,
    /// Headers of the client that its dialect's provider must see.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Upstream {
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_webpki_roots()
            .with_no_client_auth();
        let guard = Arc::new(Guard::new(config));
        let direct = connected(Connector::new(tls.clone(), guard.clone(), None, config.connect_timeout));
        let proxied = Cache::builder().max_capacity(PROXIES).time_to_idle(PROXY_IDLE).build();
        Ok(Self { direct, proxied, tls, guard, limits: config.clone() })
    }

    fn client(&self, account: &Serving) -> Connected {
        let Some((text, proxy)) = &account.proxy else { return self.direct.clone() };
        self.proxied.get_with_by_ref(text, || {
            let (tls, limit) = (self.tls.clone(), self.limits.connect_timeout);
            connected(Connector::new(tls, self.guard.clone(), Some(proxy.clone()), limit))
        })
    }

    pub(super) fn limits(&self) -> &UpstreamConfig {
        &self.limits
    }

    /// Sends a call. An answer that concerns the account and not the request is a failure.
    pub(super) async fn call(
        &self,
        account: &Serving,
        sending: Sending,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = request(Method::POST, sending.url, account, sending.credential, sending.body);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.headers_mut().extend(sending.headers);
        let left = deadline.saturating_duration_since(Instant::now());
        let response = self.send(account, request, left.min(self.limits.first_byte_timeout)).await?;
        let status = response.status();
        if concerns_account(status) {
            return Err(Failure::Status(status, retry_after(response.headers())));
        }
        Ok(response)
    }

    /// Asks for the provider's list of models.
    pub(super) async fn models(&self, account: &Serving, limit: Duration) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + limit;
        let mut request = request(Method::GET, account.models_url.clone(), account, 0, Bytes::new());
        if account.provider == Provider::Anthropic {
            request.headers_mut().insert(VERSION, HeaderValue::from_static(USUAL_VERSION));
        }
        let response = self.send(account, request, limit).await?;
        if !response.status().is_success() {
            return Err(Failure::Status(response.status(), None));
        }
        read_body(response.into_body(), limit, deadline).await
    }

    async fn send(
        &self,
        account: &Serving,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        match tokio::time::timeout(limit, self.client(account).request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::Timeout),
        }
    }
}

fn connected(connector: Connector) -> Connected {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .build(connector)
}

/// The whole of an answer, bounded in size and time.
pub(super) async fn read_body(
    mut body: Incoming,
    idle: Duration,
    deadline: Instant,
) -> Result<Bytes, Failure> {
    let mut whole: Option<Bytes> = None;
    let mut joined = BytesMut::new();
    loop {
        let limit = idle.min(deadline.saturating_duration_since(Instant::now()));
        let frame = tokio::time::timeout(limit, body.frame()).await.map_err(|_| Failure::Timeout)?;
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|error| failure(&error))?.into_data() else { continue };
        // Most answers are one frame, which needs no copy.
        match whole.take() {
            None if joined.is_empty() => whole = Some(data),
            first => {
                joined.extend_from_slice(&first.unwrap_or_default());
                joined.extend_from_slice(&data);
            }
        }
        if joined.len() > LARGEST_ANSWER {
            return Err(Failure::Broken("the answer is too large".into()));
        }
    }
    Ok(whole.unwrap_or_else(|| joined.freeze()))
}

fn request(
    method: Method,
    url: Uri,
    account: &Serving,
    credential: usize,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url;
    let headers = request.headers_mut();
    if let Some((name, value)) = account.credentials.header(credential) {
        headers.insert(name, value.clone());
    }
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    // What is compressed can't be observed on its way.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    request
}

/// Statuses that say something of the account, its quota or its provider, not of the request. A redirect counts too:
/// none is followed, because it would take the credential elsewhere.
fn concerns_account(status: StatusCode) -> bool {
    matches!(status.as_u16(), 300..=399 | 401 | 402 | 403 | 408 | 409 | 425 | 429 | 500..)
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.max(1)).min(LONGEST_REST))
}

fn failure(error: &(dyn std::error::Error + 'static)) -> Failure {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<NoAllowedAddress>() {
            return Failure::Forbidden;
        }
        if cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut) {
            return Failure::Timeout;
        }
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    Failure::Broken(text)
}
