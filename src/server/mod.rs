//! The listening socket: accepts connections, bounds what each may hold and how long, and at the end lets running answers
//! finish.

mod connection;
mod socket;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::edge::visitors::Visitors;
use crate::router::router;
use connection::Service;

/// A kept-alive connection ends after so long without a call, and a head that takes longer ends its connection. Longer than
/// load balancers keep theirs, which would else send a call into a connection that just ends.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How often a quiet HTTP/2 connection is asked whether anybody is there.
const PING: Duration = Duration::from_secs(30);
/// What a connection may buffer each way; also the longest head.
const BUFFER: usize = 16 << 10;
/// After an error of `accept` (too many open files) we wait instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long the last words of streams that are cut off may take to reach their clients.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What every connection is served with.
struct Server {
    app: App,
    http: Builder<TokioExecutor>,
    router: Router,
    visitors: Arc<Visitors>,
}

/// Serves until `stop`, then refuses new calls and waits for running answers, at most `SHUTDOWN_GRACE_SECONDS`. Streams
/// that run longer end with an error.
pub async fn serve(app: App, listener: TcpListener, stop: CancellationToken) {
    let server = Server::new(app);
    let (shutdown, open) = (&server.app.core.shutdown, GracefulShutdown::new());
    tokio::select! {
        () = stop.cancelled() => {}
        () = server.accept(&listener, Some(&open)) => {}
    }
    shutdown.begin();
    let grace = server.app.core.config.http.shutdown_grace;
    let mut ended = pin!(open.shutdown());
    tokio::select! {
        () = &mut ended => return,
        () = tokio::time::sleep(grace) => {}
        () = shutdown.hurried() => {}
        // Who comes now is told so, which a closed port would not.
        () = server.accept(&listener, None) => {}
    }
    tracing::warn!("some answers were still running and are cut off");
    server.app.gateway.end_streams();
    if tokio::time::timeout(LAST_WORDS, ended).await.is_err() {
        tracing::warn!("some clients did not take the end of their answers");
    }
}

impl Server {
    fn new(app: App) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(KEEP_ALIVE).max_buf_size(BUFFER);
        http.http2().timer(TokioTimer::new()).keep_alive_interval(PING).max_send_buf_size(BUFFER);
        let visitors = Visitors::new(app.core.config.http.connections_per_address);
        let router = router(app.clone());
        Self { app, http, router, visitors }
    }

    /// Accepts for ever. Connections that are not `watched` end with the process at the latest.
    async fn accept(&self, listener: &TcpListener, watched: Option<&GracefulShutdown>) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.connect(stream, peer, watched),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn connect(&self, stream: TcpStream, peer: SocketAddr, watched: Option<&GracefulShutdown>) {
        let config = &self.app.core.config.http;
        let patience = config.client_timeout;
        let Some(visitor) = self.visitors.arrives(peer.ip(), config.trusts(peer.ip())) else {
            tracing::debug!(%peer, "too many connections of one address");
            return;
        };
        if let Err(error) = socket::prepare(&stream, patience) {
            tracing::debug!(%error, "options of a socket");
        }
        let service = Service { router: self.router.clone(), peer, visitor: visitor.clone() };
        let stream = TokioIo::new(socket::Patient::new(stream, patience));
        let connection = self.http.serve_connection(stream, service).into_owned();
        let watcher = watched.map(GracefulShutdown::watcher);
        self.app.core.tasks.spawn("connection", move |stop| async move {
            let served = async {
                match watcher {
                    Some(watcher) => watcher.watch(connection).await,
                    None => connection.await,
                }
            };
            tokio::select! {
                biased;
                ended = served => if let Err(error) = ended {
                    tracing::debug!(error, "connection");
                },
                () = connection::says_nothing(visitor, patience) => tracing::debug!("a connection asked for nothing"),
                () = stop.cancelled() => {}
            }
        });
    }
}
