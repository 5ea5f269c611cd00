//! What providers say of their own limits, in headers beside an answer or in the body of a refusal: believed where the
//! owner declares nothing for the model. Reports are of one credential, so an account with several has none.

use axum::http::{HeaderMap, StatusCode};
use millpond_pool::allowance::Reported;
use millpond_pool::units::Moment;
use millpond_wire::limits::{self, Limit};
use serde::{Deserialize, Serialize};

use super::Allowances;
use crate::clock::Timestamp;
use crate::gateway::accounts::Serving;
use crate::gateway::upstream::Refused;

/// Models of one account of which reports are kept.
const REPORTS: usize = 64;
/// Headers by which a report is recognised without reading it.
const SIGNS: [&str; 4] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "anthropic-ratelimit-requests-limit",
    "x-ratelimit-limit",
];

/// What a provider reported for one model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) limits: Vec<Reported>,
    pub(super) at: Timestamp,
}

impl Allowances {
    /// Learns from the headers of an answer.
    pub(crate) fn learn(&self, account: &Serving, model: &str, headers: &HeaderMap) {
        if !SIGNS.iter().any(|sign| headers.contains_key(*sign)) {
            return;
        }
        let at = self.clock.now();
        let header = |name: &str| headers.get(name)?.to_str().ok();
        self.note(account, model, &limits::limits(header, at.millis()), at);
    }

    /// Learns from a refusal: its headers, and what its body says is used up, where the provider says it there.
    pub(crate) fn learn_from_refusal(&self, account: &Serving, model: &str, refused: &Refused) {
        self.learn(account, model, &refused.headers);
        if let Some(used_up) = account.profile.used_up
            && refused.status == StatusCode::TOO_MANY_REQUESTS
        {
            let at = self.clock.now();
            self.note(account, model, &used_up(&refused.body, at.millis()), at);
        }
    }

    fn note(&self, account: &Serving, model: &str, found: &[Limit], at: Timestamp) {
        // A name with a star would be a pattern in selection; no provider has one.
        if found.is_empty() || model.contains('*') || !account.credentials.is_single() {
            return;
        }
        let reported = |limit: &Limit| Reported {
            limit: limit.limit,
            remaining: limit.remaining,
            reset: Moment(limit.reset_millis),
        };
        let limits = found.iter().map(reported).collect();
        let held = self.account(&account.id);
        {
            let mut state = held.lock();
            let full = state.reports.len() >= REPORTS && !state.reports.contains_key(model);
            if full || state.covers(model) {
                return;
            }
            state.reports.insert(model.to_owned(), Report { limits, at });
            state.reports_changed = true;
        }
        self.announce_here(&account.id);
        self.is_busy(&account.id);
    }
}
