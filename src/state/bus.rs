//! Tells every instance at once that something cached has changed.
//!
//! Caches subscribe; who changes something publishes. When the transport is down `is_live` says so, and caches then
//! trust an entry for one second only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::ids::{AccountId, UserId};
use serde::{Deserialize, Serialize};

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", content = "which", rename_all = "snake_case")]
pub enum Invalidation {
    /// A person's status, rights, preference or token generation.
    User(UserId),
    /// The API key with this SHA-256.
    ApiKey(String),
    /// A session or an access token was ended; its id.
    Session(String),
    /// Some upstream account was added, changed or removed.
    Accounts,
    /// The health of one upstream account.
    Health(AccountId),
    /// What was used of one upstream account's allowances.
    Allowance(AccountId),
    /// Limits of some person or key were set or ended.
    Limits,
    /// Anything may have changed: the command line changed the database, or messages were lost.
    Everything,
}

type Listener = Box<dyn Fn(&Invalidation) + Send + Sync>;

/// The invalidations of all instances, this one included. Listeners are called at once, so that whoever changed
/// something can rely on its own instance knowing it before the answer is sent.
#[derive(Clone, Default)]
pub struct Bus {
    listeners: Arc<RwLock<Vec<Listener>>>,
    live: Arc<AtomicBool>,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("live", &self.is_live()).finish_non_exhaustive()
    }
}

impl Bus {
    /// Calls `listener` with every change from now on. It must not block.
    pub fn listen(&self, listener: impl Fn(&Invalidation) + Send + Sync + 'static) {
        self.listeners.write().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// Whether changes made elsewhere reach us.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }

    pub(super) fn set_live(&self, live: bool) {
        self.live.store(live, Ordering::Relaxed);
    }

    pub(super) fn deliver(&self, change: &Invalidation) {
        for listener in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener(change);
        }
    }
}
