//! Calls to providers: one pooled client, no redirects, every connection past the guard, every wait bounded.

mod dial;
mod guard;
pub(crate) mod proxy;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::ConfigBuilderExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use millpond_pool::account::Provider;
use millpond_pool::rules::Trouble;
use moka::sync::Cache;

use crate::config::UpstreamConfig;
use crate::gateway::accounts::Serving;
use crate::gateway::upstream::dial::{Connector, NoAllowedAddress};
use crate::gateway::upstream::guard::Guard;

const IDLE_CONNECTION: Duration = Duration::from_secs(60);
/// So many proxies are remembered, each for this long after its last call.
const PROXIES: u64 = 1_000;
const PROXY_IDLE: Duration = Duration::from_secs(600);
/// Anthropic's header for the version of its API, and the one that is meant when nobody says.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("anthropic-version");
pub(crate) const USUAL_VERSION: &str = "2023-06-01";
const AGENT: &str = concat!("millpond/", env!("CARGO_PKG_VERSION"));
/// So much of a refusal is read, and so long.
const LONGEST_REFUSAL: usize = 64 << 10;
const REFUSAL_WITHIN: Duration = Duration::from_secs(5);
/// An answer that is not streamed may be this large.
pub(crate) const LARGEST_ANSWER: usize = 64 << 20;

/// Why an attempt failed in a way that another account may not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The host resolves to nothing that may be connected to.
    #[error("no allowed address")]
    Forbidden,
    /// No connection, or it broke before an answer came.
    #[error("{0}")]
    Broken(String),
    /// Nothing came in time.
    #[error("no answer in time")]
    Timeout,
    /// The provider refused. What that means is for `health` to say.
    #[error("status {}", .0.status)]
    Refused(Box<Refused>),
}

/// A provider's answer that is no success, its body bounded.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Failure {
    /// How the rules know it.
    pub(crate) fn trouble(&self) -> Trouble {
        match self {
            Self::Forbidden => Trouble::Forbidden,
            Self::Broken(_) => Trouble::Broken,
            Self::Timeout => Trouble::Timeout,
            Self::Refused(refused) => Trouble::Status(refused.status.as_u16()),
        }
    }
}

type Connected = Client<Connector, Full<Bytes>>;

/// The way to providers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Upstream {
    direct: Connected,
    /// One client for each proxy, so that connections of one are never used for another.
    proxied: Cache<String, Connected>,
    tls: rustls::ClientConfig,
    guard: Arc<Guard>,
    limits: UpstreamConfig,
}

/// What is sent in one attempt.
pub(crate) struct Sending {
    pub(crate) url: Uri,
    /// Which of the account's credentials.
    pub(crate) credential: usize,
    /// Headers of the client that its dialect's provider must see.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Upstream {
    pub(crate) fn new(config: &UpstreamConfig) -> Result<Self, rustls::Error> {
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

    pub(crate) fn limits(&self) -> &UpstreamConfig {
        &self.limits
    }

    /// Sends a call. An answer that is no success is a failure.
    pub(crate) async fn call(
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
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Failure::Refused(Box::new(refused(response, deadline).await)))
    }

    /// Asks for the provider's list of models.
    pub(crate) async fn models(&self, account: &Serving, limit: Duration) -> Result<Bytes, Failure> {
        self.get(account, account.models_url.clone(), 0, limit).await
    }

    /// Asks for something that only a good credential gets and that costs nothing.
    pub(crate) async fn look(
        &self,
        account: &Serving,
        credential: usize,
        limit: Duration,
    ) -> Result<Bytes, Failure> {
        self.get(account, account.check_url.clone(), credential, limit).await
    }

    async fn get(
        &self,
        account: &Serving,
        url: Uri,
        credential: usize,
        limit: Duration,
    ) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + limit;
        let mut request = request(Method::GET, url, account, credential, Bytes::new());
        if account.provider == Provider::Anthropic {
            request.headers_mut().insert(VERSION, HeaderValue::from_static(USUAL_VERSION));
        }
        let response = self.send(account, request, limit).await?;
        if !response.status().is_success() {
            return Err(Failure::Refused(Box::new(refused(response, deadline).await)));
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
pub(crate) async fn read_body(
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
    headers.extend(account.headers.clone());
    if let Some((name, value)) = account.credentials.header(credential) {
        headers.insert(name, value.clone());
    }
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    // What is compressed can't be observed on its way.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    request
}

/// What came with a refusal. A body that is long or doesn't come is worth no more than the status.
async fn refused(response: Response<Incoming>, deadline: Instant) -> Refused {
    let (parts, body) = response.into_parts();
    let left = deadline.saturating_duration_since(Instant::now()).min(REFUSAL_WITHIN);
    let body = tokio::time::timeout(left, Limited::new(body, LONGEST_REFUSAL).collect()).await;
    let body = body.ok().and_then(Result::ok).map(Collected::to_bytes).unwrap_or_default();
    Refused { status: parts.status, headers: parts.headers, body }
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
