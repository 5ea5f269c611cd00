//! What one account's declared allowances have given: counters in memory, and what of them the shared state has yet to
//! hear. When anything is carried there is not decided here.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError};

use millpond_pool::allowance::{Used, WHOLE, free_part, served_windows};
use millpond_pool::bucket::LeaseId;
use millpond_pool::counters::Part;
use millpond_pool::pattern::Pattern;
use millpond_pool::units::{Moment, Reference, Units};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::reports::Report;
use crate::gateway::accounts::Allowance;
use crate::ids::AccountId;

/// One declared allowance with what is used of it.
pub(super) struct Counter {
    pub(super) name: String,
    pub(super) allowance: Allowance,
    pub(super) used: Used,
    /// Estimates of calls that run here.
    pub(super) running: i64,
    /// Those of calls that run on other instances.
    pub(super) elsewhere: i64,
}

/// What is known of one account's allowances.
#[derive(Default)]
pub(super) struct AllowanceState {
    pub(super) counters: Vec<Counter>,
    pub(super) reports: BTreeMap<String, Report>,
    pub(super) reports_changed: bool,
    /// What was served to others, by window.
    pub(super) served: BTreeMap<i64, Used>,
    /// What calls have cost that selection was not told yet.
    pub(super) unseen: Units,
    /// Amounts that the shared state doesn't know yet, by counter.
    pub(super) pending: BTreeMap<String, (i64, i64)>,
    /// Permits that have ended, which it doesn't know yet either.
    pub(super) ended: Vec<LeaseId>,
    /// Permits of this instance that the shared state may have.
    pub(super) here: HashMap<LeaseId, Vec<Part>>,
    /// The step in the shared state that was heard of last.
    pub(super) version: i64,
    /// Calls that run on other instances.
    pub(super) calls_elsewhere: u32,
    /// What other instances were told last of the scarcest allowance: what is free, and what its owner sees.
    pub(super) told: [u32; 2],
    /// They have to be told again.
    pub(super) has_news: bool,
}

/// An account, and what is known of its allowances.
pub(super) struct Account {
    pub(super) id: AccountId,
    state: Mutex<AllowanceState>,
    /// One at a time carries what is owed, so that who waits for its turn knows that it is carried.
    pub(super) turn: Semaphore,
    /// How often something was carried.
    pub(super) carried: AtomicU64,
}

impl Account {
    pub(super) fn new(id: AccountId) -> Self {
        let state = AllowanceState { told: [WHOLE; 2], ..AllowanceState::default() };
        Self { id, state: Mutex::new(state), turn: Semaphore::new(1), carried: AtomicU64::new(0) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, AllowanceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AllowanceState {
    pub(super) fn owe(&mut self, name: String, amount: i64, window_millis: i64) {
        if amount > 0 {
            self.pending.entry(name).or_insert((0, window_millis)).0 += amount;
        }
    }

    pub(super) fn serve(&mut self, units: Units, reference: &Reference, now: Moment) {
        let [present, before] = served_windows(reference.window, now);
        let window_millis = 2 * reference.window.millis();
        let held = self.served.entry(present).or_insert(Used::nothing(window_millis));
        *held = held.plus(units.0, now);
        self.served.retain(|window, _| *window >= before);
        self.owe(served_name(present), units.0, window_millis);
    }

    /// Whether there is something to end or to count in the shared state.
    pub(super) fn has_debts(&self) -> bool {
        !self.pending.is_empty() || !self.ended.is_empty()
    }

    pub(super) fn owes_nothing(&self) -> bool {
        !self.has_debts() && !self.has_news && !self.reports_changed
    }

    pub(super) fn covers(&self, model: &str) -> bool {
        self.counters.iter().any(|counter| counter.allowance.covers(model))
    }
}

impl Counter {
    pub(super) fn left(&self, now: Moment) -> i64 {
        let gone = self.used.at(now).amount.saturating_add(self.held());
        self.allowance.limit.saturating_sub(gone)
    }

    fn held(&self) -> i64 {
        self.running.saturating_add(self.elsewhere)
    }

    /// What its owner sees: the part that is left without regard to what runs, and when it is whole again.
    pub(super) fn shown(&self, now: Moment) -> (u32, Option<Moment>) {
        let used = self.used.at(now);
        (free_part(self.allowance.limit, used.amount), used.reset(now))
    }

    /// What is free, and when more will be whatever happens: running calls may always give something back.
    pub(super) fn free(&self, now: Moment) -> (u32, Option<Moment>) {
        let used = self.used.at(now);
        let free = free_part(self.allowance.limit, used.amount.saturating_add(self.held()));
        (free, self.used.reset(now).filter(|_| self.held() == 0 || used.amount >= self.allowance.limit))
    }
}

/// The counter of an allowance. Another limit counts on; other models, another unit or window is another counter.
pub(super) fn name_of(allowance: &Allowance) -> String {
    let models: Vec<&str> = allowance.models.iter().map(Pattern::as_str).collect();
    let meant = format!("{models:?} {:?} {}", allowance.unit, allowance.window.name());
    format!("a{}", hex::encode(&Sha256::digest(meant)[..8]))
}

pub(super) fn served_name(window: i64) -> String {
    format!("w{window}")
}
