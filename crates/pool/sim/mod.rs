//! A day of the pool, made up from a seed: a thousand members, three hundred accounts of many sizes, a busy afternoon and
//! a quiet night, and everything that goes wrong. It uses the real index, quota and retry budget; members, providers and
//! the clock are made up here. `tests/day.rs` holds it against the rules, `examples/pool_day.rs` shows it.
//!
//! Nothing here panics: whatever breaks a rule is written down as trouble, with the moment.

mod call;
mod chance;
mod day;
mod faults;
mod holding;
mod member;
mod report;
mod shadow;

pub(crate) use day::Day;
pub(crate) use report::Hour;

/// How many members there are.
pub(crate) const MEMBERS: usize = 1_000;
/// How many accounts they have.
pub(crate) const ACCOUNTS: usize = 300;

/// Simulates the day that belongs to a seed.
pub(crate) fn simulate(seed: u64) -> Day {
    let mut day = Day::new(seed);
    for minute in 0..24 * 60 {
        day.minute(minute);
    }
    day.finish();
    day
}
