//! Brings the schema up to date. Several processes may try at once: PostgreSQL's runner takes an advisory lock.

use super::db::{Db, on_db};
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
                sqlx::migrate!("migrations/postgres").run(pool).await?;
                sqlx::query(HASH_CLEAR_KEYS).execute(pool).await?;
            }
            Db::Sqlite(pool) => migrate_sqlite(pool).await?,
        }
        Ok(())
    }

    /// The numbers of the migrations that this database has.
    pub async fn applied_migrations(&self) -> Result<Vec<i64>> {
        let sql = "select cast(version as bigint) from _sqlx_migrations order by version";
        Ok(on_db!(&self.db, db => sqlx::query_scalar(sql).fetch_all(db).await)?)
    }
}

/// SQLite's runner takes no lock: of a server and a command that start together on an empty directory one may find the
/// other's half of the work, and finds it done when it looks again.
async fn migrate_sqlite(pool: &sqlx::SqlitePool) -> Result<()> {
    const ATTEMPTS: u32 = 20;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);
    let migrations = sqlx::migrate!("migrations/sqlite");
    for _ in 1..ATTEMPTS {
        match migrations.run(pool).await {
            Ok(()) => return Ok(()),
            Err(error) => tracing::debug!(%error, "trying the migration again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(migrations.run(pool).await?)
}
