//! One finished call as the journal keeps it: the usage row, and what the call owes. The form on disk has a number of its
//! own and its own list of fields, so that tables and types may change while old records stay readable.

use std::cell::RefCell;

use millpond_pool::bucket::{Lease, LeaseId};
use millpond_pool::group::Group;
use millpond_pool::units::{Moment, Units};
use serde::{Deserialize, Serialize};

use super::charges::{Charges, LimitsUsed};
use super::frame;
use crate::clock::Timestamp;
use crate::ids::{AccountId, KeyId, UserId};
use crate::state::counters::Subject;
use crate::state::quotas::{Charge, QuotaKey};
use crate::store::usage::{Outcome, UsageRow};

/// The first byte of every record. A form that differs in anything gets another number.
const FORM: u8 = 1;
/// A record that says nothing; it shows that the disk takes writes.
const NOTHING: u8 = 0;

/// A finished call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) row: UsageRow,
    pub(super) charges: Charges,
}

/// Why bytes that passed their checksum are no record.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("a newer version of Millpond wrote it (form {0})")]
    Form(u8),
    #[error(transparent)]
    Fields(#[from] postcard::Error),
    #[error("it names what does not exist")]
    Meaning,
}

/// The fields in their order on disk.
#[derive(Serialize, Deserialize)]
struct Fields<'a> {
    record_id: &'a str,
    request_id: &'a str,
    user: i32,
    key: Option<i32>,
    account: Option<&'a str>,
    is_shared: bool,
    endpoint: &'a str,
    method: &'a str,
    model: Option<&'a str>,
    upstream_model: Option<&'a str>,
    stream: bool,
    status: i32,
    outcome: &'a str,
    error_code: Option<&'a str>,
    tokens: [i64; 4],
    tokens_estimated: bool,
    cost_micro_usd: Option<i64>,
    quota_millionths: i64,
    latency_ms: i64,
    ttft_ms: Option<i64>,
    attempts: i32,
    created_micros: i64,
    quota: Option<QuotaFields<'a>>,
    limits: Option<LimitsFields>,
}

#[derive(Serialize, Deserialize)]
struct QuotaFields<'a> {
    group: &'a str,
    lease: u64,
    amount: i64,
    expires_at: i64,
    reserved_at: i64,
    real: i64,
}

#[derive(Serialize, Deserialize)]
struct LimitsFields {
    id: u64,
    user: Option<i32>,
    key: Option<i32>,
    tokens: i64,
    micro_usd: i64,
}

thread_local! {
    /// One buffer a thread, so that a call allocates none.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives the record as a frame for a segment; `None` when it is longer than any record may be.
pub(super) fn framed<T>(row: &UsageRow, charges: &Charges, take: impl FnOnce(&[u8]) -> T) -> Option<T> {
    BUFFER.with_borrow_mut(|buffer| {
        frame::begin(buffer);
        buffer.push(FORM);
        // Writing to memory fails only for what has no length, and there is no such field.
        *buffer = postcard::to_extend(&fields(row, charges), std::mem::take(buffer)).ok()?;
        frame::finish(buffer).then(|| take(buffer))
    })
}

/// A frame that says nothing.
pub(super) fn nothing() -> Vec<u8> {
    let mut buffer = Vec::new();
    frame::begin(&mut buffer);
    buffer.push(NOTHING);
    frame::finish(&mut buffer);
    buffer
}

fn fields<'a>(row: &'a UsageRow, charges: &'a Charges) -> Fields<'a> {
    let quota = charges.quota.as_ref().map(|charge| QuotaFields {
        group: charge.key.group.name(),
        lease: charge.lease.id.0,
        amount: charge.lease.amount.0,
        expires_at: charge.lease.expires_at.0,
        reserved_at: charge.reserved_at.0,
        real: charge.real.0,
    });
    let limits = charges.limits.as_ref().map(|used| LimitsFields {
        id: used.id.0,
        user: used.subjects.iter().find_map(|subject| match subject {
            Subject::User(user) => Some(user.0),
            Subject::Key(_) => None,
        }),
        key: used.subjects.iter().find_map(|subject| match subject {
            Subject::Key(key) => Some(key.0),
            Subject::User(_) => None,
        }),
        tokens: used.tokens,
        micro_usd: used.micro_usd,
    });
    Fields {
        record_id: &row.record_id,
        request_id: &row.request_id,
        user: row.user_id.0,
        key: row.api_key_id.map(|key| key.0),
        account: row.account_id.as_ref().map(|account| &*account.0),
        is_shared: row.is_shared,
        endpoint: &row.endpoint,
        method: &row.method,
        model: row.model_name.as_deref(),
        upstream_model: row.upstream_model.as_deref(),
        stream: row.stream,
        status: row.status_code,
        outcome: row.outcome.as_str(),
        error_code: row.error_code.as_deref(),
        tokens: [row.input_tokens, row.output_tokens, row.cached_tokens, row.reasoning_tokens],
        tokens_estimated: row.tokens_estimated,
        cost_micro_usd: row.cost_micro_usd,
        quota_millionths: row.quota_millionths,
        latency_ms: row.latency_ms,
        ttft_ms: row.ttft_ms,
        attempts: row.attempts,
        created_micros: row.created_at.micros(),
        quota,
        limits,
    }
}

/// Reads a record; `None` for one that says nothing.
pub(super) fn read(bytes: &[u8]) -> Result<Option<Record>, Unreadable> {
    match bytes.split_first() {
        Some((&FORM, fields)) => record(&postcard::from_bytes(fields)?).map(Some).ok_or(Unreadable::Meaning),
        Some((&NOTHING, _)) | None => Ok(None),
        Some((&form, _)) => Err(Unreadable::Form(form)),
    }
}

fn record(fields: &Fields<'_>) -> Option<Record> {
    let user_id = UserId(fields.user);
    let quota = match &fields.quota {
        Some(quota) => Some(charge(user_id, quota)?),
        None => None,
    };
    let limits = fields.limits.as_ref().map(|used| LimitsUsed {
        id: LeaseId(used.id),
        subjects: [used.user.map(|id| Subject::User(UserId(id))), used.key.map(|id| Subject::Key(KeyId(id)))]
            .into_iter()
            .flatten()
            .collect(),
        tokens: used.tokens,
        micro_usd: used.micro_usd,
    });
    let [input_tokens, output_tokens, cached_tokens, reasoning_tokens] = fields.tokens;
    let row = UsageRow {
        record_id: fields.record_id.to_owned(),
        request_id: fields.request_id.to_owned(),
        user_id,
        api_key_id: fields.key.map(KeyId),
        account_id: fields.account.map(|account| AccountId(account.to_owned())),
        is_shared: fields.is_shared,
        endpoint: fields.endpoint.to_owned(),
        method: fields.method.to_owned(),
        model_name: fields.model.map(str::to_owned),
        upstream_model: fields.upstream_model.map(str::to_owned),
        stream: fields.stream,
        status_code: fields.status,
        outcome: Outcome::of(fields.outcome)?,
        error_code: fields.error_code.map(str::to_owned),
        input_tokens,
        output_tokens,
        cached_tokens,
        reasoning_tokens,
        tokens_estimated: fields.tokens_estimated,
        cost_micro_usd: fields.cost_micro_usd,
        quota_millionths: fields.quota_millionths,
        latency_ms: fields.latency_ms,
        ttft_ms: fields.ttft_ms,
        attempts: fields.attempts,
        created_at: Timestamp::from_micros(fields.created_micros),
    };
    Some(Record { row, charges: Charges { quota, limits } })
}

fn charge(user: UserId, quota: &QuotaFields<'_>) -> Option<Charge> {
    let group = Group::ALL.into_iter().find(|group| group.name() == quota.group)?;
    let lease =
        Lease { id: LeaseId(quota.lease), amount: Units(quota.amount), expires_at: Moment(quota.expires_at) };
    Some(Charge {
        key: QuotaKey { user, group },
        lease,
        reserved_at: Moment(quota.reserved_at),
        recorded_at: None,
        real: Units(quota.real),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::frame::{Frames, Piece};
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) fn row(record_id: &str) -> UsageRow {
        UsageRow {
            record_id: record_id.into(),
            request_id: "r".into(),
            user_id: UserId(1),
            api_key_id: None,
            account_id: None,
            is_shared: false,
            endpoint: "/v1/chat/completions".into(),
            method: "POST".into(),
            model_name: Some("a\nmodel".into()),
            upstream_model: None,
            stream: true,
            status_code: 200,
            outcome: Outcome::Ok,
            error_code: None,
            input_tokens: 1,
            output_tokens: 2,
            cached_tokens: 0,
            reasoning_tokens: 0,
            tokens_estimated: false,
            cost_micro_usd: None,
            quota_millionths: 0,
            latency_ms: 3,
            ttft_ms: None,
            attempts: 1,
            created_at: Timestamp::from_micros(1_764_151_200_123_456),
        }
    }

    fn rows() -> impl Strategy<Value = UsageRow> {
        let names =
            (".{0,64}", ".{0,64}", proptest::option::of(".{0,100}"), proptest::option::of("[a-z]{1,20}"));
        let numbers = (any::<[i64; 4]>(), any::<Option<i64>>(), any::<[i64; 3]>(), any::<Option<i32>>());
        let outcome = prop::sample::select(Outcome::ALL.to_vec());
        (names, numbers, any::<[bool; 3]>(), any::<[i32; 3]>(), outcome).prop_map(
            |((record_id, request_id, model, error), (tokens, maybe, more, key), flags, counts, outcome)| {
                UsageRow {
                    record_id,
                    request_id,
                    user_id: UserId(counts[0]),
                    api_key_id: key.map(KeyId),
                    account_id: error.clone().map(AccountId),
                    is_shared: flags[0],
                    model_name: model.clone(),
                    upstream_model: model,
                    stream: flags[1],
                    status_code: counts[1],
                    outcome,
                    error_code: error,
                    input_tokens: tokens[0],
                    output_tokens: tokens[1],
                    cached_tokens: tokens[2],
                    reasoning_tokens: tokens[3],
                    tokens_estimated: flags[2],
                    cost_micro_usd: maybe,
                    quota_millionths: more[0],
                    latency_ms: more[1],
                    ttft_ms: maybe,
                    attempts: counts[2],
                    created_at: Timestamp::from_micros(more[2]),
                    ..row("")
                }
            },
        )
    }

    fn charges() -> impl Strategy<Value = (Option<[i64; 4]>, Option<(u64, bool, bool, i64)>)> {
        (any::<Option<[i64; 4]>>(), any::<Option<(u64, bool, bool, i64)>>())
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_was(row in rows(), (quota, limits) in charges(), group in 0..4_usize) {
            let quota = quota.map(|[amount, expires_at, reserved_at, real]| Charge {
                key: QuotaKey { user: row.user_id, group: Group::ALL[group] },
                lease: Lease { id: LeaseId(real.unsigned_abs()), amount: Units(amount), expires_at: Moment(expires_at) },
                reserved_at: Moment(reserved_at),
                recorded_at: None,
                real: Units(real),
            });
            let limits = limits.map(|(id, user, key, tokens)| LimitsUsed {
                id: LeaseId(id),
                subjects: [user.then_some(Subject::User(UserId(1))), key.then_some(Subject::Key(KeyId(2)))]
                    .into_iter().flatten().collect(),
                tokens,
                micro_usd: tokens,
            });
            let written = Record { row, charges: Charges { quota, limits } };
            let bytes = framed(&written.row, &written.charges, <[u8]>::to_vec).unwrap();
            let Some(Piece::Record(found)) = Frames::new(&bytes).next() else { panic!("no record") };
            prop_assert_eq!(read(found).unwrap(), Some(written));
        }

        #[test]
        fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            drop(read(&bytes));
        }
    }

    #[test]
    fn the_form_on_disk_stays_what_it_is() {
        let bytes = framed(&row("id"), &Charges::default(), <[u8]>::to_vec).unwrap();
        // Its length and its checksums.
        let known = "490000007eddc0c817083aee";
        assert_eq!(hex::encode(&bytes[..12]), known, "another form needs another number");
        assert_eq!(read(&nothing()[12..]).unwrap(), None);
        assert!(matches!(read(&[9, 1, 2]), Err(Unreadable::Form(9))));
    }
}
