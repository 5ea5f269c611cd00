//! What is wanted of the pool, and what it gives: an account for one attempt, with a lease that counts the call as running
//! and ends itself when dropped. Nothing here chooses.

use std::sync::Arc;

use millpond_pool::account::Provider;
use millpond_pool::index::{Providers, Request, Slot, Sources};
use millpond_pool::units::{Cost, MicroUsd, Units};

use crate::gateway::accounts::{Serving, member};
use crate::gateway::pool::Pool;
use crate::gateway::pool::allowances::Permit;
use crate::gateway::pool::health::Probe;
use crate::ids::UserId;
use crate::state::counters::AccountCounters;

/// An account chosen for one attempt.
pub(crate) struct Picked {
    pub(crate) account: Arc<Serving>,
    pub(crate) upstream_model: String,
    /// The caller's own, so that nothing is charged.
    pub(crate) own: bool,
    pub(crate) lease: Lease,
}

/// Counts a call as running on an account until it is dropped.
pub(crate) struct Lease {
    pub(crate) pool: Arc<Pool>,
    pub(crate) slot: Slot,
    /// What this call tries out, if the account's circuit is open.
    pub(crate) probes: Vec<Probe>,
    /// What it may use of the account's allowance.
    pub(crate) permit: Option<Permit>,
}

impl Lease {
    /// Takes over what is known of the account by now.
    pub(crate) fn hear(&self, counters: Option<&AccountCounters>) {
        if let (Some(permit), Some(counters)) = (&self.permit, counters) {
            permit.hear(counters);
        }
    }

    /// Other instances left nothing of the account.
    pub(crate) fn refused(&mut self) {
        if let Some(permit) = &mut self.permit {
            permit.refused();
        }
    }

    /// Ends a call whose answer nobody waits for any more: its account has served one request, whatever came of it.
    pub(crate) fn end_unheard(mut self) {
        if let Some(permit) = self.permit.take() {
            let cost = Cost { requests: 1, tokens: 0, micro_usd: Some(MicroUsd(0)) };
            permit.settle(&cost, Units::ZERO);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What it holds first, so that whoever is handed the place finds it free everywhere.
        drop(self.permit.take());
        self.pool.end(self.slot);
    }
}

/// What an account is wanted for.
pub(crate) struct Wanted<'a> {
    pub(crate) model: &'a str,
    /// The model that the client asked for, whose quota pays.
    pub(crate) asked_model: &'a str,
    pub(crate) caller: UserId,
    /// Whose dialect the call is in.
    pub(crate) provider: Provider,
    pub(crate) conversation: Option<u64>,
    /// The most that it may cost on this model, which is held of the account's allowance and of quota.
    pub(crate) estimate: Cost,
    pub(crate) tried: &'a [Slot],
    /// Whether the call waits when only a free place is lacking.
    pub(crate) patient: bool,
}

impl Wanted<'_> {
    pub(crate) fn request(&self, sources: Sources) -> Request<'_> {
        Request {
            model: self.model,
            caller: member(self.caller),
            providers: Providers::only(self.provider),
            sources,
            conversation: self.conversation,
            tried: self.tried,
        }
    }
}
