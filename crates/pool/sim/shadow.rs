//! A quota told again in the simplest way: one exact number, and every income and expense written down. It shares no
//! code with `Quota`, so that agreeing with it means something. Everything is counted in fractions of a millionth, one
//! for every tick of the window. What sharing gives and takes is told to it, since that is not arithmetic.

use std::collections::BTreeMap;

use millpond_pool::bucket::{LEASE_MEMORY_MILLIS, Lease};
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Window};

/// Where everything that ever was in the quota came from and went to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) granted: i128,
    pub(crate) recovered: i128,
    pub(crate) overflowed: i128,
    pub(crate) taken: i128,
    pub(crate) charged: i128,
}

#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    window: Window,
    max: i64,
    balance: i128,
    as_of: i64,
    held: BTreeMap<u64, (i64, i64)>,
    run_out: BTreeMap<u64, i64>,
    pub(crate) sums: Sums,
}

impl Shadow {
    pub(crate) fn full(max: i64, window: Window, now: i64) -> Self {
        let balance = i128::from(max) * i128::from(window.ticks());
        let as_of = now - now.rem_euclid(window.tick_millis());
        let sums = Sums { granted: balance, ..Sums::default() };
        Self { window, max, balance, as_of, held: BTreeMap::new(), run_out: BTreeMap::new(), sums }
    }

    /// Whole millionths that could be spent, less what is owed.
    pub(crate) fn whole(&self) -> i64 {
        i64::try_from(self.balance.div_euclid(self.ticks())).unwrap_or(i64::MAX)
    }

    /// Answers what is lacking, or 0.
    pub(crate) fn reserve(&mut self, lease: &Lease, now: Moment) -> i64 {
        self.advance(now.0);
        if self.held.get(&lease.id.0).is_some_and(|&(amount, _)| amount > 0) {
            return 0;
        }
        if lease.amount.0 > self.whole() {
            return lease.amount.0 - self.whole();
        }
        self.run_out.remove(&lease.id.0);
        self.balance -= self.fine(lease.amount.0);
        self.held.insert(lease.id.0, (lease.amount.0, lease.expires_at.0));
        0
    }

    pub(crate) fn settle(&mut self, lease: &Lease, real: i64, now: Moment) {
        self.advance(now.0);
        let id = lease.id.0;
        if let Some((amount, _)) = self.held.remove(&id) {
            self.balance += self.fine(amount);
        } else if self.run_out.remove(&id).is_none() && now.0 < lease.expires_at.0 + LEASE_MEMORY_MILLIS {
            return;
        }
        self.sums.charged += self.fine(real);
        self.balance -= self.fine(real);
        self.overflow();
    }

    pub(crate) fn release(&mut self, lease: &Lease, now: Moment) {
        self.advance(now.0);
        self.run_out.remove(&lease.id.0);
        if let Some((amount, _)) = self.held.remove(&lease.id.0) {
            self.balance += self.fine(amount);
            self.overflow();
        }
    }

    /// The quota was given (or, negative, taken) this much, and has this `max` now.
    pub(crate) fn moved(&mut self, moved: i64, max: i64, now: Moment) {
        self.advance(now.0);
        let fine = self.fine(moved);
        if moved > 0 {
            self.sums.granted += fine;
        } else {
            self.sums.taken -= fine;
        }
        self.balance += fine;
        self.max = max;
        self.overflow();
    }

    pub(crate) fn advance(&mut self, now: i64) {
        let over: Vec<(u64, (i64, i64))> =
            self.held.iter().filter(|(_, lease)| lease.1 <= now).map(|(&id, &lease)| (id, lease)).collect();
        for (id, (amount, expired_at)) in over {
            self.held.remove(&id);
            self.run_out.insert(id, expired_at);
            self.balance += self.fine(amount);
        }
        self.run_out.retain(|_, expired_at| now < *expired_at + LEASE_MEMORY_MILLIS);
        let passed = (now - self.as_of).max(0) / self.window.tick_millis();
        self.as_of += passed * self.window.tick_millis();
        let recovered = i128::from(self.max) * i128::from(passed);
        self.sums.recovered += recovered;
        self.balance += recovered;
        self.overflow();
    }

    /// What is wrong with a quota that should be in this state, if anything is.
    pub(crate) fn disagreement(&self, quota: &Quota) -> Option<String> {
        let bucket = quota.bucket();
        let real = self.fine(bucket.balance().0) + i128::from(bucket.remainder());
        let reserved: i64 = self.held.values().map(|lease| lease.0).sum();
        let sums = &self.sums;
        let explained =
            sums.granted + sums.recovered - sums.overflowed - sums.taken - sums.charged - self.fine(reserved);
        let problem = if real != self.balance {
            "balance"
        } else if explained != self.balance {
            "conservation"
        } else if bucket.reserved().0 != reserved {
            "reservations"
        } else if bucket.max().0 != self.max || bucket.as_of().0 != self.as_of {
            "max or moment"
        } else if quota.quota().0 < 0 {
            "a negative quota"
        } else if quota.quota() > quota.max_quota() {
            "a quota above max_quota"
        } else {
            return None;
        };
        Some(format!("{problem}: {quota:?} is not {self:?}"))
    }

    fn overflow(&mut self) {
        let most = self.fine(self.max);
        if self.balance > most {
            self.sums.overflowed += self.balance - most;
            self.balance = most;
        }
    }

    fn fine(&self, amount: i64) -> i128 {
        i128::from(amount) * self.ticks()
    }

    fn ticks(&self) -> i128 {
        i128::from(self.window.ticks())
    }
}
