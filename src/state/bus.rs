//! Tells every instance at once that something cached has changed.
//!
//! Caches subscribe; who changes something publishes. The transport proves several times a second that everything announced
//! so far has arrived; without a proof of late `is_live` says no, and caches then trust an entry for one second only.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::counters::Subject;
use crate::ids::{AccountId, UserId};

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
    /// An upstream account was added, changed or removed; its id and its owner.
    Account(AccountId, UserId),
    /// Many accounts of one person were.
    AccountsOf(UserId),
    /// The health of one upstream account.
    Health(AccountId),
    /// What was used of one upstream account's allowances.
    Allowance(AccountId),
    /// Limits of this person, or of a key of theirs, were set or ended.
    Limits(UserId, Subject),
    /// Anything may have changed: the command line changed the database, or messages were lost.
    Everything,
}

/// A proof that changes reach us is good for so long.
const LIVE_FOR: Duration = Duration::from_millis(900);

type Listener = Box<dyn Fn(&Invalidation) + Send + Sync>;

/// The invalidations of all instances, this one included. Listeners are called at once, so that whoever changed
/// something can rely on its own instance knowing it before the answer is sent.
#[derive(Clone)]
pub struct Bus {
    listeners: Arc<RwLock<Vec<Listener>>>,
    begun: Instant,
    /// Up to when changes made elsewhere have reached us, in milliseconds since `begun`; 0: not known.
    heard: Arc<AtomicU64>,
}

impl Default for Bus {
    fn default() -> Self {
        Self { listeners: Arc::default(), begun: Instant::now(), heard: Arc::default() }
    }
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

    /// Whether changes made elsewhere reach us: all but those of the last moment have.
    pub fn is_live(&self) -> bool {
        let heard = self.heard.load(Ordering::Relaxed);
        heard > 0 && self.millis(Instant::now()).saturating_sub(heard) < millis(LIVE_FOR)
    }

    /// Everything announced before `then` has been delivered.
    pub(super) fn heard_until(&self, then: Instant) {
        self.heard.fetch_max(self.millis(then), Ordering::Relaxed);
    }

    /// Nothing reaches us any more.
    pub(super) fn is_cut(&self) {
        self.heard.store(0, Ordering::Relaxed);
    }

    fn millis(&self, then: Instant) -> u64 {
        // One more, because zero says that nothing is known.
        1 + millis(then.saturating_duration_since(self.begun))
    }

    pub(super) fn deliver(&self, change: &Invalidation) {
        for listener in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener(change);
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_live_as_long_as_a_proof_is_fresh() {
        let bus = Bus::default();
        assert!(!bus.is_live(), "nothing was heard yet");
        bus.heard_until(Instant::now());
        assert!(bus.is_live());
        bus.is_cut();
        assert!(!bus.is_live());
        let early = Bus { begun: Instant::now() - Duration::from_secs(60), ..Bus::default() };
        early.heard_until(Instant::now() - Duration::from_secs(1));
        assert!(!early.is_live(), "a proof grows old without anybody noticing");
    }
}
