//! Calls to providers: one pooled client, no redirects, every connection past the guard, every wait bounded.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower::Service;

use super::accounts::Serving;
use super::guard::Guard;
use crate::config::UpstreamConfig;

const IDLE_CONNECTION: Duration = Duration::from_secs(60);
const AGENT: &str = concat!("millpond/", env!("CARGO_PKG_VERSION"));
/// The longest rest that a provider's `Retry-After` is believed.
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// An answer that is not streamed may be this large.
pub(super) const LARGEST_ANSWER: usize = 64 << 20;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

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

/// The way to providers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Upstream {
    client: Client<Connector, Full<Bytes>>,
    limits: UpstreamConfig,
}

impl Upstream {
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, rustls::Error> {
        let dial = Dial { guard: Arc::new(Guard::new(config)) };
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(dial);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .build(Connector { tls, limit: config.connect_timeout });
        Ok(Self { client, limits: config.clone() })
    }

    pub(super) fn limits(&self) -> &UpstreamConfig {
        &self.limits
    }

    /// Sends a chat request. An answer that concerns the account and not the request is a failure.
    pub(super) async fn chat(
        &self,
        account: &Serving,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = request(Method::POST, &account.chat_url, account, body);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let left = deadline.saturating_duration_since(Instant::now());
        let response = self.send(request, left.min(self.limits.first_byte_timeout)).await?;
        let status = response.status();
        if concerns_account(status) {
            return Err(Failure::Status(status, retry_after(response.headers())));
        }
        Ok(response)
    }

    /// Asks for the provider's list of models.
    pub(super) async fn models(&self, account: &Serving, limit: Duration) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + limit;
        let response =
            self.send(request(Method::GET, &account.models_url, account, Bytes::new()), limit).await?;
        if !response.status().is_success() {
            return Err(Failure::Status(response.status(), None));
        }
        read_body(response.into_body(), limit, deadline).await
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Response<Incoming>, Failure> {
        match tokio::time::timeout(limit, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_) => Err(Failure::Timeout),
        }
    }
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

fn request(method: Method, url: &Uri, account: &Serving, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url.clone();
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, account.authorization.clone());
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

/// Every address of the host is refused by the guard.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address that may be connected to")]
struct NoAllowedAddress;

/// Opens TCP connections past the guard.
#[derive(Clone)]
struct Dial {
    guard: Arc<Guard>,
}

impl Dial {
    async fn connect(self, target: Uri) -> Result<TokioIo<TcpStream>, BoxError> {
        let host = target.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = target.port_u16().unwrap_or(if target.scheme_str() == Some("http") { 80 } else { 443 });
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), port)).await?.collect();
        let mut last: BoxError = NoAllowedAddress.into();
        for address in found.into_iter().filter(|address| self.guard.allows(&host, address.ip())) {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(TokioIo::new(stream));
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.clone().connect(target))
    }
}

/// The whole of connecting (name, TCP, TLS) within one limit.
#[derive(Clone)]
struct Connector {
    tls: HttpsConnector<Dial>,
    limit: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tls.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.tls.call(target));
        Box::pin(async move { connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? })
    }
}
