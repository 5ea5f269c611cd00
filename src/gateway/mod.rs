//! The model endpoints, one room or file a step of a call's way:
//!
//! | step | where | hands on |
//! | --- | --- | --- |
//! | what is asked | `routes`, `call`, `request` | the request as far as it was read |
//! | may they? | `admission`, `limits`, `estimate` | an admitted call, which is settled however it ends |
//! | which account? | `pool` (choice, queue, quotas, allowances, health), `accounts` | a lease, which ends itself when dropped |
//! | send | `attempts`, `upstream` | the provider's answer, or a failure that is tried once more elsewhere |
//! | stream back | `relay` | bytes as they came, the last of them after the row is on record |
//! | settle | `settlement`, `journal` | the usage row |
//!
//! `view` and `check` are what people see of accounts and how they try one out.
//!
//! No SQL on the way of a call, and of Redis only what must be exact over all instances: limits where there are some, and
//! one step for a call on somebody else's account. Accounts and callers are in memory.

mod accounts;
mod admission;
mod attempts;
mod call;
mod check;
mod estimate;
mod journal;
mod limits;
mod models;
mod pool;
mod relay;
mod request;
mod routes;
mod settlement;
mod upstream;
mod view;

use std::sync::Arc;

use millpond_pool::pricing::{PriceError, Prices};
use millpond_pool::retry::RetryBudget;
use millpond_pool::units::Units;

use crate::core::Core;
use crate::ids::AccountId;
use crate::state::StateError;
use crate::store::StoreError;
use crate::store::users::User;
use attempts::Fallbacks;
pub use check::{Checked, Trial};
use journal::Ledger;
use journal::collector::Collector;
use models::Catalog;
pub use models::models_of_caller;
use pool::Pool;
pub use pool::allowances::AllowanceView;
pub use pool::health::PauseView;
pub use pool::quotas::{GroupQuota, QuotaError};
pub use routes::{complete_chat_by_plugin, generate_by_plugin, routes};
use upstream::Upstream;
pub use upstream::proxy::{NoProxy, Proxy};
pub use view::{ModelQuota, PersonQuota, PoolModel};

/// Why the gateway can't start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The accounts can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The price table can't be used.
    #[error("PRICES_FILE: {0}")]
    Prices(#[from] PriceError),
    /// The price table can't be read.
    #[error("PRICES_FILE: {0}")]
    PricesFile(#[from] std::io::Error),
    /// The encryption of connections to providers can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What the model endpoints share: the accounts, the quotas, the way to providers and the usage record.
pub struct Gateway {
    core: Arc<Core>,
    pool: Arc<Pool>,
    upstream: Upstream,
    ledger: Ledger,
    catalog: Catalog,
    prices: Arc<Prices>,
    fallbacks: Fallbacks,
    retries: RetryBudget,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// Loads the accounts and starts the tasks that keep them fresh and record usage. Both end with the core's tasks; the
    /// ledger only after every call that began has been recorded.
    pub async fn start(core: Arc<Core>) -> Result<Self, GatewayError> {
        let config = &core.config;
        let pool = Pool::start(&core).await?;
        let collector =
            Collector::new(core.state.clone(), core.clock.clone(), config.policy.reference.window);
        let ledger = Ledger::start(core.store.clone(), collector, &config.data_dir, &core.tasks);
        let upstream = Upstream::new(&config.upstream)?;
        let mut prices = Prices::built_in()?;
        if let Some(file) = &config.calls.prices_file {
            prices.add(&tokio::fs::read_to_string(file).await?)?;
        }
        let retries = RetryBudget::new(pool.now());
        let fallbacks = Fallbacks::new(config.calls.fallbacks.clone());
        let (prices, catalog) = (Arc::new(prices), Catalog::default());
        Ok(Self { core, pool, upstream, ledger, catalog, prices, fallbacks, retries })
    }

    /// Why and until when an account, or a part of it, rests.
    pub fn pauses_of(&self, account: &AccountId) -> Vec<PauseView> {
        let serving = self.pool.account(account);
        self.pool.health.of(account, serving.as_deref().map(|serving| &serving.credentials))
    }

    /// What is left of an account's allowances, as its owner declares or as its provider reports them.
    pub async fn allowances_of(&self, account: &AccountId) -> Result<Vec<AllowanceView>, StateError> {
        self.pool.allowances.of(account).await
    }

    /// What an account served to others than its owner in about the last reference window.
    pub fn served_lately(&self, account: &AccountId) -> Units {
        self.pool.allowances.served_lately(account)
    }

    /// Ends all rests of an account by hand, on every instance.
    pub async fn resume(&self, account: &AccountId) -> Result<(), StateError> {
        self.pool.health.resume(account).await
    }

    /// How many calls wait for a place on this instance.
    pub fn waiting(&self) -> usize {
        self.pool.queue.len()
    }

    /// A person's quotas for others' accounts, as they are now.
    pub async fn quotas_of(&self, user: &User) -> Result<Vec<GroupQuota>, QuotaError> {
        self.pool.quotas.of(user).await
    }
}
