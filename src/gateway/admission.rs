//! Whether a call may be made: the key's list of models and its rate, then an account, and quota where the account is
//! somebody else's.

use std::time::Duration;

use axum::http::StatusCode;
use millpond_pool::bucket::Shortfall;
use millpond_pool::index::{Sources, Why};
use millpond_pool::units::{Cost, Moment, Units};
use millpond_wire::openai::ChatHead;
use millpond_wire::tokens::upper_bound_tokens;

use super::pool::{Picked, Wanted};
use super::quotas::Reservation;
use crate::app::App;
use crate::auth::extract::Caller;
use crate::auth::keys::ApiKey;
use crate::error::{ApiError, Result};

const MINUTE: u64 = 60;
/// Output tokens reserved for an answer whose length the client does not bound, and the most for one that it does.
const USUAL_OUTPUT: u64 = 16_384;
const LONGEST_OUTPUT: u64 = 262_144;

/// Refuses what the key may not do.
pub(super) async fn check_key(app: &App, key: &ApiKey, model: &str) -> Result<()> {
    if !key.allows(model) {
        let message = format!("This API key may not use the model `{model}`.");
        return Err(ApiError::forbidden("model_not_found", message).param("model"));
    }
    let Some(limit) = key.requests_per_minute else { return Ok(()) };
    let second = u64::try_from(app.clock.now().seconds()).unwrap_or(0);
    let counter = format!("millpond:rpm:{}:{}", key.id, second / MINUTE);
    // Twice the minute: instances whose clocks differ a little still count together.
    let count = app.state.count(&counter, Duration::from_secs(2 * MINUTE)).await?;
    if count > u64::from(limit) {
        let message = format!("This API key may make {limit} requests a minute.");
        let wait = Duration::from_secs(MINUTE - second % MINUTE);
        return Err(ApiError::too_many("rate_limit_exceeded", message, wait));
    }
    Ok(())
}

/// The most that a call is expected to cost.
pub(super) fn estimate(app: &App, head: &ChatHead<'_>, body_bytes: usize) -> Units {
    let output = head.output_limit().unwrap_or(USUAL_OUTPUT).min(LONGEST_OUTPUT) * head.n;
    let tokens = upper_bound_tokens(body_bytes).saturating_add(output);
    let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
    app.gateway.quotas.reference.highest_cost(&Cost { requests: 1, tokens, micro_usd: None })
}

/// An account for one attempt. Others' accounts need a reservation, made once a call; where the quota is spent the
/// caller's own accounts are all that is left.
pub(super) fn choose(
    app: &App,
    caller: &Caller,
    wanted: &Wanted<'_>,
    estimate: Units,
    reservation: &mut Option<Reservation>,
) -> Result<Picked> {
    let gateway = &app.gateway;
    let now = gateway.pool.now();
    let order = if caller.user.prefers_shared() { Sources::SharedFirst } else { Sources::OwnFirst };
    let picked = gateway.pool.pick(wanted, order).map_err(|why| no_account(wanted.model, &why, now))?;
    if picked.own || reservation.is_some() {
        return Ok(picked);
    }
    let deadline = app.config.upstream.deadline + Duration::from_secs(MINUTE);
    let life_millis = i64::try_from(deadline.as_millis()).unwrap_or(i64::MAX);
    match gateway.quotas.reserve(&caller.user, wanted.model, estimate, life_millis) {
        Ok(made) => {
            *reservation = Some(made);
            Ok(picked)
        }
        Err(shortfall) => {
            // The lease on the shared account goes first, so that it is free for others at once.
            drop(picked);
            gateway.pool.pick(wanted, Sources::OwnOnly).map_err(|_| no_quota(&shortfall, now))
        }
    }
}

/// The error for a model that nobody serves to the caller.
pub(super) fn unknown_model(model: &str) -> ApiError {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message).param("model")
}

fn no_account(model: &str, why: &Why, now: Moment) -> ApiError {
    if why.tried + why.disabled + why.resting + why.full + why.usable == 0 {
        return unknown_model(model);
    }
    let busy = why.full + why.usable > 0;
    let message = if busy {
        "Every account for this model is busy at present."
    } else {
        "Every account for this model is resting at present."
    };
    let wait = match why.earliest {
        Some(moment) if !busy => millis(moment.since(now)),
        _ => Duration::from_secs(1),
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_account_available", message).retry_after(wait)
}

fn no_quota(shortfall: &Shortfall, now: Moment) -> ApiError {
    let Some(moment) = shortfall.available_at else {
        let message = "This call could cost more than your whole quota for shared accounts: ask for fewer tokens, \
                       or share an account of your own.";
        return ApiError::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", message);
    };
    let message = "Your quota for shared accounts is used up. It recovers with time, and grows when you share \
                   an account.";
    ApiError::too_many("insufficient_quota", message, millis(moment.since(now)))
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
