//! One account in the index: what it is, how it is, and in which lists it stands.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use super::recent::Recent;
use crate::account::Account;
use crate::pattern::glob_matches;
use crate::units::{Moment, Units};

/// A whole: fractions of an allowance are counted in millionths.
pub(super) const WHOLE: u32 = 1_000_000;

/// Calls that an account without a limit is thought to carry with ease, when running calls are weighed.
const EASY_CALLS: u32 = 16;

/// An allowance of which more than this is free is as good as a whole one.
const SCARCE: u32 = WHOLE / 4;

/// Use below this part of an account's size is not told apart.
const HARDLY_ANY: f64 = 0.005;

/// Use of this part of an account's size halves its hold on conversations; much less does not touch it, so that a
/// conversation's own calls don't drive it away.
const BUSY: f64 = 0.03;

/// An account with its running state.
pub(super) struct Entry {
    pub(super) account: Account,
    pub(super) generation: u32,
    pub(super) hash: u64,
    pub(super) pull: u32,
    pub(super) places: Vec<Place>,
    /// Until when the whole account rests.
    pub(super) pause: Option<Moment>,
    pub(super) blocks: Vec<Block>,
    running: AtomicU32,
    /// Calls that run on other instances.
    elsewhere: AtomicU32,
    recent: Recent,
    /// One an allowance, and the last for models that no allowance names.
    free: Box<[Free]>,
}

/// What is free of an allowance, and when it is whole again although nobody has said so.
struct Free {
    millionths: AtomicU32,
    reset: AtomicI64,
}

impl Free {
    fn new(millionths: u32, reset: Moment) -> Self {
        Self { millionths: AtomicU32::new(millionths), reset: AtomicI64::new(reset.0) }
    }

    fn whole() -> Self {
        Self::new(WHOLE, NEVER)
    }

    fn at(&self, now: Moment) -> u32 {
        if self.reset() <= now { WHOLE } else { self.millionths.load(Ordering::Relaxed) }
    }

    fn reset(&self) -> Moment {
        Moment(self.reset.load(Ordering::Relaxed))
    }
}

/// No moment will do: somebody has to say so.
pub(super) const NEVER: Moment = Moment(i64::MAX);

/// Where an entry stands: which tier, which bag of it, and where there.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) tier: u32,
    pub(super) class: u8,
    pub(super) position: u32,
}

/// The account rests for some upstream models until a moment.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) models: Box<str>,
    pub(super) until: Moment,
}

impl Entry {
    pub(super) fn new(account: Account, generation: u32) -> Self {
        let free = (0..=account.allowances.len()).map(|_| Free::whole()).collect();
        Self {
            hash: hash_text(account.id.as_str()),
            pull: pull(&account),
            account,
            generation,
            places: Vec::new(),
            pause: None,
            blocks: Vec::new(),
            running: AtomicU32::new(0),
            elsewhere: AtomicU32::new(0),
            recent: Recent::nothing(),
            free,
        }
    }

    /// Puts another description of the same account in place; allowances that are still there keep what was free.
    pub(super) fn describe(&mut self, account: Account) {
        let kept = account.allowances.iter().map(|new| {
            let old = self.account.allowances.iter().position(|old| old.models == new.models);
            old.map_or_else(Free::whole, |place| {
                Free::new(self.free[place].millionths.load(Ordering::Relaxed), self.free[place].reset())
            })
        });
        self.free = kept.chain(std::iter::once(Free::whole())).collect();
        self.pull = pull(&account);
        self.account = account;
    }

    /// The logarithm of the pull, by which bags are told apart.
    pub(super) fn class(&self) -> u8 {
        u8::try_from(self.pull.ilog2()).unwrap_or(0)
    }

    /// How many calls may run here at once.
    pub(super) fn limit(&self) -> u32 {
        let here = |limit: u32| limit.saturating_sub(self.elsewhere.load(Ordering::SeqCst));
        self.account.max_concurrency.map_or(u32::MAX, here)
    }

    pub(super) fn set_elsewhere(&self, calls: u32) -> bool {
        self.elsewhere.swap(calls, Ordering::SeqCst) != calls
    }

    pub(super) fn running(&self) -> u32 {
        self.running.load(Ordering::SeqCst)
    }

    /// Counts one call more if there is room; answers how many run then.
    pub(super) fn begin(&self) -> Option<u32> {
        let limit = self.limit();
        let room = |running: u32| (running < limit).then(|| running + 1);
        self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room).ok().map(|before| before + 1)
    }

    /// Counts one call less; answers how many ran before.
    pub(super) fn end(&self) -> u32 {
        let less = |running: u32| running.checked_sub(1);
        self.running.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).unwrap_or(0)
    }

    /// Whether it may be used at all as far as the lists know, which do not look at the clock.
    pub(super) fn is_open(&self) -> bool {
        self.account.enabled && self.pause.is_none() && self.running() < self.limit()
    }

    pub(super) fn is_blocked(&self, upstream: &str) -> bool {
        self.blocks.iter().any(|block| glob_matches(&block.models, upstream))
    }

    /// Whether any call may begin now. It looks no further than the entry itself, so it is asked first.
    pub(super) fn is_awake(&self, now: Moment) -> bool {
        self.account.enabled && self.pause.is_none_or(|until| until <= now) && self.running() < self.limit()
    }

    /// Whether a call to an upstream model may begin now.
    pub(super) fn is_usable(&self, upstream: &str, now: Moment) -> bool {
        self.is_awake(now)
            && !self.blocks.iter().any(|block| now < block.until && glob_matches(&block.models, upstream))
            && self.free_for(upstream, now) > 0
    }

    /// When its pause or its block for an upstream model ends, whichever is later.
    pub(super) fn rests_until(&self, upstream: &str, now: Moment) -> Option<Moment> {
        let blocks = self.blocks.iter().filter(|block| glob_matches(&block.models, upstream));
        let spent = self.frees(upstream).filter(|free| free.at(now) == 0).map(Free::reset);
        let spent = spent.filter(|&reset| reset < NEVER);
        let ends = blocks.map(|block| block.until).chain(self.pause).chain(spent);
        ends.filter(|&until| now < until).max()
    }

    /// The fraction of the scarcest allowance for an upstream model that is free, in millionths.
    pub(super) fn free_for(&self, upstream: &str, now: Moment) -> u32 {
        self.frees(upstream).map(|free| free.at(now)).min().unwrap_or(WHOLE)
    }

    /// The allowances that an upstream model draws on, or the last where none names it.
    fn frees<'a>(&'a self, upstream: &'a str) -> impl Iterator<Item = &'a Free> {
        let mut places = self.account.allowances_for(upstream).peekable();
        let none = places.peek().is_none().then_some(self.account.allowances.len());
        places.chain(none).filter_map(|place| self.free.get(place))
    }

    /// An allowance, or `None` for the models that none names.
    pub(super) fn set_free(&self, allowance: Option<usize>, millionths: u32, reset: Moment) {
        if let Some(free) = self.free.get(allowance.unwrap_or(self.account.allowances.len())) {
            free.millionths.store(millionths.min(WHOLE), Ordering::Relaxed);
            free.reset.store(reset.0, Ordering::Relaxed);
        }
    }

    /// A call has cost this much.
    pub(super) fn used(&self, cost: Units, now: Moment) {
        self.recent.add(cost, now);
    }

    /// How good a choice it is compared with another: better the less it did lately for its size, worse when little is
    /// left of its allowance, and the more calls are running.
    pub(super) fn merit(&self, upstream: &str, now: Moment) -> f64 {
        let room = f64::from(self.account.max_concurrency.unwrap_or(EASY_CALLS).max(1));
        self.ease(upstream, now) * room / (room + f64::from(self.running()))
    }

    /// The merit without what is running, which changes from call to call.
    pub(super) fn ease(&self, upstream: &str, now: Moment) -> f64 {
        self.left(upstream, now) / (HARDLY_ANY + self.lately(now))
    }

    /// How well it keeps conversations: 1 when it did little lately and has enough left, towards 0 otherwise.
    pub(super) fn calm(&self, upstream: &str, now: Moment) -> f64 {
        (self.left(upstream, now) * BUSY / (BUSY + self.lately(now))).max(f64::MIN_POSITIVE)
    }

    /// What is free of its allowance, where a scarce part is all that counts.
    fn left(&self, upstream: &str, now: Moment) -> f64 {
        f64::from(self.free_for(upstream, now).min(SCARCE)) / f64::from(SCARCE)
    }

    /// What it did lately, as a part of its size.
    fn lately(&self, now: Moment) -> f64 {
        self.recent.at(now) / (f64::from(self.pull) * 1_000.0)
    }
}

/// How strongly an account draws calls: weight by thousandths of a unit of its largest allowance.
fn pull(account: &Account) -> u32 {
    let largest = account.allowances.iter().map(|allowance| allowance.capacity.0).max().unwrap_or(1_000_000);
    let size = (largest / 1000).clamp(1, 1_000_000) as u32;
    size * account.weight.clamp(1, 1000)
}

/// A hash that is the same in every process and release, so that all instances agree (FNV-1a, then mixed).
pub(super) fn hash_text(text: &str) -> u64 {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, fnv))
}

/// Spreads every bit over all others (the finaliser of SplitMix64).
pub(super) fn mix(seed: u64) -> u64 {
    let one = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let two = (one ^ (one >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    two ^ (two >> 31)
}
