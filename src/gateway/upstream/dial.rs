//! Opening connections: the name resolved here, every address judged by the guard right before it is connected to or
//! given to a proxy, TLS on top where the address asks for it, and one limit on all of it together. The kernel is told to
//! find out about paths that have gone silent.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tower::Service;

use crate::gateway::accounts::prepared::Route;
use crate::gateway::accounts::proxy::Proxy;
use crate::gateway::upstream::guard::Guard;

/// A connection as it is read and written.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// What was sent and is not acknowledged for so long makes a connection broken.
const SILENCE: Duration = Duration::from_secs(30);
/// When nothing is sent the other side is asked for a sign of life after this, and then again.
const QUIET: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_secs(5);
const TIMES: u32 = 3;

/// Every address of the host is refused by the guard.
#[derive(Debug, thiserror::Error)]
#[error("the host has no address that may be connected to")]
pub(crate) struct NoAllowedAddress;

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// What says which addresses a name has: the system, but in tests.
type Resolve = Arc<dyn Fn(String, u16) -> Found + Send + Sync>;

fn by_system() -> Resolve {
    Arc::new(|host, port| Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }))
}

/// Opens TCP connections past the guard.
#[derive(Clone)]
struct Dial {
    guard: Arc<Guard>,
    proxy: Option<Proxy>,
    resolve: Resolve,
}

impl Dial {
    async fn connect(self, target: Uri) -> Result<TokioIo<TcpStream>, BoxError> {
        let host = target.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = target.port_u16().unwrap_or(if target.scheme_str() == Some("http") { 80 } else { 443 });
        let found = self.allowed(&host, port).await?;
        let Some(proxy) = &self.proxy else { return open(&found).await };
        let reaches = self.allowed(&proxy.host, proxy.port).await?;
        let mut last: BoxError = NoAllowedAddress.into();
        for address in found {
            match proxy.tunnel(open(&reaches).await?, address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn allowed(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, BoxError> {
        let mut found = (self.resolve)(host.to_owned(), port).await?;
        found.retain(|address| self.guard.allows(host, address.ip()));
        if found.is_empty() { Err(NoAllowedAddress.into()) } else { Ok(found) }
    }
}

/// The first address that answers.
async fn open(addresses: &[SocketAddr]) -> Result<TokioIo<TcpStream>, BoxError> {
    let mut last: BoxError = NoAllowedAddress.into();
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                watch(&stream)?;
                return Ok(TokioIo::new(stream));
            }
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Small writes go out at once, and a path that has gone silent breaks the connection, also while it is idle.
fn watch(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    let probes = TcpKeepalive::new().with_time(QUIET).with_interval(AGAIN).with_retries(TIMES);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(SILENCE))?;
    Ok(())
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
pub(super) struct Connector {
    tls: Arc<ClientConfig>,
    guard: Arc<Guard>,
    resolve: Resolve,
    limit: Duration,
}

impl Connector {
    pub(super) fn new(tls: Arc<ClientConfig>, guard: Guard, limit: Duration) -> Self {
        Self { tls, guard: Arc::new(guard), resolve: by_system(), limit }
    }

    pub(super) async fn connect(&self, route: &Route) -> Result<Stream, BoxError> {
        let dial =
            Dial { guard: self.guard.clone(), proxy: route.proxy.clone(), resolve: self.resolve.clone() };
        let mut tls = HttpsConnector::from((dial, self.tls.clone()));
        let connecting = tokio::time::timeout(self.limit, tls.call(route.origin.clone()));
        connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::net::Ipv4Addr;
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;

    /// Here this address is allowed as a public one is, and every other of this machine is private.
    const PUBLIC: [u8; 4] = [127, 0, 0, 1];
    const PRIVATE: [u8; 4] = [127, 0, 0, 2];

    /// A way to a name that has other addresses each time it is asked for; how often that was is what `left` tells.
    struct Rebound {
        dial: Dial,
        left: Arc<Mutex<VecDeque<Vec<[u8; 4]>>>>,
    }

    impl Rebound {
        fn new(answers: &[&[[u8; 4]]], proxy: Option<&str>) -> Self {
            let left =
                Arc::new(Mutex::new(answers.iter().map(|list| list.to_vec()).collect::<VecDeque<_>>()));
            let asked = left.clone();
            let resolve: Resolve = Arc::new(move |host, port| {
                let list = match host.parse::<Ipv4Addr>() {
                    Ok(literal) => vec![literal.octets()],
                    Err(_) => asked.lock().unwrap().pop_front().unwrap(),
                };
                Box::pin(async move { Ok(list.into_iter().map(|ip| SocketAddr::from((ip, port))).collect()) })
            });
            let guard = Arc::new(Guard::allowing("127.0.0.1"));
            let proxy = proxy.map(|text| Proxy::parse(text).unwrap());
            Self { dial: Dial { guard, proxy, resolve }, left }
        }

        async fn connect(&self, port: u16) -> Result<SocketAddr, BoxError> {
            let target = format!("http://provider.example:{port}/v1").parse().unwrap();
            let stream = self.dial.clone().connect(target).await?;
            Ok(stream.inner().peer_addr()?)
        }

        fn left(&self) -> usize {
            self.left.lock().unwrap().len()
        }
    }

    fn is_forbidden(outcome: &Result<SocketAddr, BoxError>) -> bool {
        outcome.as_ref().is_err_and(|error| error.is::<NoAllowedAddress>())
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_refused_when_it_is_connected_to() {
        // It listens on every address of this machine, so nothing but the guard keeps a connection away.
        let listener = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let name = Rebound::new(&[&[PUBLIC], &[PRIVATE], &[PRIVATE, PUBLIC], &[PUBLIC]], None);
        assert_eq!(name.connect(port).await.unwrap(), SocketAddr::from((PUBLIC, port)));
        assert!(is_forbidden(&name.connect(port).await), "public before, private now");
        assert_eq!(
            name.connect(port).await.unwrap(),
            SocketAddr::from((PUBLIC, port)),
            "of several only those"
        );
        assert_eq!(name.connect(port).await.unwrap(), SocketAddr::from((PUBLIC, port)));
        assert_eq!(name.left(), 0, "asked once a connection: what was judged is what is connected to");
        for _ in 0..3 {
            let (stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.local_addr().unwrap().ip(), Ipv4Addr::from(PUBLIC), "none came by the other");
        }
    }

    #[tokio::test]
    async fn a_name_that_changes_its_mind_is_given_to_no_proxy() {
        let proxy = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let text = format!("http://{}", proxy.local_addr().unwrap());
        let name = Rebound::new(&[&[PRIVATE]], Some(&text));
        assert!(is_forbidden(&name.connect(443).await));
        let next = TcpStream::connect(proxy.local_addr().unwrap()).await.unwrap();
        let (_, heard) = proxy.accept().await.unwrap();
        assert_eq!(heard, next.local_addr().unwrap(), "the proxy heard of nothing before");
    }

    #[tokio::test]
    async fn the_kernel_watches_over_every_connection() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let stream = open(&[listener.local_addr().unwrap()]).await.unwrap();
        let socket = SockRef::from(stream.inner());
        assert!(socket.keepalive().unwrap());
        assert!(socket.tcp_nodelay().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), QUIET);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(SILENCE));
        }
    }
}
