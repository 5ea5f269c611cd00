//! What people see of accounts: what is left of each model, what the shared pool holds, and which models there are. Only
//! memory is looked at, and what other instances reported, all at once: no look costs a call to a provider.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millpond_pool::group::Group;
use millpond_pool::units::Units;

use super::accounts::Serving;
use super::{Gateway, QuotaError};
use crate::clock::Timestamp;
use crate::ids::{AccountId, UserId};
use crate::state::StateError;
use crate::store::users::User;

/// What is left of one model of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelQuota {
    /// Its public name, or a pattern where only that is known.
    pub model: String,
    /// The part that is left, in millionths.
    pub left: u32,
    /// When it is whole again; absent while nothing is used.
    pub reset_time: Option<Timestamp>,
    pub fetched_at: Timestamp,
    /// Its owner switched it off.
    pub disabled: bool,
}

/// What all shared accounts together have of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolModel {
    pub model: String,
    /// The sum of what is left of each account, in millionths of an account.
    pub total: u64,
    /// How many accounts there are for it.
    pub accounts: u64,
    pub earliest_reset_time: Option<Timestamp>,
    pub fetched_at: Timestamp,
}

/// A person's quota for others' accounts, for one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonQuota {
    pub model: String,
    pub group: Group,
    pub quota: Units,
    pub max_quota: Units,
    pub updated_at: Timestamp,
}

impl Gateway {
    /// What is left of some accounts, model by model. An account that can't be read has nothing.
    pub async fn model_quotas(
        &self,
        accounts: &[AccountId],
    ) -> Result<BTreeMap<String, Vec<ModelQuota>>, StateError> {
        self.pool.allowances.read_reports_of(accounts).await?;
        let mut quotas = BTreeMap::new();
        for id in accounts {
            let models = self.pool.account(id).map(|account| self.left_of(&account)).unwrap_or_default();
            quotas.insert(id.0.clone(), models);
        }
        Ok(quotas)
    }

    /// What the shared pool holds, by model. Accounts that rest as a whole and models that rest or are switched off give
    /// nothing at present.
    pub async fn shared_pool(&self) -> Result<Vec<PoolModel>, StateError> {
        let accounts = self.pool.shared();
        let ids: Vec<AccountId> = accounts.iter().map(|account| account.id.clone()).collect();
        self.pool.allowances.read_reports_of(&ids).await?;
        let mut models: BTreeMap<String, PoolModel> = BTreeMap::new();
        for account in &accounts {
            let rest = self.pool.health.rest_of(account);
            for quota in self.left_of(account).into_iter().filter(|quota| !quota.disabled) {
                let upstream = account.upstream(&quota.model);
                let rests = rest.account.is_some() || rest.models.iter().any(|(name, _)| **name == *upstream);
                let left = if rests { 0 } else { u64::from(quota.left) };
                let model = models.entry(quota.model.clone()).or_insert_with(|| PoolModel {
                    model: quota.model,
                    total: 0,
                    accounts: 0,
                    earliest_reset_time: None,
                    fetched_at: quota.fetched_at,
                });
                model.total += left;
                model.accounts += 1;
                let resets = [model.earliest_reset_time, quota.reset_time];
                model.earliest_reset_time = resets.into_iter().flatten().min();
                model.fetched_at = model.fetched_at.max(quota.fetched_at);
            }
        }
        Ok(models.into_values().collect())
    }

    /// A person's quotas for others' accounts: one for each model that is known, highest first. Models of one group share
    /// theirs; a group without a known model stands under its own name.
    pub async fn person_quotas(&self, user: &User) -> Result<Vec<PersonQuota>, QuotaError> {
        // First what waits for announced changes, so that who changed something sees what it changed.
        let names = self.known_models(user.id).await;
        let groups = self.quotas_of(user).await?;
        let mut rows = Vec::new();
        for quota in groups {
            let of_group = names.iter().filter(|name| Group::of(name) == quota.group);
            let mut models: Vec<&str> = of_group.map(String::as_str).collect();
            if models.is_empty() && (quota.max_quota > Units::ZERO || quota.quota > Units::ZERO) {
                models.push(quota.group.name());
            }
            rows.extend(models.into_iter().map(|model| PersonQuota {
                model: model.to_owned(),
                group: quota.group,
                quota: quota.quota,
                max_quota: quota.max_quota,
                updated_at: quota.updated_at,
            }));
        }
        rows.sort_by(|one, other| other.quota.cmp(&one.quota).then_with(|| one.model.cmp(&other.model)));
        Ok(rows)
    }

    /// The models that a person's own accounts and shared ones name; no provider is asked.
    async fn known_models(&self, user: UserId) -> BTreeSet<String> {
        self.pool.fresh(user).await;
        let accounts = self.pool.visible_to(user);
        let names = accounts.iter().flat_map(|account| self.names_of(account));
        names.filter(|name| !name.contains('*')).collect()
    }

    fn names_of(&self, account: &Arc<Serving>) -> BTreeSet<String> {
        let known = self.catalog.models_of(account).into_iter().map(|model| model.id);
        let mut names: BTreeSet<String> = known.collect();
        if names.is_empty() {
            let listed = account.models.iter().flatten().cloned();
            let patterns = account.allowances().iter().flat_map(|allowance| &allowance.models);
            names.extend(listed.chain(patterns.map(|pattern| pattern.as_str().to_owned())));
        }
        names
    }

    fn left_of(&self, account: &Arc<Serving>) -> Vec<ModelQuota> {
        let quota = |model: String| {
            let left = self.pool.allowances.left(&account.id, account.upstream(&model));
            ModelQuota {
                disabled: account.is_disabled(&model),
                model,
                left: left.millionths,
                reset_time: left.reset_time,
                fetched_at: left.at,
            }
        };
        let mut quotas: Vec<ModelQuota> = self.names_of(account).into_iter().map(quota).collect();
        quotas.sort_by(|one, other| one.left.cmp(&other.left).then_with(|| one.model.cmp(&other.model)));
        quotas
    }
}
