//! A member with a purse of quota for each group of models. Every step is done twice, in the real quota and in its
//! shadow.

use millpond_pool::account::{AccountId, MemberId};
use millpond_pool::bucket::{Lease, Shortfall};
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Units, Window};

use super::chance::Chance;
use super::holding::GROUPS;
use super::shadow::Shadow;

/// The base of each trust level: what somebody may use who shares nothing.
const BASES: [i64; 5] = [15_000, 25_000, 40_000, 70_000, 120_000];

pub(super) struct Member {
    pub(super) id: MemberId,
    pub(super) purses: Vec<Purse>,
    pub(super) prefers_shared: bool,
    /// How many of all calls are this member's, together with all before in the list.
    pub(super) activity_so_far: f64,
}

pub(super) struct Purse {
    quota: Quota,
    shadow: Shadow,
    base: i64,
    pub(super) charged: i64,
}

impl Member {
    pub(super) fn new(number: usize, before: f64, chance: &mut Chance, now: Moment) -> Self {
        let level = [0, 1, 1, 2, 2, 2, 3, 3, 4][chance.below(9)];
        Self {
            id: MemberId(number as i64),
            purses: (0..GROUPS.len()).map(|_| Purse::new(BASES[level], now)).collect(),
            prefers_shared: chance.hit(0.3),
            activity_so_far: before + (chance.normal() * 0.8).exp(),
        }
    }
}

impl Purse {
    fn new(base: i64, now: Moment) -> Self {
        let quota = Quota::new(Units(base), None, Window::FiveHours, now);
        Self { quota, shadow: Shadow::full(base, Window::FiveHours, now.0), base, charged: 0 }
    }

    /// Sets aside, or says why not; the trouble is a refusal that was wrong or told a wrong moment.
    pub(super) fn reserve(&mut self, lease: Lease, now: Moment) -> (Option<Shortfall>, Option<String>) {
        let lacking = self.shadow.reserve(&lease, now);
        let refused = self.quota.reserve(lease, now).err();
        let trouble = match refused {
            _ if refused.map_or(0, |refused| refused.lacking.0) != lacking => Some("lacking"),
            Some(Shortfall { available_at: Some(then), .. }) => self.moment_trouble(lease, then),
            Some(_) if lease.amount <= self.quota.max_quota() => Some("no moment"),
            _ => None,
        };
        (refused, trouble.map(|what| format!("{what}: {lease:?} {refused:?} {:?}", self.quota)))
    }

    /// A refused call has to succeed at the moment it was told, and not before if nothing was set aside besides.
    fn moment_trouble(&self, lease: Lease, then: Moment) -> Option<&'static str> {
        let at = |moment| self.quota.clone().reserve(Lease { expires_at: then.plus(1), ..lease }, moment);
        if at(then).is_err() {
            return Some("refused again at the moment it was told");
        }
        let alone = self.quota.bucket().reserved() == Units::ZERO;
        (alone && at(then.plus(-1)).is_ok()).then_some("an earlier moment would have done")
    }

    pub(super) fn settle(&mut self, lease: &Lease, real: Units, now: Moment) {
        self.shadow.settle(lease, real.0, now);
        self.quota.settle(lease, real, now);
        self.charged += real.0;
    }

    pub(super) fn release(&mut self, lease: &Lease, now: Moment) {
        self.shadow.release(lease, now);
        self.quota.release(lease, now);
    }

    pub(super) fn share(&mut self, id: &AccountId, units: Units, remaining: Units, now: Moment) {
        let moved = self.quota.share(id, units, remaining, now);
        self.shadow.moved(moved.0, self.quota.max_quota().0, now);
    }

    pub(super) fn unshare(&mut self, id: &AccountId, now: Moment) {
        let moved = self.quota.unshare(id, now);
        self.shadow.moved(moved.0, self.quota.max_quota().0, now);
    }

    /// What is wrong, given what the member shares.
    pub(super) fn trouble(&mut self, shared: i64, now: Moment) -> Option<String> {
        self.shadow.advance(now.0);
        let seen = self.quota.at(now);
        if seen.max_quota().0 != self.base + 2 * shared {
            return Some(format!("max_quota of {seen:?} with {shared} shared"));
        }
        if self.shadow.sums.charged != i128::from(self.charged) * i128::from(Window::FiveHours.ticks()) {
            return Some(format!("charged {} but {seen:?}", self.charged));
        }
        self.shadow.disagreement(&seen)
    }
}
