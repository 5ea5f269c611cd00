//! Calls to providers: one pooled client, no redirects, every connection past the guard, every wait bounded.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use millpond_pool::rules::Trouble;
use tokio::net::TcpStream;
use tower::Service;

use super::accounts::Serving;
use super::guard::Guard;
use crate::config::UpstreamConfig;

const IDLE_CONNECTION: Duration = Duration::from_secs(60);
const AGENT: &str = concat!("millpond/", env!("CARGO_PKG_VERSION"));
/// So much of a refusal is read, and so long.
const LONGEST_REFUSAL: usize = 64 << 10;
const REFUSAL_WITHIN: Duration = Duration::from_secs(5);
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
    /// The provider refused. What that means is for `health` to say.
    #[error("status {}", .0.status)]
    Refused(Box<Refused>),
}

/// A provider's answer that is no success, its body bounded.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Failure {
    /// How the rules know it.
    pub(super) fn trouble(&self) -> Trouble {
        match self {
            Self::Forbidden => Trouble::Forbidden,
            Self::Broken(_) => Trouble::Broken,
            Self::Timeout => Trouble::Timeout,
            Self::Refused(refused) => Trouble::Status(refused.status.as_u16()),
        }
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

    /// Sends a chat request. An answer that is no success is a failure.
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
        if response.status().is_success() {
            return Ok(response);
        }
        Err(Failure::Refused(Box::new(refused(response, deadline).await)))
    }

    /// Asks for the provider's list of models.
    pub(super) async fn models(&self, account: &Serving, limit: Duration) -> Result<Bytes, Failure> {
        let deadline = Instant::now() + limit;
        let response =
            self.send(request(Method::GET, &account.models_url, account, Bytes::new()), limit).await?;
        if !response.status().is_success() {
            return Err(Failure::Refused(Box::new(refused(response, deadline).await)));
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
