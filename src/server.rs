//! The listening socket: accepts connections, and at the end lets running answers finish.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::app::App;
use crate::router::router;

/// A client that takes longer to send a request's head is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// After an error of `accept` (too many open files) we wait instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then waits for running answers, at most `SHUTDOWN_GRACE_SECONDS`.
pub async fn serve(app: App, listener: TcpListener, stop: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(HEAD_TIMEOUT));
    let service = router(app.clone());
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => connect(&app, &builder, &service, &open, stream, peer),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let grace = app.core.config.http.shutdown_grace;
    if tokio::time::timeout(grace, open.shutdown()).await.is_err() {
        tracing::warn!(?grace, "some answers were still running and are cut off");
    }
}

fn connect(
    app: &App,
    builder: &Builder<TokioExecutor>,
    service: &axum::Router,
    open: &GracefulShutdown,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // A streamed chunk must not wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let service = service.clone().map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.map(axum::body::Body::new)
    });
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
    let watched = open.watch(connection.into_owned());
    app.core.tasks.spawn("connection", move |stop| async move {
        tokio::select! {
            ended = watched => if let Err(error) = ended {
                tracing::debug!(error, "connection");
            },
            () = stop.cancelled() => {}
        }
    });
}
