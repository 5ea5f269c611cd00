//! May this call draw on the shared pool? An upper estimate of its cost is set aside before the provider is called and
//! settled to the real cost after. The arithmetic is `millpond_pool::quota`; this file keeps one value per member and
//! model, in the memory of this process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millpond_pool::account::AccountId as PoolId;
use millpond_pool::bucket::{Lease, LeaseId, Shortfall};
use millpond_pool::quota::Quota;
use millpond_pool::units::{Cost, LimitUnit, Moment, Reference, Units, Window};
use millpond_wire::openai::ChatHead;
use millpond_wire::tokens::upper_bound_tokens;

use crate::clock::Clock;
use crate::ids::UserId;

/// What every member may use of others' accounts without sharing any.
const BASE: Units = Units::ONE;
/// A reservation that nobody settles comes back after this time; no call lives longer.
const LEASE_LIFE_MS: i64 = 2 * 3_600 * 1_000;
/// Output tokens that are set aside when the client gives no bound.
const DEFAULT_OUTPUT_TOKENS: u64 = 4_096;

/// A member's quota and which accounts it counts.
struct Held {
    quota: Quota,
    counted: BTreeMap<PoolId, Units>,
}

#[derive(Default)]
struct Book {
    quotas: HashMap<(UserId, String), Held>,
    sharing: HashMap<UserId, BTreeMap<PoolId, Units>>,
}

struct Inner {
    clock: Clock,
    reference: Reference,
    book: Mutex<Book>,
}

/// The pool quotas of all members. Cheap to clone.
#[derive(Clone)]
pub(super) struct Quotas(Arc<Inner>);

/// Quota that is set aside for a call; dropped, it gives itself back.
pub(super) struct Reservation {
    quotas: Quotas,
    owner: (UserId, String),
    lease: Lease,
    unit: LimitUnit,
    open: bool,
}

/// The most that a call can cost.
pub(super) fn estimate(head: &ChatHead<'_>) -> Cost {
    let prompt = upper_bound_tokens(head.messages.len() + head.tools.map_or(0, <[u8]>::len));
    let output = head.output_limit().unwrap_or(DEFAULT_OUTPUT_TOKENS).saturating_mul(head.n);
    let tokens = i64::try_from(prompt.saturating_add(output)).unwrap_or(i64::MAX);
    Cost { requests: 1, tokens, micro_usd: None }
}

impl Quotas {
    /// No quotas yet: everybody starts full.
    pub(super) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, reference: Reference::default(), book: Mutex::default() }))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        Moment(self.0.clock.now().millis())
    }

    /// Says which accounts everybody shares at present, and what each counts for.
    pub(super) fn set_sharing(&self, sharing: HashMap<UserId, BTreeMap<PoolId, Units>>) {
        let now = self.now();
        let mut book = self.book();
        let Book { quotas, sharing: current } = &mut *book;
        *current = sharing;
        for ((user, _), held) in quotas {
            held.count(current.get(user), now);
        }
    }

    /// Sets the upper estimate of a call aside. On refusal: what lacks and how long to wait.
    pub(super) fn reserve(
        &self,
        user: UserId,
        model: &str,
        cost: &Cost,
        unit: LimitUnit,
    ) -> Result<Reservation, Refusal> {
        let now = self.now();
        let amount = self.0.reference.cost(cost, unit);
        let lease = Lease { id: LeaseId(rand::random()), amount, expires_at: now.plus(LEASE_LIFE_MS) };
        let owner = (user, model.to_owned());
        let mut book = self.book();
        let Book { quotas, sharing } = &mut *book;
        let held = quotas.entry(owner.clone()).or_insert_with(|| {
            let quota = Quota::new(BASE, None, Window::FiveHours, now);
            let mut held = Held { quota, counted: BTreeMap::new() };
            held.count(sharing.get(&user), now);
            held
        });
        let lease = held.quota.reserve(lease, now).map_err(|shortfall| Refusal::new(shortfall, now))?;
        drop(book);
        Ok(Reservation { quotas: self.clone(), owner, lease, unit, open: true })
    }
}

impl Held {
    /// Brings the counted accounts in line with those that are shared now.
    fn count(&mut self, shared: Option<&BTreeMap<PoolId, Units>>, now: Moment) {
        let none = BTreeMap::new();
        let shared = shared.unwrap_or(&none);
        let gone: Vec<PoolId> = self.counted.keys().filter(|id| !shared.contains_key(id)).cloned().collect();
        for id in gone {
            self.quota.unshare(&id, now);
            self.counted.remove(&id);
        }
        for (id, units) in shared {
            match self.counted.insert(id.clone(), *units) {
                None => self.quota.share(id, *units, *units, now),
                Some(before) if before != *units => self.quota.resize(id, *units, now),
                Some(_) => Units::ZERO,
            };
        }
    }
}

/// The pool quota does not suffice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub lacking: Units,
    /// `None`: the call is larger than the quota ever gets.
    pub wait: Option<Duration>,
}

impl Refusal {
    fn new(shortfall: Shortfall, now: Moment) -> Self {
        let wait = shortfall
            .available_at
            .map(|then| Duration::from_millis(u64::try_from(then.since(now)).unwrap_or_default()));
        Self { lacking: shortfall.lacking, wait }
    }
}

impl Reservation {
    /// Charges the real cost instead; answers what was charged.
    pub(super) fn settle(mut self, tokens: i64) -> Units {
        self.open = false;
        let cost = Cost { requests: 1, tokens, micro_usd: None };
        let real = self.quotas.0.reference.cost(&cost, self.unit);
        let now = self.quotas.now();
        if let Some(held) = self.quotas.book().quotas.get_mut(&self.owner) {
            held.quota.settle(&self.lease, real, now);
        }
        real
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.open {
            let now = self.quotas.now();
            if let Some(held) = self.quotas.book().quotas.get_mut(&self.owner) {
                held.quota.release(&self.lease, now);
            }
        }
    }
}
