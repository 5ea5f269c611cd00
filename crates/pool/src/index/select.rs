//! Choosing an account. Sources come first (own or shared), then priorities, highest first, and inside a priority:
//!
//! 1. A conversation goes where its hash points: of the next few usable accounts on a ring of hashes the best by
//!    weighted rendezvous. Other accounts that come and go disturb few conversations; one that did much lately loses
//!    some in steps, so sticking never defeats fairness.
//! 2. Else two accounts are drawn, by weight and size, and the one that did less lately for its size, has enough of its
//!    allowance free and fewer running calls is taken. Closed accounts are drawn in vain, so after a few attempts
//! 3. the bits of open accounts are scanned, which finds a usable one if there is any. Pauses whose end nobody has
//!    reported yet are looked at last.

use super::entry::{Entry, NEVER, mix};
use super::tier::{Bag, Tier};
use super::{Audience, Index, Routes, Slot};
use crate::account::{Account, MemberId, Provider};
use crate::units::Moment;

/// Draws made for the two candidates, before the bits are scanned.
const DRAWS: usize = 16;
/// Usable accounts on the ring among which a conversation chooses.
const RING_CANDIDATES: usize = 6;
/// Accounts on the ring that are looked at for them.
const RING_STEPS: usize = 18;

/// Which protocols the caller can make use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Providers(u8);

impl Providers {
    /// Accounts of any protocol.
    pub const ANY: Self = Self(0b111);

    /// Accounts of one protocol only.
    pub fn only(provider: Provider) -> Self {
        Self(1 << provider as u8)
    }

    fn iter(self) -> impl Iterator<Item = Provider> {
        let all = [Provider::OpenAi, Provider::Anthropic, Provider::Gemini];
        all.into_iter().filter(move |provider| self.0 & Self::only(*provider).0 != 0)
    }
}

/// Whose accounts may be used, in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// The caller's own accounts, then others' shared ones: `prefer_shared` 0.
    OwnFirst,
    /// Others' shared accounts, then the caller's own: `prefer_shared` 1.
    SharedFirst,
    /// Only the caller's own, as when the quota for shared ones is spent.
    OwnOnly,
}

impl Sources {
    /// For each source in order, whether it is the caller's own accounts.
    fn order(self) -> &'static [bool] {
        match self {
            Self::OwnFirst => &[true, false],
            Self::SharedFirst => &[false, true],
            Self::OwnOnly => &[true],
        }
    }
}

/// What an account is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The model by its public name.
    pub model: &'a str,
    /// The member who calls.
    pub caller: MemberId,
    /// The protocols that the call can be sent in.
    pub providers: Providers,
    /// Whose accounts may be used.
    pub sources: Sources,
    /// A hash of the conversation that should stay on one account.
    pub conversation: Option<u64>,
    /// Accounts that have been tried for this call already.
    pub tried: &'a [Slot],
}

/// An account that can be used; count the call with [`Index::begin`].
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Its slot.
    pub slot: Slot,
    /// The account itself.
    pub account: &'a Account,
    /// The name of the model to send upstream.
    pub upstream_model: &'a str,
    /// Whether it is the caller's own, so that the pool charges nothing.
    pub own: bool,
}

/// How many accounts could not be used, and why; each is counted under the first reason that applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// Accounts that were tried already.
    pub tried: usize,
    /// Accounts switched off, as a whole or for the model.
    pub disabled: usize,
    /// Accounts at rest after errors or out of allowance.
    pub resting: usize,
    /// Accounts with as many calls running as they may have.
    pub full: usize,
    /// Accounts that could be used after all.
    pub usable: usize,
    /// The first moment at which one of the resting ones may be used again.
    pub earliest: Option<Moment>,
    /// The resting one whose moment that is; any of them where none has a moment.
    pub resting_one: Option<Slot>,
}

impl Index {
    /// Chooses a usable account, if there is any. `rng` answers uniformly distributed bits.
    pub fn select<'a>(
        &'a self,
        request: &Request<'a>,
        rng: &mut impl FnMut() -> u64,
        now: Moment,
    ) -> Option<Choice<'a>> {
        let mut found: Vec<(i32, &Tier)> = Vec::with_capacity(8);
        for &own in request.sources.order() {
            let search = Search { index: self, request, own, now };
            found.clear();
            search.collect(&mut found);
            for group in found.chunk_by(|one, other| one.0 == other.0) {
                if let Some(choice) = search.choose(group, rng) {
                    return Some(choice);
                }
            }
            if let Some(choice) = search.overdue() {
                return Some(choice);
            }
        }
        None
    }

    /// Why nothing could be chosen. It looks at every account of the model, so it is for errors, not for every call.
    pub fn explain(&self, request: &Request<'_>, now: Moment) -> Why {
        let mut why = Why::default();
        for &own in request.sources.order() {
            let search = Search { index: self, request, own, now };
            let mut found = Vec::new();
            search.collect(&mut found);
            let mut numbers: Vec<u32> =
                found.iter().flat_map(|(_, tier)| tier.ring.iter().map(|&(_, number)| number)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            for entry in numbers.into_iter().filter_map(|number| search.entry(number)) {
                search.count(entry, &mut why);
            }
        }
        why
    }
}

/// One look at one source.
struct Search<'a, 'r> {
    index: &'a Index,
    request: &'r Request<'a>,
    own: bool,
    now: Moment,
}

impl<'a> Search<'a, '_> {
    /// The tiers in question, highest priority first.
    fn collect(&self, found: &mut Vec<(i32, &'a Tier)>) {
        let audience = if self.own { Audience::Own(self.request.caller) } else { Audience::Shared };
        for provider in self.request.providers.iter() {
            if let Some(routes) = self.index.routes.get(&(audience, provider)) {
                routes.each_tier(self.request.model, |priority, tier| {
                    found.push((priority, &self.index.tiers[tier as usize]));
                });
            }
        }
        found.sort_by_key(|&(priority, _)| std::cmp::Reverse(priority));
    }

    fn choose(&self, group: &[(i32, &'a Tier)], rng: &mut impl FnMut() -> u64) -> Option<Choice<'a>> {
        let sticky = self.request.conversation.and_then(|hash| self.follow(group, hash));
        sticky.or_else(|| self.draw_two(group, rng)).or_else(|| self.scan(group, rng()))
    }

    fn follow(&self, group: &[(i32, &'a Tier)], conversation: u64) -> Option<Choice<'a>> {
        let mut best: Option<(f64, u32, &'a Entry)> = None;
        for (_, tier) in group {
            let start = (conversation, 0);
            let around = tier.ring.range(start..).chain(tier.ring.range(..start));
            let usable =
                around.take(RING_STEPS).filter_map(|&(_, number)| Some((number, self.usable(number)?)));
            for (number, entry) in usable.take(RING_CANDIDATES) {
                let distance = self.distance(entry, conversation);
                if best.is_none_or(|(least, ..)| distance < least) {
                    best = Some((distance, number, entry));
                }
            }
        }
        best.map(|(_, number, entry)| self.choice(number, entry))
    }

    /// Weighted rendezvous: the account with the least `-ln(hash) / weight` has the conversation. The weight moves in
    /// steps, so that seldom a conversation does.
    fn distance(&self, entry: &Entry, conversation: u64) -> f64 {
        let step = (2.0 * entry.calm(self.upstream(entry), self.now).log2()).ceil();
        let hash = mix(entry.hash ^ conversation.rotate_left(32));
        let uniform = ((hash >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -uniform.ln() / (f64::from(entry.pull) * step.exp2())
    }

    fn draw_two(&self, group: &[(i32, &'a Tier)], rng: &mut impl FnMut() -> u64) -> Option<Choice<'a>> {
        let bags = || group.iter().flat_map(|(_, tier)| &tier.bags);
        let chances: u64 = bags().map(Bag::chances).sum();
        let mut first: Option<(u32, &'a Entry)> = None;
        for _ in 0..DRAWS {
            let ticket = ((u128::from(rng()) * u128::from(chances)) >> 64) as u64;
            let Some((number, entry)) = self.drawn(bags(), ticket) else { continue };
            let Some((other, rival)) = first else {
                first = Some((number, entry));
                continue;
            };
            if self.merit(entry) > self.merit(rival) {
                return Some(self.choice(number, entry));
            }
            return Some(self.choice(other, rival));
        }
        first.map(|(number, entry)| self.choice(number, entry))
    }

    /// The account that a ticket falls on, if it falls on one and that can be used.
    fn drawn(&self, bags: impl Iterator<Item = &'a Bag>, mut ticket: u64) -> Option<(u32, &'a Entry)> {
        for bag in bags {
            if ticket >= bag.chances() {
                ticket -= bag.chances();
                continue;
            }
            let (position, chance) = (ticket >> (bag.class + 1), ticket & ((2 << bag.class) - 1));
            let number = bag.members[position as usize];
            if !bag.is_open(position as usize, self.request.model) {
                return None;
            }
            let entry = self.usable(number)?;
            return (chance < u64::from(entry.pull)).then_some((number, entry));
        }
        None
    }

    fn scan(&self, group: &[(i32, &'a Tier)], random: u64) -> Option<Choice<'a>> {
        let bags = group.iter().flat_map(|(_, tier)| &tier.bags);
        let first = bags.into_iter().find_map(|bag| {
            let start = random as usize % bag.members.len().max(1);
            bag.scan(start, self.request.model, |number| self.usable(number).is_some())
        });
        first.and_then(|number| Some(self.choice(number, self.usable(number)?)))
    }

    /// An account whose pause is over although the index has not been woken since.
    fn overdue(&self) -> Option<Choice<'a>> {
        let due = self.index.wakes.iter().take_while(|&&(until, _)| until <= self.now);
        due.filter_map(|&(_, number)| Some((number, self.entry(number)?)))
            .filter(|(_, entry)| {
                let provider = entry.account.provider;
                self.request.providers.iter().any(|wanted| wanted == provider)
                    && if self.own { self.is_own(entry) } else { entry.account.shared }
            })
            .find_map(|(number, _)| Some(self.choice(number, self.usable(number)?)))
    }

    fn usable(&self, number: u32) -> Option<&'a Entry> {
        let entry = self.entry(number)?;
        let wanted = entry.is_awake(self.now)
            && (self.own || !self.is_own(entry))
            && !self.is_tried(number)
            && entry.account.serves(self.request.model)
            && !entry.account.is_off(self.request.model)
            && entry.is_usable(self.upstream(entry), self.now);
        wanted.then_some(entry)
    }

    fn count(&self, entry: &Entry, why: &mut Why) {
        let upstream = self.upstream(entry);
        if (!self.own && self.is_own(entry)) || !entry.account.serves(self.request.model) {
            return;
        }
        let number = self.index.by_id.get(&entry.account.id).copied();
        let reason = if number.is_some_and(|number| self.is_tried(number)) {
            &mut why.tried
        } else if !entry.account.enabled || entry.account.is_off(self.request.model) {
            &mut why.disabled
        } else if entry.is_usable(upstream, self.now) {
            &mut why.usable
        } else if let Some(until) = entry.rests_until(upstream, self.now) {
            // What only its owner can wake has no moment.
            let sooner = until < NEVER && why.earliest.is_none_or(|earliest| until < earliest);
            if sooner {
                why.earliest = Some(until);
            }
            if sooner || why.resting_one.is_none() {
                why.resting_one = number.map(|number| Slot { number, generation: entry.generation });
            }
            &mut why.resting
        } else {
            &mut why.full
        };
        *reason += 1;
    }

    fn entry(&self, number: u32) -> Option<&'a Entry> {
        self.index.entries.get(number as usize)?.as_ref()
    }

    fn is_own(&self, entry: &Entry) -> bool {
        entry.account.owner == self.request.caller
    }

    fn is_tried(&self, number: u32) -> bool {
        self.request.tried.iter().any(|slot| slot.number == number)
    }

    fn merit(&self, entry: &Entry) -> f64 {
        entry.merit(self.upstream(entry), self.now)
    }

    fn upstream<'e>(&self, entry: &'e Entry) -> &'e str
    where
        'a: 'e,
    {
        entry.account.upstream(self.request.model)
    }

    fn choice(&self, number: u32, entry: &'a Entry) -> Choice<'a> {
        let slot = Slot { number, generation: entry.generation };
        Choice { slot, account: &entry.account, upstream_model: self.upstream(entry), own: self.own }
    }
}

impl Routes {
    /// Every tier that may serve a model: by its name, then by each prefix of it, the wildcard being the empty one.
    fn each_tier(&self, model: &str, mut visit: impl FnMut(i32, u32)) {
        let prefixes = self
            .prefix_lengths
            .keys()
            .take_while(|&&length| length <= model.len())
            .filter_map(|&length| self.prefixes.get(model.get(..length)?));
        for list in self.exact.get(model).into_iter().chain(prefixes) {
            for &(priority, tier) in list {
                visit(priority, tier);
            }
        }
    }
}
