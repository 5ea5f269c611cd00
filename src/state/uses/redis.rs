//! Uses and holds of upstream accounts in Redis. What the script does is explained in it.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use millpond_pool::allowance::Used;
use millpond_pool::units::Moment;
use redis::Script;

use super::{AccountUses, Counted, Granted, SLACK_MILLIS, Step, Stepped};
use crate::ids::AccountId;
use crate::state::redis::Redis;
use crate::state::{Result, StateError};

/// Calls wait for this step, so it has less time than others.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("uses.lua")));

/// The braces keep both keys on one node of a Redis cluster.
fn keys(account: &AccountId) -> [String; 2] {
    [format!("millpond:uses:{{{account}}}"), format!("millpond:holds:{{{account}}}")]
}

pub(super) async fn step(redis: &Redis, account: &AccountId, step: &Step, now: Moment) -> Result<Stepped> {
    let mut call = SCRIPT.prepare_invoke();
    for key in keys(account) {
        call.key(key);
    }
    call.arg(now.0).arg(SLACK_MILLIS).arg(step.ended.len());
    for hold in &step.ended {
        call.arg(hold.0.to_string());
    }
    call.arg(step.uses.len());
    for one in &step.uses {
        call.arg(&one.name).arg(one.amount).arg(one.window_millis);
    }
    if let Some(ask) = &step.ask {
        let most = ask.most_calls.map_or(String::new(), |most| most.to_string());
        call.arg(ask.id.0.to_string()).arg(ask.ends_at.0).arg(most);
        for part in &ask.parts {
            call.arg(&part.name).arg(part.limit).arg(part.amount);
        }
    }
    let mut connection = redis.connection();
    let answer = tokio::time::timeout(ANSWER_WITHIN, call.invoke_async(&mut connection)).await;
    let answer: Vec<String> = answer.map_err(|_| StateError::Away)??;
    stepped(&answer).ok_or_else(|| StateError::Unreadable(keys(account)[0].clone()))
}

fn stepped(answer: &[String]) -> Option<Stepped> {
    let granted = match answer.first()?.as_str() {
        "done" => Granted::Done,
        "full" => Granted::Full,
        "spent" => Granted::Spent,
        _ => return None,
    };
    let waited_for = !answer.get(1)?.is_empty();
    let mut account = AccountUses { calls: answer.get(2)?.parse().ok()?, ..AccountUses::default() };
    for touched in answer.get(3..)?.chunks_exact(3) {
        let [name, counter, held] = touched else { return None };
        let counted = Counted { used: Used::decode(counter), held: held.parse().ok()? };
        account.counters.insert(name.clone(), counted);
    }
    Some(Stepped { granted, waited_for, account })
}

pub(super) async fn read(redis: &Redis, account: &AccountId) -> Result<AccountUses> {
    let [counters, holds] = keys(account);
    let mut both = redis::pipe();
    both.hgetall(counters).zcard(holds);
    let (fields, calls): (HashMap<String, String>, u32) = both.query_async(&mut redis.connection()).await?;
    let mut account = AccountUses { calls, ..AccountUses::default() };
    for (name, text) in fields {
        if let Some(of) = name.strip_prefix('+') {
            account.counters.entry(of.to_owned()).or_default().held = text.parse().unwrap_or(0);
        } else if let Some(used) = Used::decode(&text) {
            account.counters.entry(name).or_default().used = Some(used);
        }
    }
    Ok(account)
}
