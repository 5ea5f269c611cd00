//! What every room may use: configuration, time, the database, shared state, background tasks, encryption at rest and the
//! audit log. Nothing here knows who calls or what a model is.

use std::sync::Arc;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::Config;
use crate::state::{State, StateError};
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::vault::Vault;

/// The ground that the rooms stand on, put together once at start.
#[derive(Debug)]
pub struct Core {
    pub config: Config,
    pub clock: Clock,
    pub store: Store,
    pub state: State,
    pub tasks: Tasks,
    pub vault: Vault,
    pub audit: Audit,
}

/// Why the ground can't be laid.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The database can't be opened or brought up to date.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The shared state can't be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// The encryption key is no Fernet key.
    #[error("PLUGIN_API_ENCRYPTION_KEY must be 32 bytes in URL-safe base64 (44 characters)")]
    EncryptionKey,
}

impl Core {
    /// Opens the database and the shared state and brings the schema up to date.
    pub async fn start(config: Config, clock: Clock) -> Result<Arc<Self>, CoreError> {
        let vault = Vault::new(&config.encryption_key).ok_or(CoreError::EncryptionKey)?;
        let store = Store::connect(&config.database).await?;
        store.migrate().await?;
        let tasks = Tasks::default();
        tasks.spawn("database upkeep", |stop| store.clone().keep_up(stop));
        let state = match &config.redis_url {
            Some(url) => State::redis(url, clock.clone(), &tasks).await?,
            None => State::embedded(store.clone(), clock.clone(), &tasks).await?,
        };
        let audit = Audit::new(&config, store.clone(), clock.clone());
        tasks.spawn("audit note", |stop| audit.clone().keep_note(stop));
        Ok(Arc::new(Self { config, clock, store, state, tasks, vault, audit }))
    }
}
