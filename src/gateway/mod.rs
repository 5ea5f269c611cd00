//! The model endpoints, one room or file a step of a call's way:
//!
//! | step | where | hands on |
//! | --- | --- | --- |
//! | what is asked | `routes`, `call`, `request` | the request as far as it was read |
//! | may they? | `admission`, `limits`, `estimate` | an admitted call, which is settled however it ends |
//! | which account? | `pool` (choice, queue, quotas, allowances, health), `accounts` | a lease, which ends itself when dropped |
//! | send | `attempts`, `upstream` | the provider's answer, or a failure that is tried once more elsewhere |
//! | stream back | `relay` | bytes as they came, the last of them after the row is on record |
//! | settle | `settlement`, `token_counter`, `journal` | the usage row, and what the call owes |
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
mod choose;
mod estimate;
mod journal;
mod limits;
mod models;
mod pool;
mod relay;
mod request;
mod routes;
mod settlement;
mod token_counter;
mod upstream;
mod view;

use std::sync::Arc;

use millpond_pool::pricing::{PriceError, Prices};
use millpond_pool::retry::RetryBudget;
use millpond_pool::units::Units;

use crate::core::Core;
use crate::ids::{AccountId, UserId};
use crate::state::StateError;
use crate::store::StoreError;
use crate::store::users::User;
pub use accounts::proxy::{NoProxy, Proxy};
use attempts::Fallbacks;
pub use check::{Checked, Trial};
pub use journal::Closed;
use journal::Journal;
use models::Catalog;
pub use models::models_of_caller;
use pool::Pool;
pub use pool::allowances::AllowanceView;
pub use pool::health::PauseView;
pub use pool::quotas::{GroupQuota, QuotaError};
pub use routes::{complete_chat_by_plugin, generate_by_plugin, routes};
use token_counter::TokenCounter;
pub use upstream::TlsError;
use upstream::Upstream;
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
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What the model endpoints share: the accounts, the quotas, the way to providers and the usage record.
pub struct Gateway {
    core: Arc<Core>,
    pool: Arc<Pool>,
    upstream: Upstream,
    journal: Arc<Journal>,
    counter: TokenCounter,
    catalog: Catalog,
    prices: Arc<Prices>,
    fallbacks: Fallbacks,
    retries: RetryBudget,
    watch: relay::Watch,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// Loads the accounts and starts the tasks that keep them fresh and record usage. Both end with the core's tasks; the
    /// journal only after every call that began has been recorded.
    pub async fn start(core: Arc<Core>) -> Result<Self, GatewayError> {
        let config = &core.config;
        let journal = Arc::new(Journal::start(&core).await);
        let pool = Pool::start(&core, journal.clone()).await?;
        let upstream = Upstream::start(&config.upstream, &core.tasks)?;
        let mut prices = Prices::built_in()?;
        if let Some(file) = &config.calls.prices_file {
            prices.add(&tokio::fs::read_to_string(file).await?)?;
        }
        let retries = RetryBudget::new(pool.now());
        let fallbacks = Fallbacks::new(config.calls.fallbacks.clone());
        let (prices, catalog, counter) = (Arc::new(prices), Catalog::default(), TokenCounter::default());
        let watch = relay::Watch::start(&core.tasks);
        Ok(Self { core, pool, upstream, journal, counter, catalog, prices, fallbacks, retries, watch })
    }

    /// Lets every running stream end with an error that says why, because the process ends.
    pub fn end_streams(&self) {
        self.watch.end_all();
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

    /// Returns when every change of this person's that was announced so far is known here.
    pub async fn fresh(&self, user: UserId) {
        self.pool.fresh(user).await;
    }

    /// Ends all rests of an account by hand, on every instance.
    pub async fn resume(&self, account: &AccountId) -> Result<(), StateError> {
        self.pool.health.resume(account).await
    }

    /// How many calls wait for a place on this instance.
    pub fn waiting(&self) -> usize {
        self.pool.queue.len()
    }

    /// Waits until every call that has ended can be read from the database; not for long, and not while it is away.
    pub async fn settled(&self) {
        self.journal.settled().await;
    }

    /// Why calls can't be recorded at present, if so.
    pub fn trouble(&self) -> Option<Closed> {
        self.journal.trouble()
    }

    /// Records of the journal that were found damaged, and put aside, since the start.
    pub fn damaged_records(&self) -> u64 {
        self.journal.damaged()
    }

    /// A person's quotas for others' accounts, as they are now.
    pub async fn quotas_of(&self, user: &User) -> Result<Vec<GroupQuota>, QuotaError> {
        self.pool.quotas.of(user).await
    }
}
