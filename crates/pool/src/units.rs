//! What the pool counts in: moments, windows, reference units and money, and the two conversions between an
//! account's own limits and reference units. Everything is an integer; a cost is rounded up and a capacity down, so
//! rounding never lets anybody spend more than there is. No balances here: those live in `bucket` and `allowance`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Largest amount that any counter holds (2^52): sums of two still fit a double, which is what Redis' Lua counts in.
pub const AMOUNT_LIMIT: i64 = 1 << 52;

const MILLION: i128 = 1_000_000;

/// A point in time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// This moment moved by so many milliseconds, stopping at the ends of time.
    pub fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds from `earlier` to this moment, never negative.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).max(0)
    }
}

/// An amount of the pool, in millionths of a reference unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Units(pub i64);

impl Units {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One whole reference unit.
    pub const ONE: Self = Self(1_000_000);

    /// The amount held between zero and [`AMOUNT_LIMIT`].
    pub fn bounded(self) -> Self {
        Self(self.0.clamp(0, AMOUNT_LIMIT))
    }

    /// The sum, held between minus and plus [`AMOUNT_LIMIT`].
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0).clamp(-AMOUNT_LIMIT, AMOUNT_LIMIT))
    }

    /// The difference, held between minus and plus [`AMOUNT_LIMIT`].
    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).clamp(-AMOUNT_LIMIT, AMOUNT_LIMIT))
    }

    /// Twice the amount: what one shared unit is worth to its owner.
    pub fn doubled(self) -> Self {
        self.plus(self)
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        write!(f, "{sign}{whole}.{part:06}")
    }
}

/// Money, in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroUsd(pub i64);

/// The length of time that a limit is given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Window {
    /// Five hours, as chat subscriptions count.
    #[serde(rename = "5h")]
    FiveHours,
    /// A day of 24 hours.
    #[serde(rename = "1d")]
    OneDay,
    /// Seven days of 24 hours.
    #[serde(rename = "7d")]
    SevenDays,
    /// Thirty days of 24 hours.
    #[serde(rename = "30d")]
    ThirtyDays,
}

impl Window {
    /// Every window, shortest first.
    pub const ALL: [Self; 4] = [Self::FiveHours, Self::OneDay, Self::SevenDays, Self::ThirtyDays];

    /// The window's length in milliseconds.
    pub const fn millis(self) -> i64 {
        const HOUR: i64 = 3_600_000;
        match self {
            Self::FiveHours => 5 * HOUR,
            Self::OneDay => 24 * HOUR,
            Self::SevenDays => 7 * 24 * HOUR,
            Self::ThirtyDays => 30 * 24 * HOUR,
        }
    }

    /// The step, in milliseconds, in which recovery over this window is counted.
    // The square of a window's length in ticks has to stay below 2^53, see `bucket`.
    pub const fn tick_millis(self) -> i64 {
        match self {
            Self::FiveHours | Self::OneDay => 1,
            Self::SevenDays => 10,
            Self::ThirtyDays => 100,
        }
    }

    /// The window's length in ticks of [`Window::tick_millis`].
    pub const fn ticks(self) -> i64 {
        self.millis() / self.tick_millis()
    }

    /// The window's name on the wire: `5h`, `1d`, `7d` or `30d`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FiveHours => "5h",
            Self::OneDay => "1d",
            Self::SevenDays => "7d",
            Self::ThirtyDays => "30d",
        }
    }
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Calls.
    Requests,
    /// Tokens in and out together.
    Tokens,
    /// Millionths of a US dollar.
    MicroUsd,
}

/// What one call cost, in all three units; `micro_usd` is `None` when the model's price is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Calls made upstream, normally one.
    pub requests: i64,
    /// Tokens in and out together.
    pub tokens: i64,
    /// Price of the call, if it is known.
    pub micro_usd: Option<MicroUsd>,
}

impl Cost {
    /// The cost counted in one unit; `None` for money when the price is unknown, which is not the same as free.
    pub fn counted_in(&self, unit: LimitUnit) -> Option<i64> {
        match unit {
            LimitUnit::Requests => Some(self.requests.max(0)),
            LimitUnit::Tokens => Some(self.tokens.max(0)),
            LimitUnit::MicroUsd => self.micro_usd.map(|money| money.0.max(0)),
        }
    }
}

/// The allowance that is worth exactly one unit, in each way of counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Calls per window.
    pub requests: i64,
    /// Tokens per window.
    pub tokens: i64,
    /// Money per window.
    pub micro_usd: MicroUsd,
    /// The window, in which a member's quota also recovers from empty to full.
    pub window: Window,
}

impl Default for Reference {
    fn default() -> Self {
        Self { requests: 1000, tokens: 5_000_000, micro_usd: MicroUsd(5_000_000), window: Window::FiveHours }
    }
}

impl Reference {
    /// The reference limit in one unit, at least 1 so that a wrong configuration cannot divide by zero.
    pub fn limit(&self, unit: LimitUnit) -> i64 {
        let limit = match unit {
            LimitUnit::Requests => self.requests,
            LimitUnit::Tokens => self.tokens,
            LimitUnit::MicroUsd => self.micro_usd.0,
        };
        limit.max(1)
    }

    /// Reference units that an allowance of `limit` per `window` holds, rounded down.
    pub fn capacity(&self, limit: i64, unit: LimitUnit, window: Window) -> Units {
        let worth = i128::from(limit.max(0)) * i128::from(self.window.millis()) * MILLION;
        let one = i128::from(window.millis()) * i128::from(self.limit(unit));
        bounded(worth / one)
    }

    /// Reference units that a call costs when counted in `unit`, rounded up. A call whose price is unknown is counted
    /// by tokens or by requests, whichever is more, so that unknown never becomes free.
    pub fn cost(&self, cost: &Cost, unit: LimitUnit) -> Units {
        match cost.counted_in(unit) {
            Some(amount) => self.worth(amount, unit),
            None => self.cost(cost, LimitUnit::Tokens).max(self.cost(cost, LimitUnit::Requests)),
        }
    }

    /// The most that a call can cost on any account, for reserving before an account is chosen.
    pub fn highest_cost(&self, cost: &Cost) -> Units {
        [LimitUnit::Requests, LimitUnit::Tokens, LimitUnit::MicroUsd]
            .into_iter()
            .map(|unit| self.cost(cost, unit))
            .max()
            .unwrap_or(Units::ZERO)
    }

    fn worth(&self, amount: i64, unit: LimitUnit) -> Units {
        let one = i128::from(self.limit(unit));
        bounded((i128::from(amount.max(0)) * MILLION + one - 1) / one)
    }
}

fn bounded(amount: i128) -> Units {
    Units(i64::try_from(amount).unwrap_or(AMOUNT_LIMIT)).bounded()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_allowance_is_one_unit_in_every_way_of_counting() {
        let reference = Reference::default();
        for unit in [LimitUnit::Requests, LimitUnit::Tokens, LimitUnit::MicroUsd] {
            assert_eq!(reference.capacity(reference.limit(unit), unit, Window::FiveHours), Units::ONE);
        }
        assert_eq!(reference.capacity(4800, LimitUnit::Requests, Window::OneDay), Units::ONE);
    }

    #[test]
    fn rounding_favours_nobody_but_the_pool() {
        let reference = Reference::default();
        let one_token = Cost { requests: 1, tokens: 1, micro_usd: Some(MicroUsd(1)) };
        assert_eq!(reference.cost(&one_token, LimitUnit::Tokens), Units(1));
        assert_eq!(reference.cost(&one_token, LimitUnit::Requests), Units(1000));
        assert_eq!(reference.capacity(4, LimitUnit::Tokens, Window::FiveHours), Units(0));
        assert_eq!(reference.capacity(i64::MAX, LimitUnit::Requests, Window::FiveHours), Units(AMOUNT_LIMIT));
    }

    #[test]
    fn an_unknown_price_is_never_free() {
        let reference = Reference::default();
        let cost = Cost { requests: 1, tokens: 50_000, micro_usd: None };
        assert_eq!(reference.cost(&cost, LimitUnit::MicroUsd), Units(10_000));
        assert_eq!(reference.highest_cost(&cost), Units(10_000));
    }

    #[test]
    fn windows_keep_their_names_and_lua_its_precision() {
        for window in Window::ALL {
            assert_eq!(serde_json::to_string(&window).unwrap(), format!("\"{}\"", window.name()));
            assert!(window.ticks() * window.ticks() + window.ticks() < 1 << 53);
            assert_eq!(window.ticks() * window.tick_millis(), window.millis());
        }
        assert_eq!(serde_json::to_string(&LimitUnit::MicroUsd).unwrap(), "\"micro_usd\"");
    }
}
