//! The model endpoints, one file a step of a call's way:
//!
//! | step | file | hands on |
//! | --- | --- | --- |
//! | what is asked | `chat` | the call |
//! | may they? | `admission`, `quotas`, `limits` | a reservation, which is settled however the call ends |
//! | which account? | `pool`, `accounts` | a lease, which ends itself when dropped |
//! | send | `upstream`, `guard` | the provider's answer, or a failure that is tried once more elsewhere |
//! | stream back | `relay` | bytes as they came, the last of them after the row is on record |
//! | settle | `settlement`, `ledger`, `spool` | the usage row |
//!
//! No SQL on the way of a call, and of Redis only what must be exact over all instances: limits where there are some, and
//! one step for a call on somebody else's account. Accounts and callers are in memory.

mod accounts;
mod admission;
pub mod allowances;
mod chat;
mod collector;
mod guard;
pub mod health;
mod ledger;
mod limits;
mod models;
mod pool;
mod quotas;
mod relay;
mod settlement;
mod spool;
mod upstream;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

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
use collector::Collector;
use health::{Health, PauseView};
use ledger::Ledger;
use millpond_pool::units::Units;
use models::Catalog;
use pool::Pool;
use quotas::Quotas;
pub use quotas::{GroupQuota, QuotaError};
use upstream::Upstream;

/// Why the gateway can't start.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The accounts can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The encryption of connections to providers can't be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What the model endpoints share: the accounts, the quotas, the way to providers and the usage record.
pub struct Gateway {
    pool: Arc<Pool>,
    quotas: Arc<Quotas>,
    upstream: Upstream,
    ledger: Ledger,
    catalog: Catalog,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// Loads the accounts and starts the tasks that keep them fresh and record usage. Both end with `tasks`; the ledger
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
        let policy = config.policy.clone();
        let quotas =
            Arc::new(Quotas::new(clock.clone(), store.clone(), state.clone(), loader.clone(), policy));
        let allowances = Allowances::start(config.policy.reference, clock.clone(), state.clone(), tasks);
        let health = Health::start(config.error_rules.clone(), clock.clone(), state.clone(), tasks).await;
        let pool = Pool::start(
            store.clone(),
            state,
            clock.clone(),
            loader,
            quotas.clone(),
            health,
            allowances,
            tasks,
        )
        .await?;
        let collector = Collector::new(state.clone(), clock.clone(), config.policy.reference.window);
        let ledger = Ledger::start(store.clone(), collector, &config.data_dir, tasks);
        let upstream = Upstream::new(&config.upstream)?;
        Ok(Self { pool, quotas, upstream, ledger, catalog: Catalog::default() })
    }

    /// Why and until when an account, or a part of it, rests.
    pub fn pauses_of(&self, account: &AccountId) -> Vec<PauseView> {
        let serving = self.pool.serving(account);
        self.pool.health.of(account, serving.as_ref().map(|serving| &*serving.fingerprint))
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

    /// A person's quotas for others' accounts, as they are now.
    pub async fn quotas_of(&self, user: &User) -> Result<Vec<GroupQuota>, QuotaError> {
        self.quotas.of(user).await
    }
}

/// What the OpenAPI document says of this room.
#[derive(utoipa::OpenApi)]
#[openapi(paths(models::list_models, models::find_model, chat::complete_chat))]
pub struct Described;

/// The routes of this room.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/models", get(models::list_models))
        .route("/v1/models/{*id}", get(models::find_model))
        .route("/v1/chat/completions", post(chat::complete_chat))
}
