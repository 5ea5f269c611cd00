//! Which database we run on, and the macro that says a statement once for both.

use sqlx::{PgPool, SqlitePool};

/// The two databases. Nothing outside `store` sees this.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// Runs `$body` against whichever database is configured; it is compiled once for each.
macro_rules! on_db {
    ($db:expr, $conn:ident => $body:expr) => {
        match $db {
            $crate::store::db::Db::Postgres($conn) => $body,
            $crate::store::db::Db::Sqlite($conn) => $body,
        }
    };
}

/// An open transaction on either database; rolls back when dropped. On SQLite it is the only one that writes: nothing
/// that is waited for while it is open may write in another way, the embedded shared state included.
#[derive(Debug)]
pub enum Tx {
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
}

impl Tx {
    /// Makes what was done on it last. With an entry in the audit log it is `Audit::commit` that does.
    pub async fn commit(self) -> super::Result<()> {
        match self {
            Self::Postgres(tx) => tx.commit().await?,
            Self::Sqlite(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// The twin of `on_db!` for an open transaction.
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::store::db::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::store::db::Tx::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}

/// Declares statements as constants and collects them for the test that prepares each on both databases.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)+) => {
        $($(#[$doc])* const $name: &str = $sql;)+
        pub(super) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}

pub(crate) use {on_db, on_tx, statements};

impl Db {
    /// Starts a transaction; on SQLite it takes the write lock at once, so it never has to upgrade one.
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Self::Postgres(pool) => pool.begin().await.map(Tx::Postgres),
            Self::Sqlite(pool) => pool.begin_with("begin immediate").await.map(Tx::Sqlite),
        }
    }
}
