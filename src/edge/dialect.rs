//! Which dialect a route speaks. It is said where the route is made, so that no path has to be taken apart: credentials are
//! looked for where the dialect has them, and errors are written in its words.

use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::routing::MethodRouter;
use millpond_wire::Dialect;

use super::error;

/// The dialect of the route that a request came to, among the request's extensions; routes under `/api` have none.
#[derive(Clone, Copy, Debug)]
pub struct Spoken(pub Dialect);

/// The same routes, speaking a dialect.
pub fn speaking<S>(dialect: Dialect, routes: MethodRouter<S>) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.layer(middleware::from_fn(move |mut request: Request, next: Next| async move {
        request.extensions_mut().insert(Spoken(dialect));
        error::write(Some(dialect), next.run(request).await)
    }))
}
