//! What a finished call owes to the shared state that admitted it, and the only place that settles it: the quota that was
//! reserved, and what was estimated of limits. Where the state is in this process the call's own task does it; where it is
//! Redis, the [debts](super::debts) task.

use std::time::Duration;

use futures_util::future::try_join_all;
use millpond_pool::bucket::LeaseId;
use millpond_pool::units::{Moment, Window};

use super::segment::{JournalId, Position};
use crate::clock::Clock;
use crate::state::counters::Subject;
use crate::state::quotas::{Charge, Mark};
use crate::state::{State, StateError};
use crate::store::quotas::QuotaRow;

/// Redis that takes longer counts as away.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);
/// Calls whose limits are settled at one time.
const AT_ONCE: usize = 64;

/// What a finished call owes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charges {
    pub(crate) quota: Option<Charge>,
    pub(crate) limits: Option<LimitsUsed>,
}

/// What a call really used of the limits that it was admitted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LimitsUsed {
    pub(crate) id: LeaseId,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) tokens: i64,
    pub(crate) micro_usd: i64,
}

impl Charges {
    pub(super) fn is_none(&self) -> bool {
        self.quota.is_none() && self.limits.is_none()
    }
}

/// Settles charges. A charge that is settled again changes nothing.
#[derive(Clone, Debug)]
pub(super) struct Settler {
    pub(super) state: State,
    pub(super) clock: Clock,
    pub(super) window: Window,
}

impl Settler {
    pub(super) fn now(&self) -> Moment {
        Moment(self.clock.now().millis())
    }

    /// Whether the shared state is in this process.
    pub(super) fn is_here(&self) -> bool {
        !self.state.is_shared()
    }

    /// Settles charges of the record that ends at a place of a journal, or that is in none; only where the state is in this
    /// process.
    pub(super) fn settle_here(&self, charges: &Charges, at: Option<(JournalId, Position)>) {
        let now = self.now();
        if let Some(charge) = &charges.quota {
            let mark = at.map(|(journal, end)| mark(journal, end));
            self.state.settle_quota_here(charge, mark, now);
        }
        if let Some(used) = &charges.limits {
            for &subject in &used.subjects {
                self.state.settle_limits_here(subject, used.id, used.tokens, used.micro_usd);
            }
        }
    }

    /// Settles what an earlier process left in its journal; only where the state is in this process. What was used of limits
    /// went with it.
    pub(super) async fn settle_left(
        &self,
        charges: &Charges,
        at: Option<(JournalId, Position)>,
    ) -> Result<(), StateError> {
        let Some(charge) = &charges.quota else { return Ok(()) };
        let mark = at.map(|(journal, end)| mark(journal, end));
        self.state.settle_quota_again(charge, mark, self.now()).await
    }

    /// Settles in Redis, all of it or an error.
    pub(super) async fn settle(&self, charges: &[Charges]) -> Result<(), StateError> {
        match tokio::time::timeout(SETTLE_WITHIN, self.settle_in_redis(charges)).await {
            Ok(settled) => settled,
            Err(_) => Err(StateError::Away),
        }
    }

    async fn settle_in_redis(&self, charges: &[Charges]) -> Result<(), StateError> {
        let now = self.now();
        let quotas: Vec<Charge> = charges.iter().filter_map(|charges| charges.quota).collect();
        self.state.settle_quotas(&quotas, self.window, now).await?;
        let used: Vec<&LimitsUsed> = charges.iter().filter_map(|charges| charges.limits.as_ref()).collect();
        for some in used.chunks(AT_ONCE) {
            try_join_all(some.iter().map(|used| settle_limits(&self.state, used))).await?;
        }
        Ok(())
    }

    /// Quotas that are to be stored with the next rows.
    pub(super) fn unsaved(&self) -> Vec<QuotaRow> {
        self.state.unsaved_quotas()
    }

    pub(super) fn saved(&self, rows: &[QuotaRow]) {
        self.state.quotas_saved(rows);
    }
}

/// Where a record ends is what tells it from all others.
fn mark(journal: JournalId, end: Position) -> Mark {
    Mark { journal: journal.0, position: end.0 }
}

async fn settle_limits(state: &State, used: &LimitsUsed) -> Result<(), StateError> {
    for &subject in &used.subjects {
        state.settle_limits(subject, used.id, used.tokens, used.micro_usd).await?;
    }
    Ok(())
}
