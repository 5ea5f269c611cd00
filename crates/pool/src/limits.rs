//! Limits of one person or key: calls and tokens in any minute, calls at one time, money in a month. A [`Meter`] is a value
//! that every step changes; who is limited by how much is decided elsewhere.
//!
//! # The algorithm, for whoever writes it again in Lua
//! `calls` are the calls begun in the last minute with their tokens, `running` those not yet settled with the money
//! reserved for them and when they are given up. Every step first drops calls that began a minute ago or earlier and
//! running ones whose time ran out. A call is admitted when all four limits still hold with it; its tokens count for no
//! more than the limit itself, so that a call with a wide estimate can at least run alone. Settling replaces the estimate
//! of tokens and turns reserved money into spent money, once.

use std::collections::{BTreeMap, VecDeque};

use crate::bucket::LeaseId;
use crate::units::Moment;

/// The length of the window for calls and tokens, in milliseconds.
pub const MINUTE_MILLIS: i64 = 60_000;

/// Upper limits; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls in any minute.
    pub requests_per_minute: Option<i64>,
    /// Tokens in any minute.
    pub tokens_per_minute: Option<i64>,
    /// Calls at one time.
    pub concurrent_calls: Option<i64>,
    /// Millionths of a dollar in a calendar month.
    pub monthly_micro_usd: Option<i64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A call that asks to be admitted, with upper estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The caller's name for it, different for every call.
    pub id: LeaseId,
    /// Tokens in and out.
    pub tokens: i64,
    /// Money.
    pub micro_usd: i64,
    /// When it is given up if nobody settles it.
    pub expires_at: Moment,
}

/// Which limit a call would have broken, and when it won't any more; `None` if that is not known from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Calls in a minute.
    Requests(Option<Moment>),
    /// Tokens in a minute.
    Tokens(Option<Moment>),
    /// Calls at one time.
    Concurrent,
    /// Money in a month.
    Budget,
    /// What was spent this month has to be told first, see [`Meter::begin_month`].
    UnknownMonth,
}

/// What one person or key did lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    calls: VecDeque<(Moment, LeaseId, i64)>,
    running: BTreeMap<LeaseId, (Moment, i64)>,
    month: i64,
    spent: i64,
}

impl Meter {
    /// Tells what was spent in a month that the meter doesn't know yet.
    pub fn begin_month(&mut self, month: i64, spent: i64) {
        if self.month != month {
            (self.month, self.spent) = (month, spent);
        }
    }

    /// Counts a call as begun, or says which limit keeps it out.
    pub fn admit(&mut self, limits: &Limits, ask: &Ask, month: i64, now: Moment) -> Result<(), Refusal> {
        self.trim(now);
        if let Some(limit) = limits.requests_per_minute
            && self.count() >= limit
        {
            let place = usize::try_from(self.count() - limit).unwrap_or(usize::MAX);
            let first = self.calls.get(place).map(|(begun, ..)| begun.plus(MINUTE_MILLIS));
            return Err(Refusal::Requests(first));
        }
        let mut tokens = ask.tokens;
        if let Some(limit) = limits.tokens_per_minute {
            tokens = tokens.min(limit);
            let excess = self.tokens() + tokens - limit;
            if excess > 0 {
                return Err(Refusal::Tokens(self.freed(excess)));
            }
        }
        let running = i64::try_from(self.running.len()).unwrap_or(i64::MAX);
        if limits.concurrent_calls.is_some_and(|limit| running >= limit) {
            return Err(Refusal::Concurrent);
        }
        if let Some(limit) = limits.monthly_micro_usd {
            if self.month != month {
                return Err(Refusal::UnknownMonth);
            }
            if self.spent + self.reserved() + ask.micro_usd > limit {
                return Err(Refusal::Budget);
            }
        }
        self.calls.push_back((now, ask.id, tokens));
        self.running.insert(ask.id, (ask.expires_at, ask.micro_usd));
        Ok(())
    }

    /// Puts what a call really used in place of its estimates.
    pub fn settle(&mut self, id: LeaseId, tokens: i64, micro_usd: i64, now: Moment) {
        self.trim(now);
        if let Some(call) = self.calls.iter_mut().find(|(_, begun, _)| *begun == id) {
            call.2 = tokens;
        }
        if self.running.remove(&id).is_some() {
            self.spent += micro_usd;
        }
    }

    /// Takes a call back that never ran.
    pub fn cancel(&mut self, id: LeaseId, now: Moment) {
        self.trim(now);
        self.calls.retain(|(_, begun, _)| *begun != id);
        self.running.remove(&id);
    }

    /// Whether the meter says nothing that a new one wouldn't.
    pub fn is_idle(&mut self, now: Moment) -> bool {
        self.trim(now);
        self.calls.is_empty() && self.running.is_empty() && self.month == 0
    }

    /// Money that was spent in the month that the meter knows, and money reserved now.
    pub fn money(&self) -> (i64, i64) {
        (self.spent, self.reserved())
    }

    fn count(&self) -> i64 {
        i64::try_from(self.calls.len()).unwrap_or(i64::MAX)
    }

    fn tokens(&self) -> i64 {
        self.calls.iter().map(|(.., tokens)| tokens).sum()
    }

    fn reserved(&self) -> i64 {
        self.running.values().map(|(_, money)| money).sum()
    }

    /// When so many tokens will have left the minute.
    fn freed(&self, mut excess: i64) -> Option<Moment> {
        for (begun, _, tokens) in &self.calls {
            excess -= tokens;
            if excess <= 0 {
                return Some(begun.plus(MINUTE_MILLIS));
            }
        }
        None
    }

    fn trim(&mut self, now: Moment) {
        self.calls.retain(|(begun, ..)| begun.plus(MINUTE_MILLIS) > now);
        self.running.retain(|_, (expires_at, _)| *expires_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JULY: i64 = 202_607;

    fn ask(id: u64, tokens: i64, micro_usd: i64) -> Ask {
        Ask { id: LeaseId(id), tokens, micro_usd, expires_at: Moment(1_000_000) }
    }

    #[test]
    fn a_minute_slides() {
        let limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
        let mut meter = Meter::default();
        meter.admit(&limits, &ask(1, 0, 0), JULY, Moment(0)).unwrap();
        meter.admit(&limits, &ask(2, 0, 0), JULY, Moment(30_000)).unwrap();
        let refused = meter.admit(&limits, &ask(3, 0, 0), JULY, Moment(59_999));
        assert_eq!(refused, Err(Refusal::Requests(Some(Moment(60_000)))));
        meter.admit(&limits, &ask(3, 0, 0), JULY, Moment(60_000)).unwrap();
        let none = Limits { requests_per_minute: Some(0), ..Limits::default() };
        assert_eq!(
            Meter::default().admit(&none, &ask(1, 0, 0), JULY, Moment(0)),
            Err(Refusal::Requests(None))
        );
    }

    #[test]
    fn tokens_are_estimated_then_real() {
        let limits = Limits { tokens_per_minute: Some(100), ..Limits::default() };
        let mut meter = Meter::default();
        meter.admit(&limits, &ask(1, 5_000, 0), JULY, Moment(0)).unwrap();
        let refused = meter.admit(&limits, &ask(2, 10, 0), JULY, Moment(10));
        assert_eq!(refused, Err(Refusal::Tokens(Some(Moment(60_000)))));
        meter.settle(LeaseId(1), 90, 0, Moment(20));
        meter.admit(&limits, &ask(2, 10, 0), JULY, Moment(30)).unwrap();
        assert!(meter.admit(&limits, &ask(3, 1, 0), JULY, Moment(40)).is_err());
    }

    #[test]
    fn running_calls_end_by_settling_or_by_time() {
        let limits = Limits { concurrent_calls: Some(1), ..Limits::default() };
        let mut meter = Meter::default();
        meter.admit(&limits, &ask(1, 0, 0), JULY, Moment(0)).unwrap();
        assert_eq!(meter.admit(&limits, &ask(2, 0, 0), JULY, Moment(1)), Err(Refusal::Concurrent));
        meter.settle(LeaseId(1), 0, 0, Moment(2));
        meter.admit(&limits, &ask(2, 0, 0), JULY, Moment(3)).unwrap();
        meter.admit(&limits, &ask(3, 0, 0), JULY, Moment(1_000_000)).unwrap();
    }

    #[test]
    fn money_is_reserved_then_spent_once() {
        let limits = Limits { monthly_micro_usd: Some(100), ..Limits::default() };
        let mut meter = Meter::default();
        assert_eq!(meter.admit(&limits, &ask(1, 0, 60), JULY, Moment(0)), Err(Refusal::UnknownMonth));
        meter.begin_month(JULY, 10);
        meter.begin_month(JULY, 99);
        meter.admit(&limits, &ask(1, 0, 60), JULY, Moment(0)).unwrap();
        assert_eq!(meter.admit(&limits, &ask(2, 0, 31), JULY, Moment(0)), Err(Refusal::Budget));
        meter.settle(LeaseId(1), 0, 20, Moment(1));
        meter.settle(LeaseId(1), 0, 20, Moment(1));
        assert_eq!(meter.money(), (30, 0));
        meter.admit(&limits, &ask(2, 0, 70), JULY, Moment(2)).unwrap();
        meter.cancel(LeaseId(2), Moment(2));
        assert_eq!(meter.money(), (30, 0));
    }
}
