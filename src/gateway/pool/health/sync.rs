//! Carries health between this instance and the shared state: events out, by comparing and swapping, and others'
//! records in, when the bus names them. While the shared state is away this instance goes on with what it knows, and
//! brings its events later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use millpond_pool::health::{Fuse, Record};
use millpond_pool::rules::Rules;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Health, Heard, Held};
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::state::{Bus, Invalidation, Result, State};
use crate::tasks::Tasks;

const SWAPS: usize = 32;
/// How often everything is read again; the bus names what changes sooner.
const RELOAD_EVERY: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_secs(1);

impl Health {
    /// Loads what is known of all accounts and keeps it fresh until `tasks` end.
    pub(crate) async fn start(rules: Rules, clock: Clock, state: &State, tasks: &Tasks) -> Arc<Self> {
        let health = Arc::new(Self {
            rules,
            fuse: Fuse::default(),
            clock,
            state: state.clone(),
            me: rand::random(),
            held: RwLock::new(HashMap::new()),
            heard: Mutex::new(Heard::default()),
            wake: Notify::new(),
            changed: OnceLock::new(),
        });
        let hearing = Arc::downgrade(&health);
        state.bus().listen(move |change| {
            if let Some(health) = hearing.upgrade() {
                health.hear(change);
            }
        });
        if let Err(error) = health.load_all().await {
            tracing::warn!(%error, "which accounts rest is not known yet");
        }
        let bus = state.bus().clone();
        tasks.spawn("health", |stop| health.clone().keep_fresh(bus, stop));
        health
    }

    fn hear(&self, change: &Invalidation) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match change {
            Invalidation::Health(id) => drop(heard.accounts.insert(id.clone())),
            Invalidation::Everything => heard.everything = true,
            _ => return,
        }
        self.wake.notify_one();
    }

    async fn keep_fresh(self: Arc<Self>, bus: Bus, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        let mut loaded = tokio::time::Instant::now();
        loop {
            let stopping = tokio::select! {
                () = self.wake.notified() => false,
                _ = tick.tick() => false,
                () = stop.cancelled() => true,
            };
            self.flush_all().await;
            if stopping {
                return;
            }
            let heard = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
            let life = if bus.is_live() { RELOAD_EVERY } else { TICK };
            let read = if heard.everything || loaded.elapsed() >= life {
                loaded = tokio::time::Instant::now();
                self.load_all().await
            } else {
                self.load(heard.accounts).await
            };
            if let Err(error) = read {
                tracing::warn!(%error, "which accounts rest could not be read");
            }
        }
    }

    async fn load(&self, ids: impl IntoIterator<Item = AccountId>) -> Result<()> {
        for id in ids {
            let record = decode(self.state.health_of(&id).await?.as_deref());
            self.adopt(&id, record, &[]);
        }
        Ok(())
    }

    async fn load_all(&self) -> Result<()> {
        let mut found: HashMap<AccountId, String> = self.state.all_health().await?.into_iter().collect();
        let known: Vec<AccountId> = self.read().keys().cloned().collect();
        for id in known {
            let record = decode(found.remove(&id).as_deref());
            self.adopt(&id, record, &[]);
        }
        for (id, record) in found {
            self.adopt(&id, decode(Some(&record)), &[]);
        }
        Ok(())
    }

    async fn flush_all(&self) {
        let waiting: Vec<AccountId> = {
            let held = self.read();
            held.iter().filter(|(_, held)| !held.pending.is_empty()).map(|(id, _)| id.clone()).collect()
        };
        for id in waiting {
            if let Err(error) = self.flush(&id).await {
                tracing::warn!(%error, account = %id, "other instances don't know of an account's health yet");
                return;
            }
        }
    }

    /// Brings what happened to an account into the shared record.
    pub(super) async fn flush(&self, id: &AccountId) -> Result<()> {
        for _ in 0..SWAPS {
            let pending = self.read().get(id).map(|held| held.pending.clone()).unwrap_or_default();
            if pending.is_empty() {
                return Ok(());
            }
            let held = self.state.health_of(id).await?;
            let mut record = decode(held.as_deref());
            let (mut changed, ahead) = (false, self.clock.ahead_millis());
            for (_, event, at) in &pending {
                changed |= record.apply(&event.moved(ahead), &self.fuse, at.plus(ahead));
            }
            let done: Vec<u64> = pending.iter().map(|(number, ..)| *number).collect();
            if !changed {
                self.adopt(id, record, &done);
                return Ok(());
            }
            let text = (!record.is_empty()).then(|| serde_json::to_string(&record).unwrap_or_default());
            if self.state.swap_health(id, held.as_deref(), text.as_deref()).await? {
                self.adopt(id, record, &done);
                self.state.announce_account(Invalidation::Health(id.clone())).await;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes the shared record over; what happened here since stays on top of it.
    fn adopt(&self, id: &AccountId, record: Record, done: &[u64]) {
        let now = self.now();
        let changed = {
            let mut all = self.write();
            let held = all.entry(id.clone()).or_default();
            held.pending.retain(|(number, ..)| !done.contains(number));
            if held.stored != record {
                held.known = record.moved(-self.clock.ahead_millis());
                held.stored = record;
            }
            let mut view = held.known.clone();
            for (_, event, at) in &held.pending {
                view.apply(event, &self.fuse, *at);
            }
            let changed = held.view != view;
            held.view = view;
            held.tallies.retain(|_, tally| !tally.is_quiet(&self.fuse, now));
            if is_well(held) {
                all.remove(id);
            }
            changed
        };
        if changed {
            self.announce_here(id);
        }
    }
}

fn is_well(held: &Held) -> bool {
    held.pending.is_empty() && held.view.is_empty() && held.tallies.is_empty()
}

/// A record that can't be read is one of a later version; the account is taken to be well.
fn decode(text: Option<&str>) -> Record {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}
