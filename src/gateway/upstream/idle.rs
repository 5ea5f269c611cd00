//! Connections that wait for their next call: a bounded number, each for a bounded time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::gateway::accounts::prepared::Route;
use crate::gateway::upstream::connection::Connection;

/// Shorter than the minute after which load balancers commonly close a connection.
const LONGEST_WAIT: Duration = Duration::from_secs(50);
const SWEEP: Duration = Duration::from_secs(5);
const MOST_OF_A_ROUTE: usize = 256;
const MOST: usize = 2_048;

struct Waiting {
    connection: Connection,
    since: Instant,
}

#[derive(Default)]
struct Shelf {
    /// The one that waits longest stands first.
    routes: HashMap<Arc<Route>, Vec<Waiting>>,
    count: usize,
}

/// The connections that are between two calls.
#[derive(Default)]
pub(super) struct Idle(Mutex<Shelf>);

impl Idle {
    /// The connection that was used last, if one is left that its provider has not closed.
    pub(super) fn take(&self, route: &Route) -> Option<Connection> {
        loop {
            let mut waiting = self.pop(route)?;
            if waiting.since.elapsed() < LONGEST_WAIT && waiting.connection.is_free() {
                return Some(waiting.connection);
            }
        }
    }

    fn pop(&self, route: &Route) -> Option<Waiting> {
        let mut shelf = self.shelf();
        let waiting = shelf.routes.get_mut(route)?.pop()?;
        shelf.count -= 1;
        Some(waiting)
    }

    /// Keeps a connection for the next call, or closes it where there are enough.
    pub(super) fn put(&self, connection: Connection) {
        let mut shelf = self.shelf();
        if shelf.count >= MOST {
            return;
        }
        let list = shelf.routes.entry(connection.route.clone()).or_default();
        if list.len() < MOST_OF_A_ROUTE {
            list.push(Waiting { connection, since: Instant::now() });
            shelf.count += 1;
        }
    }

    /// Closes what waits too long or was closed by its provider, until told to stop; then everything.
    pub(super) async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
            self.close(|waiting| waiting.since.elapsed() >= LONGEST_WAIT || !waiting.connection.is_free());
        }
        self.close(|_| true);
    }

    fn close(&self, mut is_over: impl FnMut(&mut Waiting) -> bool) {
        let mut shelf = self.shelf();
        shelf.routes.retain(|_, list| {
            list.retain_mut(|waiting| !is_over(waiting));
            !list.is_empty()
        });
        shelf.count = shelf.routes.values().map(Vec::len).sum();
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
