//! What is left: of one's accounts, of one's quota for others', and of the pool as a whole; and what was consumed of it.
//! Amounts are texts of four decimals where the contract has them so, cut off and never rounded up: what is shown is there.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::answer::Answer;
use crate::app::App;
use crate::auth::extract::Member;
use crate::clock::Timestamp;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::{QueryMap, Segment, query_invalid};
use crate::gateway::{ModelQuota, PersonQuota, PoolModel};
use crate::ids::{AccountId, UserId};
use crate::messages::say;
use crate::store::consumption::{Consumed, ConsumptionRow};
use crate::store::users::User;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(of_account))
        .routes(routes!(of_user))
        .routes(routes!(shared_pool))
        .routes(routes!(consumption))
        .routes(routes!(consumption_stats))
}

/// The most rows that one answer lists.
const MOST_ROWS: i64 = 1_000;

/// What is left of one model of an account.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct AccountQuota {
    quota_id: String,
    cookie_id: AccountId,
    model_name: String,
    /// When it is whole again; null while nothing is used.
    reset_time: Option<Timestamp>,
    /// 0 to 1 with four decimals.
    #[schema(example = "0.8000")]
    quota: String,
    /// 0: its owner switched the model off. What is used up comes back by itself.
    status: i32,
    last_fetched_at: Timestamp,
    created_at: Timestamp,
}

/// My quota for others' accounts, for one model. Models of one group share it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UserQuota {
    pool_id: String,
    user_id: String,
    model_name: String,
    #[schema(example = "1.6000")]
    quota: String,
    #[schema(example = "2.0000")]
    max_quota: String,
    /// It recovers all the time, so this is the moment of the answer.
    last_recovered_at: Timestamp,
    /// When a call last took from it.
    last_updated_at: Timestamp,
    /// The models that share it: `claude`, `gemini`, `gpt` or `other`.
    group: &'static str,
    /// The same amounts, exact.
    quota_millionths: i64,
    max_quota_millionths: i64,
}

/// What all shared accounts together have of one model.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct PoolQuota {
    pub(in crate::api) model_name: String,
    /// The sum over the accounts, of which each counts for at most 1.
    pub(in crate::api) total_quota: String,
    pub(in crate::api) earliest_reset_time: Option<Timestamp>,
    pub(in crate::api) available_cookies: String,
    /// 1: something is left.
    pub(in crate::api) status: i32,
    last_fetched_at: Timestamp,
    #[serde(skip)]
    pub(in crate::api) millionths: u64,
}

/// What my calls took. Calls on one's own accounts take nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct UserConsumption {
    total_requests: i64,
    total_quota_consumed: f64,
    shared_quota_consumed: f64,
    private_quota_consumed: f64,
}

/// The shared pool and my part in it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct SharedPool {
    pub(in crate::api) quotas: Vec<PoolQuota>,
    pub(in crate::api) user_consumption: UserConsumption,
}

/// One call that an account served.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Consumption {
    log_id: String,
    user_id: String,
    cookie_id: AccountId,
    model_name: Option<String>,
    /// Not kept: several calls run on an account at one time, so before and after belong to none of them.
    quota_before: Option<String>,
    quota_after: Option<String>,
    quota_consumed: String,
    is_shared: i32,
    consumed_at: Timestamp,
}

/// Four decimals, cut off.
pub(in crate::api) fn decimals(millionths: i64) -> String {
    let sign = if millionths <= -100 { "-" } else { "" };
    let cut = millionths.unsigned_abs() / 100;
    format!("{sign}{}.{:04}", cut / 10_000, cut % 10_000)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "shown to people; the exact amounts stand beside it or in the rows"
)]
pub(in crate::api) fn units(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}

/// An id in the form of a UUID that is the same for the same things.
fn stable_id(parts: &[&str]) -> String {
    let hash = Sha256::digest(parts.join("\n"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

impl AccountQuota {
    fn of(account: &AccountId, created_at: Timestamp, quota: ModelQuota) -> Self {
        Self {
            quota_id: stable_id(&[&account.0, &quota.model]),
            cookie_id: account.clone(),
            quota: decimals(i64::from(quota.left)),
            status: i32::from(!quota.disabled),
            model_name: quota.model,
            reset_time: quota.reset_time,
            last_fetched_at: quota.fetched_at,
            created_at,
        }
    }

    /// The rows of several accounts, with the moment at which each was made.
    pub(in crate::api) async fn of_many(
        app: &App,
        owner: UserId,
        accounts: &[(AccountId, Timestamp)],
    ) -> Result<BTreeMap<String, Vec<Self>>> {
        app.gateway.fresh(owner).await;
        let ids: Vec<AccountId> = accounts.iter().map(|(id, _)| id.clone()).collect();
        let mut quotas = app.gateway.model_quotas(&ids).await?;
        let rows = accounts.iter().map(|(id, created_at)| {
            let models = quotas.remove(&id.0).unwrap_or_default();
            let rows = models.into_iter().map(|quota| Self::of(id, *created_at, quota)).collect();
            (id.0.clone(), rows)
        });
        Ok(rows.collect())
    }
}

impl UserQuota {
    fn of(user: UserId, now: Timestamp, row: PersonQuota) -> Self {
        Self {
            pool_id: stable_id(&[&user.to_string(), &row.model]),
            user_id: user.to_string(),
            quota: decimals(row.quota.0),
            max_quota: decimals(row.max_quota.0),
            last_recovered_at: now,
            last_updated_at: row.updated_at,
            group: row.group.name(),
            quota_millionths: row.quota.0,
            max_quota_millionths: row.max_quota.0,
            model_name: row.model,
        }
    }

    /// A person's rows, highest first.
    pub(in crate::api) async fn of_person(app: &App, user: &User) -> Result<Vec<Self>> {
        let rows = app.gateway.person_quotas(user).await.map_err(ApiError::unavailable)?;
        let now = app.core.clock.now();
        Ok(rows.into_iter().map(|row| Self::of(user.id, now, row)).collect())
    }

    /// The row as the summary has it: by model, with numbers.
    pub(in crate::api) fn in_summary(self) -> (String, Value) {
        let row = json!({
            "current_quota": units(self.quota_millionths),
            "max_quota": units(self.max_quota_millionths),
            "last_recovered_at": self.last_recovered_at,
        });
        (self.model_name, row)
    }
}

impl From<PoolModel> for PoolQuota {
    fn from(row: PoolModel) -> Self {
        Self {
            total_quota: decimals(i64::try_from(row.total).unwrap_or(i64::MAX)),
            available_cookies: row.accounts.to_string(),
            status: i32::from(row.total > 0),
            model_name: row.model,
            earliest_reset_time: row.earliest_reset_time,
            last_fetched_at: row.fetched_at,
            millionths: row.total,
        }
    }
}

impl SharedPool {
    /// The pool as it is now, highest first, and what the person took from it.
    pub(in crate::api) async fn seen_by(app: &App, user: UserId) -> Result<Self> {
        app.gateway.fresh(user).await;
        let mut quotas: Vec<PoolQuota> =
            app.gateway.shared_pool().await?.into_iter().map(PoolQuota::from).collect();
        quotas.sort_by(|one, other| {
            other.millionths.cmp(&one.millionths).then_with(|| one.model_name.cmp(&other.model_name))
        });
        app.gateway.settled().await;
        let Consumed { calls, quota_millionths, .. } = app.core.store.sum_consumption(user, None).await?;
        let consumed = units(quota_millionths);
        let user_consumption = UserConsumption {
            total_requests: calls,
            total_quota_consumed: consumed,
            shared_quota_consumed: consumed,
            private_quota_consumed: 0.0,
        };
        Ok(Self { quotas, user_consumption })
    }
}

impl Consumption {
    fn of(user: UserId, row: ConsumptionRow) -> Self {
        Self {
            log_id: row.id.to_string(),
            user_id: user.to_string(),
            cookie_id: row.account_id,
            model_name: row.model_name,
            quota_before: None,
            quota_after: None,
            quota_consumed: decimals(row.quota_millionths.unwrap_or(0)),
            is_shared: i32::from(row.is_shared.unwrap_or(false)),
            consumed_at: row.created_at,
        }
    }

    /// A person's rows as the query asks for them, newest first.
    pub(in crate::api) async fn asked_for(
        app: &App,
        user: UserId,
        query: &QueryMap,
        usual: i64,
    ) -> Result<Vec<Self>> {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        let limit = match query.get("limit").map(str::parse::<i64>) {
            None => usual,
            // As the original had it: no limit of the caller's own.
            Some(Ok(0)) => MOST_ROWS,
            Some(Ok(limit)) if limit > 0 => limit.min(MOST_ROWS),
            Some(Ok(_)) => {
                return Err(query_invalid(
                    "limit",
                    "greater_than_equal",
                    "Input should be greater than or equal to 0",
                ));
            }
            Some(Err(_)) => return Err(query_invalid("limit", "int_parsing", msg)),
        };
        let (from, until) = (moment(query, "start_date")?, moment(query, "end_date")?);
        app.gateway.settled().await;
        let rows = app.core.store.list_consumption(user, from, until, limit).await?;
        Ok(rows.into_iter().map(|row| Self::of(user, row)).collect())
    }
}

/// A moment; one without a time zone is in UTC.
fn moment(query: &QueryMap, name: &str) -> Result<Option<Timestamp>> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let read = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z")));
    read.map(Some).ok_or_else(|| query_invalid(name, "datetime_parsing", "Input should be a valid datetime"))
}

/// What is left of one of my accounts, scarcest model first.
#[utoipa::path(get, operation_id = "quotas_of_account", path = "/api/plugin-api/accounts/{cookie_id}/quotas", tag = "quotas", params(("cookie_id" = String, Path)),
    security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<AccountQuota>>), (status = 404, body = ErrorBody)))]
async fn of_account(
    State(app): State<App>,
    member: Member,
    Segment(id): Segment,
) -> Result<Json<Answer<Vec<AccountQuota>>>> {
    let row = app.core.store.find_account(member.user.id, &AccountId(id)).await?;
    let row = row.ok_or_else(|| ApiError::not_found(say("no_such_account")))?;
    let mut rows = AccountQuota::of_many(&app, row.user_id, &[(row.id.clone(), row.created_at)]).await?;
    Ok(Answer::data(rows.remove(&row.id.0).unwrap_or_default()))
}

/// My quota for others' accounts.
#[utoipa::path(get, operation_id = "my_quotas", path = "/api/plugin-api/quotas/user", tag = "quotas", security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<UserQuota>>)))]
async fn of_user(State(app): State<App>, member: Member) -> Result<Json<Answer<Vec<UserQuota>>>> {
    Ok(Answer::data(UserQuota::of_person(&app, &member.user).await?))
}

/// The shared pool.
#[utoipa::path(get, path = "/api/plugin-api/quotas/shared-pool", tag = "quotas", security(("access_token" = [])),
    responses((status = 200, body = Answer<SharedPool>)))]
async fn shared_pool(State(app): State<App>, member: Member) -> Result<Json<Answer<SharedPool>>> {
    Ok(Answer::data(SharedPool::seen_by(&app, member.user.id).await?))
}

/// My calls that accounts served, newest first, at most 1000.
#[utoipa::path(get, operation_id = "list_consumption", path = "/api/plugin-api/quotas/consumption", tag = "quotas", security(("access_token" = [])), params(
    ("limit" = Option<i64>, Query), ("start_date" = Option<Timestamp>, Query), ("end_date" = Option<Timestamp>, Query)),
    responses((status = 200, body = Answer<Vec<Consumption>>), (status = 422, body = ValidationBody)))]
async fn consumption(
    State(app): State<App>,
    member: Member,
    query: QueryMap,
) -> Result<Json<Answer<Vec<Consumption>>>> {
    Ok(Answer::data(Consumption::asked_for(&app, member.user.id, &query, MOST_ROWS).await?))
}

/// What my calls of one model took.
#[utoipa::path(get, operation_id = "consumption_of_model", path = "/api/plugin-api/quotas/consumption/stats/{model_name}", tag = "quotas",
    params(("model_name" = String, Path)), security(("access_token" = [])), responses((status = 200, body = Answer<Value>)))]
async fn consumption_stats(
    State(app): State<App>,
    member: Member,
    Segment(model): Segment,
) -> Result<Json<Answer<Value>>> {
    app.gateway.settled().await;
    let sum = app.core.store.sum_consumption(member.user.id, Some(&model)).await?;
    let some = |millionths: i64| (sum.calls > 0).then(|| decimals(millionths));
    Ok(Answer::data(json!({
        "model_name": model,
        "total_requests": sum.calls.to_string(),
        "total_quota_consumed": some(sum.quota_millionths),
        "avg_quota_consumed": some(sum.quota_millionths.checked_div(sum.calls).unwrap_or(0)),
        "last_used_at": sum.last_at,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_there() {
        for (millionths, text) in [
            (0, "0.0000"),
            (800_000, "0.8000"),
            (999_999, "0.9999"),
            (1_600_049, "1.6000"),
            (-50, "0.0000"),
            (-1_000_100, "-1.0001"),
        ] {
            assert_eq!(decimals(millionths), text);
        }
    }
}
