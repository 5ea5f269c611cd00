//! Members' pool quotas, shared by all instances: in Redis one script a step, embedded the same steps in memory.
//!
//! The arithmetic and its meaning are `millpond_pool::{bucket, sharing, quota}`; tests drive both forms with the same
//! vectors and the same random sequences. Who pays how much for what is decided in `gateway`.

mod embedded;
mod redis;

use std::collections::BTreeMap;

use millpond_pool::account::AccountId;
use millpond_pool::bucket::{Lease, Shortfall};
use millpond_pool::group::Group;
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Units, Window};
use serde::{Deserialize, Serialize};

use super::{Result, State};
use crate::ids::UserId;
use crate::store::quotas::QuotaRow;
pub(super) use embedded::Book;
pub(super) use redis::Leases;

/// Whose quota, for which models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuotaKey {
    pub user: UserId,
    pub group: Group,
}

/// What a quota is made under; when it changes, the quota is brought up to date before it is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the person's trust level gives.
    pub base: Units,
    /// The most that one person may have.
    pub cap: Option<Units>,
    /// The reference window.
    pub window: Window,
}

impl Terms {
    /// The form in which terms are stored and compared.
    fn text(&self) -> String {
        let cap = self.cap.map_or(String::new(), |cap| cap.0.to_string());
        format!("{}:{cap}:{}", self.base.0, self.window.name())
    }
}

/// The answer to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    Held(Lease),
    Lacking(Shortfall),
    /// There is no such quota yet, or it was made under other terms.
    Unknown,
}

/// The real cost of a call that had reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    pub key: QuotaKey,
    pub lease: Lease,
    /// A quota that begins later doesn't know the lease, and is charged nevertheless.
    pub reserved_at: Moment,
    /// When the call's row came on record, if it did: a quota that is made of what is on record later has it in it.
    pub recorded_at: Option<Moment>,
    pub real: Units,
}

/// Where in a journal a charge stands. An embedded quota notes the last of each journal that it has in it, so that one
/// that is read again after a restart is charged once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub journal: u64,
    pub position: u64,
}

/// From when on a quota counts charges by itself; what was before is in it already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beginning {
    pub at: Moment,
    /// The same in the journal of the only instance there is.
    pub mark: Option<Mark>,
}

/// A quota as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub quota: Quota,
    /// Moves with every change of what is shared.
    pub version: u64,
    terms: String,
}

/// Whether a quota could be brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brought {
    Done,
    /// Somebody else changed it meanwhile: look again at what should be counted.
    Conflict,
}

impl State {
    /// Sets an upper estimate of a call's cost aside.
    pub async fn reserve_quota(
        &self,
        key: QuotaKey,
        terms: &Terms,
        lease: Lease,
        now: Moment,
    ) -> Result<Reserved> {
        match self {
            Self::Embedded(embedded) => embedded.quotas().reserve(key, terms, lease, now).await,
            Self::Redis(redis) => redis::reserve(redis, key, terms, lease, now).await,
        }
    }

    /// Charges real costs in place of what was reserved.
    pub async fn settle_quotas(&self, charges: &[Charge], window: Window, now: Moment) -> Result<()> {
        match self {
            Self::Embedded(embedded) => {
                charges.iter().for_each(|charge| embedded.quotas().settle(charge, None, now));
                Ok(())
            }
            Self::Redis(redis) => redis::settle(redis, charges, window, now).await,
        }
    }

    /// The same at once, where quotas are in this process; false where they are not.
    pub fn settle_quota_here(&self, charge: &Charge, mark: Option<Mark>, now: Moment) -> bool {
        match self {
            Self::Embedded(embedded) => {
                embedded.quotas().settle(charge, mark, now);
                true
            }
            Self::Redis(_) => false,
        }
    }

    /// Charges what an earlier process could not store, where quotas are in this process.
    pub async fn settle_quota_again(&self, charge: &Charge, mark: Option<Mark>, now: Moment) -> Result<()> {
        match self {
            Self::Embedded(embedded) => embedded.quotas().settle_again(charge, mark, now).await,
            Self::Redis(_) => Ok(()),
        }
    }

    /// Quotas that changed since they were stored, to be written together with the usage rows that changed them.
    pub fn unsaved_quotas(&self) -> Vec<QuotaRow> {
        match self {
            Self::Embedded(embedded) => embedded.quotas().unsaved(),
            Self::Redis(_) => Vec::new(),
        }
    }

    /// They were written.
    pub fn quotas_saved(&self, rows: &[QuotaRow]) {
        if let Self::Embedded(embedded) = self {
            embedded.quotas().saved(rows);
        }
    }

    /// The quota as it is stored; nothing changes by looking.
    pub async fn view_quota(&self, key: QuotaKey) -> Result<Option<View>> {
        match self {
            Self::Embedded(embedded) => embedded.quotas().view(key).await,
            Self::Redis(redis) => redis::view(redis, key).await,
        }
    }

    /// Begins a quota, unless there is one.
    pub async fn begin_quota(
        &self,
        key: QuotaKey,
        terms: &Terms,
        quota: &Quota,
        beginning: Beginning,
    ) -> Result<()> {
        match self {
            Self::Embedded(embedded) => embedded.quotas().begin(key, terms, quota, beginning).await,
            Self::Redis(redis) => redis::begin(redis, key, terms, quota, beginning).await,
        }
    }

    /// Reserves again, in a quota that was made of what is on record, what calls of this instance have reserved that run.
    pub async fn reserve_again(&self, key: QuotaKey, terms: &Terms, now: Moment) -> Result<()> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Redis(redis) => redis::reserve_again(redis, key, terms, now).await,
        }
    }

    /// Makes base, cap and counted accounts what they should be, if the quota is still the one that was viewed.
    pub async fn bring_quota(
        &self,
        key: QuotaKey,
        viewed: &View,
        terms: &Terms,
        wanted: &BTreeMap<AccountId, Units>,
        now: Moment,
    ) -> Result<Brought> {
        if viewed.quota.bucket().window() != terms.window {
            // Another reference window is another way of counting: the quota is made anew.
            self.forget_quota(key).await?;
            return Ok(Brought::Conflict);
        }
        match self {
            Self::Embedded(embedded) => embedded.quotas().bring(key, viewed, terms, wanted, now).await,
            Self::Redis(redis) => redis::bring(redis, key, viewed, terms, wanted, now).await,
        }
    }

    async fn forget_quota(&self, key: QuotaKey) -> Result<()> {
        match self {
            Self::Embedded(embedded) => embedded.quotas().forget(key).await,
            Self::Redis(redis) => redis::forget(redis, key).await,
        }
    }
}

impl View {
    /// Whether the quota is counted in another way than these terms say.
    pub fn is_under(&self, terms: &Terms) -> bool {
        self.terms == terms.text()
    }
}
