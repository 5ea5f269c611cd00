//! An account for one attempt, held on every instance, with quota set aside where it is somebody else's; and the words for
//! a caller when there is none.

use std::time::Duration;

use axum::http::StatusCode;
use millpond_pool::bucket::Shortfall;
use millpond_pool::group::Group;
use millpond_pool::index::{Slot, Sources};
use millpond_pool::units::Moment;

use super::lease::{Picked, Wanted};
use super::queue::Missing;
use crate::auth::extract::Caller;
use crate::clock::Timestamp;
use crate::edge::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::gateway::estimate::Estimate;
use crate::gateway::settlement::Settlement;

/// An account for one attempt. Others' accounts need a reservation, made once a call; where the quota is spent the
/// caller's own accounts are all that is left.
pub(crate) async fn choose(
    gateway: &Gateway,
    caller: &Caller,
    wanted: &Wanted<'_>,
    estimate: Estimate,
    settlement: &mut Settlement,
) -> Result<Picked> {
    let now = gateway.pool.now();
    let may_use_pool = gateway.core.config.policy.of(caller.user.trust_level).may_use_pool;
    let order = match (may_use_pool, caller.user.prefers_shared()) {
        (false, _) => Sources::OwnOnly,
        (true, true) => Sources::SharedFirst,
        (true, false) => Sources::OwnFirst,
    };
    let picked = take(gateway, wanted, order).await;
    let picked = picked.map_err(|missing| no_account(gateway, wanted, &missing, now))?;
    if picked.own || settlement.has_reserved() {
        return Ok(picked);
    }
    let amount = gateway.pool.quotas.reference().highest_cost(&estimate.cost());
    let intended = gateway.pool.quotas.intend(
        &caller.user,
        wanted.model,
        amount,
        gateway.core.config.upstream.reservation_life_ms(),
    );
    settlement.reserves(intended);
    match gateway.pool.quotas.reserve(&caller.user, intended).await.map_err(ApiError::unavailable)? {
        Ok(()) => Ok(picked),
        Err(shortfall) => {
            settlement.reserves_nothing();
            // The lease on the shared account goes first, so that it is free for others at once.
            drop(picked);
            let own = take(gateway, &Wanted { patient: false, ..*wanted }, Sources::OwnOnly).await;
            own.map_err(|_| no_quota(wanted.model, &shortfall, now))
        }
    }
}

/// An account that is held on every instance. One that others have used up is not chosen again until they give back.
async fn take(gateway: &Gateway, wanted: &Wanted<'_>, order: Sources) -> Result<Picked, Missing> {
    let pool = &gateway.pool;
    let until = pool.patience();
    loop {
        let mut picked = pool.acquire(wanted, order, until).await?;
        let most_calls = picked.account.most_calls();
        let ends_at = pool.now().plus(gateway.core.config.upstream.reservation_life_ms());
        let held = match &mut picked.lease.hold {
            Some(hold) => hold.share(most_calls, ends_at, &gateway.core.tasks).await,
            None => true,
        };
        if held {
            return Ok(picked);
        }
    }
}

/// The error for a model that nobody serves to the caller.
pub(crate) fn unknown_model(model: &str) -> ApiError {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message).param("model")
}

/// The error for a model that only accounts of another provider serve.
fn other_dialect(model: &str) -> ApiError {
    let message = format!(
        "The model `{model}` is served by accounts of another provider only; call it in that provider's own API."
    );
    ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message).param("model")
}

fn no_account(gateway: &Gateway, wanted: &Wanted<'_>, missing: &Missing, now: Moment) -> ApiError {
    let why = match missing {
        Missing::Nothing(why) => why,
        Missing::QueueFull | Missing::WaitedInVain => {
            let message = "Every account for this model is busy, and no place came free in time.";
            return ApiError::too_many("no_free_account", message, Duration::from_secs(1));
        }
    };
    if why.tried + why.disabled + why.resting + why.full + why.usable == 0 {
        return if gateway.pool.is_served_elsewhere(wanted) {
            other_dialect(wanted.model)
        } else {
            unknown_model(wanted.model)
        };
    }
    let busy = why.full + why.usable > 0;
    let message = if busy {
        "Every account for this model is busy at present.".to_owned()
    } else {
        let until = why.earliest.map_or_else(
            || "at present".to_owned(),
            |moment| format!("until {}", Timestamp::from_millis(moment.0)),
        );
        let cause = why.resting_one.and_then(|slot| why_it_rests(gateway, wanted, slot));
        format!("Every account for this model is resting {until}{}.", cause.unwrap_or_default())
    };
    let wait = match why.earliest {
        Some(moment) if !busy => millis(moment.since(now)),
        _ => Duration::from_secs(1),
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_account_available", message).retry_after(wait)
}

/// What the pause of an account says to a caller; the provider's words are for its owner, on the route of pauses.
fn why_it_rests(gateway: &Gateway, wanted: &Wanted<'_>, slot: Slot) -> Option<String> {
    let account = gateway.pool.serving(slot)?;
    let upstream = account.upstream(wanted.model);
    let pauses = gateway.pauses_of(&account.id);
    let pause = pauses.iter().find(|pause| pause.model.as_deref().is_none_or(|model| model == upstream));
    let Some(pause) = pause else {
        return (!account.is_disabled(wanted.model)).then(|| ": its allowance is used up".to_owned());
    };
    let status = pause.status.map_or_else(String::new, |status| format!(", status {status}"));
    Some(format!(" ({}{status})", pause.cause))
}

fn no_quota(model: &str, shortfall: &Shortfall, now: Moment) -> ApiError {
    let (group, lacking) = (Group::of(model).name(), shortfall.lacking);
    let Some(moment) = shortfall.available_at else {
        let message = format!(
            "This call could cost more than your whole quota for shared `{group}` accounts ({lacking} units are lacking): \
             ask for fewer tokens, or share an account of your own."
        );
        return ApiError::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", message);
    };
    let message = format!(
        "Your quota for shared `{group}` accounts lacks {lacking} units for this call. It recovers with time, and grows \
         when you share an account."
    );
    ApiError::too_many("insufficient_quota", message, millis(moment.since(now)))
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
