//! The running program as the edge of it sees it: handlers get it, or the part that they need, as axum state. Rooms below
//! the handlers are given [`Core`], [`Auth`] or [`Gateway`], never this.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;

use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::core::{Core, CoreError};
use crate::gateway::{Gateway, GatewayError};

/// Background tasks get this long to end after the last request was served.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    pub core: Arc<Core>,
    pub auth: Arc<Auth>,
    pub gateway: Arc<Gateway>,
}

/// Why the program can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The model endpoints can't be opened.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// The client for sign-in providers can't be made.
    #[error("the client for sign-in providers: {0}")]
    SignIn(#[from] reqwest::Error),
}

impl App {
    /// Puts the rooms together and starts their background tasks.
    pub async fn start(config: Config, clock: Clock) -> Result<Self, StartError> {
        let core = Core::start(config, clock).await?;
        let auth = Arc::new(Auth::start(core.clone())?);
        let gateway = Arc::new(Gateway::start(core.clone()).await?);
        Ok(Self { core, auth, gateway })
    }

    /// Ends the background tasks, what they hold is written first, then closes the database.
    pub async fn stop(&self) {
        if !self.core.tasks.shutdown(PATIENCE).await {
            tracing::warn!("some background tasks did not end in time");
        }
        self.core.store.close().await;
    }
}

impl FromRef<App> for Arc<Core> {
    fn from_ref(app: &App) -> Self {
        app.core.clone()
    }
}

impl FromRef<App> for Arc<Auth> {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

impl FromRef<App> for Arc<Gateway> {
    fn from_ref(app: &App) -> Self {
        app.gateway.clone()
    }
}
