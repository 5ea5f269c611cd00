//! A member's quota in the pool for one model group: the [`Bucket`] that calls draw on, together with the [`Sharing`]
//! that decides its size. A state is a value at a moment: reading it never changes it. What a call costs, and whether
//! the caller pays at all (own accounts cost nothing), is decided before this.
//!
//! Decisions that the rules leave open:
//! - A new state is full at the base; a base or a cap that is raised later is filled by recovery, one that is lowered
//!   cuts the quota at once.
//! - A reservation is spent from the moment it is made, so recovery goes on beside it; what comes back from it is cut at
//!   `max_quota` like any other income.
//! - A call that cost more than it reserved is charged in full. The balance may then be negative: on the wire that is
//!   quota 0, the rest is debt, nothing is admitted until recovery has repaid it, and a grant repays it too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::account::AccountId;
use crate::bucket::{Bucket, Lease, Settled, Shortfall};
use crate::sharing::{Event, Sharing};
use crate::units::{Moment, Units, Window};

/// One member's quota for one model group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    bucket: Bucket,
    sharing: Sharing,
}

impl Quota {
    /// A member who shares nothing yet, with the base of the trust level to spend at once.
    pub fn new(base: Units, cap: Option<Units>, window: Window, now: Moment) -> Self {
        let sharing = Sharing::new(base, cap, window.millis());
        Self { bucket: Bucket::full(sharing.max(), window, now), sharing }
    }

    /// The quota that was stored as these two halves.
    pub fn restored(bucket: Bucket, sharing: Sharing) -> Self {
        Self { bucket, sharing }
    }

    /// Gives every lease back, because the process that held them is gone.
    pub fn release_all(&mut self, now: Moment) {
        self.bucket.release_all(now);
    }

    /// Charges what was never reserved.
    pub fn charge(&mut self, real: Units, now: Moment) {
        self.bucket.charge(real, now);
    }

    /// Makes base, cap and counted accounts what they should be; answers whether anything changed.
    pub fn bring_towards(
        &mut self,
        base: Units,
        cap: Option<Units>,
        wanted: &BTreeMap<AccountId, Units>,
        now: Moment,
    ) -> bool {
        let events = self.sharing.events_towards(base, cap, wanted);
        for event in &events {
            self.happen(event, now);
        }
        !events.is_empty()
    }

    /// The same quota at a later moment.
    #[must_use]
    pub fn at(&self, now: Moment) -> Self {
        Self { bucket: self.bucket.at(now), sharing: self.sharing.clone() }
    }

    /// What may be spent at the moment of this value, never negative.
    pub fn quota(&self) -> Units {
        self.bucket.quota()
    }

    /// The most that the quota recovers to.
    pub fn max_quota(&self) -> Units {
        self.bucket.max()
    }

    /// The hot half, as it is kept in memory or in Redis.
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// The cold half, as it is kept in SQL.
    pub fn sharing(&self) -> &Sharing {
        &self.sharing
    }

    /// Sets the upper estimate of a call aside, or says how much is lacking and until when.
    pub fn reserve(&mut self, lease: Lease, now: Moment) -> Result<Lease, Shortfall> {
        self.bucket.reserve(lease, now)
    }

    /// Charges the real cost of a call in place of its lease.
    pub fn settle(&mut self, lease: &Lease, real: Units, now: Moment) -> Settled {
        self.bucket.settle(lease, real, now)
    }

    /// Gives a lease back uncharged.
    pub fn release(&mut self, lease: &Lease, now: Moment) {
        self.bucket.release(lease, now);
    }

    /// Counts a shared account with so many units, of which `remaining` are left; answers what the balance grew by.
    pub fn share(&mut self, account: &AccountId, units: Units, remaining: Units, now: Moment) -> Units {
        let event = Event::Share { account: account.clone(), units, remaining };
        self.happen(&event, now).plus(self.resize(account, units, now))
    }

    /// Counts an account no longer, because it was unshared, disabled or deleted; answers (negative) what was taken.
    pub fn unshare(&mut self, account: &AccountId, now: Moment) -> Units {
        self.happen(&Event::Unshare { account: account.clone() }, now)
    }

    /// Counts a shared account with other units than before; answers what the balance moved by.
    pub fn resize(&mut self, account: &AccountId, units: Units, now: Moment) -> Units {
        self.happen(&Event::Resize { account: account.clone(), units }, now)
    }

    /// Changes the base of the trust level; answers what the balance moved by.
    pub fn set_base(&mut self, base: Units, now: Moment) -> Units {
        self.happen(&Event::SetBase(base), now)
    }

    /// Changes the cap for one person; answers what the balance moved by.
    pub fn set_cap(&mut self, cap: Option<Units>, now: Moment) -> Units {
        self.happen(&Event::SetCap(cap), now)
    }

    fn happen(&mut self, event: &Event, now: Moment) -> Units {
        let pending = self.sharing.prepare(event, now);
        let change = pending.adjustment;
        let moved = self.bucket.adjust(change.max, change.take, change.give, now);
        self.sharing.complete(&pending, moved);
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::LeaseId;

    const HOUR: i64 = 3_600_000;
    const ONE: Units = Units::ONE;

    fn id(name: &str) -> AccountId {
        AccountId::new(name)
    }

    fn newcomer() -> Quota {
        Quota::new(Units::ZERO, None, Window::FiveHours, Moment(0))
    }

    fn spend(quota: &mut Quota, amount: i64, now: Moment) {
        let lease = Lease { id: LeaseId(9), amount: Units(amount), expires_at: now.plus(HOUR) };
        let lease = quota.reserve(lease, now).unwrap();
        quota.settle(&lease, lease.amount, now);
    }

    #[test]
    fn sharing_gives_twice_what_remains_and_unsharing_takes_it() {
        let mut quota = newcomer();
        assert_eq!(quota.share(&id("a"), ONE, Units(980_000), Moment(0)), Units(1_960_000));
        assert_eq!(quota.max_quota(), Units(2_000_000));
        assert_eq!(quota.unshare(&id("a"), Moment(0)), Units(-1_960_000));
        assert_eq!((quota.quota(), quota.max_quota()), (Units::ZERO, Units::ZERO));
        assert_eq!(
            quota.unshare(&id("a"), Moment(0)),
            Units::ZERO,
            "deleting what is disabled takes nothing twice"
        );
    }

    #[test]
    fn a_spent_grant_does_not_come_back_by_toggling() {
        let mut quota = newcomer();
        quota.share(&id("a"), ONE, ONE, Moment(0));
        spend(&mut quota, 1_700_000, Moment(0));
        for _ in 0..5 {
            quota.unshare(&id("a"), Moment(0));
            quota.share(&id("a"), ONE, ONE, Moment(0));
        }
        assert_eq!(quota.quota(), Units(300_000));
    }

    #[test]
    fn deleting_and_adding_again_under_another_name_gains_nothing() {
        let mut quota = newcomer();
        quota.share(&id("a"), ONE, ONE, Moment(0));
        spend(&mut quota, 1_700_000, Moment(0));
        for name in ["b", "c", "d"] {
            let before = if name == "b" {
                "a"
            } else if name == "c" {
                "b"
            } else {
                "c"
            };
            quota.unshare(&id(before), Moment(0));
            quota.share(&id(name), ONE, ONE, Moment(0));
        }
        assert_eq!((quota.quota(), quota.max_quota()), (Units(300_000), Units(2_000_000)));
        quota.share(&id("another"), ONE, ONE, Moment(0));
        assert_eq!(quota.quota(), Units(2_300_000), "a second account at the same time is a real one");
    }

    #[test]
    fn what_was_earned_by_recovery_survives_a_short_absence() {
        let mut quota = newcomer();
        quota.share(&id("a"), ONE, Units::ZERO, Moment(0));
        assert_eq!(quota.at(Moment(5 * HOUR)).quota(), Units(2_000_000));
        quota.unshare(&id("a"), Moment(5 * HOUR));
        assert_eq!(quota.quota(), Units::ZERO);
        quota.share(&id("a"), ONE, Units::ZERO, Moment(6 * HOUR));
        assert_eq!(quota.quota(), Units(2_000_000));
    }

    #[test]
    fn after_a_whole_window_away_an_account_is_new() {
        let mut quota = newcomer();
        quota.share(&id("a"), ONE, ONE, Moment(0));
        spend(&mut quota, 2_000_000, Moment(0));
        quota.unshare(&id("a"), Moment(HOUR));
        let mut early = quota.clone();
        assert_eq!(early.share(&id("a"), ONE, ONE, Moment(6 * HOUR - 1)), Units(400_000));
        assert_eq!(quota.share(&id("a"), ONE, ONE, Moment(6 * HOUR)), Units(2_000_000));
    }

    #[test]
    fn a_larger_account_fills_by_recovery_and_shrinking_is_undone_by_growing() {
        let mut quota = newcomer();
        quota.share(&id("a"), ONE, ONE, Moment(0));
        let before = quota.clone();
        assert_eq!(quota.resize(&id("a"), Units(400_000), Moment(0)), Units(-1_200_000));
        assert_eq!(quota.resize(&id("a"), ONE, Moment(0)), Units(1_200_000));
        assert_eq!(quota, before);
        assert_eq!(quota.resize(&id("a"), Units(5_000_000), Moment(0)), Units::ZERO);
        assert_eq!((quota.quota(), quota.max_quota()), (Units(2_000_000), Units(10_000_000)));
    }

    #[test]
    fn one_person_is_capped() {
        let mut quota = Quota::new(Units(500_000), Some(Units(3_000_000)), Window::FiveHours, Moment(0));
        quota.share(&id("a"), ONE, ONE, Moment(0));
        quota.share(&id("b"), ONE, ONE, Moment(0));
        assert_eq!((quota.quota(), quota.max_quota()), (Units(3_000_000), Units(3_000_000)));
        quota.set_base(Units::ZERO, Moment(0));
        quota.set_cap(Some(ONE), Moment(0));
        assert_eq!(quota.quota(), ONE);
    }

    #[test]
    fn the_stored_form_is_small_and_comes_back_equal() {
        let mut quota = newcomer();
        quota.share(&id("a"), ONE, ONE, Moment(0));
        quota.reserve(Lease { id: LeaseId(1), amount: ONE, expires_at: Moment(HOUR) }, Moment(1)).unwrap();
        let stored = serde_json::to_string(&quota).unwrap();
        assert!(stored.len() < 400, "{stored}");
        assert_eq!(serde_json::from_str::<Quota>(&stored).unwrap(), quota);
    }
}
