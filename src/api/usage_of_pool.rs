//! `/api/usage` as AntiHub's dashboard reads it: quotas, consumption, accounts with what is left of them, and summaries.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::accounts::{Account, accounts_of};
use super::answer::Answer;
use super::plugin::quotas::{AccountQuota, Consumption, SharedPool, UserQuota, units};
use crate::app::App;
use crate::auth::extract::Member;
use crate::clock::Timestamp;
use crate::edge::error::{Result, ValidationBody};
use crate::edge::input::QueryMap;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(quotas))
        .routes(routes!(consumption))
        .routes(routes!(accounts))
        .routes(routes!(summary))
        .routes(routes!(pool_stats))
}

/// The rows that one answer lists unless told otherwise.
const USUAL_ROWS: i64 = 50;

/// My quota for others' accounts, and the pool.
#[derive(Serialize, ToSchema)]
struct Quotas {
    user_quota: Vec<UserQuota>,
    shared_pool_quota: SharedPool,
}

/// My quota for others' accounts, and the shared pool.
#[utoipa::path(get, operation_id = "usage_quotas", path = "/api/usage/quotas", tag = "usage", security(("access_token" = [])),
    responses((status = 200, body = Answer<Quotas>)))]
async fn quotas(State(app): State<App>, member: Member) -> Result<Json<Answer<Quotas>>> {
    Ok(Answer::data(Quotas {
        user_quota: UserQuota::of_person(&app, &member.user).await?,
        shared_pool_quota: SharedPool::seen_by(&app, member.user.id).await?,
    }))
}

/// My calls that accounts served, newest first.
#[utoipa::path(get, operation_id = "usage_consumption", path = "/api/usage/consumption", tag = "usage", security(("access_token" = [])), params(
    ("limit" = Option<i64>, Query, description = "1 to 1000, 50 unless told"),
    ("start_date" = Option<Timestamp>, Query), ("end_date" = Option<Timestamp>, Query)),
    responses((status = 200, body = Answer<Vec<Consumption>>), (status = 422, body = ValidationBody)))]
async fn consumption(
    State(app): State<App>,
    member: Member,
    query: QueryMap,
) -> Result<Json<Answer<Vec<Consumption>>>> {
    Ok(Answer::data(Consumption::asked_for(&app, member.user.id, &query, USUAL_ROWS).await?))
}

/// One of my accounts with what is left of it.
#[derive(Serialize, ToSchema)]
struct AccountWithQuotas {
    #[serde(flatten)]
    account: Account,
    quotas: Vec<AccountQuota>,
}

/// My accounts with what is left of each. No provider is asked.
#[utoipa::path(get, operation_id = "usage_accounts", path = "/api/usage/accounts", tag = "usage", security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<AccountWithQuotas>>)))]
async fn accounts(State(app): State<App>, member: Member) -> Result<Json<Answer<Vec<AccountWithQuotas>>>> {
    let accounts = accounts_of(&app, member.user.id).await?;
    let made: Vec<_> = accounts.iter().map(|account| (account.id().clone(), account.created_at())).collect();
    let mut quotas = AccountQuota::of_many(&app, member.user.id, &made).await?;
    let with = |account: Account| AccountWithQuotas {
        quotas: quotas.remove(&account.id().0).unwrap_or_default(),
        account,
    };
    Ok(Answer::data(accounts.into_iter().map(with).collect()))
}

/// My accounts counted, my quotas by model, and the pool.
#[utoipa::path(get, operation_id = "usage_summary", path = "/api/usage/summary", tag = "usage", security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>)))]
async fn summary(State(app): State<App>, member: Member) -> Result<Json<Answer<Value>>> {
    let rows = app.core.store.list_accounts(member.user.id).await?;
    let active = rows.iter().filter(|row| row.is_enabled).count();
    let user_quotas = UserQuota::of_person(&app, &member.user).await?;
    let user_quotas: BTreeMap<String, Value> = user_quotas.into_iter().map(UserQuota::in_summary).collect();
    let pool = SharedPool::seen_by(&app, member.user.id).await?;
    Ok(Answer::data(json!({
        "accounts": {"total": rows.len(), "active": active, "inactive": rows.len() - active},
        "user_quotas": user_quotas,
        "shared_pool": pool.quotas,
    })))
}

/// The shared pool: everybody's accounts counted, what is left by model, and what I took.
#[utoipa::path(get, operation_id = "usage_pool_stats", path = "/api/usage/shared-pool/stats", tag = "usage", security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>)))]
async fn pool_stats(State(app): State<App>, member: Member) -> Result<Json<Answer<Value>>> {
    let counts = app.core.store.count_shared().await?;
    let pool = SharedPool::seen_by(&app, member.user.id).await?;
    let by_model = pool.quotas.into_iter().map(|row| {
        let total = units(i64::try_from(row.millionths).unwrap_or(i64::MAX));
        let numbers = json!({"total_quota": total, "available_cookies": row.available_cookies,
            "earliest_reset_time": row.earliest_reset_time, "status": row.status});
        (row.model_name, numbers)
    });
    let by_model: BTreeMap<String, Value> = by_model.collect();
    Ok(Answer::data(json!({
        "accounts": {"total_shared": counts.total, "active_shared": counts.active,
            "inactive_shared": counts.total - counts.active},
        "quotas_by_model": by_model,
        "user_consumption": pool.user_consumption,
        "note": null,
    })))
}
