//! Limits that differ from what a trust level gives: of one person or key, for good or until a moment.

use super::db::{Tx, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;

/// One set of limits for one subject.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LimitsRow {
    /// `user` or `key`.
    pub subject_kind: String,
    pub subject_id: i32,
    /// False for limits that hold for good, true for an exception that ends by itself.
    pub is_exception: bool,
    pub requests_per_minute: Option<i64>,
    pub tokens_per_minute: Option<i64>,
    pub concurrent_calls: Option<i64>,
    pub monthly_micro_usd: Option<i64>,
    pub until: Option<Timestamp>,
    pub note: Option<String>,
    pub updated_at: Timestamp,
}

macro_rules! columns {
    () => {
        "subject_kind, subject_id, is_exception, requests_per_minute, tokens_per_minute, concurrent_calls, monthly_micro_usd, until, note, updated_at"
    };
}

statements! {
    LIST = concat!("select ", columns!(), " from limits where until is null or until > $1");
    FIND = concat!("select ", columns!(), " from limits where subject_kind = $1 and subject_id = $2 order by is_exception");
    SAVE = concat!("insert into limits (", columns!(), ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (subject_kind, subject_id, is_exception) do update set
            requests_per_minute = excluded.requests_per_minute, tokens_per_minute = excluded.tokens_per_minute,
            concurrent_calls = excluded.concurrent_calls, monthly_micro_usd = excluded.monthly_micro_usd,
            until = excluded.until, note = excluded.note, updated_at = excluded.updated_at");
    DELETE = "delete from limits where subject_kind = $1 and subject_id = $2 and is_exception = $3";
    SPENT_BY_USER = "select cast(coalesce(sum(cost_micro_usd), 0) as bigint) from usage_logs where user_id = $1 and created_at >= $2";
    SPENT_BY_KEY = "select cast(coalesce(sum(cost_micro_usd), 0) as bigint) from usage_logs where api_key_id = $1 and created_at >= $2";
}

impl Store {
    /// Every set of limits in force at `now`.
    pub async fn list_limits(&self, now: Timestamp) -> Result<Vec<LimitsRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST).bind(now).fetch_all(db).await)?)
    }

    /// What is set for one subject, in force or not: for good first.
    pub async fn find_limits(&self, kind: &str, id: i32) -> Result<Vec<LimitsRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND).bind(kind).bind(id).fetch_all(db).await)?)
    }

    /// What a person's calls are known to have cost since a moment, in millionths of a dollar.
    pub async fn spent_by_user(&self, user: i32, since: Timestamp) -> Result<i64> {
        Ok(
            read_db!(&self.db, db => sqlx::query_scalar(SPENT_BY_USER).bind(user).bind(since).fetch_one(db).await)?,
        )
    }

    /// What a key's calls are known to have cost since a moment, in millionths of a dollar.
    pub async fn spent_by_key(&self, key: i32, since: Timestamp) -> Result<i64> {
        Ok(
            read_db!(&self.db, db => sqlx::query_scalar(SPENT_BY_KEY).bind(key).bind(since).fetch_one(db).await)?,
        )
    }
}

impl Tx {
    /// Sets limits in place of those that the subject had of this sort.
    pub async fn save_limits(&mut self, row: &LimitsRow) -> Result<()> {
        on_tx!(self, c => sqlx::query(SAVE)
            .bind(&row.subject_kind)
            .bind(row.subject_id)
            .bind(row.is_exception)
            .bind(row.requests_per_minute)
            .bind(row.tokens_per_minute)
            .bind(row.concurrent_calls)
            .bind(row.monthly_micro_usd)
            .bind(row.until)
            .bind(&row.note)
            .bind(row.updated_at)
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Ends a set of limits. False when there was none.
    pub async fn delete_limits(&mut self, kind: &str, id: i32, is_exception: bool) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(DELETE).bind(kind).bind(id).bind(is_exception)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }
}
