//! How each database is opened, and what is done for it as long as the process runs.

use std::path::Path;
use std::str::FromStr as _;
use std::time::{Duration, Instant};

use deadpool::managed::{Hook, HookError};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Executor as _, PgConnection, SqliteConnection};
use tokio_util::sync::CancellationToken;

use super::db::{Db, Sqlite};
use super::pool::{Pool, Size, answered};
use super::{Result, Store};

/// A request waits so long for a connection, or for one to be opened.
const POSTGRES: Size = Size { connections: 30, wait: Duration::from_secs(1) };
/// Writers take turns of a millisecond; one that waits so long waits for a disk or for another process.
const WRITER: Size = Size { connections: 1, wait: Duration::from_secs(5) };
const READERS: Size = Size { connections: 4, wait: Duration::from_secs(5) };
const CHECKPOINTER: Size = Size { connections: 1, wait: Duration::from_secs(5) };

/// Another process on the same file has its turn within this time.
const BUSY: Duration = Duration::from_secs(5);
/// The checkpoint that waits for readers holds writers up meanwhile.
const CHECKPOINT_BUSY: Duration = Duration::from_millis(100);

/// A database that starts together with us is waited for.
const START_PATIENCE: Duration = Duration::from_secs(10);
const START_PAUSE: Duration = Duration::from_millis(100);

const UPKEEP_EVERY: Duration = Duration::from_secs(2);
/// Frames (4 KiB) of a write-ahead log that is cut when all of it is in the file: 64 MiB.
const LONG_LOG: i64 = 16_384;

/// A server that lost us gives up what we began, with the locks that it holds. And it doesn't look for the newest rows of one
/// person among everybody's: sorting rows that an index on the time alone gives in groups makes that look cheap. Settings that
/// a server doesn't know yet are left out.
const POSTGRES_SESSION: &str = "
    select set_config(known.name, wanted.value, false)
    from (values ('statement_timeout', '60s'), ('idle_in_transaction_session_timeout', '60s'), ('tcp_user_timeout', '30s'),
                 ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '3'),
                 ('enable_incremental_sort', 'off')) as wanted (name, value)
    join pg_settings known on known.name = wanted.name";

pub(super) async fn postgres(url: &SecretString) -> Result<Db> {
    let options = PgConnectOptions::from_str(url.expose_secret())?
        .application_name("millpond")
        .statement_cache_capacity(256);
    let on_open = Hook::async_fn(|connection: &mut PgConnection, _| {
        Box::pin(async move {
            connection.execute(POSTGRES_SESSION).await.map_err(HookError::Backend)?;
            Ok(())
        })
    });
    let pool = Pool::remote(options, POSTGRES, on_open)?;
    until_it_opens(&pool, |error| match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // "The database system is starting up", "too many clients already".
        error => has_code(error, &["57P03", "53300"]),
    })
    .await?;
    Ok(Db::Postgres(pool))
}

pub(super) async fn sqlite(path: &Path) -> Result<Db> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        // WAL without a sync per commit: a power cut can cost the last moments, a killed process costs nothing.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
        .foreign_keys(true)
        // The file is not mapped into memory: a disk that fails would be a signal instead of an error.
        .statement_cache_capacity(256);
    let writing = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("cache_size", "-8192")
        // A commit never stops to fold the log back, unless the task that does it is lost.
        .pragma("wal_autocheckpoint", "32768")
        .pragma("journal_size_limit", "67108864");
    let sqlite = Sqlite {
        checkpointer: Pool::local(writing.clone().busy_timeout(CHECKPOINT_BUSY), CHECKPOINTER)?,
        writer: Pool::local(writing, WRITER)?,
        readers: Pool::local(options.read_only(true), READERS)?,
    };
    // Turning a new file to WAL needs it alone and doesn't wait for it: another process may be doing the same now.
    until_it_opens(&sqlite.writer, |error| has_code(error, &["5", "261", "517"])).await?;
    Ok(Db::Sqlite(sqlite))
}

/// Opens the first connection, again and again while `passes` says that the reason why it can't be passes.
async fn until_it_opens<C: sqlx::Connection>(
    pool: &Pool<C>,
    passes: impl Fn(&sqlx::Error) -> bool,
) -> Result<()> {
    let started = Instant::now();
    loop {
        match pool.lend().await {
            Ok(lease) => {
                lease.end(&Ok(()));
                return Ok(());
            }
            Err(error) if !passes(&error) || started.elapsed() > START_PATIENCE => return Err(error.into()),
            Err(_) => tokio::time::sleep(START_PAUSE).await,
        }
    }
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| codes.contains(&code.as_ref()))
}

impl Store {
    /// Does what the database needs from time to time until `stop`: SQLite's write-ahead log is folded back into the file
    /// beside the commits, connections to PostgreSQL that nobody needs are closed.
    pub async fn keep_up(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(UPKEEP_EVERY) => {}
            }
            match &self.db {
                Db::Postgres(pool) => pool.shrink().await,
                Db::Sqlite(sqlite) => {
                    if let Err(error) = checkpoint(&sqlite.checkpointer).await {
                        tracing::warn!(%error, "the write-ahead log could not be folded back into the database");
                    }
                }
            }
        }
    }
}

/// Folds the log back without stopping anybody. What is written meanwhile stays in the log, so under steady writing it would
/// never be done: a long log is cut, which stops writers for what little is left of it.
async fn checkpoint(pool: &Pool<SqliteConnection>) -> std::result::Result<(), sqlx::Error> {
    let mut lease = pool.lend().await?;
    let passive = sqlx::query_as("pragma wal_checkpoint(passive)").fetch_one(&mut *lease);
    let (_, frames, _): (i64, i64, i64) = answered(passive).await?;
    if frames > LONG_LOG {
        let truncate = sqlx::query("pragma wal_checkpoint(truncate)").fetch_one(&mut *lease);
        answered(truncate).await?;
    }
    lease.end(&Ok(()));
    Ok(())
}
