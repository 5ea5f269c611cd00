//! The model endpoints, one file a step of a call's way:
//!
//! | step | file | hands on |
//! | --- | --- | --- |
//! | what is asked | `call` | the call |
//! | may they? | `admission`, `quotas`, `limits` | a reservation, which is settled however the call ends |
//! | which account? | `pool`, `queue`, `accounts`, `credentials`, `allowances`, `health` | a lease, which ends itself when dropped |
//! | send | `attempts`, `upstream`, `dial`, `proxy`, `guard` | the provider's answer, or a failure that is tried once more elsewhere |
//! | stream back | `relay` | bytes as they came, the last of them after the row is on record |
//! | settle | `settlement`, `estimator`, `drain`, `journal` | the usage row, and what the call owes |
//!
//! `view` and `check` are what people see of accounts and how they try one out.
//!
//! No SQL on the way of a call, and of Redis only what must be exact over all instances: limits where there are some, and
//! one step for a call on somebody else's account. Accounts and callers are in memory.

mod accounts;
mod admission;
pub mod allowances;
mod attempts;
mod call;
mod check;
mod credentials;
mod dial;
mod drain;
mod estimator;
mod guard;
pub mod health;
mod journal;
mod lease;
mod limits;
mod models;
mod pool;
mod proxy;
mod queue;
mod quotas;
mod relay;
mod settlement;
mod standing;
mod upstream;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use millpond_pool::pricing::{PriceError, Prices};
use millpond_pool::retry::RetryBudget;

use crate::app::App;
use crate::auth::vault::Vault;
use crate::clock::Clock;
use crate::config::Config;
use crate::ids::AccountId;
use crate::state::{State, StateError};
use crate::store::users::User;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use allowances::{AllowanceView, Allowances};
use attempts::Fallbacks;
pub use call::{complete_chat_by_plugin, generate_by_plugin};
pub use check::{Checked, Trial};
use health::{Health, PauseView};
pub use journal::Closed;
use estimator::Estimator;
use journal::Journal;
use millpond_pool::units::Units;
use models::Catalog;
pub use models::models_of_caller;
use pool::{Parts, Pool};
pub use proxy::{NoProxy, Proxy};
use queue::Queue;
use quotas::Quotas;
pub use quotas::{GroupQuota, QuotaError};
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
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What the model endpoints share: the accounts, the quotas, the way to providers and the usage record.
pub struct Gateway {
    loader: Arc<accounts::Loader>,
    pool: Arc<Pool>,
    quotas: Arc<Quotas>,
    upstream: Upstream,
    journal: Arc<Journal>,
    estimator: Estimator,
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
    /// Loads the accounts and starts the tasks that keep them fresh and record usage. Both end with `tasks`; the journal
    /// only after every call that began has been recorded.
    pub async fn start(
        config: &Config,
        clock: &Clock,
        store: &Store,
        state: &State,
        vault: &Vault,
        tasks: &Tasks,
    ) -> Result<Self, GatewayError> {
        let loader = Arc::new(accounts::Loader::new(vault.clone(), config.upstream.clone()));
        let queue = Queue::new(&config.calls);
        let allowances = Allowances::start(config.policy.reference, clock.clone(), state, tasks);
        let health = Health::start(config.error_rules.clone(), clock.clone(), state, tasks).await;
        let parts = journal::Parts {
            clock: clock.clone(),
            store: store.clone(),
            state: state.clone(),
            window: config.policy.reference.window,
            durability: config.calls.durability,
        };
        let journal = Arc::new(Journal::start(parts, &config.data_dir, tasks).await);
        let parts = quotas::Parts {
            clock: clock.clone(),
            store: store.clone(),
            state: state.clone(),
            journal: journal.clone(),
            loader: loader.clone(),
            health: health.clone(),
        };
        let quotas = Arc::new(Quotas::new(parts, config.policy.clone()));
        let parts = Parts { quotas: quotas.clone(), queue, health, allowances };
        let pool = Pool::start(store.clone(), state, clock.clone(), loader.clone(), parts, tasks).await?;
        let upstream = Upstream::new(&config.upstream)?;
        let mut prices = Prices::built_in()?;
        if let Some(file) = &config.calls.prices_file {
            prices.add(&tokio::fs::read_to_string(file).await?)?;
        }
        let retries = RetryBudget::new(pool.now());
        let fallbacks = Fallbacks::new(config.calls.fallbacks.clone());
        let (prices, catalog, estimator) = (Arc::new(prices), Catalog::default(), Estimator::default());
        Ok(Self { loader, pool, quotas, upstream, journal, estimator, catalog, prices, fallbacks, retries })
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

    /// Waits until every call that has ended can be read from the database; not for long, and not while it is away.
    pub async fn settled(&self) {
        self.journal.settled().await;
    }

    /// Why calls can't be recorded at present, if so.
    pub fn trouble(&self) -> Option<Closed> {
        self.journal.trouble()
    }

    /// Records of the journal that were found damaged since the start.
    pub fn damaged_records(&self) -> u64 {
        self.journal.damaged()
    }

    /// A person's quotas for others' accounts, as they are now.
    pub async fn quotas_of(&self, user: &User) -> Result<Vec<GroupQuota>, QuotaError> {
        self.quotas.of(user).await
    }
}

/// What the OpenAPI document says of this room.
#[derive(utoipa::OpenApi)]
#[openapi(paths(
    models::list_models,
    models::find_model,
    models::list_gemini_models,
    models::find_gemini_model,
    call::complete_chat,
    call::create_message,
    call::count_message_tokens,
    call::generate_content
))]
pub struct Described;

/// The routes of this room.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/models", get(models::list_models))
        .route("/v1/models/{*id}", get(models::find_model).post(call::generate_content))
        .route("/v1/chat/completions", post(call::complete_chat))
        .route("/v1/messages", post(call::create_message))
        .route("/v1/messages/count_tokens", post(call::count_message_tokens))
        .route("/v1beta/models", get(models::list_gemini_models))
        .route("/v1beta/models/{*target}", get(models::find_gemini_model).post(call::generate_content))
}
