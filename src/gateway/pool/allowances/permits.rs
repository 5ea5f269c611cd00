//! What a running call holds of an account: its estimate while it runs, given back or settled when it ends. Where several
//! instances share the account the call claims the same in shared state before it is sent; should that be away, each
//! instance knows its own.
//!
//! A claim is remembered here before it is made. However the call ends, also while the claim is on its way, its end is
//! carried to the shared state, which refuses a claim that comes after its end.

use std::sync::Arc;

use millpond_pool::allowance::amount;
use millpond_pool::bucket::LeaseId;
use millpond_pool::counters::{Claim, Limits, Part};
use millpond_pool::units::{Cost, LimitUnit, Units};

use super::Allowances;
use super::state::{Account, Counter};
use crate::ids::AccountId;
use crate::state::counters::AccountCounters;

/// A part of an account that a running call holds. Dropped, it is given back.
pub(crate) struct Permit {
    allowances: Arc<Allowances>,
    account: Arc<Account>,
    /// The counters and their estimates; none where no allowance covers the model.
    held: Vec<(String, i64)>,
    /// Its name in the shared state, once it may be known there.
    shared: Option<LeaseId>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
    }
}

impl Permit {
    fn release(&mut self) {
        let shared = self.shared.take();
        if self.held.is_empty() && shared.is_none() {
            return;
        }
        {
            let mut state = self.account.lock();
            for (name, amount) in self.held.drain(..) {
                if let Some(counter) = state.counters.iter_mut().find(|one| one.name == name) {
                    counter.running = counter.running.saturating_sub(amount).max(0);
                }
            }
            state.ended.extend(shared);
        }
        self.allowances.announce_here(&self.account.id);
        if shared.is_some() {
            self.allowances.is_busy(&self.account.id);
        }
    }

    /// Counts what the call really used, and what of it others than the owner were served.
    pub(crate) fn settle(mut self, cost: &Cost, served_to_others: Units) {
        let now = self.allowances.now();
        let reference = self.allowances.reference;
        let owes = {
            let mut state = self.account.lock();
            let mut dearest = None;
            for (name, _) in &self.held {
                let Some(counter) = state.counters.iter_mut().find(|one| one.name == *name) else { continue };
                let unit = counter.allowance.unit;
                let used = amount(cost, unit, &reference);
                counter.used = counter.used.plus(used, now);
                let window = counter.used.window_millis;
                state.owe(name.clone(), used, window);
                dearest = dearest.max(Some(reference.cost(cost, unit)));
            }
            let worth = dearest.unwrap_or_else(|| reference.cost(cost, LimitUnit::Requests));
            state.unseen = state.unseen.plus(worth);
            if served_to_others > Units::ZERO {
                state.serve(served_to_others, &reference, self.allowances.wall());
            }
            state.has_debts()
        };
        self.release();
        if owes {
            self.allowances.is_busy(&self.account.id);
        }
    }

    /// What has to be claimed of the account in shared state, if anything has to. From here on it ends as one that is known
    /// there, also when nobody hears the answer.
    pub(crate) fn claim(&mut self, most_calls: Option<u32>, life_millis: i64) -> Option<Claim> {
        if !self.allowances.state.is_shared() || (self.held.is_empty() && most_calls.is_none()) {
            return None;
        }
        let id = LeaseId(rand::random());
        let mut state = self.account.lock();
        let limit = |name: &str| {
            let counter = state.counters.iter().find(|one| one.name == name);
            counter.map_or(i64::MAX >> 10, |counter| counter.allowance.limit)
        };
        let part =
            |(name, amount): &(String, i64)| Part { name: name.clone(), limit: limit(name), amount: *amount };
        let parts: Vec<Part> = self.held.iter().map(part).collect();
        state.here.insert(id, parts.clone());
        self.shared = Some(id);
        let limits = Limits { concurrent_calls: most_calls.map(i64::from), ..Limits::default() };
        Some(Claim { id, life_millis, limits, tokens: None, micro_usd: 0, month: 0, parts })
    }

    /// The claim was refused, so that nothing has to be given back.
    pub(crate) fn refused(&mut self) {
        if let Some(id) = self.shared.take() {
            self.account.lock().here.remove(&id);
        }
    }

    /// Takes over what the claim came to.
    pub(crate) fn hear(&self, counters: &AccountCounters) {
        self.allowances.hear(&self.account, counters, &[]);
    }
}

impl Allowances {
    /// Holds a call's estimate; `None` when the account has nothing left for the model.
    pub(crate) fn hold(self: &Arc<Self>, id: &AccountId, model: &str, estimate: &Cost) -> Option<Permit> {
        let account = self.account(id);
        let mut held = Vec::new();
        {
            let mut state = account.lock();
            let now = self.now();
            let covers = |counter: &&mut Counter| counter.allowance.covers(model);
            // The last of it may go to one call that could need more; what runs is never estimated away.
            if state.counters.iter_mut().filter(covers).any(|counter| counter.left(now) <= 0) {
                return None;
            }
            for counter in state.counters.iter_mut().filter(covers) {
                let amount = amount(estimate, counter.allowance.unit, &self.reference).max(1);
                counter.running = counter.running.saturating_add(amount);
                held.push((counter.name.clone(), amount));
            }
        }
        Some(Permit { allowances: self.clone(), account, held, shared: None })
    }
}
