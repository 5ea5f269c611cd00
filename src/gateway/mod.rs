//! The model endpoints, one file a step, each handing one value to the next and none calling back:
//!
//! | step | file | hands on |
//! | --- | --- | --- |
//! | who, and may they | `auth::extract`, `admission` | a reservation of quota |
//! | which account | `accounts` | a lease of an account |
//! | send, retry on another | `chat`, `upstream` behind `guard` | the provider's answer |
//! | stream back, observed | `relay` | what was used |
//! | record and settle | `call`, `ledger` with its `spool` | a committed row |
//!
//! A reservation or a lease that is dropped gives itself back, and a call that is dropped records itself. Nothing
//! here writes SQL on the way of a call; what must be stored goes through the ledger.

mod accounts;
mod admission;
mod call;
mod chat;
mod guard;
mod ledger;
mod models;
mod relay;
mod spool;
mod upstream;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::app::App;
use crate::auth::vault::Vault;
use crate::clock::Clock;
use crate::config::Config;
use crate::state::State;
use crate::store::Store;
use crate::tasks::Tasks;
use accounts::Accounts;
use admission::Quotas;
use ledger::Ledger;
use models::ModelLists;
use upstream::Upstream;

/// What calls share.
#[derive(Clone)]
pub struct Gateway {
    accounts: Accounts,
    quotas: Quotas,
    upstream: Upstream,
    ledger: Ledger,
    models: ModelLists,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gateway")
    }
}

impl Gateway {
    /// Loads the accounts and starts the ledger.
    pub async fn start(
        config: &Config,
        clock: &Clock,
        store: &Store,
        state: &State,
        vault: &Vault,
        tasks: &Tasks,
    ) -> Result<Self, crate::store::StoreError> {
        let quotas = Quotas::new(clock.clone());
        let source = accounts::Source {
            store: store.clone(),
            vault: vault.clone(),
            clock: clock.clone(),
            upstream: config.upstream.clone(),
        };
        let accounts = Accounts::start(source, quotas.clone(), state, tasks).await?;
        let ledger = Ledger::start(store.clone(), clock.clone(), quotas.clone(), &config.data_dir, tasks);
        let upstream = Upstream::new(config.upstream.clone());
        Ok(Self { accounts, quotas, upstream, ledger, models: ModelLists::default() })
    }
}

/// The routes of this room.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*model}", get(models::get))
        .route("/v1/chat/completions", post(chat::completions))
}
