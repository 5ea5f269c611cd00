//! Providers that are awkward on the wire: one behind TLS that would rather speak HTTP/2, with few streams at a time; one
//! that closes connections when it likes; and a path between that can go silent.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::harness::{Harness, spawn};
use crate::recorder::CHAT;

/// So many calls of the model `together` are answered when all of them are there.
pub(crate) const TOGETHER: usize = 8;
/// So many streams an HTTP/2 connection may have.
const STREAMS: u32 = 2;

/// A provider behind TLS whose authority only `ca_file` names.
pub(crate) struct Secure {
    pub address: SocketAddr,
    pub ca_file: PathBuf,
    held: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Secure {
    pub(crate) async fn start(harness: &Harness) -> Self {
        let ca_file = harness.dir.join("ca.pem");
        let acceptor = TlsAcceptor::from(Arc::new(certified(&ca_file)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (barrier, held) = (Arc::new(Barrier::new(TOGETHER)), Arc::new(AtomicUsize::new(0)));
        let count = held.clone();
        let serving = spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, barrier, held) = (acceptor.clone(), barrier.clone(), count.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(request, barrier.clone(), held.clone()));
                    let mut server = auto::Builder::new(TokioExecutor::new());
                    server.http2().max_concurrent_streams(STREAMS);
                    server.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        });
        Self { address, ca_file, held, serving }
    }

    /// How many calls of the model `held` came, which is never answered.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }
}

/// A certificate for this machine, by an authority that is written to a file.
fn certified(ca_file: &std::path::Path) -> rustls::ServerConfig {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(ca_file, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    barrier: Arc<Barrier>,
    held: Arc<AtomicUsize>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body: Value = serde_json::from_slice(&request.collect().await?.to_bytes()).unwrap_or_default();
    match body["model"].as_str() {
        Some("together") => {
            barrier.wait().await;
        }
        Some("held") => {
            held.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<Infallible>().await;
        }
        _ => {}
    }
    Ok(Response::new(Full::from(CHAT)))
}

/// A path to a provider.
pub(crate) struct Relay {
    pub address: SocketAddr,
    opened: Arc<AtomicUsize>,
    silenced: watch::Sender<usize>,
    serving: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Relay {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let opened = Arc::new(AtomicUsize::new(0));
        let (silenced, mut turns) = watch::channel(0);
        let count = opened.clone();
        let serving = spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                turns.mark_unchanged();
                let mut turns = turns.clone();
                connections.spawn(async move {
                    let mut server = TcpStream::connect(to).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        // Both ends stay open, and nothing goes through any more.
                        _ = turns.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, opened, silenced, serving }
    }

    /// How many connections there were.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Nothing goes through the connections that are open; new ones are as before.
    pub(crate) fn silence(&self) {
        self.silenced.send_modify(|turn| *turn += 1);
    }
}

/// What a provider does to the second request of each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Second {
    /// It closes, as if its timer had fired just now.
    Close,
    /// It resets the connection.
    Reset,
    /// It begins to answer and breaks off.
    Begin,
}

/// A provider that answers one request a connection.
pub(crate) struct Fickle {
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Drop for Fickle {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Fickle {
    pub(crate) async fn start(second: Second) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        let serving = spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let count = count.clone();
                connections.spawn(async move { serve_twice(stream, second, &count).await.ok() });
            }
        });
        Self { address, requests, serving }
    }

    /// How many requests came, answered or not.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn serve_twice(mut stream: TcpStream, second: Second, count: &AtomicUsize) -> std::io::Result<()> {
    read_request(&mut stream).await?;
    count.fetch_add(1, Ordering::SeqCst);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        CHAT.len()
    );
    stream.write_all(format!("{head}{CHAT}").as_bytes()).await?;
    read_request(&mut stream).await?;
    count.fetch_add(1, Ordering::SeqCst);
    match second {
        Second::Close => stream.shutdown().await?,
        Second::Reset => stream.set_zero_linger()?,
        Second::Begin => stream.write_all(b"HTTP/1.1 20").await?,
    }
    Ok(())
}

/// Reads one request with a body whose length it tells.
async fn read_request(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Ok(());
        }
    }
}
