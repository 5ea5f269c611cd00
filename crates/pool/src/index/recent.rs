//! How much an account did lately, compared with its size. This is what makes selection fair among sharers: the free
//! part of an allowance can't be compared, because that of a month stays full while that of five hours empties, and an
//! equal number of calls isn't either, because accounts count in different units.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::units::{Moment, Units};

/// What was done this long ago counts for little: e times less.
const MEMORY_MILLIS: f64 = 3_600_000.0;

/// A sum that fades. Two threads that add at once may lose a call, which tips no balance.
pub(super) struct Recent {
    /// Bits of a float: millionths of a unit at the moment.
    amount: AtomicU64,
    /// In seconds since the epoch.
    at: AtomicU32,
}

impl Recent {
    pub(super) fn nothing() -> Self {
        Self { amount: AtomicU64::new(0), at: AtomicU32::new(0) }
    }

    pub(super) fn add(&self, cost: Units, now: Moment) {
        let sum = self.at(now) + cost.bounded().0 as f64;
        self.amount.store(sum.to_bits(), Ordering::Relaxed);
        self.at.store(seconds(now), Ordering::Relaxed);
    }

    /// What is left of the sum at a moment.
    pub(super) fn at(&self, now: Moment) -> f64 {
        let amount = f64::from_bits(self.amount.load(Ordering::Relaxed));
        let passed = seconds(now).saturating_sub(self.at.load(Ordering::Relaxed));
        if passed == 0 { amount } else { amount * (-1_000.0 * f64::from(passed) / MEMORY_MILLIS).exp() }
    }
}

fn seconds(now: Moment) -> u32 {
    u32::try_from(now.0.max(0) / 1_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_fades() {
        let recent = Recent::nothing();
        let start = Moment(1_790_000_000_000);
        recent.add(Units(1_000), start);
        recent.add(Units(500), start);
        assert_eq!(recent.at(start), 1_500.0);
        let later = recent.at(start.plus(3_600_000));
        assert!((551.0..553.0).contains(&later), "{later}");
        assert_eq!(recent.at(start.plus(-5_000)), 1_500.0, "a clock that goes back changes nothing");
    }
}
