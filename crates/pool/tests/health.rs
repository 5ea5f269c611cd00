//! The circuit and the pauses under any sequence of events.

use millpond_pool::health::{Circuit, Event, Fuse, Reason, Record, Scope, Tally};
use millpond_pool::units::Moment;
use proptest::prelude::*;

fn reason(cause: &str) -> Reason {
    Reason { cause: cause.to_owned(), status: Some(500), words: "no".to_owned() }
}

fn open(chance: u32) -> Event {
    Event::Open { scope: Scope::Account, reason: reason("server_error"), chance }
}

fn claim(holder: u64) -> Event {
    Event::Claim { scope: Scope::Account, holder }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(i64),
    Do(u8, u64, u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (0..120_000_i64).prop_map(Step::Wait),
        5 => (0..6_u8, 1..4_u64, any::<u32>()).prop_map(|(what, holder, chance)| Step::Do(what, holder, chance)),
    ]
}

fn event(what: u8, holder: u64, chance: u32) -> Event {
    let scope = Scope::Account;
    match what {
        0 => open(chance),
        1 => claim(holder),
        2 => Event::ProbeFailed { scope, holder, reason: reason("again"), chance },
        3 => Event::ProbeWorked { scope, holder },
        4 => Event::ProbeLeft { scope, holder },
        _ => Event::Rest { scope, reason: reason("rate_limited"), until: Some(Moment(i64::from(chance))) },
    }
}

#[test]
fn a_circuit_opens_waits_longer_each_time_and_closes() {
    let fuse = Fuse::default();
    let (mut record, mut now) = (Record::default(), Moment(0));
    assert!(record.apply(&open(0), &fuse, now));
    assert!(!record.apply(&claim(1), &fuse, now), "too early");
    let mut waits = Vec::new();
    for holder in 1..=9 {
        let until = record.rests_until(&Scope::Account, now).unwrap();
        waits.push(until.since(now));
        now = until;
        assert!(record.apply(&claim(holder), &fuse, now));
        assert!(!record.apply(&claim(100), &fuse, now), "one probe at a time");
        let failed = Event::ProbeFailed { scope: Scope::Account, holder, reason: reason("x"), chance: 0 };
        assert!(record.apply(&failed, &fuse, now));
    }
    assert_eq!(waits, [5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000, 300_000]);
    now = record.rests_until(&Scope::Account, now).unwrap();
    record.apply(&claim(1), &fuse, now);
    // Its holder is gone: when the probe's time is over another may try, and the first has no say any more.
    now = now.plus(fuse.probe_millis);
    assert!(record.apply(&claim(2), &fuse, now));
    assert!(!record.apply(&Event::ProbeWorked { scope: Scope::Account, holder: 1 }, &fuse, now));
    assert!(record.apply(&Event::ProbeWorked { scope: Scope::Account, holder: 2 }, &fuse, now));
    assert!(record.is_empty());
}

#[test]
fn a_rest_keeps_the_longer_end_and_its_beginning() {
    let (fuse, scope) = (Fuse::default(), Scope::Model("m".into()));
    let mut record = Record::default();
    let rest = |until, cause: &str| Event::Rest { scope: scope.clone(), reason: reason(cause), until };
    record.apply(&rest(Some(Moment(5_000)), "a"), &fuse, Moment(0));
    assert!(!record.apply(&rest(Some(Moment(4_000)), "b"), &fuse, Moment(10)));
    assert!(record.apply(&rest(Some(Moment(6_000)), "c"), &fuse, Moment(20)));
    let pause = &record.pauses[0];
    assert_eq!((pause.since, pause.until, &*pause.reason.cause), (Moment(0), Some(Moment(6_000)), "c"));
    assert_eq!(record.rests_until(&scope, Moment(6_000)), None);
    assert_eq!(record.rests_until(&Scope::Model("n".into()), Moment(30)), None);
    record.apply(&rest(None, "d"), &fuse, Moment(7_000));
    assert_eq!(record.pauses[0].since, Moment(7_000));
    assert!(record.apply(&Event::Resume, &fuse, Moment(8_000)));
    assert!(record.is_empty());
}

#[test]
fn failures_in_a_row_or_too_often_open_it() {
    let fuse = Fuse::default();
    let mut tally = Tally::default();
    let fail = |tally: &mut Tally, now| tally.failed(&fuse, Moment(now));
    assert_eq!((0..5).map(|now| fail(&mut tally, now)).filter(|opens| *opens).count(), 1, "five in a row");
    // Every second call fails: never five in a row, but half of twenty.
    let mut tally = Tally::default();
    let opened = (0..40).find(|&now| {
        tally.worked(&fuse, Moment(now));
        fail(&mut tally, now)
    });
    assert_eq!(opened, Some(9));
    // Far apart they are not counted together.
    let mut tally = Tally::default();
    assert!(!(0..20).any(|minute| fail(&mut tally, minute * 61_000)));
    assert!(tally.is_quiet(&fuse, Moment(i64::MAX)));
}

proptest! {
    #[test]
    fn a_circuit_keeps_its_rules(steps in prop::collection::vec(step(), 0..80)) {
        let fuse = Fuse::default();
        let (mut record, mut now) = (Record::default(), Moment(0));
        for step in steps {
            let Step::Do(what, holder, chance) = step else {
                if let Step::Wait(millis) = step { now = now.plus(millis) }
                continue;
            };
            let before = record.circuit(&Scope::Account).cloned();
            record.apply(&event(what, holder, chance), &fuse, now);
            let after = record.circuit(&Scope::Account);
            let was = before.as_ref().and_then(|pause| pause.circuit);
            match (was, after.and_then(|pause| pause.circuit)) {
                // Only a probe that was claimed closes it, and only its holder's word counts.
                (Some(Circuit::Probing { holder: held, .. }), None) => prop_assert!(what == 3 && held == holder),
                (Some(Circuit::Open { .. }), None) => prop_assert!(false, "closed without a probe"),
                // A probe begins when the wait is over, or the deadline of the one before.
                (Some(before_it), Some(Circuit::Probing { holder: held, .. })) if before_it != after.unwrap().circuit.unwrap() => {
                    prop_assert!(what == 1 && held == holder);
                    prop_assert!(before.unwrap().until.unwrap() <= now);
                }
                (None, Some(circuit)) => prop_assert_eq!(circuit, Circuit::Open { round: 0 }),
                _ => {}
            }
            // At most one circuit of a scope, and every wait is bounded.
            prop_assert!(record.pauses.iter().filter(|pause| pause.circuit.is_some()).count() <= 1);
            if let Some(pause) = after {
                prop_assert!(pause.until.unwrap().since(now) <= fuse.longest_wait_millis.max(fuse.probe_millis));
            }
            let text = serde_json::to_string(&record).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Record>(&text).unwrap(), &record);
        }
    }

    #[test]
    fn waits_grow_and_stay_within_bounds(round in 0..60_u32, chance in any::<u32>()) {
        let fuse = Fuse::default();
        let wait = fuse.wait_millis(round, chance);
        prop_assert!(wait >= fuse.first_wait_millis * 4 / 5 && wait <= fuse.longest_wait_millis);
        prop_assert!(fuse.wait_millis(round + 1, 0) >= fuse.wait_millis(round, 0));
    }

    #[test]
    fn pauses_are_bounded(models in prop::collection::vec("[a-z]{1,3}", 0..200)) {
        let mut record = Record::default();
        for (now, model) in (0..).zip(models) {
            let event = Event::Rest { scope: Scope::Model(model), reason: reason("x"), until: Some(Moment(now + 500)) };
            record.apply(&event, &Fuse::default(), Moment(now));
        }
        prop_assert!(record.pauses.len() <= 64);
    }
}
