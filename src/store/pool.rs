//! Connections that are lent out. One goes back only when what it was lent for has ended, and is closed otherwise: a future
//! that was dropped or ran out of time may have left it in the middle of a statement or of a transaction.
//!
//! sqlx's own pool asks each connection for a sign of life when it comes back, without a bound and on a task that nobody
//! owns: a server that swallows packets would cost a place in the pool each time.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{
    self, HookError, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult,
};
use sqlx::{ConnectOptions as _, Connection, Error};

/// A database that is silent for so long is taken to be away.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A step of a transaction may touch many rows.
const STEP_WITHIN: Duration = Duration::from_secs(60);
/// A connection that was not used for so long is asked for a sign of life before it is lent.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Saying goodbye is a courtesy.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// A connection that nobody needs is closed after this time.
const KEPT_IDLE: Duration = Duration::from_secs(600);
/// Nor is one kept for longer, so that what a server remembers for it is given back.
const KEPT: Duration = Duration::from_secs(1_800);

/// Opens connections.
pub(crate) struct Opener<C: Connection> {
    options: C::Options,
    /// Whether there is a network between us and the database.
    is_remote: bool,
}

impl<C: Connection> managed::Manager for Opener<C> {
    type Type = C;
    type Error = Error;

    async fn create(&self) -> Result<C, Error> {
        self.options.connect().await
    }

    async fn recycle(&self, connection: &mut C, metrics: &Metrics) -> RecycleResult<Error> {
        if !self.is_remote || metrics.last_used() < TRUSTED_FOR {
            return Ok(());
        }
        if metrics.age() > KEPT {
            return Err(RecycleError::message("old"));
        }
        Ok(connection.ping().await?)
    }
}

/// Connections to one database.
pub(crate) struct Pool<C: Connection> {
    connections: managed::Pool<Opener<C>>,
    wait: Duration,
}

impl<C: Connection> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self { connections: self.connections.clone(), wait: self.wait }
    }
}

/// How many connections there are, and how long one is waited for.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) connections: usize,
    pub(crate) wait: Duration,
}

impl<C: Connection> Pool<C> {
    /// A pool on the other side of a network; `on_open` is run on each new connection.
    pub(crate) fn remote(
        options: C::Options,
        size: Size,
        on_open: managed::Hook<Opener<C>>,
    ) -> Result<Self, Error> {
        Self::build(Self::builder(options, size, true).post_create(on_open), size)
    }

    /// A pool in this process.
    pub(crate) fn local(options: C::Options, size: Size) -> Result<Self, Error> {
        Self::build(Self::builder(options, size, false), size)
    }

    fn builder(options: C::Options, size: Size, is_remote: bool) -> managed::PoolBuilder<Opener<C>> {
        managed::Pool::builder(Opener { options, is_remote })
            .max_size(size.connections)
            // Those that are not needed stay at the bottom and grow old.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
    }

    fn build(builder: managed::PoolBuilder<Opener<C>>, size: Size) -> Result<Self, Error> {
        let connections = builder.build().map_err(|error| Error::Configuration(error.to_string().into()))?;
        Ok(Self { connections, wait: size.wait })
    }

    /// Lends a connection, which is opened if need be.
    pub(crate) async fn lend(&self) -> Result<Lease<C>, Error> {
        match tokio::time::timeout(self.wait, self.connections.get()).await {
            Ok(Ok(connection)) => Ok(Lease { connection: Some(connection) }),
            Ok(Err(PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)))) => {
                Err(error)
            }
            Ok(Err(PoolError::Closed)) => Err(Error::PoolClosed),
            Ok(Err(_)) | Err(_) => Err(Error::PoolTimedOut),
        }
    }

    /// Closes what was not used for long.
    pub(crate) async fn shrink(&self) {
        let removed =
            self.connections.retain(|_, metrics| metrics.last_used() < KEPT_IDLE && metrics.age() < KEPT);
        for connection in removed.removed {
            say_goodbye(connection).await;
        }
    }

    /// Closes all connections; those that are lent, when they come back.
    pub(crate) async fn close(&self) {
        let started = Instant::now();
        loop {
            for connection in self.connections.retain(|_, _| false).removed {
                say_goodbye(connection).await;
            }
            if self.connections.status().size == 0 || started.elapsed() > self.wait {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.connections.close();
    }
}

async fn say_goodbye(connection: impl Connection) {
    if !matches!(tokio::time::timeout(GOODBYE_WITHIN, connection.close()).await, Ok(Ok(()))) {
        tracing::debug!("a connection was closed without the database's answer");
    }
}

/// A connection that is lent.
pub struct Lease<C: Connection> {
    /// Absent only while it is dropped.
    connection: Option<Object<Opener<C>>>,
}

impl<C: Connection> Lease<C> {
    /// Ends what it was lent for: the connection goes back, unless the outcome says something against it.
    pub(crate) fn end<T>(mut self, outcome: &Result<T, Error>) {
        if outcome.as_ref().err().is_none_or(spares_connection) {
            drop(self.connection.take());
        }
    }
}

impl<C: Connection> Drop for Lease<C> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

impl<C: Connection> Deref for Lease<C> {
    type Target = C;

    fn deref(&self) -> &C {
        let Some(connection) = &self.connection else {
            unreachable!("a lease has its connection until it ends")
        };
        connection
    }
}

impl<C: Connection> DerefMut for Lease<C> {
    fn deref_mut(&mut self) -> &mut C {
        let Some(connection) = &mut self.connection else {
            unreachable!("a lease has its connection until it ends")
        };
        connection
    }
}

/// Bounds the wait for an answer.
pub(crate) async fn answered<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    within(ANSWER_WITHIN, answer).await
}

/// Bounds the wait for a step of a transaction.
pub(crate) async fn stepped<T>(step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    within(STEP_WITHIN, step).await
}

async fn within<T>(limit: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let answered = tokio::time::timeout(limit, answer).await;
    answered.unwrap_or_else(|_| Err(Error::Io(std::io::ErrorKind::TimedOut.into())))
}

/// Whether an error is about what was asked and not about the connection. After any other nobody knows in what state it is;
/// a new one is cheap.
fn spares_connection(error: &Error) -> bool {
    match error {
        Error::RowNotFound
        | Error::ColumnNotFound(_)
        | Error::ColumnDecode { .. }
        | Error::Decode(_)
        | Error::Encode(_) => true,
        error => super::refuses_values(error),
    }
}
