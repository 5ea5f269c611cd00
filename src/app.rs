//! Everything that a request may need, put together once at start and taken apart once at stop.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::Audit;
use crate::auth::callers::Callers;
use crate::auth::passwords::Passwords;
use crate::auth::signin::{self, SignIn};
use crate::auth::tokens::Tokens;
use crate::auth::vault::Vault;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::{Gateway, GatewayError};
use crate::state::{State, StateError};
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;

/// Background tasks get this long to end after the last request was served.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running program. Handlers get it as axum state.
#[derive(Debug)]
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub store: Store,
    pub state: State,
    pub tasks: Tasks,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub vault: Vault,
    pub signin: SignIn,
    pub callers: Callers,
    pub audit: Audit,
    pub gateway: Gateway,
}

/// Why the program can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database can't be opened or brought up to date.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The shared state can't be opened.
    #[error(transparent)]
    State(#[from] StateError),
    /// The model endpoints can't be opened.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The client for sign-in providers can't be made.
    #[error("the client for sign-in providers: {0}")]
    SignIn(#[from] reqwest::Error),
    /// The encryption key is no Fernet key.
    #[error("PLUGIN_API_ENCRYPTION_KEY must be 32 bytes in URL-safe base64 (44 characters)")]
    EncryptionKey,
}

impl App {
    /// Opens the database and the shared state, brings the schema up to date and starts the background tasks.
    pub async fn start(config: Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        let vault = Vault::new(&config.encryption_key).ok_or(StartError::EncryptionKey)?;
        let signin = SignIn::new(&config)?;
        let store = Store::connect(&config.database).await?;
        store.migrate().await?;
        let tasks = Tasks::default();
        let state = match &config.redis_url {
            Some(url) => State::redis(url, &tasks).await?,
            None => State::embedded(store.clone(), clock.clone(), &tasks).await?,
        };
        signin::tokens::encrypt_clear_rows(&tasks, &store, &vault);
        let tokens = Tokens::new(&config.tokens);
        let callers = Callers::new(tokens.clone(), clock.clone(), store.clone(), state.clone());
        let passwords = Passwords::default();
        let audit = Audit::new(&config, store.clone(), clock.clone());
        tasks.spawn("audit note", |stop| audit.clone().keep_note(stop));
        let gateway = Gateway::start(&config, &clock, &store, &state, &vault, &tasks).await?;
        Ok(Arc::new(Self {
            config,
            clock,
            store,
            state,
            tasks,
            tokens,
            passwords,
            vault,
            signin,
            callers,
            audit,
            gateway,
        }))
    }

    /// Ends the background tasks, what they hold is written first, then closes the database.
    pub async fn stop(&self) {
        if !self.tasks.shutdown(PATIENCE).await {
            tracing::warn!("some background tasks did not end in time");
        }
        self.store.close().await;
    }
}
