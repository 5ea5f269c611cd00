//! Carries used amounts to the shared state and reads what other instances used. An amount that could not be carried
//! waits and is tried again; at the end of the process everything is carried first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use millpond_pool::allowance::{Used, WHOLE};
use millpond_pool::units::{Moment, Reference};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Allowances;
use super::gauge::Gauge;
use super::reports::Report;
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::state::uses::{AccountUses, Ask, Granted, Step, Use};
use crate::state::{Invalidation, Result, State, StateError};
use crate::tasks::Tasks;

/// Other instances are told when so much more or less is free, in millionths of an allowance, or nothing.
const STEP: u32 = 30_000;
const TICK: Duration = Duration::from_secs(2);
/// Everything that is in use is read again so often, whoever used it.
const RELOAD_EVERY: Duration = Duration::from_secs(30);
/// Reports of so many accounts are read in one step.
const READ_AT_ONCE: usize = 500;
const REPORTS_LIVE: Duration = Duration::from_secs(86_400);
/// A shared state that failed is not asked again for so long.
const AWAY_FOR: Duration = Duration::from_secs(1);
/// Reports of one instance reach the others' pages at most so often.
const REPORT_EVERY: Duration = Duration::from_secs(2);

fn reports_key(id: &AccountId) -> String {
    format!("millpond:reports:{id}")
}

impl Allowances {
    pub(crate) fn start(reference: Reference, clock: Clock, state: &State, tasks: &Tasks) -> Arc<Self> {
        let allowances = Arc::new(Self {
            clock,
            state: state.clone(),
            reference,
            gauges: RwLock::new(HashMap::new()),
            busy: Mutex::new(HashSet::new()),
            stale: Mutex::new(HashSet::new()),
            wake: Notify::new(),
            away: Mutex::new(None),
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
        let (mut reloaded, mut reported) = (Instant::now(), Instant::now());
        loop {
            let stopping = tokio::select! {
                () = self.wake.notified() => false,
                _ = tick.tick() => false,
                () = stop.cancelled() => true,
            };
            let reports = stopping || reported.elapsed() >= REPORT_EVERY;
            if reports {
                reported = Instant::now();
            }
            self.carry_busy(reports).await;
            if stopping {
                return;
            }
            if reloaded.elapsed() >= RELOAD_EVERY {
                reloaded = Instant::now();
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
        if reports && std::mem::take(&mut gauge.lock().reports_changed) {
            let text = serde_json::to_string(&gauge.lock().reports).unwrap_or_default();
            self.state.put(&reports_key(id), &text, REPORTS_LIVE).await?;
        }
        if !gauge.lock().owes_nothing() {
            self.step(id, None).await?;
        }
        Ok(!gauge.lock().reports_changed)
    }

    /// Carries what an account owes, and holds a part of it for one call if asked.
    pub(super) async fn step(&self, id: &AccountId, ask: Option<Ask>) -> Result<Granted> {
        let (gauge, now) = (self.gauge(id), self.now());
        // It is never closed, so there is always a turn.
        let turn = gauge.turn.acquire().await.ok();
        if self.is_away() {
            return Err(StateError::Away);
        }
        let (owed, ended) = {
            let mut gauge = gauge.lock();
            (std::mem::take(&mut gauge.pending), std::mem::take(&mut gauge.ended))
        };
        // A call that has ended while it waited for its turn needs no hold any more.
        let ask = ask.filter(|ask| !ended.contains(&ask.id));
        let carried = |(name, &(amount, window_millis)): (&String, &(i64, i64))| Use {
            name: name.clone(),
            amount,
            window_millis,
        };
        let step = Step { ended, uses: owed.iter().map(carried).collect(), ask };
        match self.state.step_uses(id, &step, now).await {
            Ok(stepped) => {
                let news = {
                    let mut gauge = gauge.lock();
                    for id in &step.ended {
                        gauge.here.remove(id);
                    }
                    if let Some(ask) = step.ask.filter(|_| stepped.granted == Granted::Done) {
                        gauge.here.insert(ask.id, ask.parts);
                    }
                    gauge.take_over(&stepped.account, now);
                    gauge.is_news(now)
                };
                // Nobody has to wait for others to be told.
                drop(turn);
                self.announce_here(id);
                if news || stepped.waited_for {
                    self.state.announce_account(Invalidation::Allowance(id.clone())).await;
                }
                Ok(stepped.granted)
            }
            Err(error) => {
                *self.away.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                let mut gauge = gauge.lock();
                gauge.ended.extend(step.ended);
                for (name, (amount, window_millis)) in owed {
                    gauge.owe(name, amount, window_millis);
                }
                Err(error)
            }
        }
    }

    /// Whether a step failed a moment ago, so that many that wait for their turn don't wait for the same one after another.
    fn is_away(&self) -> bool {
        let failed = *self.away.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < AWAY_FOR)
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
    pub(crate) async fn load(&self, id: &AccountId) -> Result<()> {
        let Some(gauge) = self.known(id) else { return Ok(()) };
        let _turn = gauge.turn.acquire().await.ok();
        let mut shared = self.state.uses_of(id).await?;
        {
            let mut gauge = gauge.lock();
            // Of a counter that isn't there nothing is held.
            for counter in &gauge.counters {
                shared.counters.entry(counter.name.clone()).or_default();
            }
            gauge.take_over(&shared, self.now());
        }
        self.announce_here(id);
        Ok(())
    }

    /// Reads what all that changed since the start, so that the first call knows it.
    pub(crate) async fn catch_up(&self) {
        self.load_stale().await;
    }

    /// Reads the reports that other instances have seen lately, of some accounts at once.
    pub(crate) async fn read_reports_of(&self, ids: &[AccountId]) -> Result<()> {
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
        let mut gauge = gauge.lock();
        for (model, report) in found {
            if gauge.reports.get(&model).is_none_or(|known| known.at < report.at) {
                gauge.reports.insert(model, report);
            }
        }
    }
}

impl Gauge {
    /// Takes over what the shared state holds; what is still to be carried is on top of it.
    fn take_over(&mut self, shared: &AccountUses, now: Moment) {
        let owed = &self.pending;
        let more = |name: &str, used: Used| match owed.get(name) {
            Some(&(amount, _)) => used.plus(amount, now),
            None => used,
        };
        for counter in &mut self.counters {
            let Some(counted) = shared.counters.get(&counter.name) else { continue };
            if let Some(used) = counted.used {
                counter.used = more(&counter.name, used);
            }
            let parts = self.here.values().flatten().filter(|part| part.name == counter.name);
            let here = parts.map(|part| part.amount).fold(0, i64::saturating_add);
            counter.elsewhere = counted.held.saturating_sub(here).max(0);
        }
        for (name, counted) in &shared.counters {
            let window = name.strip_prefix('w').and_then(|window| window.parse().ok());
            if let (Some(window), Some(used)) = (window, counted.used) {
                self.served.insert(window, more(name, used));
            }
        }
        let here = u32::try_from(self.here.len()).unwrap_or(u32::MAX);
        self.calls_elsewhere = shared.calls.saturating_sub(here);
    }

    /// Whether other instances should look again.
    fn is_news(&mut self, now: Moment) -> bool {
        let free = self.counters.iter().map(|counter| counter.free(now).0).min().unwrap_or(WHOLE);
        let shown = self.counters.iter().map(|counter| counter.shown(now).0).min().unwrap_or(WHOLE);
        let differs = |(now, told): (u32, u32)| now.abs_diff(told) >= STEP || (now == 0) != (told == 0);
        let news = [free, shown].into_iter().zip(self.told).any(differs);
        if news {
            self.told = [free, shown];
        }
        news
    }
}
