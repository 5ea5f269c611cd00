//! Remembers what was loaded, for a while. One load serves all who ask for the same at one time, none takes long, and while its
//! source is away what is known goes on serving, as long as it is trusted.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

const CAPACITY: usize = 100_000;
/// Loads of so many things go on at one time; things that share a turn wait for each other.
const TURNS: usize = 64;
/// Who has something to go on with waits so long for news,
const NEWS_WITHIN: Duration = Duration::from_secs(1);
/// and who has nothing so long.
const LOAD_WITHIN: Duration = Duration::from_secs(5);
/// A source that failed is not asked again for so long by those who can do without.
const AWAY_FOR: Duration = Duration::from_secs(1);

/// How long something loaded is good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    /// Without asking again.
    pub(super) life: Duration,
    /// While its source is away.
    pub(super) grace: Duration,
}

/// Something loaded.
#[derive(Debug)]
pub(super) struct Known<T> {
    value: T,
    at: Instant,
    /// It has changed since.
    forgotten: AtomicBool,
}

impl<T> Deref for Known<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Known<T> {
    /// Whether it is as it was loaded, at most `age` ago.
    pub(super) fn is_good(&self, now: Instant, age: Duration) -> bool {
        !self.forgotten.load(Ordering::Acquire) && now.saturating_duration_since(self.at) < age
    }

    fn forget(&self) {
        self.forgotten.store(true, Ordering::Release);
    }
}

/// Why something can't be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unknown<E> {
    #[error(transparent)]
    Failed(E),
    #[error("no answer in time")]
    Late,
}

pub(super) struct Memory<K, T> {
    known: Cache<K, Arc<Known<T>>>,
    /// A load that overlaps a change is used once and not remembered.
    changes: AtomicU64,
    turns: [Semaphore; TURNS],
    hasher: RandomState,
    failed: Mutex<Option<Instant>>,
}

impl<K: Hash + Eq + Clone, T> Memory<K, T> {
    pub(super) fn new() -> Self {
        Self {
            known: Cache::new(CAPACITY),
            changes: AtomicU64::new(0),
            turns: std::array::from_fn(|_| Semaphore::new(1)),
            hasher: RandomState::new(),
            failed: Mutex::new(None),
        }
    }

    /// What is known of `key`, loaded anew unless it was lately.
    pub(super) async fn get<E>(
        &self,
        key: &K,
        trust: Trust,
        load: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<Arc<Known<T>>>, Unknown<E>> {
        let asked = Instant::now();
        if let Some(known) = self.good(key, asked, trust.life) {
            return Ok(Some(known));
        }
        let spare = self.good(key, asked, trust.grace);
        if self.failed().is_some_and(|at| asked.saturating_duration_since(at) < AWAY_FOR) && spare.is_some() {
            return Ok(spare);
        }
        let patience = if spare.is_some() { NEWS_WITHIN } else { LOAD_WITHIN };
        match tokio::time::timeout(patience, self.load(key, asked, trust, load)).await {
            Ok(Ok(loaded)) => Ok(loaded),
            failure => {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                if let Some(known) = self.good(key, asked, trust.grace) {
                    return Ok(Some(known));
                }
                Err(match failure {
                    Ok(Err(error)) => Unknown::Failed(error),
                    _ => Unknown::Late,
                })
            }
        }
    }

    async fn load<E>(
        &self,
        key: &K,
        asked: Instant,
        trust: Trust,
        load: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<Arc<Known<T>>>, E> {
        let turn = &self.turns[self.hasher.hash_one(key) as usize % TURNS];
        // They are never closed, so there is always a turn.
        let _turn = turn.acquire().await.ok();
        // Somebody else's load may have answered, or failed, while we waited.
        let failed = self.failed().is_some_and(|at| at >= asked);
        let age = if failed { trust.grace } else { trust.life };
        if let Some(known) = self.good(key, Instant::now(), age) {
            return Ok(Some(known));
        }
        let (at, changes) = (Instant::now(), self.changes.load(Ordering::SeqCst));
        let Some(value) = load.await? else {
            self.known.remove(key);
            return Ok(None);
        };
        let known = Arc::new(Known { value, at, forgotten: AtomicBool::new(false) });
        self.known.insert(key.clone(), known.clone());
        // Checked after the insertion: a change that came in between has either found the entry or is seen here.
        if self.changes.load(Ordering::SeqCst) != changes {
            known.forget();
        }
        Ok(Some(known))
    }

    fn good(&self, key: &K, now: Instant, age: Duration) -> Option<Arc<Known<T>>> {
        self.known.get(key).filter(|known| known.is_good(now, age))
    }

    fn failed(&self) -> Option<Instant> {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has changed.
    pub(super) fn forget(&self, key: &K) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        if let Some((_, known)) = self.known.remove(key) {
            known.forget();
        }
    }

    /// Anything may have changed.
    pub(super) fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.known.retain(|_, known| {
            known.forget();
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const TRUST: Trust = Trust { life: Duration::from_secs(10), grace: Duration::from_secs(60) };
    const STALE: Trust = Trust { life: Duration::ZERO, ..TRUST };

    type Answer = Result<Option<u32>, &'static str>;

    async fn ask(memory: &Memory<u8, u32>, trust: Trust, answer: Answer) -> Result<Option<u32>, bool> {
        let known = memory.get(&1, trust, async { answer }).await;
        known.map(|known| known.map(|known| **known)).map_err(|error| matches!(error, Unknown::Late))
    }

    #[tokio::test]
    async fn what_is_known_bridges_an_outage() {
        let memory = Memory::new();
        assert_eq!(ask(&memory, TRUST, Err("away")).await, Err(false));
        assert_eq!(ask(&memory, TRUST, Ok(Some(7))).await, Ok(Some(7)));
        assert_eq!(ask(&memory, TRUST, Ok(Some(8))).await, Ok(Some(7)), "it is remembered");
        assert_eq!(ask(&memory, STALE, Err("away")).await, Ok(Some(7)));
        let none = Trust { grace: Duration::ZERO, ..STALE };
        assert_eq!(ask(&memory, none, Err("away")).await, Err(false), "not for ever");
        memory.forget(&1);
        assert_eq!(ask(&memory, STALE, Err("away")).await, Err(false), "and not when it has changed");
    }

    #[tokio::test]
    async fn what_is_gone_is_gone() {
        let memory = Memory::new();
        assert_eq!(ask(&memory, TRUST, Ok(Some(7))).await, Ok(Some(7)));
        assert_eq!(ask(&memory, STALE, Ok(None)).await, Ok(None));
        assert_eq!(ask(&memory, TRUST, Err("away")).await, Err(false));
    }

    #[tokio::test]
    async fn one_load_serves_all_who_ask() {
        let (memory, loads) = (Memory::<u8, u32>::new(), AtomicUsize::new(0));
        let load = || async {
            loads.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok::<_, &str>(Some(7))
        };
        let asks = (0..20).map(|_| memory.get(&1, TRUST, load()));
        let answers = futures_util::future::join_all(asks).await;
        assert!(answers.into_iter().all(|answer| answer.is_ok_and(|known| known.is_some())));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_load_that_overlaps_a_change_is_used_once() {
        let memory = Memory::<u8, u32>::new();
        let load = async {
            memory.forget(&1);
            Ok::<_, &str>(Some(7))
        };
        let known = memory.get(&1, TRUST, load).await.unwrap().unwrap();
        assert!(**known == 7 && !known.is_good(Instant::now(), TRUST.life));
        assert_eq!(ask(&memory, TRUST, Ok(Some(8))).await, Ok(Some(8)));
    }
}
