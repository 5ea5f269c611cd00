//! One list of accounts that may serve the same requests at the same priority: drawn from by size, scanned by bits.
//! It holds numbers of entries only; what an entry is, the index knows.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::pattern::glob_matches;

/// More block patterns than this are not kept as bits; such accounts are then found to be blocked one by one.
const MASK_LIMIT: usize = 64;

/// The accounts of one priority under one name, prefix or wildcard.
pub(super) struct Tier {
    /// The public model, if the tier serves just one.
    pub(super) model: Option<Box<str>>,
    /// Bags of accounts whose pull is within a factor of two.
    pub(super) bags: Vec<Bag>,
    /// Accounts in the order of their hashes, for conversations that should stay where they are.
    pub(super) ring: BTreeSet<(u64, u32)>,
}

/// Accounts whose pull lies between `1 << class` and twice that.
pub(super) struct Bag {
    pub(super) class: u8,
    pub(super) members: Vec<u32>,
    open: Vec<AtomicU64>,
    masks: Vec<Mask>,
}

struct Mask {
    pattern: Box<str>,
    blocked: Vec<u64>,
    count: usize,
}

impl Tier {
    pub(super) fn new(model: Option<Box<str>>) -> Self {
        Self { model, bags: Vec::new(), ring: BTreeSet::new() }
    }

    pub(super) fn bag(&self, class: u8) -> Option<&Bag> {
        self.bags.iter().find(|bag| bag.class == class)
    }

    pub(super) fn bag_mut(&mut self, class: u8) -> Option<&mut Bag> {
        self.bags.iter_mut().find(|bag| bag.class == class)
    }

    /// Adds an entry, closed for now, and answers its position in its bag.
    pub(super) fn insert(&mut self, entry: u32, hash: u64, class: u8) -> u32 {
        self.ring.insert((hash, entry));
        if self.bag(class).is_none() {
            self.bags.push(Bag { class, members: Vec::new(), open: Vec::new(), masks: Vec::new() });
        }
        self.bag_mut(class).map_or(0, |bag| bag.push(entry))
    }

    /// Removes an entry and answers which other entry now has its position.
    pub(super) fn remove(&mut self, entry: u32, hash: u64, class: u8, position: u32) -> Option<u32> {
        self.ring.remove(&(hash, entry));
        let bag = self.bag_mut(class)?;
        let moved = bag.swap_remove(position as usize);
        if bag.members.is_empty() {
            self.bags.retain(|bag| bag.class != class);
        }
        moved
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }
}

impl Bag {
    /// Chances in a draw: every member has `2 << class`, and takes as many of them as its pull is.
    pub(super) fn chances(&self) -> u64 {
        (self.members.len() as u64) << (self.class + 1)
    }

    pub(super) fn is_open(&self, position: usize, model: &str) -> bool {
        let (word, bit) = (position / 64, 1 << (position % 64));
        self.open[word].load(Ordering::Relaxed) & bit != 0
            && !self
                .masks
                .iter()
                .any(|mask| mask.blocked[word] & bit != 0 && glob_matches(&mask.pattern, model))
    }

    pub(super) fn set_open(&self, position: usize, open: bool) {
        let (word, bit) = (position / 64, 1 << (position % 64));
        if open {
            self.open[word].fetch_or(bit, Ordering::SeqCst);
        } else {
            self.open[word].fetch_and(!bit, Ordering::SeqCst);
        }
    }

    /// Blocks a member for exactly the models that these patterns name.
    pub(super) fn set_blocks<'a>(
        &mut self,
        position: usize,
        patterns: impl Iterator<Item = &'a str> + Clone,
    ) {
        let (word, bit) = (position / 64, 1_u64 << (position % 64));
        for mask in &mut self.masks {
            mask.count -= usize::from(mask.blocked[word] & bit != 0);
            mask.blocked[word] &= !bit;
        }
        for pattern in patterns {
            if let Some(mask) = self.mask(pattern) {
                mask.count += usize::from(mask.blocked[word] & bit == 0);
                mask.blocked[word] |= bit;
            }
        }
        self.masks.retain(|mask| mask.count > 0);
    }

    /// The first open member, from a position onwards and around, that `fits`.
    pub(super) fn scan(&self, start: usize, model: &str, mut fits: impl FnMut(u32) -> bool) -> Option<u32> {
        let words = self.open.len();
        let masks: Vec<&Mask> = self.masks.iter().filter(|mask| glob_matches(&mask.pattern, model)).collect();
        for step in 0..=words {
            let word = (start / 64 + step) % words.max(1);
            let mut bits = self.open.get(word)?.load(Ordering::Relaxed);
            for mask in &masks {
                bits &= !mask.blocked[word];
            }
            // The word in the middle of which the scan began is seen twice: first its upper part, then its lower.
            let upper = u64::MAX << (start % 64);
            bits &= if step == 0 { upper } else { u64::MAX };
            bits &= if step == words { !upper } else { u64::MAX };
            while bits != 0 {
                let position = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                if fits(self.members[position]) {
                    return Some(self.members[position]);
                }
            }
        }
        None
    }

    fn mask(&mut self, pattern: &str) -> Option<&mut Mask> {
        if !self.masks.iter().any(|mask| &*mask.pattern == pattern) {
            if self.masks.len() >= MASK_LIMIT {
                return None;
            }
            self.masks.push(Mask { pattern: pattern.into(), blocked: vec![0; self.open.len()], count: 0 });
        }
        self.masks.iter_mut().find(|mask| &*mask.pattern == pattern)
    }

    fn push(&mut self, entry: u32) -> u32 {
        let position = self.members.len();
        self.members.push(entry);
        if position.is_multiple_of(64) {
            self.open.push(AtomicU64::new(0));
            for mask in &mut self.masks {
                mask.blocked.push(0);
            }
        }
        u32::try_from(position).unwrap_or(u32::MAX)
    }

    fn swap_remove(&mut self, position: usize) -> Option<u32> {
        let last = self.members.len() - 1;
        let last_is_open = *self.open[last / 64].get_mut() >> (last % 64) & 1 == 1;
        self.set_open(last, false);
        if last != position {
            self.set_open(position, last_is_open);
        }
        for mask in &mut self.masks {
            mask.remove(last, position);
        }
        self.members.swap_remove(position);
        let words = self.members.len().div_ceil(64);
        self.open.truncate(words);
        for mask in &mut self.masks {
            mask.blocked.truncate(words);
        }
        self.members.get(position).copied()
    }
}

impl Mask {
    /// Forgets the bit at `removed` and moves the one at `last` there.
    fn remove(&mut self, last: usize, removed: usize) {
        self.count -= usize::from(self.blocked[removed / 64] >> (removed % 64) & 1 == 1);
        let moved = self.blocked[last / 64] >> (last % 64) & 1;
        self.blocked[last / 64] &= !(1 << (last % 64));
        if last != removed {
            let word = &mut self.blocked[removed / 64];
            *word = *word & !(1 << (removed % 64)) | moved << (removed % 64);
        }
    }
}
