//! Brings the schema up to date. Several processes may try at once: PostgreSQL's runner takes an advisory lock.

use sqlx::Executor as _;
use sqlx::SqliteConnection;

use super::db::{Db, read_db};
use super::pool::Pool;
use super::{Result, Store};

/// AntiHub keeps keys in clear text and knows no hash. It may still be writing while we start, so this runs every time.
const HASH_CLEAR_KEYS: &str = "update api_keys set key_hash = encode(sha256(convert_to(key, 'UTF8')), 'hex'),
                                      key_preview = substr(key, 1, 8)
                               where key_hash is null";

impl Store {
    /// Runs what migrations are missing. Running it again changes nothing.
    pub async fn migrate(&self) -> Result<()> {
        match &self.db {
            Db::Postgres(pool) => {
                let mut lease = pool.lend().await?;
                // A table may be large, and another process may be at it. The connection is not used for anything else.
                lease.execute("set statement_timeout = 0").await?;
                sqlx::migrate!("migrations/postgres").run_direct(None, &mut *lease, false).await?;
                sqlx::query(HASH_CLEAR_KEYS).execute(&mut *lease).await?;
            }
            Db::Sqlite(sqlite) => migrate_sqlite(&sqlite.writer).await?,
        }
        Ok(())
    }

    /// The numbers of the migrations that this database has.
    pub async fn applied_migrations(&self) -> Result<Vec<i64>> {
        let sql = "select cast(version as bigint) from _sqlx_migrations order by version";
        Ok(read_db!(&self.db, db => sqlx::query_scalar(sql).fetch_all(db).await)?)
    }
}

/// SQLite's runner takes no lock: of a server and a command that start together on an empty directory one may find the
/// other's half of the work, and finds it done when it looks again.
async fn migrate_sqlite(writer: &Pool<SqliteConnection>) -> Result<()> {
    const ATTEMPTS: u32 = 20;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
    for _ in 1..ATTEMPTS {
        match run_on_sqlite(writer).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::debug!(%error, "trying the migration again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    run_on_sqlite(writer).await
}

async fn run_on_sqlite(writer: &Pool<SqliteConnection>) -> Result<()> {
    let mut lease = writer.lend().await?;
    sqlx::migrate!("migrations/sqlite").run_direct(None, &mut *lease, false).await?;
    lease.end(&Ok(()));
    Ok(())
}
