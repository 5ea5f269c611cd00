//! The accounts in memory: loaded from the store, kept fresh by the bus and by the clock, chosen from and leased. What bears
//! on the choice lives here as well: allowances, health, quotas, the queue.

pub(crate) mod allowances;
pub(crate) mod choose;
pub(crate) mod health;
pub(crate) mod lease;
pub(crate) mod queue;
pub(crate) mod quotas;
mod refused;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use millpond_pool::account::AccountId as PoolId;
use millpond_pool::index::{Index, Providers, Request, Slot, Sources, Why};
use millpond_pool::units::Moment;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::core::Core;
use crate::gateway::accounts::{Loader, Serving};
use crate::gateway::journal::Journal;
use crate::gateway::limits::Exceptions;
use crate::ids::{AccountId, UserId};
use crate::state::{Bus, Invalidation};
use crate::store::accounts::AccountRow;
use crate::store::{Store, StoreError};
use allowances::Allowances;
use health::Health;
use lease::{Lease, Picked, Wanted};
use queue::Queue;
use quotas::Quotas;
use refused::RefusedAccounts;

/// How often pauses that are over are looked for.
const WAKE_EVERY: Duration = Duration::from_millis(250);
const RELOAD_EVERY: Duration = Duration::from_secs(10);
const RELOAD_WITHOUT_BUS: Duration = Duration::from_secs(1);
/// How often it is counted anew what shared accounts proved to be worth, where that matters.
const RECOUNT_EVERY: Duration = Duration::from_secs(300);
/// A call waits at most so long for a change that was announced before it came.
const FRESH_WITHIN: Duration = Duration::from_secs(1);
/// A chosen account may have filled up meanwhile; then another is chosen, so many times.
const CHOICES: usize = 16;

/// The accounts, arranged for selection and with what is needed to call them.
#[derive(Default)]
struct Accounts {
    index: Index,
    serving: HashMap<Slot, Arc<Serving>>,
}

/// What the bus announced.
#[derive(Default)]
struct Changes {
    count: AtomicU64,
    wake: Notify,
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
    loaded: watch::Sender<u64>,
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
        state.bus().listen(move |change| {
            let elsewhere = matches!(
                change,
                Invalidation::ApiKey(_)
                    | Invalidation::Session(_)
                    | Invalidation::Health(_)
                    | Invalidation::Allowance(_)
            );
            if !elsewhere {
                heard.count.fetch_add(1, Ordering::SeqCst);
                heard.wake.notify_one();
            }
        });
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
            loaded: watch::Sender::new(0),
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
        let rows = pool.store.list_active_accounts().await?;
        pool.exceptions.adopt(pool.store.list_limits(pool.clock.now()).await?);
        pool.adopt(rows);
        pool.allowances.catch_up().await;
        tasks.spawn("accounts", |stop| pool.clone().keep_fresh(stop));
        Ok(pool)
    }

    async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(WAKE_EVERY);
        let mut loaded_at = Instant::now();
        let mut counted_at = Instant::now();
        // What changed while no instance ran.
        self.refresh_quotas(self.sharers()).await;
        loop {
            let changed = tokio::select! {
                () = stop.cancelled() => return,
                () = self.changes.wake.notified() => true,
                _ = tick.tick() => false,
            };
            let now = self.now();
            self.write().index.wake(now);
            self.hand_out();
            let life = if self.bus.is_live() { RELOAD_EVERY } else { RELOAD_WITHOUT_BUS };
            if changed || loaded_at.elapsed() >= life {
                if let Err(error) = self.reload().await {
                    tracing::warn!(%error, "the accounts could not be read; those known go on serving");
                }
                loaded_at = Instant::now();
            }
            if self.quotas.counts_change_by_use() && counted_at.elapsed() >= RECOUNT_EVERY {
                self.refresh_quotas(self.sharers()).await;
                counted_at = Instant::now();
            }
        }
    }

    async fn reload(&self) -> Result<(), StoreError> {
        let seen = self.changes.count.load(Ordering::SeqCst);
        let read = self.read_store().await;
        // Calls that wait for this change go on with what is known, also when it could not be read: the clock brings the
        // next try.
        self.loaded.send_replace(seen);
        read
    }

    async fn read_store(&self) -> Result<(), StoreError> {
        let rows = self.store.list_active_accounts().await?;
        self.exceptions.adopt(self.store.list_limits(self.clock.now()).await?);
        let mut changed = self.adopt(rows);
        changed.extend(self.refused.take());
        self.refresh_quotas(changed).await;
        Ok(())
    }

    async fn refresh_quotas(&self, owners: HashSet<UserId>) {
        for owner in owners {
            if let Err(error) = self.quotas.refresh(owner).await {
                tracing::warn!(%error, user = owner.0, "a quota could not be brought up to date now");
                self.refused.owe(owner);
            }
        }
    }

    fn sharers(&self) -> HashSet<UserId> {
        self.read().serving.values().filter(|account| account.shared).map(|account| account.owner).collect()
    }

    /// Takes over what the database has; answers the owners of what changed.
    fn adopt(&self, rows: Vec<AccountRow>) -> HashSet<UserId> {
        let known = self.known();
        let mut serving = Vec::with_capacity(rows.len());
        for row in rows {
            match known.get(&row.id.0) {
                Some(same) if same.updated_at == row.updated_at => serving.push(same.clone()),
                _ => {
                    let id = row.id.clone();
                    match self.loader.load(row) {
                        Ok(account) => serving.push(Arc::new(account)),
                        Err(error) => tracing::warn!(account = %id, %error, "an account can't serve"),
                    }
                }
            }
        }
        let mut changed = HashSet::new();
        let ids: HashSet<&str> = serving.iter().map(|account| account.id.0.as_str()).collect();
        let mut accounts = self.write();
        for (_, gone) in known.iter().filter(|(id, _)| !ids.contains(id.as_str())) {
            changed.insert(gone.owner);
            self.allowances.forget(&gone.id);
            self.refused.forget(&gone.id);
            let pool_id = gone.pool_id();
            if let Some(slot) = accounts.index.find(&pool_id) {
                accounts.serving.remove(&slot);
            }
            accounts.index.remove(&pool_id);
        }
        for account in serving {
            if known.get(&account.id.0).is_some_and(|same| Arc::ptr_eq(same, &account)) {
                continue;
            }
            changed.insert(account.owner);
            let slot = accounts.index.put(account.for_selection(self.quotas.reference()));
            self.allowances.adopt(&account);
            self.apply_rest(&mut accounts.index, slot, &account);
            self.allowances.show(&accounts.index, slot, &account.id);
            accounts.serving.insert(slot, account);
        }
        changed
    }

    fn known(&self) -> HashMap<String, Arc<Serving>> {
        self.read().serving.values().map(|account| (account.id.0.clone(), account.clone())).collect()
    }

    /// Returns when every change that was announced so far is known here.
    pub(crate) async fn fresh(&self) {
        let announced = self.changes.count.load(Ordering::SeqCst);
        if *self.loaded.borrow() >= announced {
            return;
        }
        let mut loaded = self.loaded.subscribe();
        let waited = tokio::time::timeout(FRESH_WITHIN, loaded.wait_for(|seen| *seen >= announced)).await;
        if waited.is_err() {
            tracing::warn!("a change of accounts takes long to be read");
        }
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
            self.changes.wake.notify_one();
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
