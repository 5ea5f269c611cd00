//! The usage record: one row per call, written in batches from the journal, read by its owner.

use super::db::{read_db, statements};
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
    pub const ALL: [Self; 4] = [Self::Ok, Self::ClientClosed, Self::UpstreamError, Self::Rejected];

    /// The outcome of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }

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
    /// Makes recording idempotent: a row that is carried again is not counted twice.
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

impl UsageFilter {
    /// Where a page begins: before the last row seen, and before `until`.
    fn before(&self, last_seen: Option<(Timestamp, i64)>) -> (Timestamp, i64) {
        let until = self.until.map(|until| (until, i64::MIN));
        until.into_iter().chain(last_seen).min().unwrap_or((Timestamp::LATEST, 0))
    }
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

/// One page. It begins at a row value, so that an index leads to its first row however deep it is, and every condition is
/// always there, because a condition that may be absent keeps indexes from being used. Rows stand in the order of the column
/// `id`, not of the answer's, which is cast and in no index.
macro_rules! page {
    ($condition:literal) => {
        concat!(
            "select ",
            columns!(),
            " from usage_logs where user_id = $1 and created_at >= $2 and (created_at, id) < ($3, $4)",
            $condition,
            " order by created_at desc, usage_logs.id desc limit $5"
        )
    };
}

statements! {
    PAGE = page!("");
    PAGE_OF_KEY = page!(" and api_key_id = $6");
    PAGE_OF_MODEL = page!(" and model_name = $6");
    PAGE_OF_KEY_AND_MODEL = page!(" and api_key_id = $6 and model_name = $7");
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

impl Store {
    /// A person's own rows, newest first, after the cursor (moment and id of the last row seen).
    pub async fn list_usage(
        &self,
        owner: UserId,
        filter: &UsageFilter,
        after: Option<(Timestamp, i64)>,
        limit: i64,
    ) -> Result<Vec<UsageLog>> {
        let from = filter.from.unwrap_or(Timestamp::EARLIEST);
        let (before, before_id) = filter.before(after);
        let statement = match (filter.api_key_id, &filter.model) {
            (None, None) => PAGE,
            (Some(_), None) => PAGE_OF_KEY,
            (None, Some(_)) => PAGE_OF_MODEL,
            (Some(_), Some(_)) => PAGE_OF_KEY_AND_MODEL,
        };
        Ok(read_db!(&self.db, db => {
            let mut query = sqlx::query_as(statement)
                .bind(owner)
                .bind(from)
                .bind(before)
                .bind(before_id)
                .bind(limit);
            if let Some(key) = filter.api_key_id {
                query = query.bind(key);
            }
            if let Some(model) = &filter.model {
                query = query.bind(model);
            }
            query.fetch_all(db).await
        })?)
    }

    /// Sums of a person's calls by day, model, key and outcome.
    pub async fn sum_usage(
        &self,
        owner: UserId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<UsageSums>> {
        Ok(
            read_db!(&self.db, db => sqlx::query_as(SUMS).bind(owner).bind(from).bind(until).fetch_all(db).await)?,
        )
    }
}
