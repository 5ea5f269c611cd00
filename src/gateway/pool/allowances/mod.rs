//! What accounts themselves may still serve. An allowance that its owner declares is counted: an estimate is held while
//! a call runs, the real amount is counted when it ends, and an account whose allowance is used up isn't chosen until
//! the window, which began with its first use, is over. Where none is declared, what the provider [reports](reports) is
//! believed. Choosing reads memory only; [`sync`] carries amounts to the shared state, which is exact. Where several
//! instances share it, a call needs a [permit](permits) there too before it is sent, so that no allowance and no limit on
//! running calls is overshot by what runs elsewhere.

mod permits;
mod reports;
mod state;
mod sync;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use millpond_pool::allowance::{Used, WHOLE, scarcest, served_lately, served_windows};
use millpond_pool::index::{Index, Slot};
use millpond_pool::units::{Moment, Reference, Units};
use serde::Serialize;
use tokio::sync::Notify;
use utoipa::ToSchema;

pub(crate) use self::permits::Permit;
use self::state::{Account, Counter, name_of};
use crate::clock::{Clock, Timestamp};
use crate::gateway::accounts::Serving;
use crate::ids::AccountId;
use crate::state::State;

/// How much of an account's allowance for some models is left.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct AllowanceView {
    /// A model, or a pattern that stands for several.
    pub model_name: String,
    /// The part that is left, 0 to 1.
    pub quota: f64,
    /// When it is whole again; absent while nothing is used.
    pub reset_time: Option<Timestamp>,
    pub last_fetched_at: Timestamp,
}

/// What is left of one model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    pub(crate) millionths: u32,
    pub(crate) reset_time: Option<Timestamp>,
    pub(crate) at: Timestamp,
}

type OnChange = Box<dyn Fn(&AccountId) + Send + Sync>;

/// The allowances of all accounts.
pub(crate) struct Allowances {
    clock: Clock,
    state: State,
    reference: Reference,
    accounts: RwLock<HashMap<AccountId, Arc<Account>>>,
    /// Accounts with something to carry to the shared state, and such to be read from it.
    busy: Mutex<HashSet<AccountId>>,
    stale: Mutex<HashSet<AccountId>>,
    wake: Notify,
    changed: OnceLock<OnChange>,
}

impl Allowances {
    /// Who is told when what is free of an account changes; set once, before the first call.
    pub(crate) fn tell(&self, changed: impl Fn(&AccountId) + Send + Sync + 'static) {
        drop(self.changed.set(Box::new(changed)));
    }

    /// Takes over what an account's owner declares; what is used stays counted.
    pub(crate) fn adopt(&self, account: &Serving) {
        let held = self.account(&account.id);
        let mut state = held.lock();
        let mut old = std::mem::take(&mut state.counters);
        for allowance in account.allowances() {
            let mut name = name_of(allowance);
            // Said twice with two limits, they are two counters.
            while state.counters.iter().any(|counter| counter.name == name) {
                name.push('+');
            }
            let known =
                old.iter().position(|counter| counter.name == name).map(|place| old.swap_remove(place));
            state.counters.push(Counter {
                name,
                used: known.as_ref().map_or(Used::nothing(allowance.window.millis()), |known| known.used),
                running: known.as_ref().map_or(0, |known| known.running),
                elsewhere: known.as_ref().map_or(0, |known| known.elsewhere),
                allowance: allowance.clone(),
            });
        }
        drop(state);
        self.is_stale(&account.id);
    }

    /// Forgets an account that is gone, but not what it still owes.
    pub(crate) fn forget(&self, id: &AccountId) {
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        if accounts.get(id).is_some_and(|account| account.lock().owes_nothing()) {
            accounts.remove(id);
        }
    }

    /// Shows selection what is free of an account.
    pub(crate) fn show(&self, index: &Index, slot: Slot, id: &AccountId) {
        let Some(account) = self.known(id) else { return };
        let (mut state, now) = (account.lock(), self.now());
        let unseen = std::mem::take(&mut state.unseen);
        if unseen > Units::ZERO {
            index.used(slot, unseen, now);
        }
        for (place, counter) in state.counters.iter().enumerate() {
            let (free, reset) = counter.free(now);
            index.set_free(slot, Some(place), free, reset);
        }
        index.set_elsewhere(slot, state.calls_elsewhere);
        if state.reports.is_empty() {
            return;
        }
        let (wall, ahead) = (self.wall(), self.clock.ahead_millis());
        let reported = state.reports.values().filter_map(|report| scarcest(&report.limits, wall));
        // One model that has nothing left rests by itself; the others must stay usable.
        if let Some((free, reset)) = reported.min() {
            index.set_free(slot, None, free.max(1), Some(reset.plus(-ahead)));
        }
    }

    /// Models whose reported limits are used up, and until when.
    pub(crate) fn spent_models(&self, id: &AccountId) -> Vec<(Box<str>, Moment)> {
        let Some(account) = self.known(id) else { return Vec::new() };
        let (state, wall, ahead) = (account.lock(), self.wall(), self.clock.ahead_millis());
        let reports = state.reports.iter().filter_map(|(model, report)| {
            let (free, reset) = scarcest(&report.limits, wall)?;
            (free == 0).then(|| (model.as_str().into(), reset.plus(-ahead)))
        });
        reports.collect()
    }

    /// What is left of an account's allowances, as declared or as reported.
    pub(crate) async fn of(&self, id: &AccountId) -> crate::state::Result<Vec<AllowanceView>> {
        self.read_reports(id).await?;
        let Some(account) = self.known(id) else { return Ok(Vec::new()) };
        let (state, at, now) = (account.lock(), self.clock.now(), self.now());
        let mut views: Vec<AllowanceView> = Vec::new();
        for counter in &state.counters {
            let (quota, reset_time) = counter.shown(now);
            for pattern in &counter.allowance.models {
                let shown = view(pattern.as_str().to_owned(), quota, self.shown(reset_time), at);
                // Several bounds on the same models are one line, that of the scarcest.
                match views.iter_mut().find(|known| known.model_name == shown.model_name) {
                    Some(known) if shown.quota < known.quota => *known = shown,
                    Some(_) => {}
                    None => views.push(shown),
                }
            }
        }
        for (model, report) in &state.reports {
            if !state.covers(model) {
                let (quota, reset) = scarcest(&report.limits, self.wall())
                    .map_or((WHOLE, None), |(free, reset)| (free, Some(reset)));
                views.push(view(
                    model.clone(),
                    quota,
                    reset.map(|reset| Timestamp::from_millis(reset.0)),
                    report.at,
                ));
            }
        }
        Ok(views)
    }

    /// What is left for one upstream model, as declared or as reported. Running calls are not counted.
    pub(crate) fn left(&self, id: &AccountId, upstream_model: &str) -> Left {
        let (at, now) = (self.clock.now(), self.now());
        let whole = Left { millionths: WHOLE, reset_time: None, at };
        let Some(account) = self.known(id) else { return whole };
        let state = account.lock();
        let covering = state.counters.iter().filter(|counter| counter.allowance.covers(upstream_model));
        if let Some((millionths, reset_time)) = covering.map(|counter| counter.shown(now)).min() {
            return Left { millionths, reset_time: self.shown(reset_time), at };
        }
        let Some(report) = state.reports.get(upstream_model) else { return whole };
        match scarcest(&report.limits, self.wall()) {
            Some((millionths, reset)) => {
                Left { millionths, reset_time: Some(Timestamp::from_millis(reset.0)), at: report.at }
            }
            None => Left { at: report.at, ..whole },
        }
    }

    /// What the account served to others than its owner in about the last reference window.
    pub(crate) fn served_lately(&self, id: &AccountId) -> Units {
        let Some(account) = self.known(id) else { return Units::ZERO };
        let (state, now, window) = (account.lock(), self.wall(), self.reference.window);
        let [present, before] =
            served_windows(window, now).map(|window| state.served.get(&window).map_or(0, |used| used.amount));
        served_lately(present, before, window, now)
    }

    fn account(&self, id: &AccountId) -> Arc<Account> {
        if let Some(known) = self.known(id) {
            return known;
        }
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Account::new(id.clone()));
        accounts.entry(id.clone()).or_insert_with(fresh).clone()
    }

    fn known(&self, id: &AccountId) -> Option<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn is_busy(&self, id: &AccountId) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        self.wake.notify_one();
    }

    fn is_stale(&self, id: &AccountId) {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        self.wake.notify_one();
    }

    fn announce_here(&self, id: &AccountId) {
        if let Some(changed) = self.changed.get() {
            changed(id);
        }
    }

    fn now(&self) -> Moment {
        self.clock.steady()
    }

    /// What the wall clock shows, by which others' windows and reports go.
    fn wall(&self) -> Moment {
        Moment(self.clock.now().millis())
    }

    fn shown(&self, moment: Option<Moment>) -> Option<Timestamp> {
        moment.map(|moment| self.clock.shown(moment))
    }
}

fn view(
    model_name: String,
    quota: u32,
    reset_time: Option<Timestamp>,
    last_fetched_at: Timestamp,
) -> AllowanceView {
    AllowanceView { model_name, quota: f64::from(quota) / f64::from(WHOLE), reset_time, last_fetched_at }
}
