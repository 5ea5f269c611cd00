//! The hot half of a member's quota for one model group: a balance that recovers, and what is reserved from it. Only
//! arithmetic lives here; who gets how much is decided in `quota`, and no step looks at anything but its arguments.
//!
//! # The algorithm, for whoever writes it again in Lua
//! Five whole numbers and a list: `max`, `balance` (may be negative: that is debt), `remainder`, `as_of`, the constants
//! `W` ([`Window::ticks`]) and `T` ([`Window::tick_millis`]) of the reference window, and `held`: id → (amount,
//! expires_at). Every step begins with **advance(now)**:
//!
//! 1. Each held entry with `expires_at <= now` adds its amount to `balance` and keeps amount 0; one with
//!    `expires_at + LEASE_MEMORY_MILLIS <= now` is dropped.
//! 2. `n = floor((now - as_of) / T)`; if `n > 0` then `as_of += n * T`, and `max * n + remainder` is divided by `W`: the
//!    quotient is added to `balance`, the rest is the new `remainder`. In doubles split it so that nothing passes 2^53:
//!    with `f, m = n div W, n mod W` and `q, r = max div W, max mod W`, the quotient is
//!    `max*f + q*m + (r*m + remainder) div W` and the rest `(r*m + remainder) mod W`.
//! 3. If `balance >= max` then `balance = max` and `remainder = 0`.
//!
//! Because all of it is a sum cut once at the top, advancing in one stride or in many gives the same numbers. Then
//!
//! - **reserve**(id, amount, expires_at): an entry of that id which still holds something is answered again unchanged;
//!   if `amount > balance` it is refused with `lacking = amount - balance`; else `balance -= amount` and it is held.
//! - **settle**(id, real): a held entry is removed and `balance += amount - real`, then rule 3. An expired one holds 0,
//!   so the real cost is charged whole. An unknown id was settled before if
//!   `now < expires_at + LEASE_MEMORY_MILLIS` (nothing happens: a script that ran twice charges once), else it is charged.
//! - **release**(id): a held entry is removed and its amount added, then rule 3; an unknown id does nothing. It is
//!   settling with nothing, and in Redis it is done as that.
//! - **adjust**(max', take, give): `balance -= min(max(balance, 0), take)`, `max = max'`, `balance += give`, then rule 3.
//!   The answer is `moved`, the balance after minus before (after advance).
//!
//! `math.floor(x / W)` may round up for large `x`; `(x - math.fmod(x, W)) / W` never does. Write numbers back with
//! `string.format("%.0f")`. Every result is held within ±[`AMOUNT_LIMIT`]. When a reservation is refused, compute the
//! moment from the stored numbers with [`Bucket::available_at`], not in Lua. `tests/vectors.json` has the answers.
//!
//! [`AMOUNT_LIMIT`]: crate::units::AMOUNT_LIMIT

use serde::{Deserialize, Serialize};

use crate::units::{AMOUNT_LIMIT, Moment, Units, Window};

/// How long after its expiry a lease is remembered, in milliseconds, so that settling it twice charges once.
pub const LEASE_MEMORY_MILLIS: i64 = 3_600_000;

/// The caller's own name for one reservation; on Redis it is a field name, so it may use all 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(pub u64);

/// An amount set aside for one call until it is settled, released or expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The caller's name for it, different for every call.
    pub id: LeaseId,
    /// What is set aside.
    pub amount: Units,
    /// The moment at which it gives itself back.
    pub expires_at: Moment,
}

impl Lease {
    fn forgotten_at(&self) -> Moment {
        self.expires_at.plus(LEASE_MEMORY_MILLIS)
    }
}

/// Why a reservation was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the quota lacks {lacking} units")]
pub struct Shortfall {
    /// How much more would have been needed.
    pub lacking: Units,
    /// When recovery alone will have brought enough; `None` if the amount is more than `max_quota`.
    pub available_at: Option<Moment>,
}

/// What settling a lease did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The lease was held; the difference between it and the real cost was given back, or charged on top.
    Charged,
    /// The lease had run out and was given back before, so the real cost was charged whole.
    ChargedLate,
    /// The lease was settled or released before; nothing happened.
    Already,
}

/// What a bucket is without its leases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// See [`Bucket::max`].
    pub max: Units,
    /// See [`Bucket::balance`].
    pub balance: Units,
    /// See [`Bucket::remainder`].
    pub remainder: i64,
    /// See [`Bucket::as_of`].
    pub as_of: Moment,
}

/// A balance that recovers linearly from empty to `max` in one window, with its reservations, at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    window: Window,
    max: Units,
    balance: Units,
    remainder: i64,
    as_of: Moment,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    held: Vec<Lease>,
}

impl Bucket {
    /// A full bucket.
    pub fn full(max: Units, window: Window, now: Moment) -> Self {
        let max = max.bounded();
        let tick = window.tick_millis();
        Self {
            window,
            max,
            balance: max,
            remainder: 0,
            as_of: Moment(now.0.div_euclid(tick) * tick),
            held: Vec::new(),
        }
    }

    /// The bucket that was stored as these numbers; amounts and remainder are taken as they are.
    pub fn restored(window: Window, numbers: Numbers, held: Vec<Lease>) -> Self {
        let Numbers { max, balance, remainder, as_of } = numbers;
        Self { window, max, balance, remainder, as_of, held }
    }

    /// The numbers, as they are stored.
    pub fn numbers(&self) -> Numbers {
        Numbers { max: self.max, balance: self.balance, remainder: self.remainder, as_of: self.as_of }
    }

    /// The window in which it recovers from empty to full.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Gives every lease back, because the process that held them is gone.
    pub fn release_all(&mut self, now: Moment) {
        self.advance(now);
        let held = self.reserved();
        self.held.clear();
        self.balance = self.balance.plus(held);
        self.cut_to_max();
    }

    /// Charges what was never reserved.
    pub fn charge(&mut self, real: Units, now: Moment) {
        self.advance(now);
        self.balance = self.balance.minus(real.bounded());
    }

    /// What may be spent now, never negative and never above [`Bucket::max`]; call it on [`Bucket::at`].
    pub fn quota(&self) -> Units {
        self.balance.max(Units::ZERO)
    }

    /// What was spent beyond the quota by calls that cost more than they reserved; recovery repays it first.
    pub fn debt(&self) -> Units {
        Units(-self.balance.0.min(0))
    }

    /// The most that the quota recovers to.
    pub fn max(&self) -> Units {
        self.max
    }

    /// The quota minus the debt.
    pub fn balance(&self) -> Units {
        self.balance
    }

    /// The sum of all reservations that have not run out.
    pub fn reserved(&self) -> Units {
        self.held.iter().fold(Units::ZERO, |sum, lease| sum.plus(lease.amount))
    }

    /// The moment that the numbers are true for, to the window's tick.
    pub fn as_of(&self) -> Moment {
        self.as_of
    }

    /// The fraction of a millionth that recovery has gathered, in ticks of the window.
    pub fn remainder(&self) -> i64 {
        self.remainder
    }

    /// The same bucket at a later moment; earlier moments change nothing.
    #[must_use]
    pub fn at(&self, now: Moment) -> Self {
        let mut later = self.clone();
        later.advance(now);
        later
    }

    /// Sets an amount aside, or says how much is lacking; asking again for a held id answers the same lease.
    pub fn reserve(&mut self, lease: Lease, now: Moment) -> Result<Lease, Shortfall> {
        self.advance(now);
        let lease = Lease { amount: lease.amount.bounded(), ..lease };
        if let Some(held) = self.held.iter().find(|held| held.id == lease.id && held.amount > Units::ZERO) {
            return Ok(*held);
        }
        if lease.amount > self.balance {
            let lacking = lease.amount.minus(self.balance);
            return Err(Shortfall { lacking, available_at: self.available_at(lease.amount, now) });
        }
        self.held.retain(|held| held.id != lease.id);
        self.balance = self.balance.minus(lease.amount);
        self.held.push(lease);
        Ok(lease)
    }

    /// Charges the real cost in place of the lease; what it exceeds the balance by becomes debt.
    pub fn settle(&mut self, lease: &Lease, real: Units, now: Moment) -> Settled {
        self.advance(now);
        let (given_back, outcome) = match self.take_lease(lease.id) {
            Some(held) if held.expires_at > now => (held.amount, Settled::Charged),
            Some(_) => (Units::ZERO, Settled::ChargedLate),
            None if now < lease.forgotten_at() => return Settled::Already,
            None => (Units::ZERO, Settled::ChargedLate),
        };
        self.balance = self.balance.plus(given_back.minus(real.bounded()));
        self.cut_to_max();
        outcome
    }

    /// Gives a lease back uncharged; does nothing if it is gone already.
    pub fn release(&mut self, lease: &Lease, now: Moment) {
        self.advance(now);
        if let Some(held) = self.take_lease(lease.id) {
            self.balance = self.balance.plus(held.amount);
            self.cut_to_max();
        }
    }

    /// Changes `max`, first taking (never below zero), then giving; answers what the balance really moved by.
    pub fn adjust(&mut self, max: Units, take: Units, give: Units, now: Moment) -> Units {
        self.advance(now);
        let before = self.balance;
        self.balance = self.balance.minus(take.bounded().min(self.quota())).plus(give.bounded());
        self.max = max.bounded();
        self.cut_to_max();
        self.balance.minus(before)
    }

    /// The first moment, not before `now`, at which recovery alone makes `amount` available.
    // Leases that may run out or be settled meanwhile are not counted on.
    pub fn available_at(&self, amount: Units, now: Moment) -> Option<Moment> {
        let present = self.at(now);
        if amount <= present.balance {
            return Some(now);
        }
        // With a max of zero even debt is never repaid by recovery.
        if amount > present.max || present.max <= Units::ZERO {
            return None;
        }
        let ticks = i128::from(self.window.ticks());
        let have = i128::from(present.balance.0) * ticks + i128::from(present.remainder);
        let lacking = i128::from(amount.0) * ticks - have;
        let rate = i128::from(present.max.0);
        let wait = i64::try_from((lacking + rate - 1) / rate).unwrap_or(i64::MAX);
        Some(present.as_of.plus(wait.saturating_mul(self.window.tick_millis())).max(now))
    }

    fn advance(&mut self, now: Moment) {
        self.give_back_expired(now);
        let passed = now.since(self.as_of) / self.window.tick_millis();
        if passed > 0 {
            self.as_of = self.as_of.plus(passed * self.window.tick_millis());
            let gathered = i128::from(self.max.0) * i128::from(passed) + i128::from(self.remainder);
            let ticks = i128::from(self.window.ticks());
            let gained = i64::try_from(gathered / ticks).unwrap_or(AMOUNT_LIMIT);
            self.balance = Units(self.balance.0.saturating_add(gained).min(AMOUNT_LIMIT));
            self.remainder = i64::try_from(gathered % ticks).unwrap_or(0);
        }
        self.cut_to_max();
    }

    fn give_back_expired(&mut self, now: Moment) {
        for lease in self.held.iter_mut().filter(|lease| lease.expires_at <= now) {
            self.balance = self.balance.plus(lease.amount);
            lease.amount = Units::ZERO;
        }
        self.held.retain(|lease| now < lease.forgotten_at());
    }

    fn take_lease(&mut self, id: LeaseId) -> Option<Lease> {
        let place = self.held.iter().position(|lease| lease.id == id)?;
        Some(self.held.remove(place))
    }

    fn cut_to_max(&mut self) {
        if self.balance >= self.max {
            self.balance = self.max;
            self.remainder = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn bucket(units: i64) -> Bucket {
        Bucket::full(Units(units), Window::FiveHours, Moment(0))
    }

    fn lease(id: u64, amount: i64, expires_at: i64) -> Lease {
        Lease { id: LeaseId(id), amount: Units(amount), expires_at: Moment(expires_at) }
    }

    #[test]
    fn recovers_from_empty_to_max_in_exactly_one_window() {
        let mut quota = bucket(2_000_000);
        let all = quota.reserve(lease(1, 2_000_000, HOUR), Moment(0)).unwrap();
        quota.settle(&all, all.amount, Moment(0));
        assert_eq!(quota.at(Moment(5 * HOUR / 2)).quota(), Units(1_000_000));
        assert_eq!(quota.at(Moment(5 * HOUR - 1)).quota(), Units(1_999_999));
        assert_eq!(quota.at(Moment(5 * HOUR)).quota(), Units(2_000_000));
        assert_eq!(quota.at(Moment(i64::MAX)).quota(), Units(2_000_000));
    }

    #[test]
    fn a_shortfall_names_the_first_moment_that_is_enough() {
        let mut quota = bucket(7);
        quota.reserve(lease(1, 7, 9 * HOUR), Moment(0)).unwrap();
        let refusal = quota.reserve(lease(2, 3, 9 * HOUR), Moment(10)).unwrap_err();
        assert_eq!(refusal.lacking, Units(3));
        let then = refusal.available_at.unwrap();
        assert!(quota.at(Moment(then.0 - 1)).quota() < Units(3));
        assert!(quota.clone().reserve(lease(2, 3, 9 * HOUR), then).is_ok());
        assert_eq!(quota.reserve(lease(3, 8, 9 * HOUR), then).unwrap_err().available_at, None);
    }

    #[test]
    fn a_lost_lease_returns_and_settling_it_late_still_charges() {
        let mut quota = bucket(10);
        let lost = quota.reserve(lease(1, 10, 100), Moment(0)).unwrap();
        assert_eq!(quota.at(Moment(99)).quota(), Units(0));
        assert_eq!(quota.at(Moment(100)).quota(), Units(10));
        assert_eq!(quota.settle(&lost, Units(4), Moment(200)), Settled::ChargedLate);
        assert_eq!(quota.settle(&lost, Units(4), Moment(200)), Settled::Already);
        assert_eq!(quota.quota(), Units(6));
    }

    #[test]
    fn settling_twice_charges_once() {
        let mut quota = bucket(10);
        let call = quota.reserve(lease(1, 5, HOUR), Moment(0)).unwrap();
        assert_eq!(quota.settle(&call, Units(2), Moment(1)), Settled::Charged);
        assert_eq!(quota.settle(&call, Units(2), Moment(1)), Settled::Already);
        quota.release(&call, Moment(1));
        assert_eq!(quota.quota(), Units(8));
    }

    #[test]
    fn a_call_that_cost_more_than_reserved_leaves_a_debt_that_recovery_repays() {
        let mut quota = bucket(1000);
        let call = quota.reserve(lease(1, 1000, HOUR), Moment(0)).unwrap();
        quota.settle(&call, Units(1500), Moment(0));
        assert_eq!((quota.quota(), quota.debt()), (Units(0), Units(500)));
        assert_eq!(quota.at(Moment(5 * HOUR / 2)).quota(), Units(0));
        assert_eq!(quota.at(Moment(5 * HOUR / 2 + HOUR)).quota(), Units(200));
        assert_eq!(quota.adjust(Units(1000), Units(9), Units(100), Moment(0)), Units(100));
        assert_eq!(quota.debt(), Units(400));
    }

    #[test]
    fn a_long_window_counts_in_its_ticks() {
        let mut quota = Bucket::full(Units(3_000_000_000), Window::ThirtyDays, Moment(12_345));
        assert_eq!(quota.as_of(), Moment(12_300));
        quota.reserve(lease(1, 3_000_000_000, i64::MAX), Moment(12_345)).unwrap();
        let end = Moment(12_300 + Window::ThirtyDays.millis());
        assert_eq!(quota.at(end).quota(), Units(3_000_000_000));
        assert!(quota.at(Moment(end.0 - 1)).quota() < Units(3_000_000_000));
    }
}
