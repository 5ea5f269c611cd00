//! `/api/usage`: one's own calls, one by one and summed up.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::extract::Member;
use crate::clock::Timestamp;
use crate::edge::error::{ApiError, Result, ValidationBody};
use crate::edge::input::{QueryMap, query_invalid};
use crate::ids::KeyId;
use crate::store::usage::{UsageFilter, UsageLog, UsageSums};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(logs)).routes(routes!(stats))
}

const DEFAULT_PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 1_000;
const DAY: Duration = Duration::from_secs(86_400);
const DEFAULT_PERIOD_DAYS: u32 = 30;
const LONGEST_PERIOD_DAYS: u32 = 400;

/// One page of calls, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct UsagePage {
    success: bool,
    data: Vec<UsageLog>,
    /// Give it as `cursor` to get the next page; null on the last.
    next_cursor: Option<String>,
}

fn moment(query: &QueryMap, name: &str) -> Result<Option<Timestamp>> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let moment = Timestamp::parse(text);
    moment.map(Some).ok_or_else(|| {
        query_invalid(name, "datetime_parsing", "Input should be a valid datetime with a time zone")
    })
}

fn number<T: std::str::FromStr>(query: &QueryMap, name: &str) -> Result<Option<T>> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let msg = "Input should be a valid integer, unable to parse string as an integer";
    text.parse().map(Some).map_err(|_| query_invalid(name, "int_parsing", msg))
}

/// The last row of a page: its moment and id.
fn parse_cursor(query: &QueryMap) -> Result<Option<(Timestamp, i64)>> {
    let Some(text) = query.get("cursor") else { return Ok(None) };
    let parsed = text
        .split_once('-')
        .and_then(|(moment, id)| Some((Timestamp::from_micros(moment.parse().ok()?), id.parse().ok()?)));
    parsed
        .map(Some)
        .ok_or_else(|| query_invalid("cursor", "value_error", "Value error, not a cursor of ours"))
}

fn filter(query: &QueryMap) -> Result<UsageFilter> {
    Ok(UsageFilter {
        from: moment(query, "from")?,
        until: moment(query, "until")?,
        api_key_id: number(query, "api_key_id")?.map(KeyId),
        // No model has a NUL, and PostgreSQL refuses to look for one.
        model: query.get("model").map(|model| model.replace('\0', "\u{fffd}")),
    })
}

/// My calls, newest first.
#[utoipa::path(get, operation_id = "usage_logs", path = "/api/usage/logs", tag = "usage", security(("access_token" = [])), params(
    ("from" = Option<Timestamp>, Query, description = "RFC 3339; calls at or after"),
    ("until" = Option<Timestamp>, Query, description = "RFC 3339; calls before"),
    ("api_key_id" = Option<i32>, Query), ("model" = Option<String>, Query),
    ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ("limit" = Option<i64>, Query, description = "1 to 1000, 50 unless told")),
    responses((status = 200, body = UsagePage), (status = 422, body = ValidationBody)))]
async fn logs(State(app): State<App>, member: Member, query: QueryMap) -> Result<Json<UsagePage>> {
    let limit = number(&query, "limit")?.unwrap_or(DEFAULT_PAGE).clamp(1, LARGEST_PAGE);
    let after = parse_cursor(&query)?;
    app.gateway.settled().await;
    let mut data = app.core.store.list_usage(member.user.id, &filter(&query)?, after, limit + 1).await?;
    let has_more = i64::try_from(data.len()).is_ok_and(|rows| rows > limit);
    if has_more {
        data.pop();
    }
    let last = data.last().filter(|_| has_more);
    let next_cursor = last.map(|row| format!("{}-{}", row.created_at.micros(), row.id));
    Ok(Json(UsagePage { success: true, data, next_cursor }))
}

/// UsageTotals over some calls.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
struct UsageTotals {
    calls: i64,
    input_tokens: i64,
    output_tokens: i64,
    cached_tokens: i64,
    reasoning_tokens: i64,
    /// Millionths of a US dollar over the calls whose price is known; null when none is.
    cost_micro_usd: Option<i64>,
    /// Reference units taken from the pool quota.
    quota_consumed: f64,
    /// Calls by how they ended: `ok`, `client_closed`, `upstream_error`, `rejected`.
    outcomes: BTreeMap<String, i64>,
}

impl UsageTotals {
    #[expect(clippy::cast_precision_loss, reason = "shown to people; the rows keep the exact number")]
    fn add(&mut self, row: &UsageSums) {
        self.calls += row.calls;
        self.input_tokens += row.input_tokens;
        self.output_tokens += row.output_tokens;
        self.cached_tokens += row.cached_tokens;
        self.reasoning_tokens += row.reasoning_tokens;
        if let Some(cost) = row.cost_micro_usd {
            *self.cost_micro_usd.get_or_insert(0) += cost;
        }
        self.quota_consumed += row.quota_millionths as f64 / 1e6;
        *self.outcomes.entry(row.outcome.clone()).or_default() += row.calls;
    }
}

/// The sums of one day (UTC).
#[derive(Debug, Serialize, ToSchema)]
struct UsageOfDay {
    #[schema(example = "2026-01-31")]
    day: String,
    #[serde(flatten)]
    sums: UsageTotals,
}

/// The sums of one model.
#[derive(Debug, Serialize, ToSchema)]
struct UsageOfModel {
    model_name: Option<String>,
    #[serde(flatten)]
    sums: UsageTotals,
}

/// The sums of one key; null stands for calls with an access token or a key that was deleted.
#[derive(Debug, Serialize, ToSchema)]
struct UsageOfKey {
    api_key_id: Option<KeyId>,
    #[serde(flatten)]
    sums: UsageTotals,
}

/// The sums of a period, whole and by day, model and key.
#[derive(Debug, Serialize, ToSchema)]
struct UsageStats {
    from: Timestamp,
    until: Timestamp,
    total: UsageTotals,
    by_day: Vec<UsageOfDay>,
    by_model: Vec<UsageOfModel>,
    by_key: Vec<UsageOfKey>,
}

/// The sums of a period.
#[derive(Debug, Serialize, ToSchema)]
struct UsageStatsAnswer {
    success: bool,
    data: UsageStats,
}

fn date(day: i64) -> String {
    let midnight = Timestamp::from_seconds(day * 86_400).to_string();
    midnight.split('T').next().unwrap_or_default().to_owned()
}

fn group<K: Ord>(
    rows: &[UsageSums],
    key: impl Fn(&UsageSums) -> K,
) -> impl Iterator<Item = (K, UsageTotals)> {
    let mut groups: BTreeMap<K, UsageTotals> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().add(row);
    }
    groups.into_iter()
}

/// My calls summed up over a period, by day, model and key.
#[utoipa::path(get, operation_id = "usage_stats", path = "/api/usage/stats", tag = "usage", security(("access_token" = [])), params(
    ("from" = Option<Timestamp>, Query, description = "RFC 3339; 30 days ago unless told"),
    ("until" = Option<Timestamp>, Query, description = "RFC 3339; now unless told")),
    responses((status = 200, body = UsageStatsAnswer), (status = 422, body = ValidationBody)))]
async fn stats(State(app): State<App>, member: Member, query: QueryMap) -> Result<Json<UsageStatsAnswer>> {
    let now = app.core.clock.now().plus(Duration::from_secs(1));
    let until = moment(&query, "until")?.unwrap_or(now);
    let from = moment(&query, "from")?.unwrap_or_else(|| until.minus(DAY * DEFAULT_PERIOD_DAYS));
    if until.since(from) > DAY * LONGEST_PERIOD_DAYS {
        return Err(query_invalid("from", "value_error", "Value error, a period is at most 400 days"));
    }
    app.gateway.settled().await;
    let rows = app.core.store.sum_usage(member.user.id, from, until).await.map_err(ApiError::from)?;
    let mut total = UsageTotals::default();
    rows.iter().for_each(|row| total.add(row));
    let by_day = group(&rows, |row| row.day).map(|(day, sums)| UsageOfDay { day: date(day), sums }).collect();
    let by_model = group(&rows, |row| row.model_name.clone());
    let by_model = by_model.map(|(model_name, sums)| UsageOfModel { model_name, sums }).collect();
    let by_key = group(&rows, |row| row.api_key_id);
    let by_key = by_key.map(|(api_key_id, sums)| UsageOfKey { api_key_id, sums }).collect();
    Ok(Json(UsageStatsAnswer {
        success: true,
        data: UsageStats { from, until, total, by_day, by_model, by_key },
    }))
}
