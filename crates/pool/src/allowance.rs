//! What an account itself may still serve: fixed windows that begin with their first use, as the providers count
//! them, or what the provider's own headers report; and what the account served to others lately. All of it is values
//! at a moment; where they are kept and shared is not decided here.

use serde::{Deserialize, Serialize};

use crate::units::{AMOUNT_LIMIT, Cost, LimitUnit, Moment, Reference, Units, Window};

/// A whole, in millionths.
pub const WHOLE: u32 = 1_000_000;

/// What was used in a window that began with its first use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// When the window began.
    pub start: Moment,
    /// How much was used since.
    pub amount: i64,
    /// The window's length.
    pub window_millis: i64,
}

impl Used {
    /// Nothing used; a window begins with the first use.
    pub fn nothing(window_millis: i64) -> Self {
        Self { start: Moment(0), amount: 0, window_millis }
    }

    /// What counts at a moment: nothing any more when the window is over.
    pub fn at(self, now: Moment) -> Self {
        let over = self.amount == 0 || self.start.plus(self.window_millis) <= now;
        if over { Self::nothing(self.window_millis) } else { self }
    }

    /// The same with so much more used; a window that is over, or hadn't begun, begins now.
    pub fn plus(self, amount: i64, now: Moment) -> Self {
        let held = self.at(now);
        let start = if held.amount == 0 { now } else { held.start };
        let amount = held.amount.saturating_add(amount.max(0)).min(AMOUNT_LIMIT);
        Self { start, amount, window_millis: self.window_millis }
    }

    /// When the window ends, if one has begun.
    pub fn reset(self, now: Moment) -> Option<Moment> {
        let held = self.at(now);
        (held.amount > 0).then(|| held.start.plus(held.window_millis))
    }

    /// `start:amount:window`, as it is stored.
    pub fn encode(self) -> String {
        format!("{}:{}:{}", self.start.0, self.amount, self.window_millis)
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub fn decode(text: &str) -> Option<Self> {
        let mut parts = text.split(':').map(str::parse::<i64>);
        let mut next = || parts.next()?.ok();
        Some(Self { start: Moment(next()?), amount: next()?, window_millis: next()? })
    }
}

/// The part of a limit that is left, in millionths; never 0 while something is left.
pub fn free_part(limit: i64, used: i64) -> u32 {
    let (limit, left) = (i128::from(limit.max(1)), i128::from(limit.saturating_sub(used).max(0)));
    let part = (left * i128::from(WHOLE) / limit).min(i128::from(WHOLE));
    let part = u32::try_from(part).unwrap_or(WHOLE);
    if left > 0 { part.max(1) } else { 0 }
}

/// A call's cost in the unit of an allowance. Where the price is unknown money is counted by what the call is worth in
/// reference units, so that unknown never becomes free.
pub fn amount(cost: &Cost, unit: LimitUnit, reference: &Reference) -> i64 {
    cost.counted_in(unit).unwrap_or_else(|| {
        let worth = i128::from(reference.cost(cost, unit).0) * i128::from(reference.limit(unit));
        i64::try_from((worth + 999_999) / 1_000_000).unwrap_or(AMOUNT_LIMIT)
    })
}

/// The names and lengths of the two windows that what was served to others lately is read from: the present one and
/// the one before.
pub fn served_windows(window: Window, now: Moment) -> [i64; 2] {
    let present = now.0.div_euclid(window.millis());
    [present, present - 1]
}

/// What was served to others in about the last window: all of the present one, and of the one before the part that is
/// not yet a whole window ago.
pub fn served_lately(present: i64, before: i64, window: Window, now: Moment) -> Units {
    let left = i128::from(window.millis() - now.0.rem_euclid(window.millis()));
    let faded = i128::from(before.max(0)) * left / i128::from(window.millis());
    Units(i64::try_from(i128::from(present.max(0)) + faded).unwrap_or(AMOUNT_LIMIT)).bounded()
}

/// One limit as a provider's headers report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// The limit in whatever the provider counts.
    pub limit: i64,
    /// What is left of it.
    pub remaining: i64,
    /// When it is whole again.
    pub reset: Moment,
}

impl Reported {
    /// The part that is left, in millionths; whole when its time has come.
    pub fn free(&self, now: Moment) -> u32 {
        if self.reset <= now {
            WHOLE
        } else {
            free_part(self.limit, self.limit.saturating_sub(self.remaining))
        }
    }
}

/// The scarcest of what was reported, if anything still holds: the part that is left and when it is whole again.
pub fn scarcest(reported: &[Reported], now: Moment) -> Option<(u32, Moment)> {
    let holding = reported.iter().filter(|one| now < one.reset);
    holding
        .map(|one| (one.free(now), one.reset))
        .min_by_key(|&(free, reset)| (free, std::cmp::Reverse(reset)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::MicroUsd;

    #[test]
    fn a_window_begins_with_its_first_use_and_ends_as_a_whole() {
        let window = Window::FiveHours.millis();
        let used = Used::nothing(window).plus(3, Moment(100)).plus(4, Moment(window));
        assert_eq!((used.amount, used.reset(Moment(window))), (7, Some(Moment(100 + window))));
        assert_eq!(used.at(Moment(99 + window)).amount, 7);
        assert_eq!(used.at(Moment(100 + window)), Used::nothing(window));
        let next = used.plus(1, Moment(200 + window));
        assert_eq!((next.start, next.amount), (Moment(200 + window), 1));
        assert_eq!(Used::decode(&next.encode()), Some(next));
        assert_eq!(Used::decode("1:2"), None);
    }

    #[test]
    fn what_is_left_is_never_nothing_by_rounding() {
        for (limit, used, part) in [
            (100, 0, WHOLE),
            (100, 25, 750_000),
            (100, 100, 0),
            (100, 150, 0),
            (i64::MAX, i64::MAX - 1, 1),
            (0, 0, 0),
        ] {
            assert_eq!(free_part(limit, used), part, "{used} of {limit}");
        }
    }

    #[test]
    fn an_unknown_price_is_counted() {
        let cost = Cost { requests: 1, tokens: 50_000, micro_usd: None };
        let reference = Reference::default();
        assert_eq!(amount(&cost, LimitUnit::MicroUsd, &reference), 50_000);
        assert_eq!(
            amount(&Cost { micro_usd: Some(MicroUsd(7)), ..cost }, LimitUnit::MicroUsd, &reference),
            7
        );
    }

    #[test]
    fn what_was_served_fades() {
        let window = Window::FiveHours;
        let half = Moment(window.millis() * 7 + window.millis() / 2);
        assert_eq!(served_windows(window, half), [7, 6]);
        assert_eq!(served_lately(10, 8, window, half), Units(14));
        assert_eq!(served_lately(10, 8, window, Moment(window.millis() * 7)), Units(18));
    }

    #[test]
    fn the_scarcest_report_counts() {
        let report = |remaining, reset| Reported { limit: 10, remaining, reset: Moment(reset) };
        assert_eq!(scarcest(&[report(5, 100), report(2, 50)], Moment(0)), Some((200_000, Moment(50))));
        assert_eq!(scarcest(&[report(5, 100), report(2, 50)], Moment(50)), Some((500_000, Moment(100))));
        assert_eq!(scarcest(&[report(0, 10)], Moment(10)), None);
    }
}
