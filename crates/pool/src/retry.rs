//! How many calls may be sent once more. When everything fails, retries must not become a second wave: each call earns a
//! fifth of a retry, and a small floor that refills with time lets a quiet instance retry too. Which failures are worth
//! a retry is decided elsewhere.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::units::Moment;

/// What one retry costs, in the fractions that calls earn.
const RETRY: i64 = 100;
/// What one call earns: a fifth of a retry.
const EARNED: i64 = 20;
/// As many retries are always there after some quiet seconds.
pub const FLOOR: i64 = 10;
/// More retries than this are not saved up, so that a good hour does not pay for a bad minute.
pub const MOST: i64 = 100;
/// One retry of the floor comes back in this time.
const REFILL_MILLIS: i64 = 1_000;

/// The retries that one instance may make. Counting a call is one atomic addition.
#[derive(Debug)]
pub struct RetryBudget {
    saved: AtomicI64,
    refilled_at: AtomicI64,
}

impl RetryBudget {
    /// A budget with its floor.
    pub fn new(now: Moment) -> Self {
        Self { saved: AtomicI64::new(FLOOR * RETRY), refilled_at: AtomicI64::new(now.0) }
    }

    /// A call is sent for the first time.
    pub fn earn(&self) {
        if self.saved.load(Ordering::Relaxed) < MOST * RETRY {
            self.saved.fetch_add(EARNED, Ordering::Relaxed);
        }
    }

    /// Takes a retry, if there is one left.
    pub fn take(&self, now: Moment) -> bool {
        self.refill(now);
        let pay = |saved: i64| (saved >= RETRY).then(|| saved - RETRY);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok()
    }

    fn refill(&self, now: Moment) {
        let last = self.refilled_at.load(Ordering::Relaxed);
        let due = now.since(Moment(last)) / REFILL_MILLIS;
        let seen = self.refilled_at.compare_exchange(
            last,
            last + due * REFILL_MILLIS,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if due > 0 && seen.is_ok() {
            let more = |saved: i64| {
                let floor = FLOOR * RETRY;
                (saved < floor).then(|| (saved + due.min(FLOOR) * RETRY).min(floor))
            };
            self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_general_outage_adds_a_fifth_at_most() {
        let budget = RetryBudget::new(Moment(0));
        let mut sent = 0;
        for _ in 0..500 {
            budget.earn();
            sent += 1;
            sent += i64::from(budget.take(Moment(0))) + i64::from(budget.take(Moment(0)));
        }
        assert_eq!(sent, 500 + 100 + FLOOR);
    }

    #[test]
    fn quiet_seconds_bring_the_floor_back() {
        let budget = RetryBudget::new(Moment(0));
        while budget.take(Moment(0)) {}
        assert!(!budget.take(Moment(999)));
        assert!(budget.take(Moment(1_000)) && !budget.take(Moment(1_000)));
        let much_later = Moment(10_000_000);
        assert_eq!((0..100).filter(|_| budget.take(much_later)).count() as i64, FLOOR);
    }

    proptest! {
        #[test]
        fn never_more_than_earned(steps in prop::collection::vec((0..3_i64, 0..500_i64), 1..300)) {
            let budget = RetryBudget::new(Moment(0));
            let (mut now, mut calls, mut retries) = (0, 0, 0);
            for (kind, passed) in steps {
                now += passed;
                if kind == 0 {
                    budget.earn();
                    calls += 1;
                } else if budget.take(Moment(now)) {
                    retries += 1;
                }
                prop_assert!(retries * 100 <= calls * 20 + (FLOOR + now / 1_000) * 100);
            }
        }
    }
}
