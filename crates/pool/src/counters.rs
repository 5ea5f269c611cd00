//! What one person, key or upstream account has counted: calls and tokens of the last minute, permits of calls that run,
//! money in a month, and amounts in windows that begin with their first use. [`Counters`] is a value that every step
//! changes; who is limited by how much is decided elsewhere.
//!
//! # The algorithm, for whoever writes it again in Lua
//! `calls` are the calls begun in the last minute with their tokens, `permits` those that run, with the money and the parts
//! of windows that are held for them and when they end by themselves. Every step first drops calls that began a minute ago
//! or earlier and permits whose time ran out. A claim is granted when all its limits still hold with it; its tokens count
//! for no more than the limit itself, so that a call with a wide estimate can at least run alone, and of a window's limit
//! something has to be left. A claim that is granted already is granted again and changes nothing.
//!
//! Settling replaces the estimate of tokens and turns held money into spent money, once. A permit that is not known (it ran
//! out, it was lost, or its claim is still on the way) is charged as well and remembered as `ended`: settled again it is not
//! charged again, and a claim that comes later is refused. Where money is counted every settled call is remembered.

use std::collections::{BTreeMap, VecDeque};

use crate::allowance::Used;
use crate::bucket::LeaseId;
use crate::units::Moment;

/// The length of the window for calls and tokens, in milliseconds.
pub const MINUTE_MILLIS: i64 = 60_000;
/// How long a settled call is remembered, in milliseconds.
pub const REMEMBERED_MILLIS: i64 = 600_000;

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

/// What one call wants of one subject, with upper estimates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The call's name, different for every call.
    pub id: LeaseId,
    /// How long the permit lives if nobody settles it, in milliseconds.
    pub life_millis: i64,
    /// What must still hold with it.
    pub limits: Limits,
    /// Tokens in and out; `None` where no minutes are counted.
    pub tokens: Option<i64>,
    /// Money.
    pub micro_usd: i64,
    /// The calendar month, as a number.
    pub month: i64,
    /// Parts of windows.
    pub parts: Vec<Part>,
}

/// What is wanted of one window; there is something as long as used and held are below the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The window's counter.
    pub name: String,
    /// What may be used in a window.
    pub limit: i64,
    /// What is held while the call runs.
    pub amount: i64,
}

/// Why a claim was refused, and when it won't be any more; `None` if that is not known from here.
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
    /// What was spent this month has to be told first, see [`Counters::begin_month`].
    UnknownMonth,
    /// Nothing is left in a window.
    Spent,
    /// The call was settled before it was admitted.
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Permit {
    expires_at: Moment,
    micro_usd: i64,
    parts: Vec<Part>,
}

/// What one subject has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    calls: VecDeque<(Moment, LeaseId, i64)>,
    permits: BTreeMap<LeaseId, Permit>,
    ended: BTreeMap<LeaseId, Moment>,
    windows: BTreeMap<String, Used>,
    /// The month that money is counted in and what was spent, once it was told.
    spent: Option<(i64, i64)>,
}

impl Counters {
    /// Tells what was spent in a month that isn't known yet.
    pub fn begin_month(&mut self, month: i64, spent: i64) {
        if self.spent.is_none_or(|(known, _)| known != month) {
            self.spent = Some((month, spent));
        }
    }

    /// Whether a claim may be granted.
    pub fn check(&mut self, claim: &Claim, now: Moment) -> Result<(), Refusal> {
        self.trim(now);
        if self.permits.contains_key(&claim.id) {
            return Ok(());
        }
        if self.ended.contains_key(&claim.id) {
            return Err(Refusal::Ended);
        }
        self.check_minute(claim)?;
        let limits = &claim.limits;
        let running = i64::try_from(self.permits.len()).unwrap_or(i64::MAX);
        if limits.concurrent_calls.is_some_and(|limit| running >= limit) {
            return Err(Refusal::Concurrent);
        }
        if let Some(limit) = limits.monthly_micro_usd {
            let known = self.spent.filter(|(month, _)| *month == claim.month);
            let (_, spent) = known.ok_or(Refusal::UnknownMonth)?;
            if spent + self.reserved() + claim.micro_usd > limit {
                return Err(Refusal::Budget);
            }
        }
        let spent = |part: &Part| self.used(&part.name, now) + self.held(&part.name) >= part.limit;
        if claim.parts.iter().any(spent) { Err(Refusal::Spent) } else { Ok(()) }
    }

    fn check_minute(&self, claim: &Claim) -> Result<(), Refusal> {
        if let Some(limit) = claim.limits.requests_per_minute
            && self.count() >= limit
        {
            let place = usize::try_from(self.count() - limit).unwrap_or(usize::MAX);
            let first = self.calls.get(place).map(|(begun, ..)| begun.plus(MINUTE_MILLIS));
            return Err(Refusal::Requests(first));
        }
        if let Some(limit) = claim.limits.tokens_per_minute {
            let excess = self.tokens() + claim.tokens.unwrap_or(0).min(limit) - limit;
            if excess > 0 {
                return Err(Refusal::Tokens(self.freed(excess)));
            }
        }
        Ok(())
    }

    /// Counts a claim that was checked at the same moment.
    pub fn grant(&mut self, claim: &Claim, now: Moment) {
        if self.permits.contains_key(&claim.id) {
            return;
        }
        if let Some(tokens) = claim.tokens {
            let most = claim.limits.tokens_per_minute.unwrap_or(i64::MAX);
            self.calls.retain(|(_, id, _)| *id != claim.id);
            self.calls.push_back((now, claim.id, tokens.min(most)));
        }
        let (expires_at, micro_usd) = (now.plus(claim.life_millis), claim.micro_usd);
        let permit = Permit { expires_at, micro_usd, parts: claim.parts.clone() };
        self.permits.insert(claim.id, permit);
    }

    /// Puts what a call really used in place of its estimates.
    pub fn settle(&mut self, id: LeaseId, tokens: i64, micro_usd: i64, now: Moment) {
        self.trim(now);
        if let Some(call) = self.calls.iter_mut().find(|(_, begun, _)| *begun == id) {
            call.2 = tokens;
        }
        let known = self.permits.remove(&id).is_some();
        if !known && self.ended.contains_key(&id) {
            return;
        }
        if let Some((_, spent)) = &mut self.spent {
            *spent += micro_usd;
        }
        if !known || self.spent.is_some() {
            self.ended.insert(id, now.plus(REMEMBERED_MILLIS));
        }
    }

    /// Counts an amount in a window, which begins now if none has.
    pub fn count_use(&mut self, name: &str, amount: i64, window_millis: i64, now: Moment) {
        self.trim(now);
        let used = self.windows.get(name).copied().unwrap_or(Used::nothing(window_millis));
        self.windows.insert(name.to_owned(), Used { window_millis, ..used }.plus(amount, now));
    }

    /// Whether it says nothing that a new one wouldn't.
    pub fn is_idle(&mut self, now: Moment) -> bool {
        self.trim(now);
        let empty = self.calls.is_empty() && self.permits.is_empty() && self.ended.is_empty();
        empty && self.windows.is_empty() && self.spent.is_none()
    }

    /// Money that was spent in the month that is known, and money held now.
    pub fn money(&self) -> (i64, i64) {
        (self.spent.map_or(0, |(_, spent)| spent), self.reserved())
    }

    /// How many calls run.
    pub fn running(&self) -> usize {
        self.permits.len()
    }

    /// What was used in a window that is not over.
    pub fn used(&self, name: &str, now: Moment) -> i64 {
        self.windows.get(name).map_or(0, |used| used.at(now).amount)
    }

    /// What calls that run hold of a window.
    pub fn held(&self, name: &str) -> i64 {
        let parts = self.permits.values().flat_map(|permit| &permit.parts);
        parts.filter(|part| part.name == name).map(|part| part.amount).sum()
    }

    fn count(&self) -> i64 {
        i64::try_from(self.calls.len()).unwrap_or(i64::MAX)
    }

    fn tokens(&self) -> i64 {
        self.calls.iter().map(|(.., tokens)| tokens).sum()
    }

    fn reserved(&self) -> i64 {
        self.permits.values().map(|permit| permit.micro_usd).sum()
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
        self.permits.retain(|_, permit| permit.expires_at > now);
        self.ended.retain(|_, forgotten_at| *forgotten_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JULY: i64 = 202_607;

    fn claim(id: u64, limits: Limits, tokens: i64, micro_usd: i64) -> Claim {
        let life_millis = 1_000_000;
        let (tokens, parts) = (Some(tokens), Vec::new());
        Claim { id: LeaseId(id), life_millis, limits, tokens, micro_usd, month: JULY, parts }
    }

    fn admit(counters: &mut Counters, claim: &Claim, now: i64) -> Result<(), Refusal> {
        counters.check(claim, Moment(now))?;
        counters.grant(claim, Moment(now));
        Ok(())
    }

    #[test]
    fn a_minute_slides() {
        let limits = Limits { requests_per_minute: Some(2), ..Limits::default() };
        let mut counters = Counters::default();
        admit(&mut counters, &claim(1, limits, 0, 0), 0).unwrap();
        admit(&mut counters, &claim(2, limits, 0, 0), 30_000).unwrap();
        admit(&mut counters, &claim(2, limits, 0, 0), 30_001).unwrap();
        let refused = admit(&mut counters, &claim(3, limits, 0, 0), 59_999);
        assert_eq!(refused, Err(Refusal::Requests(Some(Moment(60_000)))));
        admit(&mut counters, &claim(3, limits, 0, 0), 60_000).unwrap();
        let none = Limits { requests_per_minute: Some(0), ..Limits::default() };
        let refused = admit(&mut Counters::default(), &claim(1, none, 0, 0), 0);
        assert_eq!(refused, Err(Refusal::Requests(None)));
    }

    #[test]
    fn tokens_are_estimated_then_real() {
        let limits = Limits { tokens_per_minute: Some(100), ..Limits::default() };
        let mut counters = Counters::default();
        admit(&mut counters, &claim(1, limits, 5_000, 0), 0).unwrap();
        let refused = admit(&mut counters, &claim(2, limits, 10, 0), 10);
        assert_eq!(refused, Err(Refusal::Tokens(Some(Moment(60_000)))));
        counters.settle(LeaseId(1), 90, 0, Moment(20));
        admit(&mut counters, &claim(2, limits, 10, 0), 30).unwrap();
        assert!(admit(&mut counters, &claim(3, limits, 1, 0), 40).is_err());
    }

    #[test]
    fn permits_end_by_settling_or_by_time() {
        let limits = Limits { concurrent_calls: Some(1), ..Limits::default() };
        let mut counters = Counters::default();
        admit(&mut counters, &claim(1, limits, 0, 0), 0).unwrap();
        assert_eq!(admit(&mut counters, &claim(2, limits, 0, 0), 1), Err(Refusal::Concurrent));
        counters.settle(LeaseId(1), 0, 0, Moment(2));
        admit(&mut counters, &claim(2, limits, 0, 0), 3).unwrap();
        admit(&mut counters, &claim(3, limits, 0, 0), 1_000_003).unwrap();
    }

    #[test]
    fn a_call_that_was_settled_first_is_not_admitted_afterwards() {
        let mut counters = Counters::default();
        counters.settle(LeaseId(1), 0, 0, Moment(0));
        let late = claim(1, Limits::default(), 0, 0);
        assert_eq!(admit(&mut counters, &late, 10), Err(Refusal::Ended));
        assert!(!counters.is_idle(Moment(10)) && counters.is_idle(Moment(REMEMBERED_MILLIS)));
    }

    #[test]
    fn money_is_held_then_spent_once() {
        let limits = Limits { monthly_micro_usd: Some(100), ..Limits::default() };
        let mut counters = Counters::default();
        assert_eq!(admit(&mut counters, &claim(1, limits, 0, 60), 0), Err(Refusal::UnknownMonth));
        counters.begin_month(JULY, 10);
        counters.begin_month(JULY, 99);
        admit(&mut counters, &claim(1, limits, 0, 60), 0).unwrap();
        assert_eq!(admit(&mut counters, &claim(2, limits, 0, 31), 0), Err(Refusal::Budget));
        counters.settle(LeaseId(1), 0, 20, Moment(1));
        counters.settle(LeaseId(1), 0, 20, Moment(1));
        assert_eq!(counters.money(), (30, 0));
        // One that ran on for too long, or was lost, is charged nevertheless.
        admit(&mut counters, &claim(2, limits, 0, 70), 2).unwrap();
        counters.settle(LeaseId(2), 0, 40, Moment(1_000_002));
        counters.settle(LeaseId(2), 0, 40, Moment(1_000_003));
        assert_eq!(counters.money(), (70, 0));
    }

    #[test]
    fn a_window_is_held_by_what_runs() {
        let part = |amount| Part { name: "a".to_owned(), limit: 10, amount };
        let wants = |id, amount| Claim { parts: vec![part(amount)], ..claim(id, Limits::default(), 0, 0) };
        let mut counters = Counters::default();
        admit(&mut counters, &wants(1, 9), 0).unwrap();
        admit(&mut counters, &wants(2, 9), 0).unwrap();
        assert_eq!(admit(&mut counters, &wants(3, 1), 0), Err(Refusal::Spent));
        counters.settle(LeaseId(1), 0, 0, Moment(1));
        counters.count_use("a", 1, 100, Moment(1));
        assert_eq!(admit(&mut counters, &wants(3, 1), 2), Err(Refusal::Spent));
        admit(&mut counters, &wants(3, 1), 101).unwrap();
    }
}
