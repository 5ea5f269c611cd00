//! Opening connections: the name resolved here, every address judged by the guard right before it is connected to or
//! given to a proxy, TLS on top where the address asks for it, and one limit on all of it together.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

use super::guard::Guard;
use super::proxy::Proxy;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Every address of the host is refused by the guard.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address that may be connected to")]
pub(super) struct NoAllowedAddress;

/// Opens TCP connections past the guard.
#[derive(Clone)]
struct Dial {
    guard: Arc<Guard>,
    proxy: Option<Arc<Proxy>>,
}

impl Dial {
    async fn connect(self, target: Uri) -> Result<TokioIo<TcpStream>, BoxError> {
        let host = target.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = target.port_u16().unwrap_or(if target.scheme_str() == Some("http") { 80 } else { 443 });
        let found = self.allowed(&host, port).await?;
        let Some(proxy) = &self.proxy else { return Ok(TokioIo::new(open(&found).await?)) };
        let reaches = self.allowed(&proxy.host, proxy.port).await?;
        let mut last: BoxError = NoAllowedAddress.into();
        for address in found {
            let mut stream = open(&reaches).await?;
            match proxy.tunnel(&mut stream, address).await {
                Ok(()) => return Ok(TokioIo::new(stream)),
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    async fn allowed(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        let found = tokio::net::lookup_host((host, port)).await?;
        let allowed: Vec<SocketAddr> =
            found.filter(|address| self.guard.allows(host, address.ip())).collect();
        if allowed.is_empty() { Err(NoAllowedAddress.into()) } else { Ok(allowed) }
    }
}

/// The first address that answers.
async fn open(addresses: &[SocketAddr]) -> Result<TcpStream, BoxError> {
    let mut last: BoxError = NoAllowedAddress.into();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
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

/// The whole of connecting (name, TCP, proxy, TLS) within one limit.
#[derive(Clone)]
pub(super) struct Connector {
    tls: HttpsConnector<Dial>,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(
        tls: rustls::ClientConfig,
        guard: Arc<Guard>,
        proxy: Option<Arc<Proxy>>,
        limit: Duration,
    ) -> Self {
        let tls = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(Dial { guard, proxy });
        Self { tls, limit }
    }
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
