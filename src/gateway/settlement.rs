//! The end of a call, whichever way it comes: tokens counted, quota charged, lease given back, the row written to the
//! journal. A settlement that is dropped unfinished (a client that left, a panic) settles itself as that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millpond_pool::pricing::{self, Prices};
use millpond_pool::units::{Cost, MicroUsd, Reference, Units};
use millpond_wire::{Endpoint, Observed, Prompt, Usage};
use tokio::sync::oneshot;

use super::Gateway;
use super::accounts::Serving;
use super::admission::Admission;
use super::journal::{Charges, Journal, LimitsUsed, Place, Recorded};
use super::pool::lease::{Lease, Picked};
use super::token_counter::TokenCounter;
use crate::clock::Timestamp;
use crate::ids::{KeyId, UserId};
use crate::store::usage::{Outcome, UsageRow};

/// What the table holds of names.
const LONGEST_MODEL: usize = 100;
const LONGEST_UPSTREAM_MODEL: usize = 200;
/// The status that is recorded when the client did not wait for ours.
const CLIENT_CLOSED: u16 = 499;

/// What is known of a call when it begins.
pub(super) struct Call {
    pub(super) user: UserId,
    pub(super) key: Option<KeyId>,
    pub(super) request_id: Arc<str>,
    pub(super) endpoint: Endpoint,
    pub(super) model: String,
    pub(super) stream: bool,
    /// Where the prompt stands in the request, for counting its tokens where the provider does not.
    pub(super) prompt: Prompt,
    pub(super) body: Bytes,
    pub(super) started: Instant,
    pub(super) created_at: Timestamp,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) status: u16,
    pub(super) error_code: Option<&'static str>,
}

/// The account of the latest attempt.
struct Served {
    account: Arc<Serving>,
    upstream_model: String,
    own: bool,
}

/// A call that has begun and must be recorded.
pub(super) struct Settlement {
    open: Option<Open>,
    /// What is set aside for it, which is settled with it.
    pub(super) admission: Admission,
}

struct Open {
    journal: Arc<Journal>,
    counter: TokenCounter,
    place: Place,
    call: Call,
    reference: Reference,
    prices: Arc<Prices>,
    admission: Admission,
    lease: Option<Lease>,
    served: Option<Served>,
    attempts: i32,
    ttft: Option<Duration>,
}

/// The tokens of a call and whether they are our own count.
#[derive(Clone, Copy, Default)]
struct Tokens {
    usage: Usage,
    estimated: bool,
}

impl Settlement {
    pub(super) fn new(gateway: &Gateway, place: Place, call: Call) -> Self {
        let open = Open {
            journal: gateway.journal.clone(),
            counter: gateway.counter.clone(),
            place,
            call,
            reference: *gateway.pool.quotas.reference(),
            prices: gateway.prices.clone(),
            admission: Admission::default(),
            lease: None,
            served: None,
            attempts: 0,
            ttft: None,
        };
        Self { open: Some(open), admission: Admission::default() }
    }

    /// How much of the answer is read on when its client has gone.
    pub(super) fn drain_bytes(&self) -> u64 {
        let served = self.open.as_ref().and_then(|open| open.served.as_ref());
        served.map_or(0, |served| served.account.drain_bytes)
    }

    /// An attempt begins on an account, whose lease is kept; that of an earlier attempt ends.
    pub(super) fn attempt(&mut self, picked: Picked) {
        if let Some(open) = &mut self.open {
            open.attempts += 1;
            open.lease = Some(picked.lease);
            open.served = Some(Served {
                account: picked.account,
                upstream_model: picked.upstream_model,
                own: picked.own,
            });
        }
    }

    /// A second attempt ran beside the latest one, for nothing.
    pub(super) fn also_tried(&mut self) {
        if let Some(open) = &mut self.open {
            open.attempts += 1;
        }
    }

    /// A second attempt ran beside the latest one and was quicker: it serves the call.
    pub(super) fn overtaken_by(&mut self, picked: Picked) {
        let slower = self.open.as_mut().and_then(|open| open.lease.take());
        self.attempt(picked);
        if let Some(slower) = slower {
            slower.end_unheard();
        }
    }

    /// The first byte goes to the client.
    pub(super) fn first_byte(&mut self) {
        if let Some(open) = self.open.as_mut().filter(|open| open.ttft.is_none()) {
            open.ttft = Some(open.call.started.elapsed());
        }
    }

    /// Settles the call.
    pub(super) fn finish(mut self, end: End, observed: Observed) -> Recorded {
        self.settle(end, observed)
    }

    fn settle(&mut self, end: End, observed: Observed) -> Recorded {
        let Some(mut open) = self.open.take() else { return Recorded::Done };
        open.admission = std::mem::take(&mut self.admission);
        open.tell_health(end);
        if let Some(usage) = observed.reported() {
            return open.record(end, Tokens { usage, estimated: false });
        }
        if !open.used_tokens(end, &observed) {
            return open.record(end, Tokens::default());
        }
        open.record_estimated(end, observed)
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        drop(self.settle(client_closed(), Observed::default()));
    }
}

/// A client that left in the middle of an answer.
pub(super) fn client_closed() -> End {
    End { outcome: Outcome::ClientClosed, status: CLIENT_CLOSED, error_code: None }
}

/// What a call of a model costs, where the model's price is known.
fn cost(prices: &Prices, model: &str, usage: &Usage) -> Option<MicroUsd> {
    let tokens = pricing::Tokens {
        input: usage.input_tokens,
        cache_read: usage.cached_tokens,
        cache_write: usage.cache_write_tokens,
        output: usage.output_tokens,
    };
    Some(prices.of(model)?.cost(&tokens))
}

impl Open {
    /// Whether the provider will have counted tokens although it did not say how many, or not of all.
    fn used_tokens(&self, end: End, observed: &Observed) -> bool {
        let sent = self.attempts > 0 && !self.call.endpoint.only_counts();
        match end.outcome {
            Outcome::Ok => sent,
            Outcome::ClientClosed => sent,
            Outcome::UpstreamError => observed.any_content || observed.usage.is_some(),
            Outcome::Rejected => false,
        }
    }

    /// A call that ended well speaks for its account, one that the provider broke off against it.
    fn tell_health(&self, end: End) {
        let (Some(lease), Some(served)) = (&self.lease, &self.served) else { return };
        let health = &lease.pool.health;
        match end.outcome {
            Outcome::Ok => health.worked(&served.account.id, &served.upstream_model),
            Outcome::UpstreamError if self.ttft.is_some() => {
                health.broke_off(&served.account, &served.upstream_model);
            }
            _ => {}
        }
    }

    /// Counting a long text takes milliseconds, and the very first one loads a vocabulary. Where too many wait for that, a
    /// call is counted by its bytes.
    fn record_estimated(self, end: End, observed: Observed) -> Recorded {
        let bytes = self.call.body.len();
        let counter = self.counter.clone();
        let (told, hears) = oneshot::channel();
        let counted = counter.count(bytes, (self, observed), move |(open, observed)| {
            let tokens = open.estimate(&observed);
            drop(told.send(open.record(end, tokens)));
        });
        match counted {
            Ok(()) => Recorded::Counts(hears),
            Err((open, observed)) => {
                let tokens = open.estimate_by_bytes(&observed);
                open.record(end, tokens)
            }
        }
    }

    fn estimate_by_bytes(&self, observed: &Observed) -> Tokens {
        let input = u64::try_from(self.call.body.len()).unwrap_or(u64::MAX).div_ceil(4);
        Tokens { usage: observed.estimated_by_bytes(input), estimated: true }
    }

    fn estimate(&self, observed: &Observed) -> Tokens {
        let model = self.served.as_ref().map_or(&*self.call.model, |served| &*served.upstream_model);
        let input = || self.call.prompt.estimate_tokens(&self.call.body, model);
        Tokens { usage: observed.estimated(model, input), estimated: true }
    }

    fn record(mut self, end: End, tokens: Tokens) -> Recorded {
        let money =
            self.served.as_ref().and_then(|served| cost(&self.prices, &served.upstream_model, &tokens.usage));
        let total = signed(tokens.usage.input_tokens + tokens.usage.output_tokens);
        let real = self.real_cost(total, money);
        let mut lease = self.lease.take();
        let permit = lease.as_mut().and_then(|lease| lease.permit.take());
        if let Some(permit) = permit.filter(|_| total > 0 || end.outcome == Outcome::Ok) {
            permit.settle(&Cost { requests: 1, tokens: total, micro_usd: money }, real);
        }
        drop(lease);
        let quota = self.admission.reservation.take().map(|reservation| reservation.charge(real));
        let limits = self.admission.limited.take().map(|limited| LimitsUsed {
            id: limited.id,
            subjects: limited.subjects,
            tokens: total,
            micro_usd: money.map_or(0, |money| money.0),
        });
        let row = row(&self, end, tokens, money, quota.map_or(Units::ZERO, |charge| charge.real));
        self.journal.record(self.place, row, Charges { quota, limits })
    }

    /// What the call takes from the caller's quota. One that used nothing, or the caller's own account, costs nothing.
    fn real_cost(&self, tokens: i64, micro_usd: Option<MicroUsd>) -> Units {
        let Some(served) = self.served.as_ref().filter(|served| !served.own) else { return Units::ZERO };
        if tokens == 0 {
            return Units::ZERO;
        }
        let cost = Cost { requests: 1, tokens, micro_usd };
        let units = served.account.units_for(&served.upstream_model);
        let dearest = units.map(|unit| self.reference.cost(&cost, unit)).max();
        dearest.unwrap_or_else(|| self.reference.highest_cost(&cost))
    }
}

fn row(open: &Open, end: End, tokens: Tokens, money: Option<MicroUsd>, charged: Units) -> UsageRow {
    let (call, served, usage) = (&open.call, open.served.as_ref(), tokens.usage);
    UsageRow {
        record_id: open.journal.record_id(),
        request_id: call.request_id.to_string(),
        user_id: call.user,
        api_key_id: call.key,
        account_id: served.map(|served| served.account.id.clone()),
        is_shared: served.is_some_and(|served| !served.own),
        endpoint: call.endpoint.path().to_owned(),
        method: "POST".to_owned(),
        model_name: Some(shorten(&call.model, LONGEST_MODEL)),
        upstream_model: served.map(|served| shorten(&served.upstream_model, LONGEST_UPSTREAM_MODEL)),
        stream: call.stream,
        status_code: i32::from(end.status),
        outcome: end.outcome,
        error_code: end.error_code.map(str::to_owned),
        input_tokens: signed(usage.input_tokens),
        output_tokens: signed(usage.output_tokens),
        cached_tokens: signed(usage.cached_tokens),
        reasoning_tokens: signed(usage.reasoning_tokens),
        tokens_estimated: tokens.estimated,
        cost_micro_usd: money.map(|money| money.0),
        quota_millionths: charged.0,
        latency_ms: millis(call.started.elapsed()),
        ttft_ms: open.ttft.map(millis),
        attempts: open.attempts,
        created_at: call.created_at,
    }
}

fn shorten(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
