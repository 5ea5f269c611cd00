//! What members may use of others' accounts, held in memory: reservations before a call, real costs after it.
//!
//! The arithmetic is `millpond_pool::quota`; here it is found for a member and a group of models, and told which accounts
//! the member shares. Each instance counts for itself and from full at its start: a shared bucket in Redis takes the
//! place of [`Quotas::reserve`] and of the two ends of a [`Reservation`] without any change to their callers.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use millpond_pool::account::AccountId;
use millpond_pool::bucket::{Lease, LeaseId, Shortfall};
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Reference, Units};

use crate::clock::Clock;
use crate::ids::UserId;
use crate::store::users::User;

/// Models that draw on one quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Group {
    Claude,
    Gemini,
    Gpt,
    Other,
}

impl Group {
    pub(super) const ALL: [Self; 4] = [Self::Claude, Self::Gemini, Self::Gpt, Self::Other];

    /// The group of a model, whatever vendor stands before its name.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if begins(&["claude"]) {
            Self::Claude
        } else if begins(&["gemini"]) {
            Self::Gemini
        } else if begins(&["gpt-", "chatgpt-", "o1", "o3", "o4", "codex"]) {
            Self::Gpt
        } else {
            Self::Other
        }
    }

    /// Whether a name or pattern may stand for a model of this group.
    pub(super) fn may_mean(self, pattern: &str) -> bool {
        pattern.starts_with('*') || Self::of(pattern) == self
    }
}

/// What an account that a member shares is worth, by group in the order of [`Group::ALL`].
pub(super) struct Contribution {
    pub(super) account: AccountId,
    pub(super) units: [Units; 4],
}

/// One member's quota for one group.
struct Held {
    quota: Quota,
    base: Units,
    counted: BTreeMap<AccountId, Units>,
}

impl Held {
    /// Brings base and shared accounts up to date.
    fn refresh(&mut self, base: Units, wanted: BTreeMap<AccountId, Units>, now: Moment) {
        if self.base != base {
            self.quota.set_base(base, now);
            self.base = base;
        }
        for gone in self.counted.keys().filter(|id| !wanted.contains_key(*id)) {
            self.quota.unshare(gone, now);
        }
        for (id, &units) in &wanted {
            match self.counted.get(id) {
                None => drop(self.quota.share(id, units, units, now)),
                Some(&known) if known != units => drop(self.quota.resize(id, units, now)),
                Some(_) => {}
            }
        }
        self.counted = wanted;
    }
}

type SharedHeld = Arc<Mutex<Held>>;

/// The quotas of everybody who has called since this instance started.
pub(super) struct Quotas {
    clock: Clock,
    pub(super) reference: Reference,
    held: RwLock<HashMap<(UserId, Group), SharedHeld>>,
    shared: RwLock<HashMap<UserId, Vec<Contribution>>>,
}

impl Quotas {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, reference: Reference::default(), held: RwLock::default(), shared: RwLock::default() }
    }

    /// Takes note of which accounts are shared at present.
    pub(super) fn set_shared(&self, shared: HashMap<UserId, Vec<Contribution>>) {
        *self.shared.write().unwrap_or_else(PoisonError::into_inner) = shared;
        let now = self.now();
        for (&(user, group), held) in self.held.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let wanted = self.wanted(user, group);
            let mut held = lock(held);
            let base = held.base;
            held.refresh(base, wanted, now);
        }
    }

    /// Sets an upper estimate of a call's cost aside.
    pub(super) fn reserve(
        &self,
        user: &User,
        model: &str,
        amount: Units,
        life_millis: i64,
    ) -> Result<Reservation, Shortfall> {
        let now = self.now();
        let held = self.held_by(user, Group::of(model), now);
        let lease = Lease { id: LeaseId(rand::random()), amount, expires_at: now.plus(life_millis) };
        let lease = lock(&held).quota.reserve(lease, now)?;
        Ok(Reservation { held, lease, clock: self.clock.clone(), open: true })
    }

    pub(super) fn now(&self) -> Moment {
        Moment(self.clock.now().millis())
    }

    fn held_by(&self, user: &User, group: Group, now: Moment) -> SharedHeld {
        let base = base_of(user.trust_level);
        let known = self.held.read().unwrap_or_else(PoisonError::into_inner).get(&(user.id, group)).cloned();
        if let Some(held) = known {
            if lock(&held).base != base {
                let wanted = self.wanted(user.id, group);
                lock(&held).refresh(base, wanted, now);
            }
            return held;
        }
        let mut all = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            let quota = Quota::new(base, None, self.reference.window, now);
            let mut held = Held { quota, base, counted: BTreeMap::new() };
            held.refresh(base, self.wanted(user.id, group), now);
            Arc::new(Mutex::new(held))
        };
        all.entry((user.id, group)).or_insert_with(fresh).clone()
    }

    fn wanted(&self, user: UserId, group: Group) -> BTreeMap<AccountId, Units> {
        let shared = self.shared.read().unwrap_or_else(PoisonError::into_inner);
        let own = shared.get(&user).map_or(&[][..], Vec::as_slice);
        own.iter()
            .map(|one| (one.account.clone(), one.units[group as usize]))
            .filter(|(_, units)| *units > Units::ZERO)
            .collect()
    }
}

/// What everybody of a trust level may use before sharing anything: one unit, and one more a level.
fn base_of(trust_level: i32) -> Units {
    Units(Units::ONE.0 * (1 + i64::from(trust_level.clamp(0, 4))))
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An amount set aside for one call. Dropped, it gives itself back.
pub(super) struct Reservation {
    held: SharedHeld,
    lease: Lease,
    clock: Clock,
    open: bool,
}

impl Reservation {
    /// Charges the real cost in place of the estimate.
    pub(super) fn settle(mut self, real: Units) {
        self.open = false;
        let now = Moment(self.clock.now().millis());
        lock(&self.held).quota.settle(&self.lease, real, now);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            let now = Moment(self.clock.now().millis());
            lock(&self.held).quota.release(&self.lease, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_belong_to_groups() {
        assert_eq!(Group::of("claude-opus-4-5"), Group::Claude);
        assert_eq!(Group::of("openai/gpt-4o"), Group::Gpt);
        assert_eq!(Group::of("qwen3"), Group::Other);
        for (place, group) in Group::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, place);
        }
        assert!(Group::Gemini.may_mean("*") && !Group::Gemini.may_mean("gpt-*"));
    }
}
