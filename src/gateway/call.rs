//! One running call: what will be on its row, and the promise that there will be a row. Whatever happens to it, a
//! call that is dropped records itself.

use std::time::{Duration, Instant};

use bytes::Bytes;
use millpond_wire::openai::ChatHead;
use millpond_wire::{Observed, StreamObserver};
use tokio::sync::oneshot;

use super::accounts::Lease;
use super::admission::Reservation;
use super::ledger::{Estimate, Finished, Permit};
use crate::auth::extract::Caller;
use crate::clock::Timestamp;
use crate::store::usage::{Outcome, UsageRow};

/// AntiHub's column is this long.
const LONGEST_MODEL: usize = 100;
const LONGEST_UPSTREAM_MODEL: usize = 200;

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    pub outcome: Outcome,
    pub status: u16,
    /// A word for what went wrong.
    pub error: Option<&'static str>,
}

impl Ending {
    /// The whole answer was handed over.
    pub(super) const OK: Self = Self { outcome: Outcome::Ok, status: 200, error: None };
    /// The client went away; nginx's number for it.
    pub(super) const CLIENT_CLOSED: Self =
        Self { outcome: Outcome::ClientClosed, status: 499, error: Some("client_closed") };

    /// The provider failed.
    pub(super) fn upstream(status: u16, error: &'static str) -> Self {
        Self { outcome: Outcome::UpstreamError, status, error: Some(error) }
    }

    /// We refused.
    pub(super) fn rejected(status: u16, error: &'static str) -> Self {
        Self { outcome: Outcome::Rejected, status, error: Some(error) }
    }
}

struct Running {
    row: UsageRow,
    permit: Permit,
    started: Instant,
    request: Bytes,
    reservation: Option<Reservation>,
    lease: Option<Lease>,
    /// Whether a provider may have begun to work on it.
    reached_provider: bool,
}

/// A call until it is finished.
pub(super) struct Call(Option<Box<Running>>);

fn shorten(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

impl Call {
    /// A call that has just come in; `permit` is its place in the ledger.
    pub(super) fn new(
        permit: Permit,
        caller: &Caller,
        request_id: &str,
        head: &ChatHead<'_>,
        request: Bytes,
        now: Timestamp,
    ) -> Self {
        let row = UsageRow {
            record_id: uuid::Uuid::now_v7().to_string(),
            request_id: request_id.to_owned(),
            user_id: caller.user.id,
            api_key_id: caller.key.as_ref().map(|key| key.id),
            account_id: None,
            is_shared: false,
            endpoint: "/v1/chat/completions".to_owned(),
            method: "POST".to_owned(),
            model_name: Some(shorten(&head.model, LONGEST_MODEL)),
            upstream_model: None,
            stream: head.stream,
            status_code: 0,
            outcome: Outcome::Rejected,
            error_code: None,
            input_tokens: 0,
            output_tokens: 0,
            cached_tokens: 0,
            reasoning_tokens: 0,
            tokens_estimated: false,
            cost_micro_usd: None,
            quota_millionths: 0,
            latency_ms: 0,
            ttft_ms: None,
            attempts: 0,
            created_at: now,
        };
        let started = Instant::now();
        let running = Running {
            row,
            permit,
            started,
            request,
            reservation: None,
            lease: None,
            reached_provider: false,
        };
        Self(Some(Box::new(running)))
    }

    /// Another account is tried with what is set aside for it.
    pub(super) fn attempt(&mut self, lease: Lease, reservation: Option<Reservation>) {
        let Some(running) = &mut self.0 else { return };
        running.row.account_id = Some(lease.target.id.clone());
        running.row.is_shared = !lease.own;
        running.row.upstream_model = Some(shorten(&lease.upstream_model, LONGEST_UPSTREAM_MODEL));
        running.row.attempts += 1;
        running.reservation = reservation;
        running.lease = Some(lease);
        running.reached_provider = true;
    }

    /// The account in use is given back: it failed before anything was used.
    pub(super) fn give_back(&mut self) -> Option<Lease> {
        let running = self.0.as_mut()?;
        running.reservation = None;
        running.reached_provider = false;
        running.lease.take()
    }

    /// The account in use.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.0.as_ref()?.lease.as_ref()
    }

    /// The first byte of the answer is on its way.
    pub(super) fn first_byte(&mut self) {
        if let Some(running) = &mut self.0 {
            running.row.ttft_ms.get_or_insert_with(|| millis(running.started.elapsed()));
        }
    }

    /// Hands the call to the ledger; the receiver answers when its row is on record.
    pub(super) fn finish(
        &mut self,
        ending: Ending,
        observed: Option<Observed>,
    ) -> Option<oneshot::Receiver<()>> {
        let running = self.0.take()?;
        let Running { mut row, permit, started, request, reservation, lease, reached_provider } = *running;
        row.outcome = ending.outcome;
        row.status_code = ending.status.into();
        row.error_code = ending.error.map(str::to_owned);
        row.latency_ms = millis(started.elapsed());
        let used = reached_provider && ending.outcome != Outcome::Rejected;
        // What the provider refused outright was not used; what it began to answer was.
        let produced =
            observed.as_ref().is_some_and(|observed| observed.any_content || observed.usage.is_some());
        let charged = used && (produced || matches!(ending.outcome, Outcome::Ok | Outcome::ClientClosed));
        let estimate = charged.then(|| measure(&mut row, request, observed.unwrap_or_default())).flatten();
        drop(lease);
        let reservation = reservation.filter(|_| charged);
        Some(permit.record(Finished { row, estimate, reservation }))
    }

    /// The call ended while its answer was streamed.
    pub(super) fn finish_stream(
        &mut self,
        ending: Ending,
        observer: &mut StreamObserver,
    ) -> Option<oneshot::Receiver<()>> {
        self.finish(ending, Some(observer.take()))
    }

    /// Whether the call is on its way to the ledger.
    pub(super) fn is_finished(&self) -> bool {
        self.0.is_none()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.finish(Ending::CLIENT_CLOSED, None);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Writes the provider's counts into the row, or answers what the ledger needs to estimate them.
fn measure(row: &mut UsageRow, request: Bytes, observed: Observed) -> Option<Estimate> {
    let count = |tokens: u64| i64::try_from(tokens).unwrap_or(i64::MAX);
    let Some(usage) = observed.usage else {
        let Observed { text, more_text_bytes, .. } = observed;
        return Some(Estimate { request, text, more_text_bytes });
    };
    row.input_tokens = count(usage.input_tokens);
    row.output_tokens = count(usage.output_tokens);
    row.cached_tokens = count(usage.cached_tokens);
    row.reasoning_tokens = count(usage.reasoning_tokens);
    None
}
