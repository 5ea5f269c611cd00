//! What a running call holds of an account: its estimate while it runs, given back or settled when it ends. Several
//! instances hold in the shared state as well, before a call is sent; should that be away, each knows its own.

use std::sync::Arc;

use millpond_pool::allowance::amount;
use millpond_pool::units::{Cost, LimitUnit, Moment, Units};
use tokio::sync::oneshot;

use super::Allowances;
use super::gauge::{Account, Counter};
use crate::ids::AccountId;
use crate::state::uses::{Ask, Granted, HoldId, Part};
use crate::tasks::Tasks;

/// A part of an account that a running call holds. Dropped, it is given back.
pub(crate) struct Hold {
    allowances: Arc<Allowances>,
    account: AccountId,
    gauge: Arc<Account>,
    /// The counters and their estimates; none where no allowance covers the model.
    held: Vec<(String, i64)>,
    /// Its name in the shared state, once it may be known there.
    shared: Option<HoldId>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.release();
    }
}

impl Hold {
    fn release(&mut self) {
        let shared = self.shared.take();
        if self.held.is_empty() && shared.is_none() {
            return;
        }
        {
            let mut gauge = self.gauge.lock();
            for (name, amount) in self.held.drain(..) {
                if let Some(counter) = gauge.counters.iter_mut().find(|one| one.name == name) {
                    counter.running = counter.running.saturating_sub(amount).max(0);
                }
            }
            if let Some(id) = shared {
                gauge.ended.push(id);
            }
        }
        self.allowances.announce_here(&self.account);
        if shared.is_some() {
            self.allowances.is_busy(&self.account);
        }
    }

    /// Counts what the call really used, and what of it others than the owner were served.
    pub(crate) fn settle(mut self, cost: &Cost, served_to_others: Units) {
        let now = self.allowances.now();
        let reference = self.allowances.reference;
        {
            let mut gauge = self.gauge.lock();
            let mut dearest = None;
            for (name, _) in &self.held {
                let Some(counter) = gauge.counters.iter_mut().find(|one| one.name == *name) else { continue };
                let unit = counter.allowance.unit;
                let used = amount(cost, unit, &reference);
                counter.used = counter.used.plus(used, now);
                let window = counter.used.window_millis;
                gauge.owe(name.clone(), used, window);
                dearest = dearest.max(Some(reference.cost(cost, unit)));
            }
            let worth = dearest.unwrap_or_else(|| reference.cost(cost, LimitUnit::Requests));
            gauge.unseen = gauge.unseen.plus(worth);
            if served_to_others > Units::ZERO {
                gauge.serve(served_to_others, &reference, now);
            }
        }
        self.release();
        self.allowances.is_busy(&self.account);
    }

    /// Holds the same in the shared state until `ends_at` at the latest; false when other instances left nothing.
    pub(crate) async fn share(&mut self, most_calls: Option<u32>, ends_at: Moment, tasks: &Tasks) -> bool {
        if !self.allowances.state.is_shared() || (self.held.is_empty() && most_calls.is_none()) {
            return true;
        }
        let id = HoldId(rand::random());
        let parts = {
            let gauge = self.gauge.lock();
            let limit = |name: &str| {
                let counter = gauge.counters.iter().find(|one| one.name == name);
                counter.map_or(i64::MAX, |counter| counter.allowance.limit)
            };
            let part = |(name, amount): &(String, i64)| Part {
                name: name.clone(),
                limit: limit(name),
                amount: *amount,
            };
            self.held.iter().map(part).collect()
        };
        // From here on it ends as one that is known there, also when nobody hears the answer.
        self.shared = Some(id);
        let ask = Ask { id, ends_at, most_calls, parts };
        let (told, hears) = oneshot::channel();
        let (allowances, account) = (self.allowances.clone(), self.account.clone());
        // Not given up with the call: it carries what others have used, too.
        tasks.spawn("hold", |_| async move {
            drop(told.send(allowances.step(&account, Some(ask)).await));
        });
        match hears.await {
            Ok(Ok(granted)) => granted == Granted::Done,
            Ok(Err(error)) => {
                tracing::warn!(%error, account = %self.account, "what other instances hold of an account is not known");
                true
            }
            Err(_) => true,
        }
    }
}

impl Allowances {
    /// Holds a call's estimate; `None` when the account has nothing left for the model.
    pub(crate) fn hold(self: &Arc<Self>, id: &AccountId, model: &str, estimate: &Cost) -> Option<Hold> {
        let gauge = self.gauge(id);
        let mut held = Vec::new();
        {
            let mut gauge = gauge.lock();
            let now = self.now();
            let covers = |counter: &&mut Counter| counter.allowance.covers(model);
            // The last of it may go to one call that could need more; what runs is never estimated away.
            if gauge.counters.iter_mut().filter(covers).any(|counter| counter.left(now) <= 0) {
                return None;
            }
            for counter in gauge.counters.iter_mut().filter(covers) {
                let amount = amount(estimate, counter.allowance.unit, &self.reference).max(1);
                counter.running = counter.running.saturating_add(amount);
                held.push((counter.name.clone(), amount));
            }
        }
        Some(Hold { allowances: self.clone(), account: id.clone(), gauge, held, shared: None })
    }
}
