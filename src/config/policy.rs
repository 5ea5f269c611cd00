//! The policy table: what a person of each trust level may do, and how much. One list a rule, one entry a level.
//!
//! Levels beyond the end of a list get its last entry, so that one number is a rule for everybody.

use millpond_pool::units::{MicroUsd, Reference, Units, Window};

use super::parse::Reader;

/// What one trust level gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelPolicy {
    pub may_sign_in: bool,
    pub may_share: bool,
    pub may_use_pool: bool,
    /// What everybody of the level may take from others' shared accounts before sharing anything, per reference window.
    pub base_quota: Units,
    pub limits: Limits,
}

/// Upper limits of one person or key; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
    pub concurrent_calls: Option<u64>,
    /// What calls may cost in a calendar month (UTC).
    pub monthly_micro_usd: Option<u64>,
}

/// How much of a shared account counts for its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContributionPolicy {
    /// All of its allowance.
    Declared,
    /// No more than twice what it served to others in the last reference window; this much from the start.
    Proven { start: Units },
}

/// The rules of this installation.
#[derive(Clone, Debug)]
pub struct Policy {
    sign_in_level: i32,
    share_level: i32,
    pool_level: i32,
    base_quota: Vec<Units>,
    requests_per_minute: Vec<Option<u64>>,
    tokens_per_minute: Vec<Option<u64>>,
    concurrent_calls: Vec<Option<u64>>,
    monthly_micro_usd: Vec<Option<u64>>,
    /// The most that one person's `max_quota` may be, in any group of models.
    pub quota_cap: Option<Units>,
    pub contribution: ContributionPolicy,
    /// What a shared account without an allowance of its own counts for.
    pub default_allowance: Units,
    /// What one unit of the pool stands for.
    pub reference: Reference,
}

impl Policy {
    /// The rules for a trust level. Levels below zero are treated as zero.
    pub fn of(&self, trust_level: i32) -> LevelPolicy {
        LevelPolicy {
            may_sign_in: trust_level >= self.sign_in_level,
            may_share: trust_level >= self.share_level,
            may_use_pool: trust_level >= self.pool_level,
            base_quota: entry(&self.base_quota, trust_level).unwrap_or(Units::ZERO),
            limits: Limits {
                requests_per_minute: entry(&self.requests_per_minute, trust_level).flatten(),
                tokens_per_minute: entry(&self.tokens_per_minute, trust_level).flatten(),
                concurrent_calls: entry(&self.concurrent_calls, trust_level).flatten(),
                monthly_micro_usd: entry(&self.monthly_micro_usd, trust_level).flatten(),
            },
        }
    }
}

fn entry<T: Copy>(list: &[T], trust_level: i32) -> Option<T> {
    let place = usize::try_from(trust_level).unwrap_or(0);
    list.get(place).or(list.last()).copied()
}

/// A decimal number of at most six decimals as millionths.
fn millionths(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty()
        || part.len() > 6
        || !whole.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let whole = whole.parse::<i64>().ok()?.checked_mul(1_000_000)?;
    let part = format!("{part:0<6}").parse::<i64>().ok()?;
    whole.checked_add(part).filter(|amount| *amount <= millpond_pool::units::AMOUNT_LIMIT)
}

impl Reader<'_> {
    pub(super) fn policy(&mut self) -> Option<Policy> {
        let sign_in_level = self.level("POLICY_SIGN_IN_LEVEL");
        let share_level = self.level("POLICY_SHARE_LEVEL");
        let pool_level = self.level("POLICY_POOL_LEVEL");
        let base_quota = self.per_level("POLICY_BASE_QUOTA", |text| millionths(text).map(Units));
        let requests_per_minute = self.limits("POLICY_REQUESTS_PER_MINUTE", whole);
        let tokens_per_minute = self.limits("POLICY_TOKENS_PER_MINUTE", whole);
        let concurrent_calls = self.limits("POLICY_CONCURRENT_CALLS", whole);
        let monthly_micro_usd = self.limits("POLICY_MONTHLY_USD", |text| {
            millionths(text).and_then(|amount| u64::try_from(amount).ok())
        });
        let quota_cap = self.units("POLICY_QUOTA_CAP");
        let contribution = self.contribution();
        let default_allowance = self.units("POLICY_DEFAULT_ALLOWANCE");
        let reference = self.reference();
        Some(Policy {
            sign_in_level: sign_in_level?,
            share_level: share_level?,
            pool_level: pool_level?,
            base_quota: base_quota?,
            requests_per_minute: requests_per_minute?,
            tokens_per_minute: tokens_per_minute?,
            concurrent_calls: concurrent_calls?,
            monthly_micro_usd: monthly_micro_usd?,
            quota_cap: quota_cap?,
            contribution: contribution?,
            default_allowance: default_allowance?.unwrap_or(Units::ONE),
            reference: reference?,
        })
    }

    fn level(&mut self, name: &str) -> Option<i32> {
        self.number(name, 0, 100).and_then(|level| i32::try_from(level).ok())
    }

    fn per_level<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        let text = self.text(name).unwrap_or_default();
        let list: Option<Vec<T>> = text.split(',').map(|item| parse(item.trim())).collect();
        if list.is_none() {
            self.problem(name, "must be a list of numbers, one a trust level from 0 up, such as 1,2,3");
        }
        list
    }

    /// A list in which `-` is no limit.
    fn limits(&mut self, name: &str, parse: impl Fn(&str) -> Option<u64>) -> Option<Vec<Option<u64>>> {
        self.per_level(name, |text| if text == "-" { Some(None) } else { parse(text).map(Some) })
    }

    fn units(&mut self, name: &str) -> Option<Option<Units>> {
        let Some(text) = self.text(name) else { return Some(None) };
        let units = millionths(&text).map(Units);
        if units.is_none() {
            self.problem(name, "must be a number of units such as 2.5");
        }
        units.map(Some)
    }

    fn contribution(&mut self) -> Option<ContributionPolicy> {
        match self.text("CONTRIBUTION").as_deref() {
            Some("declared") => Some(ContributionPolicy::Declared),
            Some("proven") => {
                let start = self.units("CONTRIBUTION_START")?;
                Some(ContributionPolicy::Proven { start: start.unwrap_or(Units::ZERO) })
            }
            _ => {
                self.problem("CONTRIBUTION", "must be declared or proven");
                None
            }
        }
    }

    fn reference(&mut self) -> Option<Reference> {
        let signed = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok());
        let most = 1 << 40;
        let requests = self.number("REFERENCE_REQUESTS", 1, most);
        let tokens = self.number("REFERENCE_TOKENS", 1, most);
        let micro_usd = millionths(&self.text("REFERENCE_USD").unwrap_or_default());
        let micro_usd = micro_usd.filter(|amount| *amount > 0);
        if micro_usd.is_none() {
            self.problem("REFERENCE_USD", "must be an amount such as 5 or 2.50");
        }
        let window = self.text("REFERENCE_WINDOW").unwrap_or_default();
        let window = Window::ALL.into_iter().find(|one| one.name() == window);
        if window.is_none() {
            self.problem("REFERENCE_WINDOW", "must be 5h, 1d, 7d or 30d");
        }
        Some(Reference {
            requests: signed(requests)?,
            tokens: signed(tokens)?,
            micro_usd: MicroUsd(micro_usd?),
            window: window?,
        })
    }
}

fn whole(text: &str) -> Option<u64> {
    text.parse().ok()
}
