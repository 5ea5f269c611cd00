//! The usage record as the Plug-in API's contract knows it: what calls that an account served took from their caller's
//! quota.

use super::db::{read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::{AccountId, UserId};

/// One call that an account served.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct ConsumptionRow {
    pub id: i64,
    pub account_id: AccountId,
    pub model_name: Option<String>,
    pub is_shared: Option<bool>,
    pub quota_millionths: Option<i64>,
    pub created_at: Timestamp,
}

/// Sums over calls that accounts served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Consumed {
    pub calls: i64,
    pub quota_millionths: i64,
    pub last_at: Option<Timestamp>,
}

/// How many accounts are shared, and how many of them are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SharedCounts {
    pub total: i64,
    pub active: i64,
}

/// A key for the external Plug-in API as AntiHub keeps it, without the key.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PluginKeyRow {
    pub id: i32,
    pub plugin_user_id: Option<String>,
    pub is_active: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

macro_rules! served {
    () => {
        "user_id = $1 and account_id is not null and (outcome in ('ok', 'client_closed') or quota_millionths > 0)"
    };
}

macro_rules! sums {
    () => {
        "cast(count(*) as bigint) as calls, cast(coalesce(sum(quota_millionths), 0) as bigint) as quota_millionths, \
         max(created_at) as last_at"
    };
}

statements! {
    LIST = concat!("select cast(id as bigint) as id, account_id, model_name, is_shared, quota_millionths, created_at
        from usage_logs where ", served!(), " and created_at >= $2 and created_at <= $3
        order by created_at desc, usage_logs.id desc limit $4");
    SUM = concat!("select ", sums!(), " from usage_logs where ", served!());
    SUM_OF_MODEL = concat!("select ", sums!(), " from usage_logs where ", served!(), " and model_name = $2");
    COUNT_SHARED = "select cast(count(*) as bigint) as total,
        cast(coalesce(sum(case when is_enabled then 1 else 0 end), 0) as bigint) as active
        from accounts where is_shared and exists (select 1 from users where users.id = accounts.user_id and users.is_active)";
    PLUGIN_KEY = "select id, plugin_user_id, is_active, created_at, updated_at, last_used_at
        from plugin_api_keys where user_id = $1";
}

impl Store {
    /// A person's calls that accounts served, newest first; both moments are included.
    pub async fn list_consumption(
        &self,
        user: UserId,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        limit: i64,
    ) -> Result<Vec<ConsumptionRow>> {
        let from = from.unwrap_or(Timestamp::EARLIEST);
        let until = until.unwrap_or(Timestamp::LATEST);
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST).bind(user).bind(from).bind(until).bind(limit)
            .fetch_all(db).await)?)
    }

    /// The sum of a person's calls that accounts served, of one model or of all.
    pub async fn sum_consumption(&self, user: UserId, model: Option<&str>) -> Result<Consumed> {
        Ok(read_db!(&self.db, db => match model {
            None => sqlx::query_as(SUM).bind(user).fetch_one(db).await,
            Some(model) => sqlx::query_as(SUM_OF_MODEL).bind(user).bind(model).fetch_one(db).await,
        })?)
    }

    /// How many accounts are in the shared pool.
    pub async fn count_shared(&self) -> Result<SharedCounts> {
        Ok(read_db!(&self.db, db => sqlx::query_as(COUNT_SHARED).fetch_one(db).await)?)
    }

    /// What AntiHub kept of a person's key for the Plug-in API.
    pub async fn find_plugin_key(&self, user: UserId) -> Result<Option<PluginKeyRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(PLUGIN_KEY).bind(user).fetch_optional(db).await)?)
    }
}
