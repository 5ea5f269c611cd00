//! The accounts of the whole pool, arranged so that finding a usable one does not get slower with their number. It
//! keeps what selection needs and what health and allowances report; it decides neither how long a pause is nor who
//! pays. Choosing is in [`select`](Index::select), see the file `select.rs`.
//!
//! Reading ([`Index::select`]) and counting calls ([`Index::begin`], [`Index::end`], [`Index::set_free`]) need only `&self`, so that an
//! application keeps the index behind one read-write lock and writes only when an account or its health changes.
//! Pauses end by the clock: call [`Index::wake`] about every 100 ms. A late `wake` costs time, never an answer.

mod entry;
mod recent;
mod select;
mod tier;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use self::select::{Choice, Providers, Request, Sources, Why};

use self::entry::{Block, Entry, Place};
use self::tier::Tier;
use crate::account::{Account, AccountId, MemberId, Provider};
use crate::units::{Moment, Units};

/// An account's number in the index, valid until the account is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    number: u32,
    generation: u32,
}

/// Whose accounts a list holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Audience {
    Own(MemberId),
    Shared,
}

/// All accounts of the pool, by who may use them and what they serve.
#[derive(Default)]
pub struct Index {
    entries: Vec<Option<Entry>>,
    free_numbers: Vec<u32>,
    generation: u32,
    by_id: HashMap<AccountId, u32>,
    tiers: Vec<Tier>,
    free_tiers: Vec<u32>,
    routes: HashMap<(Audience, Provider), Routes>,
    wakes: BTreeSet<(Moment, u32)>,
}

/// Tiers by what they serve: one model, or all that begin with a prefix (the empty one being the wildcard).
#[derive(Default)]
struct Routes {
    exact: HashMap<Box<str>, Vec<(i32, u32)>>,
    prefixes: HashMap<Box<str>, Vec<(i32, u32)>>,
    prefix_lengths: BTreeMap<usize, u32>,
}

impl Index {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account, or describes a known one anew; running calls, pauses and free allowances of a known one stay.
    pub fn put(&mut self, account: Account) -> Slot {
        if let Some(&number) = self.by_id.get(&account.id) {
            self.leave_tiers(number);
            if let Some(entry) = self.entry_mut(number) {
                entry.describe(account);
            }
            self.join_tiers(number);
            return self.slot_of(number);
        }
        self.generation = self.generation.wrapping_add(1);
        let id = account.id.clone();
        let entry = Entry::new(account, self.generation);
        let number = self.free_numbers.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
        });
        self.entries[number as usize] = Some(entry);
        self.by_id.insert(id, number);
        self.join_tiers(number);
        self.slot_of(number)
    }

    /// Removes an account; its slot is void from now on.
    pub fn remove(&mut self, id: &AccountId) -> Option<Account> {
        let number = self.by_id.remove(id)?;
        self.leave_tiers(number);
        self.free_numbers.push(number);
        self.entries[number as usize].take().map(|entry| entry.account)
    }

    /// The slot of an account.
    pub fn find(&self, id: &AccountId) -> Option<Slot> {
        self.by_id.get(id).map(|&number| self.slot_of(number))
    }

    /// Counts a call as running; `false` if the account is gone or full, then select again.
    pub fn begin(&self, slot: Slot) -> bool {
        let Some(entry) = self.entry(slot) else { return false };
        let Some(running) = entry.begin() else { return false };
        if running >= entry.limit() {
            self.show(entry);
        }
        true
    }

    /// Counts a call as over; a slot that is void is ignored.
    pub fn end(&self, slot: Slot) {
        let Some(entry) = self.entry(slot) else { return };
        if entry.end() >= entry.limit() {
            self.show(entry);
        }
    }

    /// Says how many calls run on an account elsewhere, which are as many less here where it has a limit.
    pub fn set_elsewhere(&self, slot: Slot, calls: u32) {
        if let Some(entry) = self.entry(slot)
            && entry.set_elsewhere(calls)
        {
            self.show(entry);
        }
    }

    /// Says how much of an allowance is free, in millionths, and when it is whole again (`None`: when somebody says so).
    /// The allowance `None` stands for the models that no allowance names.
    pub fn set_free(&self, slot: Slot, allowance: Option<usize>, millionths: u32, reset: Option<Moment>) {
        if let Some(entry) = self.entry(slot) {
            entry.set_free(allowance, millionths, reset.unwrap_or(Moment(i64::MAX)));
        }
    }

    /// Says what a call has cost its account, so that those who did less lately come first. Without it accounts are
    /// used evenly by calls only.
    pub fn used(&self, slot: Slot, cost: Units, now: Moment) {
        if let Some(entry) = self.entry(slot) {
            entry.used(cost, now);
        }
    }

    /// Puts these rests in the place of all that the account had: of the whole account, and of the upstream models that
    /// patterns name.
    pub fn set_rest(&mut self, slot: Slot, until: Option<Moment>, models: Vec<(Box<str>, Moment)>) {
        let Some(entry) = self.entry_of(slot) else { return };
        entry.pause = until;
        entry.blocks = models.into_iter().map(|(models, until)| Block { models, until }).collect();
        let ends: Vec<Moment> = entry.blocks.iter().map(|block| block.until).chain(until).collect();
        self.wakes.extend(ends.into_iter().map(|until| (until, slot.number)));
        self.refresh(slot.number);
    }

    /// Ends all pauses and blocks whose time has come; answers how many accounts were looked at.
    pub fn wake(&mut self, now: Moment) -> usize {
        let mut woken = 0;
        while let Some(&(until, number)) = self.wakes.first() {
            if now < until {
                break;
            }
            self.wakes.pop_first();
            woken += 1;
            if let Some(entry) = self.entry_mut(number) {
                entry.pause = entry.pause.filter(|until| now < *until);
                entry.blocks.retain(|block| now < block.until);
            }
            self.refresh(number);
        }
        woken
    }

    fn entry(&self, slot: Slot) -> Option<&Entry> {
        let entry = self.entries.get(slot.number as usize)?.as_ref()?;
        (entry.generation == slot.generation).then_some(entry)
    }

    fn entry_of(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entry_mut(slot.number).filter(|entry| entry.generation == slot.generation)
    }

    fn entry_mut(&mut self, number: u32) -> Option<&mut Entry> {
        self.entries.get_mut(number as usize)?.as_mut()
    }

    fn slot_of(&self, number: u32) -> Slot {
        let entry = self.entries.get(number as usize).and_then(Option::as_ref);
        Slot { number, generation: entry.map_or(0, |entry| entry.generation) }
    }

    /// Shows in every list whether the entry is open, again until a concurrent change has settled.
    fn show(&self, entry: &Entry) {
        loop {
            let open = entry.is_open();
            for place in &entry.places {
                let tier = &self.tiers[place.tier as usize];
                let blocked = tier
                    .model
                    .as_deref()
                    .is_some_and(|model| entry.is_blocked(entry.account.upstream(model)));
                if let Some(bag) = tier.bag(place.class) {
                    bag.set_open(place.position as usize, open && !blocked);
                }
            }
            if entry.is_open() == open {
                return;
            }
        }
    }

    /// Shows an entry and its blocks in every list.
    fn refresh(&mut self, number: u32) {
        let Some(entry) = self.entries.get(number as usize).and_then(Option::as_ref) else { return };
        self.show(entry);
        for place in &entry.places {
            let tier = &mut self.tiers[place.tier as usize];
            if tier.model.is_none()
                && let Some(bag) = tier.bag_mut(place.class)
            {
                bag.set_blocks(place.position as usize, entry.blocks.iter().map(|block| &*block.models));
            }
        }
    }

    fn join_tiers(&mut self, number: u32) {
        let Some(entry) = self.entries.get(number as usize).and_then(Option::as_ref) else { return };
        let (provider, priority) = (entry.account.provider, entry.account.priority);
        let (hash, class) = (entry.hash, entry.class());
        let mut audiences = vec![Audience::Own(entry.account.owner)];
        audiences.extend(entry.account.shared.then_some(Audience::Shared));
        let targets = targets(&entry.account);
        let mut places = Vec::with_capacity(audiences.len() * targets.len());
        for &audience in &audiences {
            for target in &targets {
                let tier = self.tier_for((audience, provider), target, priority);
                let position = self.tiers[tier as usize].insert(number, hash, class);
                places.push(Place { tier, class, position });
            }
        }
        if let Some(entry) = self.entry_mut(number) {
            entry.places = places;
        }
        self.refresh(number);
    }

    fn leave_tiers(&mut self, number: u32) {
        let Some(entry) = self.entries.get_mut(number as usize).and_then(Option::as_mut) else { return };
        let (places, hash) = (std::mem::take(&mut entry.places), entry.hash);
        let (owner, provider) = (entry.account.owner, entry.account.provider);
        for place in places {
            let tier = &mut self.tiers[place.tier as usize];
            let moved = tier.remove(number, hash, place.class, place.position);
            let emptied = tier.is_empty();
            if let Some(entry) = moved.and_then(|moved| self.entry_mut(moved)) {
                let same = |other: &&mut Place| other.tier == place.tier;
                if let Some(other) = entry.places.iter_mut().find(same) {
                    other.position = place.position;
                }
            }
            if emptied {
                self.drop_tier(place.tier, owner, provider);
            }
        }
    }

    fn tier_for(&mut self, route: (Audience, Provider), target: &Target, priority: i32) -> u32 {
        let routes = self.routes.entry(route).or_default();
        let (list, model) = match target {
            Target::Model(model) => (routes.exact.entry(model.clone()).or_default(), Some(model.clone())),
            Target::Prefix(prefix) => {
                if !routes.prefixes.contains_key(prefix) {
                    *routes.prefix_lengths.entry(prefix.len()).or_default() += 1;
                }
                (routes.prefixes.entry(prefix.clone()).or_default(), None)
            }
        };
        if let Some(&(_, tier)) = list.iter().find(|(other, _)| *other == priority) {
            return tier;
        }
        let tier = self.free_tiers.pop().unwrap_or_else(|| {
            self.tiers.push(Tier::new(None));
            u32::try_from(self.tiers.len() - 1).unwrap_or(u32::MAX)
        });
        self.tiers[tier as usize] = Tier::new(model);
        list.push((priority, tier));
        tier
    }

    fn drop_tier(&mut self, tier: u32, owner: MemberId, provider: Provider) {
        self.free_tiers.push(tier);
        for route in [(Audience::Own(owner), provider), (Audience::Shared, provider)] {
            let Some(routes) = self.routes.get_mut(&route) else { continue };
            routes.forget(tier);
            if routes.exact.is_empty() && routes.prefixes.is_empty() {
                self.routes.remove(&route);
            }
        }
    }
}

impl Routes {
    // Tiers seldom become empty, so looking through all names of one route is cheap enough.
    fn forget(&mut self, tier: u32) {
        let keeps = |list: &mut Vec<(i32, u32)>| {
            list.retain(|&(_, other)| other != tier);
            !list.is_empty()
        };
        self.exact.retain(|_, list| keeps(list));
        let lengths = &mut self.prefix_lengths;
        self.prefixes.retain(|prefix, list| {
            let kept = keeps(list);
            if !kept && let Some(count) = lengths.get_mut(&prefix.len()) {
                *count -= 1;
            }
            kept
        });
        lengths.retain(|_, count| *count > 0);
    }
}

/// Under what an account is listed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Model(Box<str>),
    Prefix(Box<str>),
}

fn targets(account: &Account) -> Vec<Target> {
    let aliases = account.aliases.keys().map(|name| Target::Model(name.as_str().into()));
    let mut targets: Vec<Target> = match &account.models {
        None => vec![Target::Prefix("".into())],
        Some(models) => models
            .iter()
            .map(|pattern| match pattern.is_exact() {
                true => Target::Model(pattern.as_str().into()),
                false => Target::Prefix(pattern.literal_prefix().into()),
            })
            .collect(),
    };
    targets.extend(aliases);
    targets.sort();
    targets.dedup();
    targets
}
