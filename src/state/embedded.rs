//! State of a single instance: a map in memory, written through to the store before a change is acknowledged.
//!
//! One task writes; changes that arrive while it writes form the next batch. Memory never runs ahead of an
//! acknowledged write: `update` returns when its change is on disk.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millpond_pool::units::Moment;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::counters::CallerCounters;
use super::quotas::Book;
use super::{Bus, Invalidation, Result, StateError};
use crate::clock::{Clock, Timestamp};
use crate::store::Store;
use crate::tasks::Tasks;

/// How soon a change that the command line made in the database is noticed.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// How long a change may take to reach the disk before its author is told that it failed.
const WRITTEN_WITHIN: Duration = Duration::from_secs(10);
/// How long the end waits for a last change.
const LINGER: Duration = Duration::from_millis(100);
const PURGE_EVERY: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Entry {
    value: String,
    expires_at: Timestamp,
}

/// The map as one change sees it: reads skip what has expired, writes are remembered for the store.
#[derive(Debug)]
pub(super) struct Map {
    entries: HashMap<String, Entry>,
    dirty: HashMap<String, Option<(String, Timestamp)>>,
    /// Counts changes; the writer publishes the number up to which all are on disk.
    version: u64,
    now: Timestamp,
}

impl Map {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(key).filter(|entry| entry.expires_at > self.now).map(|entry| entry.value.as_str())
    }

    /// Living entries whose keys begin so, by what follows, with their values.
    pub(super) fn with_prefix(&self, prefix: &str) -> Vec<(String, String)> {
        let living = self.entries.iter().filter(|(_, entry)| entry.expires_at > self.now);
        let found = living.filter_map(|(key, entry)| Some((key.strip_prefix(prefix)?, &entry.value)));
        found.map(|(rest, value)| (rest.to_owned(), value.clone())).collect()
    }

    pub(super) fn put(&mut self, key: &str, value: &str, life: Duration) {
        let expires_at = self.now.plus(life);
        self.dirty.insert(key.to_owned(), Some((value.to_owned(), expires_at)));
        self.entries.insert(key.to_owned(), Entry { value: value.to_owned(), expires_at });
    }

    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let entry = self.entries.remove(key)?;
        self.dirty.insert(key.to_owned(), None);
        (entry.expires_at > self.now).then_some(entry.value)
    }
}

#[derive(Debug)]
struct Shared {
    map: Mutex<Map>,
    counters: Mutex<HashMap<String, (u64, Timestamp)>>,
    clock: Clock,
    store: Store,
    wake: Notify,
    bus: Bus,
    callers: CallerCounters,
}

/// The embedded variant of `State`.
#[derive(Clone, Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    written: watch::Receiver<u64>,
    quotas: Book,
}

impl Embedded {
    pub(super) async fn start(store: Store, clock: Clock, tasks: &Tasks) -> Result<Self> {
        let now = clock.now();
        let mut entries = HashMap::new();
        for row in store.load_entries(now).await? {
            entries.insert(row.name, Entry { value: row.value, expires_at: row.expires_at });
        }
        let map = Map { entries, dirty: HashMap::new(), version: 0, now };
        let bus = Bus::default();
        bus.set_live(true);
        let shared = Arc::new(Shared {
            map: Mutex::new(map),
            counters: Mutex::default(),
            clock,
            store,
            wake: Notify::new(),
            bus,
            callers: CallerCounters::default(),
        });
        let quotas = Book::new(shared.store.clone(), shared.clock.clone());
        let (progress, written) = watch::channel(0);
        tasks.spawn("state-writer", |stop| write_changes(shared.clone(), progress, stop));
        tasks.spawn("state-poll", |stop| poll_changes(shared.clone(), stop));
        Ok(Self { shared, written, quotas })
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.shared.bus
    }

    pub(super) fn quotas(&self) -> &Book {
        &self.quotas
    }

    pub(super) fn callers(&self) -> &CallerCounters {
        &self.shared.callers
    }

    pub(super) fn now(&self) -> Moment {
        Moment(self.shared.clock.now().millis())
    }

    pub(super) async fn publish(&self, change: &Invalidation) -> Result<()> {
        self.shared.bus.deliver(change);
        Ok(self.shared.store.bump_change_counter().await?)
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Map) -> T) -> T {
        look(&self.lock())
    }

    /// Runs one change atomically and returns when it is on disk.
    pub(super) async fn update<T>(&self, change: impl FnOnce(&mut Map) -> T) -> Result<T> {
        let (answer, version) = {
            let mut map = self.lock();
            let answer = change(&mut map);
            if map.dirty.is_empty() {
                return Ok(answer);
            }
            map.version += 1;
            (answer, map.version)
        };
        self.shared.wake.notify_one();
        let mut written = self.written.clone();
        let done = tokio::time::timeout(WRITTEN_WITHIN, written.wait_for(|done| *done >= version)).await;
        match done {
            Ok(Ok(_)) => Ok(answer),
            _ => Err(StateError::NotWritten),
        }
    }

    pub(super) fn count(&self, key: &str, life: Duration) -> u64 {
        let now = self.shared.clock.now();
        let mut counters = self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, expires_at) = counters.entry(key.to_owned()).or_insert((0, now.plus(life)));
        if *expires_at <= now {
            (*count, *expires_at) = (0, now.plus(life));
        }
        *count += 1;
        *count
    }

    fn lock(&self) -> MutexGuard<'_, Map> {
        let mut map = self.shared.lock();
        map.now = self.shared.clock.now();
        map
    }
}

impl Shared {
    /// A panic while the lock was held leaves a readable map; refusing all further sign-ins would be worse.
    fn lock(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_expired(&self) {
        let now = self.clock.now();
        let mut map = self.lock();
        let dead: Vec<String> = map
            .entries
            .iter()
            .filter(|(_, entry)| entry.expires_at <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in dead {
            map.entries.remove(&key);
            map.dirty.insert(key, None);
        }
        drop(map);
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.retain(|_, (_, expires_at)| *expires_at > now);
        drop(counters);
        self.callers.forget_idle(Moment(now.millis()));
    }
}

async fn write_changes(shared: Arc<Shared>, progress: watch::Sender<u64>, stop: CancellationToken) {
    let mut purge = tokio::time::interval(PURGE_EVERY);
    loop {
        let stopping = tokio::select! {
            () = shared.wake.notified() => false,
            _ = purge.tick() => { shared.forget_expired(); false }
            () = stop.cancelled() => true,
        };
        write_batch(&shared, &progress).await;
        if stopping {
            // Other tasks that end now may still have something to say.
            while tokio::time::timeout(LINGER, shared.wake.notified()).await.is_ok() {
                write_batch(&shared, &progress).await;
            }
            return;
        }
    }
}

/// Writes what has changed so far; on failure the changes stay and are tried again until the store is back.
async fn write_batch(shared: &Shared, progress: &watch::Sender<u64>) {
    for attempt in 1..=5_u32 {
        let (changes, version) = {
            let map = shared.lock();
            let changes: Vec<_> =
                map.dirty.iter().map(|(key, change)| (key.clone(), change.clone())).collect();
            (changes, map.version)
        };
        if changes.is_empty() {
            progress.send_replace(version);
            return;
        }
        match shared.store.save_entries(&changes).await {
            Ok(()) => {
                let mut map = shared.lock();
                for (key, written) in changes {
                    if map.dirty.get(&key) == Some(&written) {
                        map.dirty.remove(&key);
                    }
                }
                drop(map);
                progress.send_replace(version);
                return;
            }
            Err(error) => {
                tracing::error!(%error, attempt, "the embedded state could not be written");
                tokio::time::sleep(Duration::from_millis(100 * u64::from(attempt))).await;
            }
        }
    }
    shared.wake.notify_one();
}

async fn poll_changes(shared: Arc<Shared>, stop: CancellationToken) {
    let mut last = shared.store.change_counter().await.unwrap_or(0);
    loop {
        tokio::select! {
            () = tokio::time::sleep(POLL_EVERY) => {}
            () = stop.cancelled() => return,
        }
        match shared.store.change_counter().await {
            Ok(counter) => {
                shared.bus.set_live(true);
                if counter != last {
                    last = counter;
                    shared.bus.deliver(&Invalidation::Everything);
                }
            }
            Err(error) => {
                shared.bus.set_live(false);
                tracing::warn!(%error, "changes made by the command line can't be noticed now");
            }
        }
    }
}
