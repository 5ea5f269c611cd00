//! An account for one attempt, with everything set aside that the call needs: a permit of the account, the limits of who
//! calls, and quota where the account is somebody else's; and the words for a caller when there is none.

use std::time::Duration;

use axum::http::StatusCode;
use millpond_pool::bucket::Shortfall;
use millpond_pool::group::Group;
use millpond_pool::index::{Slot, Sources};
use millpond_pool::units::Moment;
use tokio::time::Instant;

use super::pool::lease::{Picked, Wanted};
use super::pool::queue::Missing;
use crate::auth::extract::Caller;
use crate::edge::error::{ApiError, Result};
use crate::gateway::Gateway;
use crate::gateway::admission::{Admission, Asked};

/// A call that other instances left no place for looks again after so long, and then ever more seldom.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// One that does not wait for a place is refused so many accounts.
const REFUSED: usize = 8;

/// What came of looking for an account.
enum Found {
    Account(Picked),
    /// There is one, but it is somebody else's, and the caller's quota is spent.
    NoQuota(Shortfall),
    Nothing(Missing),
}

/// What came of setting aside what a call on an account needs.
enum SetAside {
    Done,
    NoQuota(Shortfall),
    /// Other instances left nothing of the account.
    NothingLeft,
}

/// An account for one attempt. Others' accounts need a reservation, made once a call; where the quota is spent the
/// caller's own accounts are all that is left.
pub(crate) async fn choose(
    gateway: &Gateway,
    caller: &Caller,
    wanted: &Wanted<'_>,
    admission: &mut Admission,
) -> Result<Picked> {
    let now = gateway.pool.now();
    let may_use_pool = gateway.core.config.policy.of(caller.user.trust_level).may_use_pool;
    let order = match (may_use_pool, caller.user.prefers_shared()) {
        (false, _) => Sources::OwnOnly,
        (true, true) => Sources::SharedFirst,
        (true, false) => Sources::OwnFirst,
    };
    let mut choosing = Choosing { gateway, caller, admission, until: gateway.pool.patience() };
    match choosing.find(wanted, order).await? {
        Found::Account(picked) => Ok(picked),
        Found::Nothing(missing) => Err(no_account(gateway, wanted, &missing, now)),
        Found::NoQuota(shortfall) => {
            let own = Wanted { patient: false, ..*wanted };
            match choosing.find(&own, Sources::OwnOnly).await? {
                Found::Account(picked) => Ok(picked),
                _ => Err(no_quota(wanted.asked_model, &shortfall, gateway.pool.wall())),
            }
        }
    }
}

/// One call that looks for an account.
struct Choosing<'a> {
    gateway: &'a Gateway,
    caller: &'a Caller,
    admission: &'a mut Admission,
    /// How long it waits for a place.
    until: Instant,
}

impl Choosing<'_> {
    /// An account on which everything is set aside that the call needs. One that other instances have used up is not chosen
    /// again until they give back.
    async fn find(&mut self, wanted: &Wanted<'_>, order: Sources) -> Result<Found> {
        let pool = &self.gateway.pool;
        let (mut pause, mut refused) = (Duration::ZERO, 0);
        loop {
            let picked = match pool.pick_at_once(wanted, order) {
                Ok(picked) => picked,
                Err(why) => {
                    // Who may not call stands in no line.
                    self.admission.ask(self.gateway, None).await?;
                    match pool.wait_in_line(wanted, order, why, self.until).await {
                        Ok(picked) => picked,
                        Err(missing) => return Ok(Found::Nothing(missing)),
                    }
                }
            };
            let told = pool.allowances.carried(&picked.account.id);
            let mut came_of = self.set_aside(wanted, picked).await?;
            // What a call of this instance has just given back may not be told yet. Whoever was handed its place does not go to
            // the end of the line for that.
            if matches!(came_of.0, SetAside::NothingLeft)
                && pool.allowances.carry_now(&came_of.1.account.id, told).await
            {
                came_of = self.set_aside(wanted, came_of.1).await?;
            }
            match came_of {
                (SetAside::Done, picked) => return Ok(Found::Account(picked)),
                // The lease on the shared account goes first, so that it is free for others at once.
                (SetAside::NoQuota(shortfall), _) => return Ok(Found::NoQuota(shortfall)),
                (SetAside::NothingLeft, _) => refused += 1,
            }
            if !wanted.patient {
                if refused == REFUSED {
                    return Ok(Found::Nothing(Missing::WaitedInVain));
                }
                continue;
            }
            if Instant::now() + pause >= self.until {
                return Ok(Found::Nothing(Missing::WaitedInVain));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        }
    }

    /// Asks caller, account and quota in one round trip. All of it is remembered before, so that it is given back however
    /// the call ends.
    async fn set_aside(&mut self, wanted: &Wanted<'_>, mut picked: Picked) -> Result<(SetAside, Picked)> {
        let (gateway, user) = (self.gateway, &self.caller.user);
        let (quotas, life) = (&gateway.pool.quotas, gateway.core.config.upstream.reservation_life_ms());
        let needed = !picked.own && self.admission.reservation.is_none();
        let amount = quotas.reference().highest_cost(&wanted.estimate);
        let intended = needed.then(|| quotas.intend(user, wanted.asked_model, amount, life));
        self.admission.reservation = self.admission.reservation.or(intended);
        let most_calls = picked.account.most_calls();
        let claim = picked.lease.permit.as_mut().and_then(|permit| permit.claim(most_calls, life));
        let reserving = async {
            match intended {
                Some(intended) => quotas.reserve(user, intended).await,
                None => Ok(Ok(())),
            }
        };
        let account = claim.as_ref().map(|claim| (&picked.account.id, claim));
        let (asked, reserved) = tokio::join!(self.admission.ask(gateway, account), reserving);
        let refused = match asked? {
            Asked::Granted(counters) => {
                picked.lease.hear(counters.as_ref());
                false
            }
            Asked::AccountRefused(counters) => {
                picked.lease.refused();
                picked.lease.hear(counters.as_ref());
                true
            }
            Asked::AccountUnknown(error) => {
                tracing::warn!(%error, account = %picked.account.id, "what other instances hold of an account is not known");
                false
            }
        };
        Ok(match reserved.map_err(ApiError::unavailable)? {
            Err(shortfall) => {
                self.admission.reservation = None;
                (SetAside::NoQuota(shortfall), picked)
            }
            Ok(()) if refused => (SetAside::NothingLeft, picked),
            Ok(()) => (SetAside::Done, picked),
        })
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
            |moment| format!("until {}", gateway.core.clock.shown(moment)),
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
