//! What the embedded shape keeps instead of Redis, and the counter by which it notices changes made by other processes.

use super::db::{on_db, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;

/// One stored entry of the embedded state.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct EntryRow {
    pub name: String,
    pub value: String,
    pub expires_at: Timestamp,
}

statements! {
    LOAD = "select name, value, expires_at from state_entries where expires_at > $1";
    PURGE = "delete from state_entries where expires_at <= $1";
    PUT = "insert into state_entries (name, value, expires_at) values ($1, $2, $3)
           on conflict (name) do update set value = excluded.value, expires_at = excluded.expires_at";
    REMOVE = "delete from state_entries where name = $1";
    BUMP = "update change_counter set value = value + 1 where id = 1";
    READ_COUNTER = "select value from change_counter where id = 1";
}

impl Store {
    /// Every entry still alive at `now`; the dead ones are deleted.
    pub async fn load_entries(&self, now: Timestamp) -> Result<Vec<EntryRow>> {
        on_db!(&self.db, db => sqlx::query(PURGE).bind(now).execute(db).await.map(drop))?;
        Ok(read_db!(&self.db, db => sqlx::query_as(LOAD).bind(now).fetch_all(db).await)?)
    }

    /// Writes a batch of changes in one transaction; `None` removes the entry.
    pub async fn save_entries(&self, changes: &[(String, Option<(String, Timestamp)>)]) -> Result<()> {
        let mut tx = self.db.begin().await?;
        for (name, change) in changes {
            match change {
                Some((value, expires_at)) => on_tx!(&mut tx, c => sqlx::query(PUT).bind(name).bind(value)
                    .bind(*expires_at).execute(c).await.map(drop))?,
                None => on_tx!(&mut tx, c => sqlx::query(REMOVE).bind(name).execute(c).await.map(drop))?,
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Tells other processes on this database that something cached may have changed.
    pub async fn bump_change_counter(&self) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(BUMP).execute(db).await.map(drop))?;
        Ok(())
    }

    /// The counter that moves with every change.
    pub async fn change_counter(&self) -> Result<i64> {
        Ok(read_db!(&self.db, db => sqlx::query_scalar(READ_COUNTER).fetch_one(db).await)?)
    }
}
