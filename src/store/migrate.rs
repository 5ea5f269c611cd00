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
            Db::Sqlite(pool) => sqlx::migrate!("migrations/sqlite").run(pool).await?,
        }
        Ok(())
    }

    /// The numbers of the migrations that this database has.
    pub async fn applied_migrations(&self) -> Result<Vec<i64>> {
        let sql = "select cast(version as bigint) from _sqlx_migrations order by version";
        Ok(on_db!(&self.db, db => sqlx::query_scalar(sql).fetch_all(db).await)?)
    }
}
