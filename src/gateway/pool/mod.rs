//! The accounts in memory: loaded from the store, kept fresh by the bus and by the clock, chosen from and leased. What bears
//! on the choice lives here as well: allowances, health, quotas, the queue.

pub(crate) mod allowances;
mod changes;
pub(crate) mod health;
pub(crate) mod lease;
mod loading;
pub(crate) mod queue;
pub(crate) mod quotas;
mod refused;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use millpond_pool::account::AccountId as PoolId;
use millpond_pool::index::{Index, Providers, Request, Slot, Sources, Why};
use millpond_pool::units::Moment;

use crate::clock::{Clock, Timestamp};
use crate::core::Core;
use crate::gateway::accounts::{Loader, Serving};
use crate::gateway::journal::Journal;
use crate::gateway::limits::Exceptions;
use crate::ids::{AccountId, UserId};
use crate::state::Bus;
use crate::store::{Store, StoreError};
use allowances::Allowances;
use changes::Changes;
use health::Health;
use lease::{Lease, Picked, Wanted};
use queue::Queue;
use quotas::Quotas;
use refused::RefusedAccounts;

/// A chosen account may have filled up meanwhile; then another is chosen, so many times.
const CHOICES: usize = 16;

/// The accounts, arranged for selection and with what is needed to call them.
#[derive(Default)]
struct Accounts {
    index: Index,
    serving: HashMap<Slot, Arc<Serving>>,
    /// Accounts that can't serve as they are, and since which version.
    unusable: HashMap<AccountId, Timestamp>,
}

pub(crate) struct Pool {
    accounts: RwLock<Accounts>,
    store: Store,
    bus: Bus,
    clock: Clock,
    pub(crate) loader: Arc<Loader>,
    pub(crate) quotas: Quotas,
    pub(crate) health: Arc<Health>,
    pub(crate) allowances: Arc<Allowances>,
    changes: Arc<Changes>,
    refused: RefusedAccounts,
    /// Who waits for a place.
    pub(crate) queue: Queue,
    /// Limits that differ from what trust levels give.
    pub(crate) exceptions: Exceptions,
}

impl Pool {
    /// Loads the accounts and keeps them fresh until `tasks` end.
    pub(crate) async fn start(core: &Core, journal: Arc<Journal>) -> Result<Arc<Self>, StoreError> {
        let Core { config, clock, store, state, vault, tasks, .. } = core;
        let loader = Arc::new(Loader::new(vault.clone(), config.upstream.clone()));
        let allowances = Allowances::start(config.policy.reference, clock.clone(), state, tasks);
        let health = Health::start(config.error_rules.clone(), clock.clone(), state, tasks).await;
        let parts = quotas::Parts {
            clock: clock.clone(),
            store: store.clone(),
            state: state.clone(),
            journal,
            loader: loader.clone(),
            health: health.clone(),
        };
        let changes = Arc::new(Changes::default());
        let heard = changes.clone();
        state.bus().listen(move |change| heard.hear(change));
        let pool = Arc::new(Self {
            accounts: RwLock::default(),
            store: store.clone(),
            bus: state.bus().clone(),
            clock: clock.clone(),
            loader,
            quotas: Quotas::new(parts, config.policy.clone()),
            health,
            allowances,
            changes,
            refused: RefusedAccounts::default(),
            queue: Queue::new(&config.calls),
            exceptions: Exceptions::default(),
        });
        let told = Arc::downgrade(&pool);
        pool.health.tell(move |id| {
            if let Some(pool) = told.upgrade() {
                pool.rest(id);
            }
        });
        let told = Arc::downgrade(&pool);
        pool.allowances.tell(move |id| {
            if let Some(pool) = told.upgrade() {
                pool.show_free(id);
            }
        });
        pool.exceptions.adopt(pool.store.list_limits(pool.clock.now()).await?);
        for row in pool.store.list_active_accounts().await? {
            pool.adopt(row);
        }
        pool.allowances.catch_up().await;
        pool.keep(tasks);
        Ok(pool)
    }

    /// Returns when every change of this person's that was announced so far is known here.
    pub(crate) async fn fresh(&self, user: UserId) {
        self.changes.wait(user).await;
    }

    /// Why nothing could be chosen.
    pub(crate) fn explain(&self, wanted: &Wanted<'_>, sources: Sources) -> Why {
        self.read().index.explain(&wanted.request(sources), self.now())
    }

    /// Whether accounts of another provider serve the model to the caller.
    pub(crate) fn is_served_elsewhere(&self, wanted: &Wanted<'_>) -> bool {
        let request = Request { providers: Providers::ANY, tried: &[], ..wanted.request(Sources::OwnFirst) };
        self.read().index.explain(&request, self.now()) != Why::default()
    }

    /// The account in a slot.
    pub(crate) fn serving(&self, slot: Slot) -> Option<Arc<Serving>> {
        self.read().serving.get(&slot).cloned()
    }

    /// Chooses an account and counts the call on it. Why there is none is a dearer question: [`explain`](Self::explain).
    pub(crate) fn pick(self: &Arc<Self>, wanted: &Wanted<'_>, sources: Sources) -> Option<Picked> {
        let request = wanted.request(sources);
        let (accounts, now) = (self.read(), self.now());
        for _ in 0..CHOICES {
            let choice = accounts.index.select(&request, &mut rand::random::<u64>, now)?;
            let account = accounts.serving.get(&choice.slot)?;
            if accounts.index.begin(choice.slot) {
                let held = self.allowances.hold(&account.id, choice.upstream_model, &wanted.estimate);
                self.allowances.show(&accounts.index, choice.slot, &account.id);
                let Some(permit) = held else {
                    accounts.index.end(choice.slot);
                    continue;
                };
                return Some(Picked {
                    account: account.clone(),
                    upstream_model: choice.upstream_model.to_owned(),
                    own: choice.own,
                    lease: Lease {
                        pool: self.clone(),
                        slot: choice.slot,
                        probes: Vec::new(),
                        permit: Some(permit),
                    },
                });
            }
        }
        None
    }

    /// A call is over: its place goes to whoever waits for it.
    pub(crate) fn end(self: &Arc<Self>, slot: Slot) {
        self.read().index.end(slot);
        self.hand_on(slot);
    }

    /// Shows selection what an account's health says by now.
    fn rest(&self, id: &AccountId) {
        let mut accounts = self.write();
        let Some(slot) = accounts.index.find(&PoolId::new(id.0.clone())) else { return };
        let Some(account) = accounts.serving.get(&slot).cloned() else { return };
        self.apply_rest(&mut accounts.index, slot, &account);
    }

    /// Shows selection what is free of an account; one model with nothing left rests.
    fn show_free(self: &Arc<Self>, id: &AccountId) {
        let slot = {
            let accounts = self.read();
            let Some(slot) = accounts.index.find(&PoolId::new(id.0.clone())) else { return };
            self.allowances.show(&accounts.index, slot, id);
            slot
        };
        // Whoever waits may use what came free.
        self.hand_on(slot);
        if !self.allowances.spent_models(id).is_empty() {
            self.rest(id);
        }
    }

    fn apply_rest(&self, index: &mut Index, slot: Slot, account: &Serving) {
        let mut rest = self.health.rest_of(account);
        if self.refused.note(account, account.shared && rest.is_without_end()) {
            self.changes.owe_quotas(account.owner, 0);
        }
        for (which, until) in rest.credentials.iter().enumerate() {
            account.credentials.rest(which, *until);
        }
        for (model, until) in self.allowances.spent_models(&account.id) {
            match rest.models.iter_mut().find(|(known, _)| *known == model) {
                Some((_, known)) => *known = until.max(*known),
                None => rest.models.push((model, until)),
            }
        }
        index.set_rest(slot, rest.account, rest.models);
    }

    /// An account that may serve, by its id.
    pub(crate) fn account(&self, id: &AccountId) -> Option<Arc<Serving>> {
        let accounts = self.read();
        let slot = accounts.index.find(&PoolId::new(id.0.clone()))?;
        accounts.serving.get(&slot).cloned()
    }

    /// The accounts that a person may use.
    pub(crate) fn visible_to(&self, user: UserId) -> Vec<Arc<Serving>> {
        let accounts = self.read();
        let visible = |account: &&Arc<Serving>| account.enabled && (account.shared || account.owner == user);
        accounts.serving.values().filter(visible).cloned().collect()
    }

    /// The accounts that everybody may use.
    pub(crate) fn shared(&self) -> Vec<Arc<Serving>> {
        let shared = |account: &&Arc<Serving>| account.enabled && account.shared;
        self.read().serving.values().filter(shared).cloned().collect()
    }

    /// The moment by which accounts rest and are chosen; nobody sets its clock.
    pub(crate) fn now(&self) -> Moment {
        self.clock.steady()
    }

    /// The moment by the wall clock, by which quotas recover.
    pub(crate) fn wall(&self) -> Moment {
        Moment(self.clock.now().millis())
    }

    fn read(&self) -> RwLockReadGuard<'_, Accounts> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Accounts> {
        self.accounts.write().unwrap_or_else(PoisonError::into_inner)
    }
}
