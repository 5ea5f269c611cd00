//! Carries used amounts to the shared state and reads what other instances used. An amount that could not be carried
//! waits and is tried again; at the end of the process everything is carried first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use millpond_pool::allowance::{Used, WHOLE};
use millpond_pool::units::Reference;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::gauge::{Gauge, served_name};
use super::reports::Report;
use super::{Allowances, lock};
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::state::uses::Use;
use crate::state::{Invalidation, Result, State};
use crate::tasks::Tasks;

/// Other instances are told when so much more or less is free, in millionths of an allowance, or nothing.
const STEP: u32 = 30_000;
const TICK: Duration = Duration::from_secs(2);
/// Everything that is in use is read again so often, whoever used it.
const RELOAD_EVERY: Duration = Duration::from_secs(30);
/// Reports of so many accounts are read in one step.
const READ_AT_ONCE: usize = 500;
const REPORTS_LIVE: Duration = Duration::from_secs(86_400);
/// Reports of one instance reach the others' pages at most so often.
const REPORT_EVERY: Duration = Duration::from_secs(2);

fn reports_key(id: &AccountId) -> String {
    format!("millpond:reports:{id}")
}

impl Allowances {
    pub(in crate::gateway) fn start(
        reference: Reference,
        clock: Clock,
        state: &State,
        tasks: &Tasks,
    ) -> Arc<Self> {
        let allowances = Arc::new(Self {
            clock,
            state: state.clone(),
            reference,
            gauges: RwLock::new(HashMap::new()),
            busy: Mutex::new(HashSet::new()),
            stale: Mutex::new(HashSet::new()),
            wake: Notify::new(),
            changed: OnceLock::new(),
        });
        let hearing = Arc::downgrade(&allowances);
        state.bus().listen(move |change| {
            if let (Invalidation::Allowance(id), Some(allowances)) = (change, hearing.upgrade()) {
                allowances.is_stale(id);
            }
        });
        tasks.spawn("allowances", |stop| allowances.clone().carry(stop));
        allowances
    }

    async fn carry(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        let (mut reloaded, mut reported) = (tokio::time::Instant::now(), tokio::time::Instant::now());
        loop {
            let stopping = tokio::select! {
                () = self.wake.notified() => false,
                _ = tick.tick() => false,
                () = stop.cancelled() => true,
            };
            let reports = stopping || reported.elapsed() >= REPORT_EVERY;
            if reports {
                reported = tokio::time::Instant::now();
            }
            self.carry_busy(reports).await;
            if stopping {
                return;
            }
            if reloaded.elapsed() >= RELOAD_EVERY {
                reloaded = tokio::time::Instant::now();
                let all: Vec<AccountId> =
                    self.gauges.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
                self.stale.lock().unwrap_or_else(PoisonError::into_inner).extend(all);
            }
            self.load_stale().await;
        }
    }

    async fn carry_busy(&self, reports: bool) {
        let busy = std::mem::take(&mut *self.busy.lock().unwrap_or_else(PoisonError::into_inner));
        for id in busy {
            let carried = self.carry_one(&id, reports).await;
            match carried {
                Ok(true) => {}
                Ok(false) => drop(self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id)),
                Err(error) => {
                    tracing::warn!(%error, account = %id, "what was used of an allowance is counted later");
                    self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                }
            }
        }
    }

    /// Carries what one account owes; true when nothing is left.
    async fn carry_one(&self, id: &AccountId, reports: bool) -> Result<bool> {
        let Some(gauge) = self.known(id) else { return Ok(true) };
        let (owed, told) = {
            let mut gauge = lock(&gauge);
            let told = reports && std::mem::take(&mut gauge.reports_changed);
            (std::mem::take(&mut gauge.pending), told)
        };
        if told {
            let text = serde_json::to_string(&lock(&gauge).reports).unwrap_or_default();
            self.state.put(&reports_key(id), &text, REPORTS_LIVE).await?;
        }
        if owed.is_empty() {
            return Ok(!lock(&gauge).reports_changed);
        }
        let uses: Vec<Use> = owed
            .iter()
            .map(|(name, &(amount, window_millis))| Use { name: name.clone(), amount, window_millis })
            .collect();
        let now = self.now();
        match self.state.add_uses(id, &uses, now).await {
            Ok(held) => {
                let shared = uses.into_iter().map(|one| one.name).zip(held).collect();
                let announce = {
                    let mut gauge = lock(&gauge);
                    gauge.take_over(&shared, now);
                    gauge.is_news(now)
                };
                self.announce_here(id);
                if announce {
                    self.state.announce_account(Invalidation::Allowance(id.clone())).await;
                }
                Ok(!lock(&gauge).reports_changed)
            }
            Err(error) => {
                let mut gauge = lock(&gauge);
                for (name, (amount, window_millis)) in owed {
                    gauge.owe(name, amount, window_millis);
                }
                Err(error)
            }
        }
    }

    async fn load_stale(&self) {
        let stale = std::mem::take(&mut *self.stale.lock().unwrap_or_else(PoisonError::into_inner));
        for id in stale {
            if let Err(error) = self.load(&id).await {
                tracing::warn!(%error, account = %id, "what was used of an allowance could not be read");
                self.stale.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
                return;
            }
        }
    }

    /// Reads what all instances used of an account.
    pub(in crate::gateway) async fn load(&self, id: &AccountId) -> Result<()> {
        let shared = self.state.uses_of(id).await?;
        if let Some(gauge) = self.known(id).filter(|_| !shared.is_empty()) {
            lock(&gauge).take_over(&shared, self.now());
            self.announce_here(id);
        }
        Ok(())
    }

    /// Reads what all that changed since the start, so that the first call knows it.
    pub(in crate::gateway) async fn catch_up(&self) {
        self.load_stale().await;
    }

    /// Reads the reports that other instances have seen lately, of some accounts at once.
    pub(in crate::gateway) async fn read_reports_of(&self, ids: &[AccountId]) -> Result<()> {
        for some in ids.chunks(READ_AT_ONCE) {
            let keys: Vec<String> = some.iter().map(reports_key).collect();
            for (id, text) in some.iter().zip(self.state.get_many(&keys).await?) {
                self.take_reports(id, text.as_deref());
            }
        }
        Ok(())
    }

    /// Reads the reports that other instances have seen lately.
    pub(super) async fn read_reports(&self, id: &AccountId) -> Result<()> {
        let text = self.state.get(&reports_key(id)).await?;
        self.take_reports(id, text.as_deref());
        Ok(())
    }

    fn take_reports(&self, id: &AccountId, text: Option<&str>) {
        let found = text.and_then(|text| serde_json::from_str::<BTreeMap<String, Report>>(text).ok());
        let Some(found) = found else { return };
        let gauge = self.gauge(id);
        let mut gauge = lock(&gauge);
        for (model, report) in found {
            if gauge.reports.get(&model).is_none_or(|known| known.at < report.at) {
                gauge.reports.insert(model, report);
            }
        }
    }
}

impl Gauge {
    /// Takes over what the shared state holds; what is still to be carried is on top of it.
    fn take_over(&mut self, shared: &BTreeMap<String, Used>, now: millpond_pool::units::Moment) {
        let owed = &self.pending;
        let more = |name: &str, used: Used| match owed.get(name) {
            Some(&(amount, _)) => used.plus(amount, now),
            None => used,
        };
        for counter in &mut self.counters {
            if let Some(used) = shared.get(&counter.name) {
                counter.used = more(&counter.name, *used);
            }
        }
        for (name, used) in shared {
            if let Some(window) = name.strip_prefix('w').and_then(|window| window.parse().ok()) {
                self.served.insert(window, more(&served_name(window), *used));
            }
        }
    }

    /// Whether other instances should look again.
    fn is_news(&mut self, now: millpond_pool::units::Moment) -> bool {
        let free = self.counters.iter().map(|counter| counter.free(now).0).min().unwrap_or(WHOLE);
        let news = free.abs_diff(self.told) >= STEP || (free == 0) != (self.told == 0);
        if news {
            self.told = free;
        }
        news
    }
}
