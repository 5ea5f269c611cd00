//! The database: one file a table, and the only room that says SQL.
//!
//! Every statement is one text that runs on PostgreSQL and SQLite (the portable subset is described in
//! docs/ARCHITECTURE.md). Absence is `Ok(None)`, never an error. Nothing here knows HTTP.

pub mod accounts;
pub mod announcements;
pub mod api_keys;
pub mod audit;
pub mod consumption;
pub(crate) mod db;
pub mod entries;
pub mod identities;
pub mod invites;
pub mod limits;
mod migrate;
pub mod oauth_tokens;
pub mod people;
pub mod quotas;
pub mod second_factors;
pub mod usage;
pub mod users;

use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::config::DatabaseConfig;
pub use db::Tx;
use db::{Db, on_db};

/// What can go wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The driver's own failure: connection, constraint, decoding.
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A row holds what the program never writes.
    #[error("the row {row} of {table} is not readable: {reason}")]
    Inconsistent { table: &'static str, row: String, reason: String },
}

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// The database of this process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
}

impl Store {
    /// Opens the pool; a PostgreSQL server that is away is an error, a SQLite file is made when missing.
    pub async fn connect(config: &DatabaseConfig) -> Result<Self> {
        let db = match config {
            DatabaseConfig::Sqlite { path } => Db::Sqlite(open_sqlite(path).await?),
            DatabaseConfig::Postgres { url } => {
                let options = PgConnectOptions::from_str(url.expose_secret())?
                    .application_name("millpond")
                    .statement_cache_capacity(256);
                let pool = PgPoolOptions::new()
                    .max_connections(30)
                    .acquire_timeout(Duration::from_secs(10))
                    .connect_with(options)
                    .await?;
                Db::Postgres(pool)
            }
        };
        Ok(Self { db })
    }

    /// `PostgreSQL` or `SQLite`, as the health answer names it.
    pub fn backend(&self) -> &'static str {
        match self.db {
            Db::Postgres(_) => "PostgreSQL",
            Db::Sqlite(_) => "SQLite",
        }
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        on_db!(&self.db, db => sqlx::query("select 1").execute(db).await.map(drop))?;
        Ok(())
    }

    /// Begins a transaction. What changes is done on it, so that a change and its entry in the audit log are one.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.db.begin().await?)
    }

    /// Closes the pool; the last connection of SQLite folds its write-ahead log back into the file.
    pub async fn close(&self) {
        on_db!(&self.db, db => db.close().await);
    }

    /// Prepares one statement without running it, for the test that holds each against both databases.
    pub async fn prepare(&self, sql: &'static str) -> Result<()> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        on_db!(&self.db, db => db.prepare(sql.into_sql_str()).await.map(drop))?;
        Ok(())
    }
}

/// Every statement of this room by table and name.
pub fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        users::STATEMENTS,
        identities::STATEMENTS,
        oauth_tokens::STATEMENTS,
        api_keys::STATEMENTS,
        accounts::STATEMENTS,
        usage::STATEMENTS,
        consumption::STATEMENTS,
        quotas::STATEMENTS,
        limits::STATEMENTS,
        invites::STATEMENTS,
        people::STATEMENTS,
        announcements::STATEMENTS,
        second_factors::STATEMENTS,
        entries::STATEMENTS,
        audit::STATEMENTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// SQLite's result code for a file that somebody else has locked.
const SQLITE_BUSY: &str = "5";
/// Turning a new file to WAL needs it alone and doesn't wait for it: another process may be doing the same now.
const OPEN_ATTEMPTS: u32 = 50;
const OPEN_PAUSE: Duration = Duration::from_millis(100);

async fn open_sqlite(path: &std::path::Path) -> Result<sqlx::SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // WAL without a sync per commit: a power cut can cost the last moments, a killed process costs nothing.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(10))
        .foreign_keys(true)
        .statement_cache_capacity(256);
    let pool = SqlitePoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(10));
    for _ in 1..OPEN_ATTEMPTS {
        match pool.clone().connect_with(options.clone()).await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(SQLITE_BUSY) => {
                tokio::time::sleep(OPEN_PAUSE).await;
            }
            connected => return Ok(connected?),
        }
    }
    Ok(pool.connect_with(options).await?)
}
