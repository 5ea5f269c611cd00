//! When things were last used, written at most once a minute each.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::clock::Timestamp;

const EVERY: Duration = Duration::from_secs(60);
const AT_ONCE: usize = 100;

/// Times of last use of one kind of thing.
pub(super) struct Touches<K> {
    due: HashMap<K, Timestamp>,
    written: HashMap<K, Timestamp>,
}

impl<K> Default for Touches<K> {
    fn default() -> Self {
        Self { due: HashMap::new(), written: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash> Touches<K> {
    pub(super) fn note(&mut self, id: &K, at: Timestamp) {
        let recently = self.written.get(id).is_some_and(|last| at.since(*last) < EVERY);
        if !recently {
            self.due.insert(id.clone(), at);
        }
    }

    /// What is to be written now.
    pub(super) fn due(&self) -> Vec<(K, Timestamp)> {
        self.due.iter().take(AT_ONCE).map(|(id, at)| (id.clone(), *at)).collect()
    }

    /// It was written.
    pub(super) fn written(&mut self, taken: Vec<(K, Timestamp)>) {
        let Some(newest) = taken.iter().map(|(_, at)| *at).max() else { return };
        self.written.retain(|_, at| newest.since(*at) < EVERY);
        for (id, at) in taken {
            if self.due.get(&id).is_some_and(|due| *due <= at) {
                self.due.remove(&id);
            }
            self.written.insert(id, at);
        }
    }
}
