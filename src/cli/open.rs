//! Opens the configured database for a command, and tells a running server what has changed.

use std::time::Duration;

use super::Result;
use crate::audit::{Action, Actor, Audit, Entry, Origin};
use crate::clock::Clock;
use crate::config::Config;
use crate::state::{Invalidation, State};
use crate::store::users::User;
use crate::store::{Store, Tx};
use crate::tasks::Tasks;
use crate::vault::Vault;

const PATIENCE: Duration = Duration::from_secs(5);

/// What the operator does.
pub(super) fn entry(action: Action) -> Entry {
    Entry::new(action, Actor::CommandLine, Origin::default())
}

/// What a command works on.
pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) vault: Vault,
    pub(super) clock: Clock,
    pub(super) audit: Audit,
}

impl Opened {
    /// The configured database, brought up to date.
    pub(super) async fn new() -> Result<Self> {
        let config = Config::load()?;
        let store = Store::connect(&config.database).await?;
        store.migrate().await?;
        let vault = Vault::new(&config.encryption_key).ok_or(crate::core::CoreError::EncryptionKey)?;
        let audit = Audit::new(&config, store.clone(), Clock::System);
        Ok(Self { config, store, vault, clock: Clock::System, audit })
    }

    /// The person of this name.
    pub(super) async fn user(&self, name: &str) -> Result<User> {
        let user = self.store.find_user_by_name(name).await?;
        Ok(user.ok_or_else(|| format!("there is nobody called {name:?}"))?)
    }

    /// Tells running servers: over Redis, or by the counter that an embedded server watches.
    pub(super) async fn announce(&self, change: Invalidation) -> Result {
        if let Some(url) = &self.config.redis_url {
            let tasks = Tasks::default();
            State::redis(url, &tasks).await?.publish(change).await;
            tasks.shutdown(PATIENCE).await;
        }
        self.store.bump_change_counter().await?;
        Ok(())
    }

    /// Makes what a command does last, together with its entry.
    pub(super) async fn commit(&self, tx: Tx, entry: &Entry) -> Result {
        Ok(self.audit.commit(tx, entry).await?)
    }

    /// Closes the database.
    pub(super) async fn close(self) -> Result {
        self.audit.write_note().await;
        self.store.close().await;
        Ok(())
    }
}
