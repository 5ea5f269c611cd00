//! Any sequence of what can happen to a member's quota, held against the rules that must survive it.

use millpond_pool::account::AccountId;
use millpond_pool::bucket::{Lease, LeaseId};
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Units, Window};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Reserve(i64),
    /// Settles the oldest open lease at this part (in percent) of what it holds.
    Settle(i64),
    Release,
    Share(u8, i64),
    Unshare(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..20_000_000_i64).prop_map(Step::Wait),
        (0..3_000_000_i64).prop_map(Step::Reserve),
        (0..=100_i64).prop_map(Step::Settle),
        Just(Step::Release),
        (0..3_u8, 0..2_000_000_i64).prop_map(|(account, units)| Step::Share(account, units)),
        (0..3_u8).prop_map(Step::Unshare),
    ]
}

fn account(number: u8) -> AccountId {
    AccountId::new(format!("account {number}"))
}

proptest! {
    #[test]
    fn quota_keeps_its_bounds(steps in prop::collection::vec(step(), 0..60)) {
        let base = Units::ONE;
        let (mut now, mut next, mut open) = (Moment(0), 0, Vec::new());
        let mut quota = Quota::new(base, None, Window::FiveHours, now);
        for step in steps {
            match step {
                Step::Wait(millis) => now = now.plus(millis),
                Step::Reserve(amount) => {
                    next += 1;
                    let lease = Lease { id: LeaseId(next), amount: Units(amount), expires_at: now.plus(i64::MAX / 4) };
                    let free = quota.at(now).bucket().balance();
                    match quota.reserve(lease, now) {
                        Ok(lease) => open.push(lease),
                        Err(refused) => {
                            prop_assert!(Units(amount) > free, "refused although {free:?} would do");
                            prop_assert_eq!(refused.lacking, Units(amount).minus(free));
                        }
                    }
                }
                Step::Settle(percent) => {
                    if !open.is_empty() {
                        let lease = open.remove(0);
                        quota.settle(&lease, Units(lease.amount.0 * percent / 100), now);
                    }
                }
                Step::Release => {
                    if let Some(lease) = open.pop() {
                        quota.release(&lease, now);
                    }
                }
                Step::Share(number, units) => {
                    quota.share(&account(number), Units(units), Units(units), now);
                }
                Step::Unshare(number) => {
                    quota.unshare(&account(number), now);
                }
            }
            let seen = quota.at(now);
            prop_assert!(seen.quota() >= Units::ZERO);
            prop_assert!(seen.quota() <= seen.max_quota());
            prop_assert!(seen.max_quota() >= base);
            // Nobody is charged more than was set aside, so there is no debt but what unsharing takes at once.
            prop_assert_eq!(seen.at(now), seen.clone(), "reading changes nothing");
        }
    }

    #[test]
    fn toggling_an_account_gains_nothing(spent in 0..3_000_000_i64, pauses in prop::collection::vec(0..3_600_000_i64, 1..8)) {
        let share = |quota: &mut Quota, now| quota.share(&account(0), Units::ONE, Units::ONE, now);
        let mut toggled = Quota::new(Units::ONE, None, Window::FiveHours, Moment(0));
        share(&mut toggled, Moment(0));
        let lease = Lease { id: LeaseId(1), amount: Units(spent), expires_at: Moment(i64::MAX) };
        if let Ok(lease) = toggled.reserve(lease, Moment(0)) {
            toggled.settle(&lease, lease.amount, Moment(0));
        }
        let stayed = toggled.clone();
        let mut now = Moment(0);
        for pause in pauses {
            toggled.unshare(&account(0), now);
            now = now.plus(pause);
            share(&mut toggled, now);
            prop_assert!(toggled.at(now).quota() <= stayed.at(now).quota());
        }
    }
}
