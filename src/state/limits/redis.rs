//! Limits in Redis: a hash and two sorted sets a person or key, changed by one script.

use std::sync::LazyLock;

use millpond_pool::bucket::LeaseId;
use millpond_pool::limits::{Ask, Limits, MINUTE_MILLIS, Refusal};
use millpond_pool::units::Moment;
use redis::{Script, ScriptInvocation};

use super::Subject;
use crate::state::redis::Redis;
use crate::state::{Result, StateError};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("limits.lua")));

fn name(subject: Subject) -> String {
    format!("millpond:limits:{{{}:{}}}", subject.kind(), subject.number())
}

fn step(subject: Subject, step: &str, now: Moment) -> ScriptInvocation<'static> {
    let name = name(subject);
    let mut call = SCRIPT.prepare_invoke();
    call.key(&name).key(format!("{name}:calls")).key(format!("{name}:running"));
    call.arg(step).arg(now.0).arg(MINUTE_MILLIS);
    call
}

async fn run(redis: &Redis, call: &ScriptInvocation<'static>) -> Result<(String, String)> {
    Ok(call.invoke_async(&mut redis.connection()).await?)
}

pub(super) async fn admit(
    redis: &Redis,
    subject: Subject,
    limits: &Limits,
    ask: &Ask,
    month: i64,
    now: Moment,
) -> Result<std::result::Result<(), Refusal>> {
    let text = |limit: Option<i64>| limit.map_or(String::new(), |limit| limit.to_string());
    let mut call = step(subject, "admit", now);
    call.arg(ask.id.0.to_string()).arg(ask.tokens).arg(ask.micro_usd).arg(ask.expires_at.0).arg(month);
    call.arg(text(limits.requests_per_minute)).arg(text(limits.tokens_per_minute));
    call.arg(text(limits.concurrent_calls)).arg(text(limits.monthly_micro_usd));
    let (word, moment) = run(redis, &call).await?;
    let moment = moment.parse().ok().map(Moment);
    match word.as_str() {
        "done" => Ok(Ok(())),
        "requests" => Ok(Err(Refusal::Requests(moment))),
        "tokens" => Ok(Err(Refusal::Tokens(moment))),
        "concurrent" => Ok(Err(Refusal::Concurrent)),
        "budget" => Ok(Err(Refusal::Budget)),
        "month" => Ok(Err(Refusal::UnknownMonth)),
        _ => Err(StateError::Unreadable(name(subject))),
    }
}

pub(super) async fn begin_month(
    redis: &Redis,
    subject: Subject,
    month: i64,
    spent: i64,
    now: Moment,
) -> Result<()> {
    let mut call = step(subject, "begin", now);
    call.arg(month).arg(spent);
    run(redis, &call).await.map(drop)
}

pub(super) async fn settle(
    redis: &Redis,
    subject: Subject,
    id: LeaseId,
    tokens: i64,
    micro_usd: i64,
    now: Moment,
) -> Result<()> {
    let mut call = step(subject, "settle", now);
    call.arg(id.0.to_string()).arg(tokens).arg(micro_usd);
    run(redis, &call).await.map(drop)
}

pub(super) async fn cancel(redis: &Redis, subject: Subject, id: LeaseId, now: Moment) -> Result<()> {
    let mut call = step(subject, "cancel", now);
    call.arg(id.0.to_string());
    run(redis, &call).await.map(drop)
}
