//! Quotas of a single instance: in memory, from the database when first needed, written back together with usage rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millpond_pool::account::AccountId;
use millpond_pool::bucket::{Lease, Settled};
use millpond_pool::group::Group;
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Units};
use serde::{Deserialize, Serialize};

use super::{Beginning, Brought, Charge, Mark, QuotaKey, Reserved, Terms, View};
use crate::clock::Clock;
use crate::state::{Result, StateError};
use crate::store::Store;
use crate::store::quotas::QuotaRow;

/// One quota and the terms that it was made under; its JSON is what the table holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    quota: Quota,
    terms: String,
    /// Moves with every change, so that an older state never overwrites a newer one in the table.
    version: u64,
    /// Moves when what is shared changes.
    sharing_version: u64,
    /// The last charge of each journal that is in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<Mark>,
    /// Leases from before, in milliseconds, are not in it.
    #[serde(skip)]
    begun: i64,
    /// Something changed since it was written.
    #[serde(skip)]
    is_unsaved: bool,
}

/// Journals whose marks are kept: this process's own, and those that may still be lying about.
const MARKS: usize = 8;

impl Held {
    /// Whether the charge at this place is in it; if not, it is from now on.
    fn passes(&mut self, mark: Mark) -> bool {
        if let Some(known) = self.marks.iter_mut().find(|known| known.journal == mark.journal) {
            let before = known.position;
            known.position = before.max(mark.position);
            return mark.position <= before;
        }
        self.marks.push(mark);
        self.marks.sort_by_key(|mark| mark.journal);
        // Newer journals have greater names.
        let excess = self.marks.len().saturating_sub(MARKS);
        self.marks.drain(..excess);
        false
    }

    fn settle(&mut self, charge: &Charge, mark: Option<Mark>, now: Moment) {
        if mark.is_some_and(|mark| self.passes(mark)) {
            return;
        }
        let settled = self.quota.settle(&charge.lease, charge.real, now);
        // A lease from before is not known here, and can't have been settled here.
        if settled == Settled::Already && charge.reserved_at.0 < self.begun {
            self.quota.charge(charge.real, now);
        }
        self.version += 1;
        self.is_unsaved = true;
    }

    fn row(&self, key: QuotaKey) -> Result<QuotaRow> {
        let state = serde_json::to_string(self).map_err(|_| unreadable(key))?;
        Ok(QuotaRow {
            user_id: key.user,
            model_group: key.group.name().to_owned(),
            version: signed(self.version),
            state,
        })
    }
}

fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn unreadable(key: QuotaKey) -> StateError {
    StateError::Unreadable(format!("quota of {} for {}", key.user, key.group.name()))
}

/// All quotas that were needed since the start.
#[derive(Clone, Debug)]
pub(in crate::state) struct Book {
    held: Arc<Mutex<HashMap<QuotaKey, Held>>>,
    store: Store,
    clock: Clock,
}

impl Book {
    pub(in crate::state) fn new(store: Store, clock: Clock) -> Self {
        Self { held: Arc::default(), store, clock }
    }

    /// A panic while the lock was held leaves whole values: every step is one assignment.
    fn lock(&self) -> MutexGuard<'_, HashMap<QuotaKey, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a quota from the database into memory. Its leases belonged to an earlier process and are given back.
    async fn load(&self, key: QuotaKey) -> Result<()> {
        if self.lock().contains_key(&key) {
            return Ok(());
        }
        let Some(row) = self.store.find_quota(key.user, key.group.name()).await? else { return Ok(()) };
        let mut held: Held = serde_json::from_str(&row.state).map_err(|_| unreadable(key))?;
        let now = Moment(self.clock.now().millis());
        held.quota.release_all(now);
        held.begun = now.0;
        self.lock().entry(key).or_insert(held);
        Ok(())
    }

    pub(super) async fn reserve(
        &self,
        key: QuotaKey,
        terms: &Terms,
        lease: Lease,
        now: Moment,
    ) -> Result<Reserved> {
        self.load(key).await?;
        let mut held = self.lock();
        let Some(held) = held.get_mut(&key).filter(|held| held.terms == terms.text()) else {
            return Ok(Reserved::Unknown);
        };
        Ok(held.quota.reserve(lease, now).map_or_else(Reserved::Lacking, Reserved::Held))
    }

    pub(super) fn settle(&self, charge: &Charge, mark: Option<Mark>, now: Moment) {
        // One that is not in memory is made of what is on record when it is needed.
        if let Some(held) = self.lock().get_mut(&charge.key) {
            held.settle(charge, mark, now);
        }
    }

    pub(super) async fn settle_again(&self, charge: &Charge, mark: Option<Mark>, now: Moment) -> Result<()> {
        self.load(charge.key).await?;
        self.settle(charge, mark, now);
        Ok(())
    }

    pub(super) fn unsaved(&self) -> Vec<QuotaRow> {
        let all = self.lock();
        let unsaved = all.iter().filter(|(_, held)| held.is_unsaved);
        unsaved.filter_map(|(key, held)| held.row(*key).ok()).collect()
    }

    pub(super) fn saved(&self, rows: &[QuotaRow]) {
        let mut all = self.lock();
        for row in rows {
            let group = Group::ALL.into_iter().find(|group| group.name() == row.model_group);
            let key = group.map(|group| QuotaKey { user: row.user_id, group });
            if let Some(held) = key.and_then(|key| all.get_mut(&key)) {
                held.is_unsaved &= signed(held.version) != row.version;
            }
        }
    }

    pub(super) async fn view(&self, key: QuotaKey) -> Result<Option<View>> {
        self.load(key).await?;
        Ok(self.lock().get(&key).map(|held| View {
            quota: held.quota.clone(),
            version: held.sharing_version,
            terms: held.terms.clone(),
        }))
    }

    pub(super) async fn begin(
        &self,
        key: QuotaKey,
        terms: &Terms,
        quota: &Quota,
        beginning: Beginning,
    ) -> Result<()> {
        let fresh = || Held {
            quota: quota.clone(),
            terms: terms.text(),
            version: 0,
            sharing_version: 0,
            marks: beginning.mark.into_iter().collect(),
            begun: beginning.at.0,
            is_unsaved: false,
        };
        let row = self.lock().entry(key).or_insert_with(fresh).row(key)?;
        Ok(self.store.save_quota(&row).await?)
    }

    pub(super) async fn bring(
        &self,
        key: QuotaKey,
        viewed: &View,
        terms: &Terms,
        wanted: &BTreeMap<AccountId, Units>,
        now: Moment,
    ) -> Result<Brought> {
        let row = {
            let mut all = self.lock();
            let Some(held) = all.get_mut(&key).filter(|held| held.sharing_version == viewed.version) else {
                return Ok(Brought::Conflict);
            };
            let changed = held.quota.bring_towards(terms.base, terms.cap, wanted, now);
            if !changed && held.terms == terms.text() {
                return Ok(Brought::Done);
            }
            held.terms = terms.text();
            held.version += 1;
            held.sharing_version += 1;
            held.row(key)?
        };
        self.store.save_quota(&row).await?;
        Ok(Brought::Done)
    }

    pub(super) async fn forget(&self, key: QuotaKey) -> Result<()> {
        self.store.delete_quota(key.user, key.group.name()).await?;
        self.lock().remove(&key);
        Ok(())
    }
}
