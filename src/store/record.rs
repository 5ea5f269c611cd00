//! Recording finished calls in batches: their rows, and what follows from them, in one transaction.
//!
//! The two databases take a batch in different words. PostgreSQL unpacks one array a column, so that a batch is one round
//! trip however long it is; SQLite binds values faster than it unpacks anything.

use std::collections::HashMap;

use sqlx::QueryBuilder;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::db::Tx;
use super::people::NOBODY;
use super::pool::stepped;
use super::quotas::{QuotaRow, save_quota};
use super::usage::UsageRow;
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::{AccountId, KeyId};

type Sql<T> = std::result::Result<T, sqlx::Error>;

/// Finished calls and what they changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageBatch<'a> {
    pub rows: &'a [UsageRow],
    /// The quotas after these calls, where they are kept in the database.
    pub quotas: &'a [QuotaRow],
    pub accounts_used: &'a [(AccountId, Timestamp)],
    pub keys_used: &'a [(KeyId, Timestamp)],
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Which of the rows were not on record before, in their order.
    pub new: Vec<usize>,
}

macro_rules! columns {
    () => {
        "record_id, request_id, user_id, api_key_id, account_id, is_shared, endpoint, method, model_name, upstream_model, \
         stream, status_code, outcome, error_code, input_tokens, output_tokens, cached_tokens, reasoning_tokens, \
         tokens_estimated, cost_micro_usd, quota_millionths, quota_consumed, latency_ms, ttft_ms, attempts, created_at, day"
    };
}

/// A person who was deleted during the call must not cost the row, nor must a key.
const INSERT_POSTGRES: &str = concat!(
    "insert into usage_logs (",
    columns!(),
    ")
    select record_id, request_id,
           coalesce(u.id, (select min(id) from users where username = $28)), k.id, account_id, is_shared,
           endpoint, method, model_name, upstream_model, stream, status_code, outcome, error_code, input_tokens,
           output_tokens, cached_tokens, reasoning_tokens, tokens_estimated, cost_micro_usd, quota_millionths,
           quota_consumed, latency_ms, ttft_ms, attempts, r.created_at, day
    from unnest($1::text[], $2::text[], $3::integer[], $4::integer[], $5::text[], $6::boolean[], $7::text[], $8::text[],
                $9::text[], $10::text[], $11::boolean[], $12::integer[], $13::text[], $14::text[], $15::bigint[],
                $16::bigint[], $17::bigint[], $18::bigint[], $19::boolean[], $20::bigint[], $21::bigint[],
                $22::double precision[], $23::bigint[], $24::bigint[], $25::integer[], $26::timestamptz[], $27::bigint[])
         as r (record_id, request_id, caller, via_key, account_id, is_shared, endpoint, method, model_name, upstream_model,
               stream, status_code, outcome, error_code, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
               tokens_estimated, cost_micro_usd, quota_millionths, quota_consumed, latency_ms, ttft_ms, attempts,
               created_at, day)
    left join users u on u.id = r.caller left join api_keys k on k.id = r.via_key
    on conflict (record_id) do nothing returning record_id"
);
/// Rows are locked in the order of their ids, because two instances may note the same ones at once.
const TOUCH_ACCOUNTS_POSTGRES: &str = "update accounts set last_used_at = used.at
    from (select a.id, t.at from unnest($1::text[], $2::timestamptz[]) as t (id, at) join accounts a on a.id = t.id
          where a.last_used_at is null or a.last_used_at < t.at order by a.id for no key update of a) used
    where accounts.id = used.id";
const TOUCH_KEYS_POSTGRES: &str = "update api_keys set last_used_at = used.at
    from (select k.id, t.at from unnest($1::integer[], $2::timestamptz[]) as t (id, at) join api_keys k on k.id = t.id
          where k.last_used_at is null or k.last_used_at < t.at order by k.id for no key update of k) used
    where api_keys.id = used.id";

const INSERT_SQLITE: &str = concat!("insert into usage_logs (", columns!(), ") ");
const TOUCH_ACCOUNTS_SQLITE: &str =
    "update accounts set last_used_at = used.value ->> 1 from json_each($1) as used
    where accounts.id = used.value ->> 0 and (last_used_at is null or last_used_at < used.value ->> 1)";
const TOUCH_KEYS_SQLITE: &str =
    "update api_keys set last_used_at = used.value ->> 1 from json_each($1) as used
    where api_keys.id = used.value ->> 0 and (last_used_at is null or last_used_at < used.value ->> 1)";

/// What only PostgreSQL is told.
pub(super) const POSTGRES_STATEMENTS: &[(&str, &str)] = &[
    ("record::INSERT_POSTGRES", INSERT_POSTGRES),
    ("record::TOUCH_ACCOUNTS_POSTGRES", TOUCH_ACCOUNTS_POSTGRES),
    ("record::TOUCH_KEYS_POSTGRES", TOUCH_KEYS_POSTGRES),
];
/// What only SQLite is told.
pub(super) const SQLITE_STATEMENTS: &[(&str, &str)] = &[
    ("record::TOUCH_ACCOUNTS_SQLITE", TOUCH_ACCOUNTS_SQLITE),
    ("record::TOUCH_KEYS_SQLITE", TOUCH_KEYS_SQLITE),
];

/// Rows of the longest statement on SQLite. Batches are cut into powers of two, so that there are few statements to keep
/// prepared.
const ROWS_PER_STATEMENT: usize = 64;

impl Store {
    /// Records finished calls, each once however often it is given, and with them what follows from them.
    pub async fn record_usage(&self, batch: &UsageBatch<'_>) -> Result<Recorded> {
        let mut tx = self.db.begin().await?;
        let inserted = match &mut tx {
            Tx::Postgres(lease) => stepped(insert_postgres(lease, batch.rows)).await?,
            Tx::Sqlite(lease) => stepped(insert_sqlite(lease, batch.rows)).await?,
        };
        for quota in batch.quotas {
            save_quota(&mut tx, quota).await?;
        }
        touch(&mut tx, batch).await?;
        tx.commit().await?;
        Ok(Recorded { new: positions(batch.rows, &inserted) })
    }
}

/// Where the rows with these record ids stand; of two rows with one id the first is the one.
fn positions(rows: &[UsageRow], inserted: &[String]) -> Vec<usize> {
    let mut at = HashMap::with_capacity(rows.len());
    for (position, row) in rows.iter().enumerate() {
        at.entry(row.record_id.as_str()).or_insert(position);
    }
    let mut new: Vec<_> = inserted.iter().filter_map(|id| at.get(id.as_str()).copied()).collect();
    new.sort_unstable();
    new
}

async fn insert_postgres(connection: &mut PgConnection, rows: &[UsageRow]) -> Sql<Vec<String>> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            rows.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query_scalar(INSERT_POSTGRES)
        .bind(column!(row => row.record_id.as_str()))
        .bind(column!(row => row.request_id.as_str()))
        .bind(column!(row => row.user_id.0))
        .bind(column!(row => row.api_key_id.map(|id| id.0)))
        .bind(column!(row => row.account_id.as_ref().map(|id| id.0.as_str())))
        .bind(column!(row => row.is_shared))
        .bind(column!(row => row.endpoint.as_str()))
        .bind(column!(row => row.method.as_str()))
        .bind(column!(row => row.model_name.as_deref()))
        .bind(column!(row => row.upstream_model.as_deref()))
        .bind(column!(row => row.stream))
        .bind(column!(row => row.status_code))
        .bind(column!(row => row.outcome.as_str()))
        .bind(column!(row => row.error_code.as_deref()))
        .bind(column!(row => row.input_tokens))
        .bind(column!(row => row.output_tokens))
        .bind(column!(row => row.cached_tokens))
        .bind(column!(row => row.reasoning_tokens))
        .bind(column!(row => row.tokens_estimated))
        .bind(column!(row => row.cost_micro_usd))
        .bind(column!(row => row.quota_millionths))
        .bind(column!(row => units(row.quota_millionths)))
        .bind(column!(row => row.latency_ms))
        .bind(column!(row => row.ttft_ms))
        .bind(column!(row => row.attempts))
        .bind(column!(row => row.created_at))
        .bind(column!(row => row.created_at.day()))
        .bind(NOBODY)
        .fetch_all(connection)
        .await
}

async fn insert_sqlite(connection: &mut SqliteConnection, mut rows: &[UsageRow]) -> Sql<Vec<String>> {
    let mut inserted = Vec::with_capacity(rows.len());
    while !rows.is_empty() {
        // The greatest power of two that there are rows for.
        let (now, later) = rows.split_at((1 << rows.len().ilog2()).min(ROWS_PER_STATEMENT));
        let mut query = values_sqlite(now);
        inserted.extend(query.build_query_scalar::<String>().fetch_all(&mut *connection).await?);
        rows = later;
    }
    Ok(inserted)
}

fn values_sqlite(rows: &[UsageRow]) -> QueryBuilder<sqlx::Sqlite> {
    let mut query = QueryBuilder::new(INSERT_SQLITE);
    query.push_values(rows, |mut values, row| {
        values
            .push_bind(&row.record_id)
            .push_bind(&row.request_id)
            .push("coalesce((select id from users where id = ")
            .push_bind_unseparated(row.user_id)
            .push_unseparated("), (select min(id) from users where username = ")
            .push_bind_unseparated(NOBODY)
            .push_unseparated("))")
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
    query.push(" on conflict (record_id) do nothing returning record_id");
    query
}

async fn touch(tx: &mut Tx, batch: &UsageBatch<'_>) -> Result<()> {
    match tx {
        Tx::Postgres(lease) => stepped(touch_postgres(lease, batch)).await?,
        Tx::Sqlite(lease) => stepped(touch_sqlite(lease, batch)).await?,
    }
    Ok(())
}

async fn touch_postgres(connection: &mut PgConnection, batch: &UsageBatch<'_>) -> Sql<()> {
    if !batch.accounts_used.is_empty() {
        let (ids, times): (Vec<_>, Vec<_>) =
            batch.accounts_used.iter().map(|(id, at)| (id.0.as_str(), *at)).unzip();
        sqlx::query(TOUCH_ACCOUNTS_POSTGRES).bind(ids).bind(times).execute(&mut *connection).await?;
    }
    if !batch.keys_used.is_empty() {
        let (ids, times): (Vec<_>, Vec<_>) = batch.keys_used.iter().map(|(id, at)| (id.0, *at)).unzip();
        sqlx::query(TOUCH_KEYS_POSTGRES).bind(ids).bind(times).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn touch_sqlite(connection: &mut SqliteConnection, batch: &UsageBatch<'_>) -> Sql<()> {
    if !batch.accounts_used.is_empty() {
        let used = pairs(batch.accounts_used);
        sqlx::query(TOUCH_ACCOUNTS_SQLITE).bind(used).execute(&mut *connection).await?;
    }
    if !batch.keys_used.is_empty() {
        let used = pairs(batch.keys_used);
        sqlx::query(TOUCH_KEYS_SQLITE).bind(used).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A JSON array of pairs of an id and microseconds.
fn pairs<Id: serde::Serialize>(used: &[(Id, Timestamp)]) -> String {
    used.iter()
        .map(|(id, at)| serde_json::json!([id, at.micros()]))
        .collect::<serde_json::Value>()
        .to_string()
}

/// AntiHub's column is a float; ours beside it is exact.
#[expect(clippy::cast_precision_loss, reason = "display value; the exact one is stored beside it")]
fn units(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}
