//! Which database we run on, and the macros that say a statement once for both.

use sqlx::{PgConnection, SqliteConnection};

use super::pool::{Lease, Pool, answered};

/// The two databases. Nothing outside `store` sees this.
#[derive(Clone)]
pub(crate) enum Db {
    Postgres(Pool<PgConnection>),
    Sqlite(Sqlite),
}

/// SQLite lets one connection write at a time, so there is one, and those who wait for it stand in our queue and not in
/// SQLite's, which is none.
#[derive(Clone)]
pub(crate) struct Sqlite {
    pub(crate) writer: Pool<SqliteConnection>,
    /// Each statement on one of them sees whatever was committed before it began.
    pub(crate) readers: Pool<SqliteConnection>,
    /// Folds the write-ahead log back into the file.
    pub(crate) checkpointer: Pool<SqliteConnection>,
}

/// Runs `$body` on a connection of `$pool`.
macro_rules! on_pool {
    ($pool:expr, $conn:ident => $body:expr) => {
        match $pool.lend().await {
            Ok(mut lease) => {
                let outcome = $crate::store::pool::answered(async {
                    let $conn = &mut *lease;
                    $body
                })
                .await;
                lease.end(&outcome);
                outcome
            }
            Err(error) => Err(error),
        }
    };
}

/// Runs `$body`, which may write, against whichever database is configured; it is compiled once for each.
macro_rules! on_db {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::store::db::Db::Postgres(pool) => $crate::store::db::on_pool!(pool, $conn => $body),
            $crate::store::db::Db::Sqlite(sqlite) => $crate::store::db::on_pool!(sqlite.writer, $conn => $body),
        }
    };
}

/// The same for what only reads.
macro_rules! read_db {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::store::db::Db::Postgres(pool) => $crate::store::db::on_pool!(pool, $conn => $body),
            $crate::store::db::Db::Sqlite(sqlite) => $crate::store::db::on_pool!(sqlite.readers, $conn => $body),
        }
    };
}

/// An open transaction on either database. When it is dropped its connection is closed, which rolls it back. On SQLite it
/// is the only one that writes: nothing that is waited for while it is open may write in another way, the embedded shared
/// state included.
pub enum Tx {
    Postgres(Lease<PgConnection>),
    Sqlite(Lease<SqliteConnection>),
}

impl Tx {
    /// Makes what was done on it last. With an entry in the audit log it is `Audit::commit` that does.
    pub async fn commit(self) -> super::Result<()> {
        Ok(self.end("commit").await?)
    }

    /// Ends the transaction without what was done in it, and keeps its connection.
    pub async fn roll_back(self) -> super::Result<()> {
        Ok(self.end("rollback").await?)
    }

    async fn end(mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        on_tx!(&mut self, c => sqlx::query(statement).execute(c).await.map(drop))?;
        match self {
            Self::Postgres(lease) => lease.end(&Ok(())),
            Self::Sqlite(lease) => lease.end(&Ok(())),
        }
        Ok(())
    }
}

/// The twin of `on_db!` for an open transaction.
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::store::db::Tx::Postgres(lease) => {
                $crate::store::pool::stepped(async {
                    let $conn = &mut **lease;
                    $body
                })
                .await
            }
            $crate::store::db::Tx::Sqlite(lease) => {
                $crate::store::pool::stepped(async {
                    let $conn = &mut **lease;
                    $body
                })
                .await
            }
        }
    };
}

/// Declares statements as constants and collects them for the tests that hold each against both databases.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* const $name: &str = $sql;)+
        pub(super) const STATEMENTS: &[(&str, &str)] =
            &[$((concat!(module_path!(), "::", stringify!($name)), $name)),+];
    };
}

pub(crate) use {on_db, on_pool, on_tx, read_db, statements};

impl Db {
    /// Starts a transaction; on SQLite it takes the write lock at once, so it never has to upgrade one.
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Self::Postgres(pool) => {
                let mut lease = pool.lend().await?;
                answered(sqlx::query("begin").execute(&mut *lease)).await?;
                Ok(Tx::Postgres(lease))
            }
            Self::Sqlite(sqlite) => {
                let mut lease = sqlite.writer.lend().await?;
                answered(sqlx::query("begin immediate").execute(&mut *lease)).await?;
                Ok(Tx::Sqlite(lease))
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite(sqlite) => {
                sqlite.readers.close().await;
                sqlite.checkpointer.close().await;
                // The last connection folds the write-ahead log back into the file.
                sqlite.writer.close().await;
            }
        }
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Postgres(_) => "Postgres",
            Self::Sqlite(_) => "Sqlite",
        })
    }
}
