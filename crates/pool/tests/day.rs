//! A simulated day, held against the rules.

#[path = "../sim/mod.rs"]
mod sim;

#[test]
fn a_day_breaks_no_rule_and_is_fair() {
    let day = sim::simulate(1);
    // Bounds, conservation of every unit, causes and moments of every refusal are checked on the way.
    assert!(day.troubles.is_empty(), "{:#?}", day.troubles);
    let sum = |count: fn(&sim::Hour) -> usize| day.hours.iter().map(count).sum::<usize>();
    let ended = sum(|hour| hour.served) + sum(|hour| hour.refused_quota) + sum(|hour| hour.refused_account);
    assert_eq!(
        ended + sum(|hour| hour.failed) + day.totals.lost,
        sum(|hour| hour.calls),
        "every call has an end"
    );
    let jain = day.hours.last().map_or(0.0, |hour| hour.jain);
    assert!(jain >= 0.95, "Jain index {jain}");
    // The day was worth living: it was busy, and everything that can happen did.
    assert!(sum(|hour| hour.calls) > 100_000);
    for (what, count) in [
        ("left", sum(|hour| hour.left)),
        ("refused for quota", sum(|hour| hour.refused_quota)),
        ("failed", sum(|hour| hour.failed)),
        ("lost", day.totals.lost),
    ] {
        assert!(count > 0, "{what}");
    }
    assert!(
        sum(|hour| hour.retries) * 5 <= sum(|hour| hour.calls),
        "at most a fifth of the calls is sent again"
    );
}

#[test]
fn a_seed_is_a_day() {
    let (one, same) = (sim::simulate(7), sim::simulate(7));
    let told = |day: &sim::Day| -> Vec<(usize, i64)> {
        day.hours.iter().map(|hour| (hour.served, hour.units)).collect()
    };
    assert_eq!(told(&one), told(&same));
    assert!(one.troubles.is_empty(), "{:#?}", one.troubles);
}
