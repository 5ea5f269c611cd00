//! What one connection asks: its requests on their way to the router, and whether there was one at all.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::future::RouteFuture;
use hyper::Request;
use hyper::body::Incoming;
use tower::Service as _;

use crate::edge::visitors::Visitor;

/// The service of one connection.
pub(super) struct Service {
    pub(super) router: Router,
    pub(super) peer: SocketAddr,
    pub(super) visitor: Arc<Visitor>,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.visitor.asks();
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(self.peer));
        extensions.insert(self.visitor.clone());
        self.router.clone().call(request.map(Body::new))
    }
}

/// Returns if a connection asked for nothing in time, and never where it did.
pub(super) async fn says_nothing(visitor: Arc<Visitor>, patience: Duration) {
    tokio::time::sleep(patience).await;
    if visitor.has_asked() {
        std::future::pending::<()>().await;
    }
}
