//! An account in the hands of its owner, and the provider behind it, which keeps its own count.

use millpond_pool::account::{Account, AccountId, MemberId, Provider, Share};
use millpond_pool::allowance::{Used, free_part};
use millpond_pool::index::{Index, Slot};
use millpond_pool::pattern::Pattern;
use millpond_pool::units::{Cost, LimitUnit, Moment, Reference, Units, Window};

use super::chance::Chance;
use super::day::DAY_BEGINS;

/// The models that share a quota, one for each provider, and their part of all calls.
pub(super) const GROUPS: [(&str, Provider); 3] = [
    ("gpt-large", Provider::OpenAi),
    ("claude-large", Provider::Anthropic),
    ("gemini-large", Provider::Gemini),
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Shared,
    Dedicated,
    Deleted,
}

pub(super) struct Holding {
    pub(super) id: AccountId,
    pub(super) owner: usize,
    pub(super) group: usize,
    pub(super) way: Way,
    pub(super) units: Units,
    pub(super) unit: LimitUnit,
    pub(super) slot: Option<Slot>,
    /// The provider refuses the credential.
    pub(super) revoked: bool,
    /// The owner will have put in another credential.
    pub(super) repaired_at: Option<Moment>,
    /// The account was found refused and is switched off.
    pub(super) off: bool,
    pub(super) failures: u32,
    pub(super) served_to_others: i64,
    /// What the provider counted, in units of the pool.
    pub(super) provider_count: i64,
    limit: i64,
    used: Used,
    names: u32,
    number: usize,
    /// What it would have served to others, had every minute's calls been dealt out by size.
    pub(super) due: f64,
}

impl Holding {
    pub(super) fn new(number: usize, owner: usize, chance: &mut Chance) -> Self {
        let unit = [LimitUnit::Requests, LimitUnit::Tokens, LimitUnit::MicroUsd][chance.below(3)];
        let window =
            [Window::FiveHours, Window::FiveHours, Window::OneDay, Window::SevenDays, Window::ThirtyDays]
                [chance.below(5)];
        let reference = Reference::default();
        // A twentieth of the reference allowance to two of them.
        let size = (chance.normal() * 0.7 - 1.4).exp().clamp(0.05, 2.0);
        let windows = window.millis() as f64 / reference.window.millis() as f64;
        let limit = (size * windows * reference.limit(unit) as f64) as i64;
        Self {
            id: AccountId::new(format!("account-{number}")),
            owner,
            group: number % GROUPS.len(),
            way: if chance.hit(0.75) { Way::Shared } else { Way::Dedicated },
            units: reference.capacity(limit, unit, window),
            unit,
            slot: None,
            revoked: false,
            repaired_at: None,
            off: false,
            failures: 0,
            served_to_others: 0,
            provider_count: 0,
            limit,
            used: Used::nothing(window.millis()).plus(
                (0.5 * chance.part() * limit as f64) as i64,
                DAY_BEGINS.plus((-chance.part() * window.millis() as f64) as i64),
            ),
            names: 0,
            number,
            due: 0.0,
        }
    }

    /// Whether it counts for its owner.
    pub(super) fn counts(&self) -> bool {
        self.way == Way::Shared && !self.off
    }

    /// What is left of it, in units of the pool.
    pub(super) fn remaining(&self, now: Moment) -> Units {
        let left = i128::from((self.limit - self.used.at(now).amount).max(0)) * i128::from(self.units.0);
        Units(i64::try_from(left / i128::from(self.limit.max(1))).unwrap_or(0))
    }

    /// Tells the index what it is now.
    pub(super) fn show(&mut self, index: &mut Index, now: Moment) {
        if self.way == Way::Deleted {
            index.remove(&self.id);
            self.slot = None;
            return;
        }
        let mut account = Account::new(self.id.clone(), MemberId(self.owner as i64), GROUPS[self.group].1);
        account.shared = self.way == Way::Shared;
        account.enabled = !self.off;
        account.models = Some(vec![Pattern::new(GROUPS[self.group].0)]);
        account.max_concurrency = Some(4 + (self.units.0 / 50_000) as u32);
        account.allowances = vec![Share { models: vec![Pattern::new("*")], capacity: self.units }];
        self.slot = Some(index.put(account));
        self.show_free(index, now);
    }

    /// Deleted and added again, it has another name, but its provider knows it still.
    pub(super) fn rename(&mut self) {
        self.names += 1;
        self.id = AccountId::new(format!("account-{}-{}", self.number, self.names));
    }

    /// The provider has served a call.
    pub(super) fn use_up(&mut self, cost: &Cost, index: &Index, now: Moment) {
        let worth = Reference::default().cost(cost, self.unit);
        self.used = self.used.plus(cost.counted_in(self.unit).unwrap_or(0), now);
        self.provider_count += worth.0;
        if let Some(slot) = self.slot {
            index.used(slot, worth, now);
        }
        self.show_free(index, now);
    }

    fn show_free(&self, index: &Index, now: Moment) {
        let Some(slot) = self.slot else { return };
        let free = free_part(self.limit, self.used.at(now).amount);
        index.set_free(slot, Some(0), free, self.used.reset(now));
    }
}
