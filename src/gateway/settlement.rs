//! The end of a call, whichever way it comes: tokens counted, quota charged, lease given back, the row handed to the
//! ledger. A settlement that is dropped unfinished (a client that left, a panic) settles itself as that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millpond_pool::pricing::{self, Prices};
use millpond_pool::units::{Cost, MicroUsd, Reference, Units};
use millpond_wire::{Endpoint, Head, Observed, Usage, tokens};
use tokio::sync::oneshot;

use super::accounts::Serving;
use super::admission::Admission;
use super::journal::{Dues, Place, Used};
use super::pool::lease::{Lease, Picked};
use crate::clock::Timestamp;
use crate::ids::{KeyId, UserId};
use crate::store::usage::{Outcome, UsageRow};

/// Text beyond what was kept is taken to have so many bytes a token.
const BYTES_PER_TOKEN: u64 = 4;
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
    /// The request as the client sent it, for counting its tokens where the provider does not.
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
    pub(super) fn new(place: Place, call: Call, reference: Reference, prices: Arc<Prices>) -> Self {
        let open = Open {
            place,
            call,
            reference,
            prices,
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

    /// Settles the call; the receiver hears when it is on record.
    pub(super) fn finish(mut self, end: End, observed: Observed) -> oneshot::Receiver<()> {
        let (recorded, hears) = oneshot::channel();
        self.settle(end, observed, recorded);
        hears
    }

    fn settle(&mut self, end: End, observed: Observed, recorded: oneshot::Sender<()>) {
        let Some(mut open) = self.open.take() else { return };
        open.admission = std::mem::take(&mut self.admission);
        open.tell_health(end);
        if let Some(usage) = observed.usage {
            return open.record(end, Tokens { usage, estimated: false }, recorded);
        }
        if !open.used_tokens(end, &observed) {
            return open.record(end, Tokens::default(), recorded);
        }
        // Counting a long text takes milliseconds, and the very first one loads a vocabulary.
        let count = move || {
            let tokens = open.estimate(&observed);
            open.record(end, tokens, recorded);
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(count)),
            Err(_) => count(),
        }
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        self.settle(client_closed(), Observed::default(), oneshot::channel().0);
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
    /// Whether the provider will have counted tokens although it did not say how many.
    fn used_tokens(&self, end: End, observed: &Observed) -> bool {
        let sent = self.attempts > 0 && !self.call.endpoint.only_counts();
        match end.outcome {
            Outcome::Ok => sent,
            Outcome::ClientClosed => sent,
            Outcome::UpstreamError => observed.any_content,
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

    fn estimate(&self, observed: &Observed) -> Tokens {
        let model = self.served.as_ref().map_or(&*self.call.model, |served| &*served.upstream_model);
        let head = Head::parse(self.call.endpoint, &self.call.body);
        let input = head.map_or(0, |head| head.estimate_input(model));
        let more = observed.more_text_bytes.div_ceil(BYTES_PER_TOKEN);
        let output = tokens::estimate_tokens(model, &observed.text) + more;
        let usage = Usage { input_tokens: input, output_tokens: output, ..Usage::default() };
        Tokens { usage, estimated: true }
    }

    fn record(mut self, end: End, tokens: Tokens, recorded: oneshot::Sender<()>) {
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
        let charge = self.admission.reservation.take().map(|reservation| reservation.charge(real));
        let limits = self.admission.limited.take().map(|limited| Used {
            id: limited.id,
            subjects: limited.subjects,
            tokens: total,
            micro_usd: money.map_or(0, |money| money.0),
        });
        let row = row(&self, end, tokens, money, charge.map_or(Units::ZERO, |charge| charge.real));
        self.place.record(row, Dues { charge, limits }, recorded);
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
        record_id: uuid::Uuid::now_v7().simple().to_string(),
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
