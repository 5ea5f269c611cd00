//! Calls to providers: one pooled client, a guarded connector, a deadline on everything, no redirects followed.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{Request, Response, Uri};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::guard;
use crate::config::UpstreamConfig;

/// Idle connections are kept this long, less than providers' load balancers keep theirs.
const IDLE_CONNECTION: Duration = Duration::from_secs(50);
const IDLE_PER_HOST: usize = 256;

/// Why a provider gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpstreamError {
    #[error("the provider did not answer in time")]
    Timeout,
    #[error("the provider could not be reached: {0}")]
    Unreachable(#[from] hyper_util::client::legacy::Error),
}

/// The client for all providers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Upstream {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    config: Arc<UpstreamConfig>,
}

impl Upstream {
    /// A client with the configured deadlines.
    pub(super) fn new(config: UpstreamConfig) -> Self {
        let config = Arc::new(config);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(Connector { config: config.clone() });
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build(connector);
        Self { client, config }
    }

    /// The configured deadlines.
    pub(super) fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let answer = tokio::time::timeout(self.config.first_byte_timeout, self.client.request(request)).await;
        Ok(answer.map_err(|_| UpstreamError::Timeout)??)
    }
}

/// Connects to addresses that the guard lets through.
#[derive(Clone)]
struct Connector {
    config: Arc<UpstreamConfig>,
}

type Connecting = Pin<Box<dyn Future<Output = std::io::Result<TokioIo<TcpStream>>> + Send>>;

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = std::io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let config = self.config.clone();
        Box::pin(async move {
            let connecting = tokio::time::timeout(config.connect_timeout, connect(&uri, &config));
            connecting.await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map(TokioIo::new)
        })
    }
}

async fn connect(uri: &Uri, config: &UpstreamConfig) -> std::io::Result<TcpStream> {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let allowed_host = guard::is_allowed_host(host, &config.allow_private);
    let mut last =
        std::io::Error::new(std::io::ErrorKind::PermissionDenied, "the host has no public address");
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
    for address in addresses {
        if !allowed_host && !guard::may_connect(address.ip(), &config.allow_private) {
            continue;
        }
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A request's body must not wait for the acknowledgement of its head.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
