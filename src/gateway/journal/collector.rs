//! Collects what finished calls owe: real costs in place of what was reserved from quotas, real use in place of what was
//! estimated for limits. What can't be collected now, because Redis is away, is kept and tried again.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use millpond_pool::units::{Moment, Window};

use crate::clock::Clock;
use crate::gateway::journal::{Dues, Used};
use crate::ids::UserId;
use crate::state::quotas::Charge;
use crate::state::{State, StateError};
use crate::store::quotas::QuotaRow;

/// Redis that takes longer counts as away; calls that end meanwhile don't wait for it.
const COLLECT_WITHIN: Duration = Duration::from_secs(2);
/// Dues kept while Redis is away. Beyond it the oldest go: their leases give themselves back.
const KEPT: usize = 65_536;
/// Calls whose limits are settled at one time.
const AT_ONCE: usize = 64;

/// The ledger's collector.
pub(crate) struct Collector {
    state: State,
    clock: Clock,
    window: Window,
    charges: Vec<Charge>,
    used: Vec<Used>,
    unsaved: HashMap<(UserId, String), QuotaRow>,
    to_save: Vec<QuotaRow>,
}

impl Collector {
    pub(crate) fn new(state: State, clock: Clock, window: Window) -> Self {
        Self {
            state,
            clock,
            window,
            charges: Vec::new(),
            used: Vec::new(),
            unsaved: HashMap::new(),
            to_save: Vec::new(),
        }
    }

    /// Takes note of what one call owes.
    pub(crate) fn take(&mut self, dues: Dues) {
        self.charges.extend(dues.charge);
        self.used.extend(dues.limits);
    }

    /// Collects all that is owed. A step that ran without our hearing of it runs again and changes nothing.
    pub(crate) async fn collect(&mut self) {
        if self.charges.is_empty() && self.used.is_empty() {
            return;
        }
        match tokio::time::timeout(COLLECT_WITHIN, self.collect_now()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "calls are settled later"),
            Err(_) => tracing::warn!("calls are settled later: the shared state is slow"),
        }
        let excess = self.charges.len().saturating_sub(KEPT);
        self.charges.drain(..excess);
        let excess = self.used.len().saturating_sub(KEPT);
        self.used.drain(..excess);
    }

    async fn collect_now(&mut self) -> Result<(), StateError> {
        let now = Moment(self.clock.now().millis());
        for row in self.state.settle_quotas(&self.charges, self.window, now).await? {
            self.unsaved.insert((row.user_id, row.model_group.clone()), row);
        }
        self.charges.clear();
        self.to_save = self.unsaved.values().cloned().collect();
        while !self.used.is_empty() {
            let done = self.used.len().saturating_sub(AT_ONCE);
            let last = self.used[done..].iter();
            try_join_all(last.map(|used| settle(&self.state, used))).await?;
            self.used.truncate(done);
        }
        Ok(())
    }

    /// Quotas that have to be written with the next rows.
    pub(crate) fn unsaved(&self) -> &[QuotaRow] {
        &self.to_save
    }

    /// They were written.
    pub(crate) fn saved(&mut self) {
        self.unsaved.clear();
        self.to_save.clear();
    }
}

async fn settle(state: &State, used: &Used) -> Result<(), StateError> {
    for &subject in &used.subjects {
        state.settle_limits(subject, used.id, used.tokens, used.micro_usd).await?;
    }
    Ok(())
}
