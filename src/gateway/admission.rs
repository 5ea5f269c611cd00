//! Whether a call may be made: the key's list of models, and the limits of key and person. Choosing an account, and quota
//! where it is somebody else's, is the pool's.

use std::time::Duration;

use millpond_pool::bucket::LeaseId;
use millpond_pool::limits::{Ask, Limits, Refusal};
use millpond_pool::units::Moment;

use super::Gateway;
use super::estimate::Estimate;
use super::limits::Limited;
use super::settlement::Settlement;
use crate::auth::extract::Caller;
use crate::clock::Timestamp;
use crate::edge::error::{ApiError, Result};
use crate::state::limits::Subject;

const MINUTE: Duration = Duration::from_secs(60);

/// Refuses what key and person may not do, and counts the call under their limits.
pub(crate) async fn enter(
    gateway: &Gateway,
    caller: &Caller,
    model: &str,
    estimate: Estimate,
    settlement: &mut Settlement,
) -> Result<()> {
    if let Some(key) = &caller.key
        && !key.allows(model)
    {
        let message = format!("This API key may not use the model `{model}`.");
        return Err(ApiError::forbidden("model_not_found", message).param("model"));
    }
    let now = gateway.core.clock.now();
    let exceptions = &gateway.pool.exceptions;
    let user_limits = exceptions.of_user(&caller.user, &gateway.core.config.policy, now);
    let mut limited = vec![(Subject::User(caller.user.id), user_limits)];
    if let Some(key) = &caller.key {
        limited.push((Subject::Key(key.id), exceptions.of_key(key, now)));
    }
    limited.retain(|(_, limits)| !limits.are_none());
    if limited.is_empty() {
        return Ok(());
    }
    let id = LeaseId(rand::random());
    let subjects = limited.iter().map(|(subject, _)| *subject).collect();
    settlement.limited_by(Limited { id, subjects });
    for (place, (subject, limits)) in limited.iter().enumerate() {
        if let Err(refused) = admit(gateway, *subject, limits, id, estimate).await {
            for (earlier, _) in &limited[..place] {
                gateway
                    .core
                    .state
                    .cancel_limits(*earlier, id, Moment(gateway.core.clock.now().millis()))
                    .await?;
            }
            return Err(refused);
        }
    }
    Ok(())
}

async fn admit(
    gateway: &Gateway,
    subject: Subject,
    limits: &Limits,
    id: LeaseId,
    estimate: Estimate,
) -> Result<()> {
    if limits.monthly_micro_usd.is_some() && estimate.micro_usd.is_none() {
        let message = "This model has no known price, and your budget is in money.";
        return Err(ApiError::forbidden("price_unknown", message).param("model"));
    }
    let at = gateway.core.clock.now();
    let now = Moment(at.millis());
    let money = estimate.micro_usd.map_or(0, |money| money.0);
    let ask = Ask {
        id,
        tokens: estimate.usual_tokens,
        micro_usd: money,
        expires_at: now.plus(gateway.core.config.upstream.reservation_life_ms()),
    };
    let (month, begun) = at.month();
    let mut answer = gateway.core.state.admit(subject, limits, &ask, month, now).await?;
    if answer == Err(Refusal::UnknownMonth) {
        gateway.settled().await;
        let spent = match subject {
            Subject::User(user) => gateway.core.store.spent_by_user(user.0, begun).await?,
            Subject::Key(key) => gateway.core.store.spent_by_key(key.0, begun).await?,
        };
        gateway.core.state.begin_month(subject, month, spent, now).await?;
        answer = gateway.core.state.admit(subject, limits, &ask, month, now).await?;
    }
    answer.map_err(|refusal| over_limit(subject, limits, refusal, at))
}

fn over_limit(subject: Subject, limits: &Limits, refusal: Refusal, now: Timestamp) -> ApiError {
    let whose = match subject {
        Subject::User(_) => "You",
        Subject::Key(_) => "This API key",
    };
    let until =
        |moment: Option<Moment>| moment.map_or(MINUTE, |moment| millis(moment.since(Moment(now.millis()))));
    let (message, wait) = match refusal {
        Refusal::Requests(moment) => {
            let limit = limits.requests_per_minute.unwrap_or(0);
            (format!("{whose} may make {limit} requests a minute."), until(moment))
        }
        Refusal::Tokens(moment) => {
            let limit = limits.tokens_per_minute.unwrap_or(0);
            (format!("{whose} may use {limit} tokens a minute."), until(moment))
        }
        Refusal::Concurrent => {
            let limit = limits.concurrent_calls.unwrap_or(0);
            (format!("{whose} may make {limit} calls at one time."), Duration::from_secs(1))
        }
        Refusal::Budget | Refusal::UnknownMonth => {
            let message = "The budget for this month is used up, or this call could exceed it.";
            let wait = now.next_month().since(now);
            return ApiError::too_many("budget_exceeded", message, wait);
        }
    };
    ApiError::too_many("rate_limit_exceeded", message, wait)
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
