//! Any sequence of what can happen to a member's quota, held against a model that shares no code with it; and the claim
//! that no sequence of sharing, unsharing and deleting gains anything over having stayed.

#[path = "../sim/shadow.rs"]
mod shadow;

use std::collections::BTreeMap;

use millpond_pool::account::AccountId;
use millpond_pool::bucket::{Lease, LeaseId};
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Units, Window};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use shadow::Shadow;

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    /// The clock of another instance is behind.
    GoBack(i64),
    Reserve {
        amount: i64,
        lasts: i64,
    },
    /// Settles one of the leases that ever were, at this part of its amount in percent.
    Settle {
        which: usize,
        percent: i64,
    },
    Release {
        which: usize,
    },
    ReserveAgain {
        which: usize,
    },
    Share {
        account: u8,
        units: i64,
        used: i64,
    },
    Unshare(u8),
    Resize(u8, i64),
    Base(i64),
    Cap(Option<i64>),
    Read(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let amount = || prop_oneof![0..30_i64, 0..3_000_000_i64];
    prop_oneof![
        3 => prop_oneof![0..50_i64, 0..100_000_i64, 0..20_000_000_i64].prop_map(Step::Wait),
        1 => (0..60_000_i64).prop_map(Step::GoBack),
        4 => (amount(), 1..4_000_000_i64).prop_map(|(amount, lasts)| Step::Reserve { amount, lasts }),
        4 => (any::<usize>(), 0..250_i64).prop_map(|(which, percent)| Step::Settle { which, percent }),
        1 => any::<usize>().prop_map(|which| Step::Release { which }),
        1 => any::<usize>().prop_map(|which| Step::ReserveAgain { which }),
        3 => (0..4_u8, amount(), amount()).prop_map(|(account, units, used)| Step::Share { account, units, used }),
        3 => (0..4_u8).prop_map(Step::Unshare),
        1 => (0..4_u8, amount()).prop_map(|(account, units)| Step::Resize(account, units)),
        1 => amount().prop_map(Step::Base),
        1 => prop::option::of(amount()).prop_map(Step::Cap),
        1 => (-50_000..20_000_000_i64).prop_map(Step::Read),
    ]
}

fn name(number: u8) -> AccountId {
    AccountId::new(format!("account {number}"))
}

/// A quota and what it should be.
struct Pair {
    quota: Quota,
    shadow: Shadow,
    now: Moment,
    leases: Vec<Lease>,
    base: i64,
    cap: Option<i64>,
    /// The accounts that ever were, their units when last counted and whether they are counted.
    accounts: BTreeMap<u8, (i64, bool)>,
}

impl Pair {
    fn new(base: i64, cap: Option<i64>, window: Window) -> Self {
        let now = Moment(1_790_000_000_123);
        let quota = Quota::new(Units(base), cap.map(Units), window, now);
        let shadow = Shadow::full(quota.max_quota().0, window, now.0);
        Self { quota, shadow, now, leases: Vec::new(), base, cap, accounts: BTreeMap::new() }
    }

    fn lease(&self, which: usize) -> Option<Lease> {
        self.leases.get(which.checked_rem(self.leases.len())?).copied()
    }

    fn take(&mut self, step: &Step) -> TestCaseResult {
        let now = self.now;
        match *step {
            Step::Wait(millis) => self.now = now.plus(millis),
            Step::GoBack(millis) => self.now = now.plus(-millis),
            Step::Reserve { amount, lasts } => {
                let id = LeaseId(self.leases.len() as u64 + 1);
                let lease = Lease { id, amount: Units(amount), expires_at: now.plus(lasts) };
                self.leases.push(lease);
                self.reserve(lease)?;
            }
            Step::ReserveAgain { which } => {
                if let Some(lease) = self.lease(which) {
                    self.reserve(Lease { expires_at: now.plus(1_000), ..lease })?;
                }
            }
            Step::Settle { which, percent } => {
                if let Some(lease) = self.lease(which) {
                    let real = lease.amount.0 * percent / 100;
                    self.shadow.settle(&lease, real, now);
                    self.quota.settle(&lease, Units(real), now);
                }
            }
            Step::Release { which } => {
                if let Some(lease) = self.lease(which) {
                    self.shadow.release(&lease, now);
                    self.quota.release(&lease, now);
                }
            }
            Step::Read(millis) => {
                let before = self.quota.clone();
                let seen = self.quota.at(now.plus(millis));
                prop_assert!(seen.quota() >= Units::ZERO && seen.quota() <= seen.max_quota());
                prop_assert_eq!(&self.quota, &before);
            }
            _ => self.change(step),
        }
        Ok(())
    }

    fn reserve(&mut self, lease: Lease) -> TestCaseResult {
        let lacking = self.shadow.reserve(&lease, self.now);
        let refused = self.quota.reserve(lease, self.now).err();
        prop_assert_eq!(refused.map_or(0, |refused| refused.lacking.0), lacking);
        let Some(then) = refused.and_then(|refused| refused.available_at) else {
            let max = self.quota.max_quota();
            prop_assert!(refused.is_none() || lease.amount > max || max == Units::ZERO);
            return Ok(());
        };
        prop_assert!(then >= self.now);
        prop_assert!(
            self.quota.clone().reserve(lease, then).is_ok(),
            "refused again at the moment it was told"
        );
        if self.quota.bucket().reserved() == Units::ZERO && then > self.now {
            let early = self.quota.clone().reserve(lease, then.plus(-1));
            prop_assert!(early.is_err(), "an earlier moment would have done");
        }
        Ok(())
    }

    fn change(&mut self, step: &Step) {
        let now = self.now;
        let moved = match *step {
            Step::Share { account, units, used } => {
                // One that comes back within a window has the size that it left with; `Resize` is a step of its own.
                let units = self.accounts.get(&account).map_or(units, |known| known.0);
                self.accounts.insert(account, (units, true));
                self.quota.share(&name(account), Units(units), Units((units - used).max(0)), now)
            }
            Step::Unshare(account) => {
                if let Some(known) = self.accounts.get_mut(&account) {
                    known.1 = false;
                }
                self.quota.unshare(&name(account), now)
            }
            Step::Resize(account, units) => {
                if let Some(known) = self.accounts.get_mut(&account).filter(|known| known.1) {
                    known.0 = units;
                }
                self.quota.resize(&name(account), Units(units), now)
            }
            Step::Base(base) => {
                self.base = base;
                self.quota.set_base(Units(base), now)
            }
            Step::Cap(cap) => {
                self.cap = cap;
                self.quota.set_cap(cap.map(Units), now)
            }
            _ => return,
        };
        self.shadow.moved(moved.0, self.max(), now);
    }

    /// The rule for `max_quota`, word for word.
    fn max(&self) -> i64 {
        let counted = self.accounts.values().filter(|known| known.1);
        let sum = self.base + counted.map(|known| 2 * known.0).sum::<i64>();
        self.cap.map_or(sum, |cap| sum.min(cap))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_quota_is_what_the_model_says(
        base in 0..2_000_000_i64,
        cap in prop::option::of(0..6_000_000_i64),
        window in prop::sample::select(Window::ALL.to_vec()),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut pair = Pair::new(base, cap, window);
        for step in steps {
            pair.take(&step)?;
            let mut shadow = pair.shadow.clone();
            shadow.advance(pair.now.0);
            let wrong = shadow.disagreement(&pair.quota.at(pair.now));
            prop_assert!(wrong.is_none(), "after {:?}: {}", step, wrong.unwrap_or_default());
        }
    }

    #[test]
    fn recovery_is_the_same_however_often_it_is_observed(
        max in 1..5_000_000_i64,
        spent in 0..5_000_000_i64,
        window in prop::sample::select(Window::ALL.to_vec()),
        strides in prop::collection::vec(0..40_000_000_i64, 1..40),
    ) {
        let mut watched = Quota::new(Units(max), None, window, Moment(0));
        let lease = Lease { id: LeaseId(1), amount: Units(spent.min(max)), expires_at: Moment(i64::MAX) };
        let lease = watched.reserve(lease, Moment(0)).unwrap();
        watched.settle(&lease, lease.amount, Moment(0));
        let alone = watched.clone();
        let mut now = Moment(0);
        for stride in strides {
            now = now.plus(stride);
            // Every write moves the stored moment, so each of these is an observation that leaves a trace.
            watched.release(&lease, now);
            let ticks = i128::from(now.0 / window.tick_millis());
            let line = i128::from(max - lease.amount.0) + i128::from(max) * ticks / i128::from(window.ticks());
            prop_assert_eq!(i128::from(watched.quota().0), line.min(i128::from(max)));
        }
        prop_assert_eq!(watched.at(now), alone.at(now));
    }

    #[test]
    fn no_sequence_of_leaving_and_returning_gains_over_having_stayed(
        base in 0..1_500_000_i64,
        sizes in prop::collection::vec(1..2_000_000_i64, 3),
        steps in prop::collection::vec((0..6_u8, 0..3_usize, prop_oneof![0..600_000_i64, 0..22_000_000_i64]), 1..60),
    ) {
        let start = Moment(0);
        let mut restless = Quota::new(Units(base), None, Window::FiveHours, start);
        let mut stayed = restless.clone();
        let mut now = start;
        let mut names = [0_u32; 3];
        let mut counted = [false; 3];
        let mut known = [false; 3];
        for (number, (what, place, amount)) in steps.into_iter().enumerate() {
            let id = |names: &[u32; 3]| AccountId::new(format!("{place} for the {}th time", names[place]));
            let units = Units(sizes[place]);
            match what {
                0 => now = now.plus(amount),
                1 | 2 => {
                    let id = id(&names);
                    restless.share(&id, units, units, now);
                    counted[place] = true;
                    if !std::mem::replace(&mut known[place], true) {
                        stayed.share(&id, units, units, now);
                    }
                }
                3 | 4 if counted[place] => {
                    restless.unshare(&id(&names), now);
                    counted[place] = false;
                    // Deleted, so that it will have another name when it is added again.
                    names[place] += u32::from(what == 4);
                }
                _ => {
                    let lease = Lease { id: LeaseId(number as u64), amount: Units(amount), expires_at: now.plus(1) };
                    if let Ok(lease) = restless.reserve(lease, now) {
                        restless.settle(&lease, lease.amount, now);
                        let same = stayed.reserve(lease, now);
                        prop_assert!(same.is_ok(), "who stayed could not spend what who left could");
                        stayed.settle(&lease, lease.amount, now);
                    }
                }
            }
            prop_assert!(restless.at(now).quota() <= stayed.at(now).quota());
        }
    }
}

#[test]
fn debt_without_any_quota_is_refused_without_a_moment() {
    let now = Moment(0);
    let mut quota = Quota::new(Units::ONE, None, Window::FiveHours, now);
    let lease = Lease { id: LeaseId(1), amount: Units::ONE, expires_at: Moment(1) };
    let lease = quota.reserve(lease, now).unwrap();
    quota.settle(&lease, Units(1_000_001), now);
    quota.set_base(Units::ZERO, now);
    let nothing = Lease { id: LeaseId(2), amount: Units::ZERO, expires_at: Moment(1) };
    let refused = quota.reserve(nothing, now).unwrap_err();
    assert_eq!((refused.lacking, refused.available_at), (Units(1), None));
}

#[test]
fn what_is_owed_to_the_absent_is_paid_once_when_accounts_changed_places() {
    let mut quota = Quota::new(Units::ZERO, None, Window::FiveHours, Moment(0));
    let (one, two) = (Units(1_000_000), Units(2_000_000));
    let (first, second) = (AccountId::new("first"), |time: u8| AccountId::new(format!("second, {time}")));
    quota.share(&first, one, one, Moment(0));
    quota.share(&second(1), two, two, Moment(0));
    quota.unshare(&first, Moment(0));
    quota.unshare(&second(1), Moment(0));
    // The second comes under a new name and fills the first's place; the first then has to fill the second's.
    quota.share(&second(2), two, two, Moment(0));
    assert_eq!(quota.share(&first, one, one, Moment(0)), Units(2_000_000));
    let lease = Lease { id: LeaseId(1), amount: Units(6_000_000), expires_at: Moment(9) };
    let lease = quota.reserve(lease, Moment(0)).unwrap();
    quota.settle(&lease, lease.amount, Moment(0));
    quota.unshare(&second(2), Moment(0));
    assert_eq!(quota.share(&second(3), two, two, Moment(0)), Units::ZERO, "all of it is spent");
}
