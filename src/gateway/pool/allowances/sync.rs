//! Carries used amounts to the shared state and reads what other instances used. An amount that could not be carried
//! waits and is tried again; at the end of the process everything is carried first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use millpond_pool::allowance::{Used, WHOLE};
use millpond_pool::bucket::LeaseId;
use millpond_pool::units::{Moment, Reference};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Allowances;
use super::reports::Report;
use super::state::{Account, AllowanceState};
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::state::counters::{AccountCounters, WindowUse};
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
    pub(crate) fn start(reference: Reference, clock: Clock, state: &State, tasks: &Tasks) -> Arc<Self> {
        let allowances = Arc::new(Self {
            clock,
            state: state.clone(),
            reference,
            accounts: RwLock::new(HashMap::new()),
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
                    self.accounts.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
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
        let Some(account) = self.known(id) else { return Ok(true) };
        if reports && std::mem::take(&mut account.lock().reports_changed) {
            let text = serde_json::to_string(&account.lock().reports).unwrap_or_default();
            self.state.put(&reports_key(id), &text, REPORTS_LIVE).await?;
        }
        self.carry_uses(&account).await?;
        if std::mem::take(&mut account.lock().has_news) {
            self.state.announce_account(Invalidation::Allowance(id.clone())).await;
        }
        Ok(account.lock().owes_nothing())
    }

    /// How often something was told of an account; see [`carry_now`](Self::carry_now).
    pub(crate) fn carried(&self, id: &AccountId) -> u64 {
        self.known(id).map_or(0, |account| account.carried.load(Ordering::Acquire))
    }

    /// Tells the shared state what calls on an account have given back and used, without waiting for the task; false when
    /// nothing was told since `before`.
    pub(crate) async fn carry_now(&self, id: &AccountId, before: u64) -> bool {
        let Some(account) = self.known(id) else { return false };
        if let Err(error) = self.carry_uses(&account).await {
            tracing::warn!(%error, account = %id, "what was used of an allowance is counted later");
            self.is_busy(id);
        }
        account.carried.load(Ordering::Acquire) != before
    }

    /// Ends permits in the shared state and counts there what was used.
    async fn carry_uses(&self, account: &Account) -> Result<()> {
        // It is never closed, so there is always a turn.
        let _turn = account.turn.acquire().await.ok();
        let (owed, ended) = {
            let mut state = account.lock();
            (std::mem::take(&mut state.pending), std::mem::take(&mut state.ended))
        };
        if owed.is_empty() && ended.is_empty() {
            return Ok(());
        }
        let carried = |(name, &(amount, window_millis)): (&String, &(i64, i64))| WindowUse {
            name: name.clone(),
            amount,
            window_millis,
        };
        let uses: Vec<WindowUse> = owed.iter().map(carried).collect();
        match self.state.count_account(&account.id, &ended, &uses).await {
            Ok(counters) => {
                account.carried.fetch_add(1, Ordering::AcqRel);
                self.hear(account, &counters, &ended);
                Ok(())
            }
            Err(error) => {
                let mut state = account.lock();
                state.ended.extend(ended);
                for (name, (amount, window_millis)) in owed {
                    state.owe(name, amount, window_millis);
                }
                Err(error)
            }
        }
    }

    /// Takes over what a step in the shared state came to. Others are told by the task, so that no call waits for it.
    pub(super) fn hear(&self, account: &Account, counters: &AccountCounters, ended: &[LeaseId]) {
        let has_news = {
            let mut state = account.lock();
            for id in ended {
                state.here.remove(id);
            }
            state.take_over(counters, self.now(), self.clock.ahead_millis());
            state.has_news |= state.is_news(self.now()) || counters.waited_for;
            state.has_news
        };
        self.announce_here(&account.id);
        if has_news {
            self.is_busy(&account.id);
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
    pub(crate) async fn load(&self, id: &AccountId) -> Result<()> {
        let Some(account) = self.known(id) else { return Ok(()) };
        let mut shared = self.state.account_counters(id).await?;
        {
            let mut state = account.lock();
            // Of a window that isn't there nothing is held.
            for counter in &state.counters {
                shared.windows.entry(counter.name.clone()).or_default();
            }
            state.take_over(&shared, self.now(), self.clock.ahead_millis());
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
        let account = self.account(id);
        let mut state = account.lock();
        for (model, report) in found {
            if state.reports.get(&model).is_none_or(|known| known.at < report.at) {
                state.reports.insert(model, report);
            }
        }
    }
}

impl AllowanceState {
    /// Takes over what the shared state has, whose windows go by the wall clock; what is still to be carried is on top of it.
    /// What was heard too late is left.
    fn take_over(&mut self, shared: &AccountCounters, now: Moment, ahead_millis: i64) {
        if shared.version < self.version {
            return;
        }
        self.version = shared.version;
        let owed = &self.pending;
        let more = |name: &str, used: Used| match owed.get(name) {
            Some(&(amount, _)) => used.plus(amount, now),
            None => used,
        };
        for counter in &mut self.counters {
            let Some(counted) = shared.windows.get(&counter.name) else { continue };
            if let Some(used) = counted.used {
                let used = Used { start: used.start.plus(-ahead_millis), ..used };
                counter.used = more(&counter.name, used);
            }
            let parts = self.here.values().flatten().filter(|part| part.name == counter.name);
            let here = parts.map(|part| part.amount).fold(0, i64::saturating_add);
            counter.elsewhere = counted.held.saturating_sub(here).max(0);
        }
        for (name, counted) in &shared.windows {
            let window = name.strip_prefix('w').and_then(|window| window.parse().ok());
            if let (Some(window), Some(used)) = (window, counted.used) {
                self.served.insert(window, more(name, used));
            }
        }
        let here = u32::try_from(self.here.len()).unwrap_or(u32::MAX);
        self.calls_elsewhere = shared.permits.saturating_sub(here);
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
