//! The accounts that serve calls, in memory: the pool's index for choosing and what is needed to call each. They are
//! loaded again when somebody changes one, and now and then in case we were not told.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::http::HeaderValue;
use millpond_pool::account::{Account, AccountId as PoolId, MemberId, Provider, Share};
use millpond_pool::index::{Index, Request, Slot, Why};
use millpond_pool::pattern::Pattern;
use millpond_pool::units::{LimitUnit, Moment, Reference, Units, Window};
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use super::admission::Quotas;
use crate::auth::vault::Vault;
use crate::clock::{Clock, Timestamp};
use crate::config::UpstreamConfig;
use crate::ids::{AccountId, UserId};
use crate::providers;
use crate::state::{Invalidation, State};
use crate::store::accounts::AccountRow;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;

/// How often everything is loaded although nobody announced a change.
const RELOAD: Duration = Duration::from_secs(10);
const RELOAD_WITHOUT_BUS: Duration = Duration::from_secs(1);
/// How often pauses that have ended are looked for, and a due reload.
const TICK: Duration = Duration::from_millis(500);

/// What an account is loaded with.
#[derive(Clone)]
pub(super) struct Source {
    pub store: Store,
    pub vault: Vault,
    pub clock: Clock,
    pub upstream: UpstreamConfig,
}

/// What is needed to call an account.
#[derive(Debug)]
pub(super) struct Target {
    pub id: AccountId,
    pub owner: UserId,
    pub shared: bool,
    /// Without a slash at its end.
    pub base_url: String,
    /// The `Authorization` header; marked sensitive.
    pub authorization: HeaderValue,
    /// Models by public name; `None` is whatever the provider has.
    pub models: Option<Vec<String>>,
    /// Public names besides.
    pub aliases: BTreeMap<String, String>,
    /// What each allowance counts; the first that names a model counts for it.
    units: Vec<(Vec<Pattern>, LimitUnit)>,
    changed_at: Timestamp,
}

impl Target {
    /// What a call of this model is counted in.
    pub(super) fn unit_of(&self, upstream_model: &str) -> LimitUnit {
        let named = |(models, _): &&(Vec<Pattern>, LimitUnit)| {
            models.iter().any(|model| model.matches(upstream_model))
        };
        self.units.iter().find(named).map_or(LimitUnit::Requests, |(_, unit)| *unit)
    }
}

#[derive(Default)]
struct Loaded {
    index: Index,
    targets: HashMap<PoolId, Arc<Target>>,
}

struct Inner {
    source: Source,
    quotas: Quotas,
    state: State,
    loaded: RwLock<Loaded>,
    stale: AtomicBool,
    loading: tokio::sync::Mutex<()>,
}

/// All serving accounts. Cheap to clone.
#[derive(Clone)]
pub(super) struct Accounts(Arc<Inner>);

/// An account that counts this call as running until it is dropped.
pub(super) struct Lease {
    accounts: Accounts,
    pub slot: Slot,
    pub target: Arc<Target>,
    pub upstream_model: String,
    /// Whether it is the caller's own, which costs nothing in the pool.
    pub own: bool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.accounts.read().index.end(self.slot);
    }
}

impl Accounts {
    /// Loads all accounts and keeps them up to date.
    pub(super) async fn start(
        source: Source,
        quotas: Quotas,
        state: &State,
        tasks: &Tasks,
    ) -> Result<Self, StoreError> {
        let inner = Inner {
            source,
            quotas,
            state: state.clone(),
            loaded: RwLock::default(),
            stale: AtomicBool::new(true),
            loading: tokio::sync::Mutex::default(),
        };
        let accounts = Self(Arc::new(inner));
        accounts.load().await?;
        let listener = Arc::downgrade(&accounts.0);
        state.bus().listen(move |change| {
            let concerns = !matches!(change, Invalidation::ApiKey(_) | Invalidation::Session(_));
            if let Some(inner) = listener.upgrade().filter(|_| concerns) {
                inner.stale.store(true, Ordering::SeqCst);
            }
        });
        let keeper = accounts.clone();
        tasks.spawn("accounts", |stop| async move {
            tokio::select! {
                () = keeper.keep_fresh() => {}
                () = stop.cancelled() => {}
            }
        });
        Ok(accounts)
    }

    async fn keep_fresh(&self) {
        let mut since_load = Duration::ZERO;
        loop {
            tokio::time::sleep(TICK).await;
            since_load += TICK;
            self.write().index.wake(self.now());
            let due = if self.0.state.bus().is_live() { RELOAD } else { RELOAD_WITHOUT_BUS };
            if since_load >= due {
                self.0.stale.store(true, Ordering::SeqCst);
                since_load = Duration::ZERO;
            }
            self.refresh().await;
        }
    }

    fn now(&self) -> Moment {
        Moment(self.0.source.clock.now().millis())
    }

    fn read(&self) -> RwLockReadGuard<'_, Loaded> {
        self.0.loaded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Loaded> {
        self.0.loaded.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads again if something has changed. With the database away the accounts stay as they were.
    pub(super) async fn refresh(&self) {
        if !self.0.stale.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = self.load().await {
            tracing::warn!(%error, "the accounts could not be loaded; going on with those we know");
        }
    }

    async fn load(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.0.loading.lock().await;
        if !self.0.stale.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        let rows = self.0.source.store.list_serving_accounts().await.inspect_err(|_| {
            self.0.stale.store(true, Ordering::SeqCst);
        })?;
        let mut shared: HashMap<UserId, BTreeMap<PoolId, Units>> = HashMap::new();
        let mut loaded = self.write();
        let mut kept = HashMap::with_capacity(rows.len());
        for row in rows {
            let id = PoolId::new(row.id.0.clone());
            let known = loaded.targets.get(&id).filter(|target| target.changed_at == row.updated_at).cloned();
            let Some(account) = describe(&row, &self.0.source.upstream) else { continue };
            if account.shared {
                let units = account.allowances.iter().map(|share| share.capacity).max().unwrap_or(Units::ONE);
                shared.entry(row.user_id).or_default().insert(id.clone(), units);
            }
            let target = match known {
                Some(target) => target,
                None => match target(row, &account, &self.0.source.vault) {
                    Some(target) => {
                        loaded.index.put(account);
                        Arc::new(target)
                    }
                    None => continue,
                },
            };
            kept.insert(id, target);
        }
        let gone: Vec<PoolId> = loaded.targets.keys().filter(|id| !kept.contains_key(id)).cloned().collect();
        for id in gone {
            loaded.index.remove(&id);
        }
        loaded.targets = kept;
        drop(loaded);
        self.0.quotas.set_sharing(shared);
        Ok(())
    }

    /// Chooses an account and counts the call on it.
    pub(super) fn choose(&self, request: &Request<'_>) -> Option<Lease> {
        const ATTEMPTS: usize = 8;
        let now = self.now();
        let loaded = self.read();
        for _ in 0..ATTEMPTS {
            let choice = loaded.index.select(request, &mut rand::random::<u64>, now)?;
            // Another call may have taken the last place in between.
            if loaded.index.begin(choice.slot) {
                let target = loaded.targets.get(&choice.account.id)?.clone();
                let upstream_model = choice.upstream_model.to_owned();
                return Some(Lease {
                    accounts: self.clone(),
                    slot: choice.slot,
                    target,
                    upstream_model,
                    own: choice.own,
                });
            }
        }
        None
    }

    /// Why nothing could be chosen.
    pub(super) fn explain(&self, request: &Request<'_>) -> Why {
        self.read().index.explain(request, self.now())
    }

    /// Lets an account rest.
    pub(super) fn pause(&self, lease: &Lease, duration: Duration, why: &str) {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        tracing::warn!(account = %lease.target.id, ?duration, why, "an account rests");
        let until = self.now().plus(millis);
        self.write().index.pause(lease.slot, until, false);
    }

    /// The accounts that a person may use, for listing models.
    pub(super) fn usable_by(&self, user: UserId) -> Vec<Arc<Target>> {
        let loaded = self.read();
        loaded.targets.values().filter(|target| target.shared || target.owner == user).cloned().collect()
    }
}

#[derive(Deserialize)]
struct StoredAllowance {
    models: Vec<String>,
    limit: i64,
    unit: LimitUnit,
    window: Window,
}

fn stored<T: serde::de::DeserializeOwned + Default>(text: Option<&str>) -> T {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The account as the index sees it; `None` for a provider that this version doesn't serve.
fn describe(row: &AccountRow, upstream: &UpstreamConfig) -> Option<Account> {
    if row.provider != "openai" {
        return None;
    }
    let url = providers::parse_base_url(row.base_url.as_deref().unwrap_or(providers::OPENAI)).ok()?;
    let mut account =
        Account::new(PoolId::new(row.id.0.clone()), MemberId(row.user_id.0.into()), Provider::OpenAi);
    // A host that is no longer allowed for sharing serves its owner only.
    account.shared = row.is_shared && providers::may_be_shared(&url, upstream);
    account.models = stored::<Option<Vec<String>>>(row.models.as_deref()).map(patterns);
    account.aliases = stored(row.aliases.as_deref());
    account.priority = row.priority;
    account.weight = u32::try_from(row.weight).unwrap_or(1).clamp(1, 1_000);
    account.max_concurrency = row.max_concurrency.and_then(|limit| u32::try_from(limit).ok());
    account.allowances = stored::<Vec<StoredAllowance>>(row.allowances.as_deref())
        .into_iter()
        .map(|allowance| Share {
            capacity: Reference::default().capacity(allowance.limit, allowance.unit, allowance.window),
            models: patterns(allowance.models),
        })
        .collect();
    Some(account)
}

fn patterns(names: Vec<String>) -> Vec<Pattern> {
    names.into_iter().map(Pattern::new).collect()
}

fn target(row: AccountRow, account: &Account, vault: &Vault) -> Option<Target> {
    let credential = vault.decrypt(&row.credential);
    let credential =
        credential.inspect_err(|error| tracing::error!(account = %row.id, %error, "an account is unusable"));
    let mut authorization =
        HeaderValue::from_str(&format!("Bearer {}", credential.ok()?.expose_secret())).ok()?;
    authorization.set_sensitive(true);
    let allowances = stored::<Vec<StoredAllowance>>(row.allowances.as_deref());
    Some(Target {
        id: row.id,
        owner: row.user_id,
        shared: account.shared,
        base_url: row
            .base_url
            .unwrap_or_else(|| providers::OPENAI.to_owned())
            .trim_end_matches('/')
            .to_owned(),
        authorization,
        models: stored(row.models.as_deref()),
        aliases: account.aliases.clone(),
        units: allowances.into_iter().map(|allowance| (patterns(allowance.models), allowance.unit)).collect(),
        changed_at: row.updated_at,
    })
}
