//! What members may use of others' accounts: which quota a call draws on, what it is made of, and bringing it up to date
//! when somebody shares, unshares, or changes trust level.
//!
//! The steps themselves are `state::quotas`, shared by all instances. A quota that isn't known (a newcomer, or a Redis that
//! lost its memory) is made of what is on record: full one window ago, less what the usage rows since then took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millpond_pool::account::AccountId;
use millpond_pool::bucket::{Lease, LeaseId, Shortfall};
use millpond_pool::group::Group;
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Reference, Units};

use crate::clock::{Clock, Timestamp};
use crate::config::{ContributionPolicy, Policy};
use crate::gateway::accounts::Loader;
use crate::gateway::journal::Journal;
use crate::gateway::pool::health::Health;
use crate::ids::UserId;
use crate::state::quotas::{Beginning, Brought, Charge, QuotaKey, Reserved, Terms, View};
use crate::state::{State, StateError};
use crate::store::quotas::SpentRow;
use crate::store::users::User;
use crate::store::{Store, StoreError};

/// Others may change a quota at the same time; so many times it is looked at again.
const ATTEMPTS: usize = 16;

/// So late rows of other instances come on record at most, while the database answers.
const OTHERS_RECORD_WITHIN: Duration = Duration::from_millis(250);

/// What is on record of a person, and from when on charges count by themselves.
struct Spent {
    rows: Vec<SpentRow>,
    beginning: Beginning,
}

/// Why a quota can't be told.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the quota of user {0} changes all the time")]
    Restless(UserId),
}

/// A person's quota for one group of models, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupQuota {
    pub group: Group,
    pub quota: Units,
    pub max_quota: Units,
    /// When a call last changed it, to the step in which recovery is counted.
    pub updated_at: Timestamp,
}

/// An amount set aside for one call. It must be settled: with what the call cost, or with nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reservation {
    key: QuotaKey,
    lease: Lease,
    made_at: Moment,
}

impl Reservation {
    pub(crate) fn charge(self, real: Units) -> Charge {
        let Self { key, lease, made_at: reserved_at } = self;
        Charge { key, lease, reserved_at, recorded_at: None, real }
    }
}

pub(crate) struct Quotas {
    clock: Clock,
    store: Store,
    state: State,
    journal: Arc<Journal>,
    loader: Arc<Loader>,
    health: Arc<Health>,
    policy: Policy,
}

/// What quotas are made with.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) state: State,
    pub(crate) journal: Arc<Journal>,
    pub(crate) loader: Arc<Loader>,
    pub(crate) health: Arc<Health>,
}

impl Quotas {
    pub(crate) fn new(parts: Parts, policy: Policy) -> Self {
        let Parts { clock, store, state, journal, loader, health } = parts;
        Self { clock, store, state, journal, loader, health, policy }
    }

    pub(crate) fn reference(&self) -> &Reference {
        &self.policy.reference
    }

    /// Whether what an account counts for depends on how much it serves.
    pub(crate) fn counts_change_by_use(&self) -> bool {
        self.policy.contribution != ContributionPolicy::Declared
    }

    fn now(&self) -> Moment {
        Moment(self.clock.now().millis())
    }

    fn terms(&self, trust_level: i32) -> Terms {
        Terms {
            base: self.policy.of(trust_level).base_quota,
            cap: self.policy.quota_cap,
            window: self.policy.reference.window,
        }
    }

    /// A name for a reservation yet to be made. It is settled also when nobody heard whether it was made.
    pub(crate) fn intend(&self, user: &User, model: &str, amount: Units, life_millis: i64) -> Reservation {
        let key = QuotaKey { user: user.id, group: Group::of(model) };
        let made_at = self.now();
        let lease = Lease { id: LeaseId(rand::random()), amount, expires_at: made_at.plus(life_millis) };
        Reservation { key, lease, made_at }
    }

    /// Sets the amount aside, or says how much is lacking and until when.
    pub(crate) async fn reserve(
        &self,
        user: &User,
        intended: Reservation,
    ) -> Result<Result<(), Shortfall>, QuotaError> {
        let Reservation { key, lease, .. } = intended;
        let terms = self.terms(user.trust_level);
        for _ in 0..ATTEMPTS {
            match self.state.reserve_quota(key, &terms, lease, self.now()).await? {
                Reserved::Held(_) => return Ok(Ok(())),
                Reserved::Lacking(shortfall) => return Ok(Err(shortfall)),
                Reserved::Unknown => self.establish(key, &terms).await?,
            }
        }
        Err(QuotaError::Restless(user.id))
    }

    /// A person's quotas as they are now, made of what is on record where none is stored. Nothing changes by looking.
    pub(crate) async fn of(&self, user: &User) -> Result<Vec<GroupQuota>, QuotaError> {
        let (terms, now) = (self.terms(user.trust_level), self.now());
        let mut quotas = Vec::with_capacity(Group::ALL.len());
        for group in Group::ALL {
            let key = QuotaKey { user: user.id, group };
            let quota = match self.state.view_quota(key).await? {
                Some(view) => view.quota,
                None => {
                    let spent = self.spent(key.user, now.plus(-terms.window.millis())).await?;
                    self.as_recorded(key, &terms, now, spent.rows).await?
                }
            };
            let updated_at = Timestamp::from_millis(quota.bucket().as_of().0);
            let quota = quota.at(now);
            quotas.push(GroupQuota { group, quota: quota.quota(), max_quota: quota.max_quota(), updated_at });
        }
        Ok(quotas)
    }

    /// Brings a person's quotas up to date after their accounts or rights changed. Those not stored yet need nothing.
    pub(crate) async fn refresh(&self, user: UserId) -> Result<(), QuotaError> {
        let Some(person) = self.store.find_user(user).await? else { return Ok(()) };
        let terms = self.terms(person.trust_level);
        for group in Group::ALL {
            let key = QuotaKey { user, group };
            if let Some(view) = self.state.view_quota(key).await? {
                self.bring(key, &terms, view).await?;
            }
        }
        Ok(())
    }

    async fn establish(&self, key: QuotaKey, terms: &Terms) -> Result<(), QuotaError> {
        match self.state.view_quota(key).await? {
            Some(view) => self.bring(key, terms, view).await,
            None => {
                let since = self.now().plus(-terms.window.millis());
                let mut spent = self.spent(key.user, since).await?;
                if !spent.rows.is_empty() && self.state.is_shared() {
                    tokio::time::sleep(OTHERS_RECORD_WITHIN).await;
                    spent = self.spent(key.user, since).await?;
                }
                let quota = self.as_recorded(key, terms, self.now(), spent.rows).await?;
                self.state.begin_quota(key, terms, &quota, spent.beginning).await?;
                Ok(self.state.reserve_again(key, terms, self.now()).await?)
            }
        }
    }

    /// The view was taken before the accounts are read: a change that comes in between makes a conflict, never a loss.
    async fn bring(&self, key: QuotaKey, terms: &Terms, mut view: View) -> Result<(), QuotaError> {
        for _ in 0..ATTEMPTS {
            let wanted = self.shared_by(key).await?;
            if self.state.bring_quota(key, &view, terms, &wanted, self.now()).await? == Brought::Done {
                return Ok(());
            }
            let Some(fresh) = self.state.view_quota(key).await? else { return Ok(()) };
            view = fresh;
        }
        Err(QuotaError::Restless(key.user))
    }

    /// What a person's calls took of their quotas, with all that ended on this instance before this moment.
    async fn spent(&self, user: UserId, since: Moment) -> Result<Spent, QuotaError> {
        self.journal.settled().await;
        let beginning = Beginning { at: self.now(), mark: Some(self.journal.mark()) };
        let rows = self.store.list_spent(user, Timestamp::from_millis(since.0)).await?;
        Ok(Spent { rows, beginning })
    }

    async fn as_recorded(
        &self,
        key: QuotaKey,
        terms: &Terms,
        now: Moment,
        spent: Vec<SpentRow>,
    ) -> Result<Quota, QuotaError> {
        let since = now.plus(-terms.window.millis());
        let mut quota = Quota::new(terms.base, terms.cap, terms.window, since);
        for (account, units) in self.shared_by(key).await? {
            quota.share(&account, units, units, since);
        }
        for spent in spent {
            if spent.model_name.as_deref().is_some_and(|model| Group::of(model) == key.group) {
                quota.charge(Units(spent.quota_millionths), Moment(spent.created_at.millis()));
            }
        }
        Ok(quota.at(now))
    }

    /// The accounts that a person shares at present, with what each counts for in the group.
    async fn shared_by(&self, key: QuotaKey) -> Result<BTreeMap<AccountId, Units>, QuotaError> {
        let mut shared = BTreeMap::new();
        for row in self.store.list_accounts(key.user).await? {
            if !row.is_shared || !row.is_enabled {
                continue;
            }
            let Ok(account) = self.loader.load(row) else { continue };
            // What its provider refuses is as good as switched off.
            if !account.shared || self.health.is_refused(&account) {
                continue;
            }
            let declared = account.worth(key.group, &self.policy);
            let counted = self.counted(&account.id.0, declared).await?;
            if counted > Units::ZERO {
                shared.insert(account.pool_id(), counted);
            }
        }
        Ok(shared)
    }

    /// What a shared account counts for: all that it declares, or no more than it proved lately.
    async fn counted(&self, account: &str, declared: Units) -> Result<Units, QuotaError> {
        match self.policy.contribution {
            ContributionPolicy::Declared => Ok(declared),
            ContributionPolicy::Proven { start } => {
                let since = self.clock.now().millis() - self.policy.reference.window.millis();
                self.journal.settled().await;
                let served = self.store.served_to_others(account, Timestamp::from_millis(since)).await?;
                Ok(declared.min(Units(served).doubled().max(start)))
            }
        }
    }
}
