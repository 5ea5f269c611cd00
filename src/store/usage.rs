//! The usage record: one row per call, written in groups by the ledger, read by its owner.

use sqlx::QueryBuilder;

use super::db::{Db, Tx, on_db, statements};
use super::quotas::{QuotaRow, save_quota};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::{AccountId, KeyId, UserId};

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The whole answer reached the client.
    Ok,
    /// The client went away before the end.
    ClientClosed,
    /// The provider failed.
    UpstreamError,
    /// Millpond refused: no account, no quota, a limit.
    Rejected,
}

impl Outcome {
    /// The word that the table and the wire hold.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::ClientClosed => "client_closed",
            Self::UpstreamError => "upstream_error",
            Self::Rejected => "rejected",
        }
    }
}

/// One finished call, ready to be recorded.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UsageRow {
    /// Makes recording idempotent: a row that is replayed from the spool is not counted twice.
    pub record_id: String,
    pub request_id: String,
    pub user_id: UserId,
    pub api_key_id: Option<KeyId>,
    pub account_id: Option<AccountId>,
    pub is_shared: bool,
    pub endpoint: String,
    pub method: String,
    pub model_name: Option<String>,
    pub upstream_model: Option<String>,
    pub stream: bool,
    pub status_code: i32,
    pub outcome: Outcome,
    pub error_code: Option<String>,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cached_tokens: i64,
    pub reasoning_tokens: i64,
    pub tokens_estimated: bool,
    /// Millionths of a US dollar; `None` when the model's price is unknown.
    pub cost_micro_usd: Option<i64>,
    /// Millionths of a reference unit taken from the caller's pool quota.
    pub quota_millionths: i64,
    pub latency_ms: i64,
    pub ttft_ms: Option<i64>,
    pub attempts: i32,
    pub created_at: Timestamp,
}

/// One recorded call as its owner sees it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, serde::Serialize, utoipa::ToSchema)]
pub struct UsageLog {
    pub id: i64,
    pub created_at: Timestamp,
    pub user_id: UserId,
    pub api_key_id: Option<KeyId>,
    /// The upstream account that served the call.
    pub account_id: Option<AccountId>,
    pub is_shared: Option<bool>,
    pub endpoint: String,
    pub method: String,
    pub model_name: Option<String>,
    pub upstream_model: Option<String>,
    pub stream: Option<bool>,
    pub status_code: Option<i32>,
    #[schema(value_type = Option<Outcome>)]
    pub outcome: Option<String>,
    pub error_code: Option<String>,
    pub input_tokens: Option<i64>,
    pub output_tokens: Option<i64>,
    pub cached_tokens: Option<i64>,
    pub reasoning_tokens: Option<i64>,
    /// Whether the provider gave no usage and Millpond counted itself.
    pub tokens_estimated: Option<bool>,
    /// Millionths of a US dollar, null when the price is unknown.
    pub cost_micro_usd: Option<i64>,
    /// Reference units taken from the caller's pool quota.
    pub quota_consumed: f64,
    pub latency_ms: Option<i64>,
    pub ttft_ms: Option<i64>,
    pub attempts: Option<i32>,
    pub request_id: Option<String>,
}

/// Which rows a person wants to see.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub api_key_id: Option<KeyId>,
    pub model: Option<String>,
}

/// Sums over calls that share a bucket.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct UsageSums {
    /// Days since the epoch.
    pub day: i64,
    pub model_name: Option<String>,
    pub api_key_id: Option<KeyId>,
    pub outcome: String,
    pub calls: i64,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub cached_tokens: i64,
    pub reasoning_tokens: i64,
    /// `None` when no call of the bucket has a known price.
    pub cost_micro_usd: Option<i64>,
    pub quota_millionths: i64,
}

macro_rules! columns {
    () => {
        "cast(id as bigint) as id, created_at, user_id, api_key_id, account_id, is_shared, endpoint, method, model_name, \
         upstream_model, stream, status_code, outcome, error_code, input_tokens, output_tokens, cached_tokens, \
         reasoning_tokens, tokens_estimated, cost_micro_usd, quota_consumed, latency_ms, ttft_ms, attempts, request_id"
    };
}

statements! {
    LIST = concat!("select ", columns!(), " from usage_logs
            where user_id = $1 and (created_at >= $2 or $2 is null) and (created_at < $3 or $3 is null)
              and (api_key_id = $4 or $4 is null) and (model_name = $5 or $5 is null)
              and (created_at < $6 or (created_at = $6 and id < $7) or $6 is null)
            order by created_at desc, id desc limit $8");
    SUMS = "select day, model_name, api_key_id, coalesce(outcome, 'ok') as outcome, cast(count(*) as bigint) as calls,
                   cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
                   cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
                   cast(coalesce(sum(cached_tokens), 0) as bigint) as cached_tokens,
                   cast(coalesce(sum(reasoning_tokens), 0) as bigint) as reasoning_tokens,
                   cast(sum(cost_micro_usd) as bigint) as cost_micro_usd,
                   cast(coalesce(sum(quota_millionths), 0) as bigint) as quota_millionths
            from usage_logs
            where user_id = $1 and created_at >= $2 and created_at < $3 and day is not null
            group by day, model_name, api_key_id, coalesce(outcome, 'ok') order by day";
}

const INSERT: &str = "insert into usage_logs (record_id, request_id, user_id, api_key_id, account_id, is_shared, endpoint,
    method, model_name, upstream_model, stream, status_code, outcome, error_code, input_tokens, output_tokens,
    cached_tokens, reasoning_tokens, tokens_estimated, cost_micro_usd, quota_millionths, quota_consumed, latency_ms,
    ttft_ms, attempts, created_at, day) ";

/// Rows per statement: well under the bind limits of both databases (27 values a row).
const ROWS_PER_INSERT: usize = 64;

macro_rules! insert_rows {
    ($conn:expr, $db:ty, $rows:expr) => {{
        let mut query = QueryBuilder::<$db>::new(INSERT);
        query.push_values($rows, |mut values, row: &UsageRow| {
            values
                .push_bind(&row.record_id)
                .push_bind(&row.request_id)
                .push_bind(row.user_id)
                // A key that was deleted during the call must not cost the row.
                .push("(select id from api_keys where id = ")
                .push_bind_unseparated(row.api_key_id)
                .push_unseparated(")")
                .push_bind(&row.account_id)
                .push_bind(row.is_shared)
                .push_bind(&row.endpoint)
                .push_bind(&row.method)
                .push_bind(&row.model_name)
                .push_bind(&row.upstream_model)
                .push_bind(row.stream)
                .push_bind(row.status_code)
                .push_bind(row.outcome.as_str())
                .push_bind(&row.error_code)
                .push_bind(row.input_tokens)
                .push_bind(row.output_tokens)
                .push_bind(row.cached_tokens)
                .push_bind(row.reasoning_tokens)
                .push_bind(row.tokens_estimated)
                .push_bind(row.cost_micro_usd)
                .push_bind(row.quota_millionths)
                .push_bind(units(row.quota_millionths))
                .push_bind(row.latency_ms)
                .push_bind(row.ttft_ms)
                .push_bind(row.attempts)
                .push_bind(row.created_at)
                .push_bind(row.created_at.day());
        });
        query.push(" on conflict (record_id) do nothing");
        query.build().execute($conn).await.map(drop)
    }};
}

/// AntiHub's column is a float; ours beside it is exact.
#[expect(clippy::cast_precision_loss, reason = "display value; the exact one is stored beside it")]
fn units(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}

impl Store {
    /// Records finished calls, each exactly once however often it is given, and with them the quotas that they changed.
    pub async fn insert_usage(&self, rows: &[UsageRow], quotas: &[QuotaRow]) -> Result<()> {
        if rows.len() <= ROWS_PER_INSERT && quotas.is_empty() {
            return self.insert_usage_statement(rows).await;
        }
        let mut tx = self.db.begin().await?;
        for chunk in rows.chunks(ROWS_PER_INSERT) {
            match &mut tx {
                Tx::Postgres(tx) => insert_rows!(&mut **tx, sqlx::Postgres, chunk)?,
                Tx::Sqlite(tx) => insert_rows!(&mut **tx, sqlx::Sqlite, chunk)?,
            }
        }
        for quota in quotas {
            save_quota(&mut tx, quota).await?;
        }
        tx.commit().await
    }

    async fn insert_usage_statement(&self, rows: &[UsageRow]) -> Result<()> {
        match &self.db {
            Db::Postgres(pool) => insert_rows!(pool, sqlx::Postgres, rows)?,
            Db::Sqlite(pool) => insert_rows!(pool, sqlx::Sqlite, rows)?,
        }
        Ok(())
    }

    /// A person's own rows, newest first, after the cursor (moment and id of the last row seen).
    pub async fn list_usage(
        &self,
        owner: UserId,
        filter: &UsageFilter,
        after: Option<(Timestamp, i64)>,
        limit: i64,
    ) -> Result<Vec<UsageLog>> {
        Ok(on_db!(&self.db, db => sqlx::query_as(LIST)
            .bind(owner)
            .bind(filter.from)
            .bind(filter.until)
            .bind(filter.api_key_id)
            .bind(&filter.model)
            .bind(after.map(|(moment, _)| moment))
            .bind(after.map(|(_, id)| id))
            .bind(limit)
            .fetch_all(db).await)?)
    }

    /// Sums of a person's calls by day, model, key and outcome.
    pub async fn sum_usage(
        &self,
        owner: UserId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageSums>> {
        Ok(
            on_db!(&self.db, db => sqlx::query_as(SUMS).bind(owner).bind(from).bind(until).fetch_all(db).await)?,
        )
    }
}
