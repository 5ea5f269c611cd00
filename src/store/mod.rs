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
mod open;
pub mod people;
mod pool;
pub mod quotas;
pub mod record;
pub mod second_factors;
pub mod usage;
pub mod users;

use crate::config::DatabaseConfig;
pub use db::Tx;
use db::{Db, on_db, read_db};

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

impl StoreError {
    /// Whether the database refuses what it was given, whenever it is asked: a value does not fit, what is referred to does
    /// not exist. Everything else (away, busy, full, read-only, starting up) passes.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Encode(_)) => true,
            Self::Sql(error) => refuses_values(error),
            Self::Migrate(_) | Self::Inconsistent { .. } => false,
        }
    }
}

/// PostgreSQL's classes "data exception" and "integrity constraint violation", and SQLite's primary codes for a value that
/// is too big, violates a constraint or has the wrong type.
fn refuses_values(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    let Some(code) = error.code() else { return false };
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return code.starts_with("22") || code.starts_with("23");
    }
    // The primary code is in the low byte.
    code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 18..=20))
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
            DatabaseConfig::Sqlite { path } => open::sqlite(path).await?,
            DatabaseConfig::Postgres { url } => open::postgres(url).await?,
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
        read_db!(&self.db, db => sqlx::query("select 1").execute(db).await.map(drop))?;
        Ok(())
    }

    /// Begins a transaction. What changes is done on it, so that a change and its entry in the audit log are one.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(self.db.begin().await?)
    }

    /// Closes the pool; the last connection of SQLite folds its write-ahead log back into the file.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Prepares one statement without running it, for the test that holds each against both databases.
    pub async fn prepare(&self, sql: &'static str) -> Result<()> {
        use sqlx::{Executor as _, SqlSafeStr as _};
        on_db!(&self.db, db => db.prepare(sql.into_sql_str()).await.map(drop))?;
        Ok(())
    }
}

impl Store {
    /// Every statement of this room by file and name, but for the few that are put together from parts.
    pub fn statements(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let own = match self.db {
            Db::Postgres(_) => record::POSTGRES_STATEMENTS,
            Db::Sqlite(_) => record::SQLITE_STATEMENTS,
        };
        STATEMENTS.iter().flat_map(|table| table.iter()).chain(own).copied()
    }
}

const STATEMENTS: &[&[(&str, &str)]] = &[
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
];
