//! What one account's declared allowances have given: counters in memory, and what of them the shared state has yet to
//! hear. When anything is carried there is not decided here.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use millpond_pool::allowance::{Used, WHOLE, free_part, served_windows};
use millpond_pool::pattern::Pattern;
use millpond_pool::units::{Moment, Reference, Units};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::reports::Report;
use crate::clock::Timestamp;
use crate::gateway::accounts::Allowance;
use crate::state::uses::{HoldId, Part};

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

/// One account's counters.
#[derive(Default)]
pub(super) struct Gauge {
    pub(super) counters: Vec<Counter>,
    pub(super) reports: BTreeMap<String, Report>,
    pub(super) reports_changed: bool,
    /// What was served to others, by window.
    pub(super) served: BTreeMap<i64, Used>,
    /// What calls have cost that selection was not told yet.
    pub(super) unseen: Units,
    /// Amounts that the shared state doesn't know yet, by counter.
    pub(super) pending: BTreeMap<String, (i64, i64)>,
    /// Holds that have ended, which it doesn't know yet either.
    pub(super) ended: Vec<HoldId>,
    /// Holds of this instance as far as the shared state is known to have them.
    pub(super) here: HashMap<HoldId, Vec<Part>>,
    /// Calls that run on other instances.
    pub(super) calls_elsewhere: u32,
    /// What other instances were told last of the scarcest allowance: what is free, and what its owner sees.
    pub(super) told: [u32; 2],
}

/// One account's gauge.
pub(super) struct Account {
    gauge: Mutex<Gauge>,
    /// Steps in the shared state are taken one after the other, so that what one gives back the next one finds.
    pub(super) turn: Semaphore,
}

impl Account {
    pub(super) fn new() -> Self {
        let gauge = Gauge { told: [WHOLE; 2], ..Gauge::default() };
        Self { gauge: Mutex::new(gauge), turn: Semaphore::new(1) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Gauge> {
        self.gauge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauge {
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

    pub(super) fn owes_nothing(&self) -> bool {
        self.pending.is_empty() && self.ended.is_empty()
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
    pub(super) fn shown(&self, now: Moment) -> (u32, Option<Timestamp>) {
        let used = self.used.at(now);
        let reset = used.reset(now).map(|reset| Timestamp::from_millis(reset.0));
        (free_part(self.allowance.limit, used.amount), reset)
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
