//! Pool quotas of the embedded shape, written together with the usage rows that changed them, and what a quota is
//! made of where none is stored.

use super::db::{Tx, on_db, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::UserId;

/// One quota as JSON.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct QuotaRow {
    pub user_id: UserId,
    pub model_group: String,
    /// A newer state never gives way to an older one.
    pub version: i64,
    pub state: String,
}

/// What one call took from its caller's quota.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SpentRow {
    pub created_at: Timestamp,
    pub model_name: Option<String>,
    pub quota_millionths: i64,
}

statements! {
    FIND = "select user_id, model_group, version, state from pool_quotas where user_id = $1 and model_group = $2";
    /// A person who was deleted has no quota.
    SAVE = "insert into pool_quotas (user_id, model_group, version, state)
            select id, $2, $3, $4 from users where id = $1
            on conflict (user_id, model_group) do update set version = excluded.version, state = excluded.state
            where excluded.version > pool_quotas.version";
    DELETE = "delete from pool_quotas where user_id = $1 and model_group = $2";
    SPENT = "select created_at, model_name, quota_millionths from usage_logs
             where user_id = $1 and created_at > $2 and quota_millionths > 0 order by created_at, id";
    SERVED = "select cast(coalesce(sum(quota_millionths), 0) as bigint) from usage_logs where account_id = $1 and created_at > $2";
}

/// Stores a quota unless a newer state of it is stored.
pub(super) async fn save_quota(tx: &mut Tx, row: &QuotaRow) -> Result<()> {
    on_tx!(tx, c => sqlx::query(SAVE).bind(row.user_id).bind(&row.model_group).bind(row.version).bind(&row.state)
        .execute(c).await.map(drop))?;
    Ok(())
}

impl Store {
    /// The stored quota of a person for a group of models.
    pub async fn find_quota(&self, user: UserId, group: &str) -> Result<Option<QuotaRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND).bind(user).bind(group).fetch_optional(db).await)?)
    }

    /// Stores a quota unless a newer state of it is stored.
    pub async fn save_quota(&self, row: &QuotaRow) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(SAVE).bind(row.user_id).bind(&row.model_group).bind(row.version)
            .bind(&row.state).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Forgets a quota.
    pub async fn delete_quota(&self, user: UserId, group: &str) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(DELETE).bind(user).bind(group).execute(db).await.map(drop))?;
        Ok(())
    }

    /// What a person's calls took from their quotas since a moment, oldest first.
    pub async fn list_spent(&self, user: UserId, since: Timestamp) -> Result<Vec<SpentRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(SPENT).bind(user).bind(since).fetch_all(db).await)?)
    }

    /// Millionths of a unit that an account served to others since a moment.
    pub async fn served_to_others(&self, account: &str, since: Timestamp) -> Result<i64> {
        Ok(
            read_db!(&self.db, db => sqlx::query_scalar(SERVED).bind(account).bind(since).fetch_one(db).await)?,
        )
    }
}
