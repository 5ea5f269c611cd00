//! Whether a call may be made: the key's list of models, the limits of key and person, then an account, and quota where the
//! account is somebody else's.

use std::time::Duration;

use axum::http::StatusCode;
use millpond_pool::bucket::{LeaseId, Shortfall};
use millpond_pool::group::Group;
use millpond_pool::index::{Slot, Sources};
use millpond_pool::limits::{Ask, Limits, Refusal};
use millpond_pool::pricing::Tokens;
use millpond_pool::units::{Cost, MicroUsd, Moment};

use super::call::Asked;
use super::lease::{Picked, Wanted};
use super::queue::Missing;
use super::settlement::Settlement;
use crate::app::App;
use crate::auth::extract::Caller;
use crate::clock::Timestamp;
use crate::error::{ApiError, Result};
use crate::state::limits::Subject;

const MINUTE: Duration = Duration::from_secs(60);
/// Output tokens reserved for an answer whose length neither the client nor the table of models bounds, and the most for
/// one that only the client does.
const USUAL_OUTPUT: u64 = 16_384;
const LONGEST_OUTPUT: u64 = 262_144;

/// The most that a call is expected to use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    tokens: i64,
    /// The same without what hardly any answer needs: a rate is for what is usual, a quota for what is possible.
    usual_tokens: i64,
    /// Unknown where the model's price is.
    micro_usd: Option<MicroUsd>,
}

impl Estimate {
    /// The same as a cost.
    pub(super) fn cost(&self) -> Cost {
        Cost { requests: 1, tokens: self.tokens, micro_usd: self.micro_usd }
    }
}

/// Under whose limits a call runs, and by which name they know it.
#[derive(Clone, Debug)]
pub(super) struct Limited {
    pub(super) id: LeaseId,
    pub(super) subjects: Vec<Subject>,
}

/// The most that a call is expected to use.
pub(super) fn estimate(app: &App, asked: &Asked<'_>, body_bytes: usize) -> Estimate {
    let prices = &app.gateway.prices;
    let price = prices.of(&asked.model);
    if asked.endpoint.only_counts() {
        return Estimate { tokens: 0, usual_tokens: 0, micro_usd: price.map(|_| MicroUsd(0)) };
    }
    let head = &asked.head;
    let (asked_for, possible) = (head.output_limit(), prices.output_limit(&asked.model));
    let most = match (asked_for, possible) {
        (Some(asked_for), possible) => asked_for.min(possible.unwrap_or(LONGEST_OUTPUT)),
        (None, possible) => possible.unwrap_or(USUAL_OUTPUT),
    };
    let usual = if asked_for.is_some() { most } else { most.min(USUAL_OUTPUT) };
    let input = head.most_input(body_bytes);
    let output = most.saturating_mul(head.answers());
    let micro_usd = price.map(|price| price.cost(&Tokens { input, output, ..Tokens::default() }));
    let all = |output: u64| i64::try_from(input.saturating_add(output)).unwrap_or(i64::MAX);
    Estimate { tokens: all(output), usual_tokens: all(usual.saturating_mul(head.answers())), micro_usd }
}

/// How long what is set aside for a call lives if nobody settles it.
fn life_millis(app: &App) -> i64 {
    let life = app.config.upstream.deadline + MINUTE;
    i64::try_from(life.as_millis()).unwrap_or(i64::MAX)
}

/// Refuses what key and person may not do, and counts the call under their limits.
pub(super) async fn enter(
    app: &App,
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
    let now = app.clock.now();
    let exceptions = &app.gateway.pool.exceptions;
    let user_limits = exceptions.of_user(&caller.user, &app.config.policy, now);
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
        if let Err(refused) = admit(app, *subject, limits, id, estimate).await {
            for (earlier, _) in &limited[..place] {
                app.state.cancel_limits(*earlier, id, Moment(app.clock.now().millis())).await?;
            }
            return Err(refused);
        }
    }
    Ok(())
}

async fn admit(app: &App, subject: Subject, limits: &Limits, id: LeaseId, estimate: Estimate) -> Result<()> {
    if limits.monthly_micro_usd.is_some() && estimate.micro_usd.is_none() {
        let message = "This model has no known price, and your budget is in money.";
        return Err(ApiError::forbidden("price_unknown", message).param("model"));
    }
    let at = app.clock.now();
    let now = Moment(at.millis());
    let money = estimate.micro_usd.map_or(0, |money| money.0);
    let ask =
        Ask { id, tokens: estimate.usual_tokens, micro_usd: money, expires_at: now.plus(life_millis(app)) };
    let (month, begun) = at.month();
    let mut answer = app.state.admit(subject, limits, &ask, month, now).await?;
    if answer == Err(Refusal::UnknownMonth) {
        app.gateway.settled().await;
        let spent = match subject {
            Subject::User(user) => app.store.spent_by_user(user.0, begun).await?,
            Subject::Key(key) => app.store.spent_by_key(key.0, begun).await?,
        };
        app.state.begin_month(subject, month, spent, now).await?;
        answer = app.state.admit(subject, limits, &ask, month, now).await?;
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

/// An account for one attempt. Others' accounts need a reservation, made once a call; where the quota is spent the
/// caller's own accounts are all that is left.
pub(super) async fn choose(
    app: &App,
    caller: &Caller,
    wanted: &Wanted<'_>,
    estimate: Estimate,
    settlement: &mut Settlement,
) -> Result<Picked> {
    let gateway = &app.gateway;
    let now = gateway.pool.now();
    let may_use_pool = app.config.policy.of(caller.user.trust_level).may_use_pool;
    let order = match (may_use_pool, caller.user.prefers_shared()) {
        (false, _) => Sources::OwnOnly,
        (true, true) => Sources::SharedFirst,
        (true, false) => Sources::OwnFirst,
    };
    let picked = take(app, wanted, order).await;
    let picked = picked.map_err(|missing| no_account(app, wanted, &missing, now))?;
    if picked.own || settlement.has_reserved() {
        return Ok(picked);
    }
    let amount = gateway.quotas.reference().highest_cost(&estimate.cost());
    let intended = gateway.quotas.intend(&caller.user, wanted.model, amount, life_millis(app));
    settlement.reserves(intended);
    match gateway.quotas.reserve(&caller.user, intended).await.map_err(ApiError::unavailable)? {
        Ok(()) => Ok(picked),
        Err(shortfall) => {
            settlement.reserves_nothing();
            // The lease on the shared account goes first, so that it is free for others at once.
            drop(picked);
            let own = take(app, &Wanted { patient: false, ..*wanted }, Sources::OwnOnly).await;
            own.map_err(|_| no_quota(wanted.model, &shortfall, now))
        }
    }
}

/// An account that is held on every instance. One that others have used up is not chosen again until they give back.
async fn take(app: &App, wanted: &Wanted<'_>, order: Sources) -> Result<Picked, Missing> {
    let pool = &app.gateway.pool;
    let until = pool.patience();
    loop {
        let mut picked = pool.acquire(wanted, order, until).await?;
        let most_calls = picked.account.most_calls();
        let ends_at = pool.now().plus(life_millis(app));
        let held = match &mut picked.lease.hold {
            Some(hold) => hold.share(most_calls, ends_at, &app.tasks).await,
            None => true,
        };
        if held {
            return Ok(picked);
        }
    }
}

/// The error for a model that nobody serves to the caller.
pub(super) fn unknown_model(model: &str) -> ApiError {
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

fn no_account(app: &App, wanted: &Wanted<'_>, missing: &Missing, now: Moment) -> ApiError {
    let why = match missing {
        Missing::Nothing(why) => why,
        Missing::QueueFull | Missing::WaitedInVain => {
            let message = "Every account for this model is busy, and no place came free in time.";
            return ApiError::too_many("no_free_account", message, Duration::from_secs(1));
        }
    };
    if why.tried + why.disabled + why.resting + why.full + why.usable == 0 {
        return if app.gateway.pool.is_served_elsewhere(wanted) {
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
        let cause = why.resting_one.and_then(|slot| why_it_rests(app, wanted, slot));
        format!("Every account for this model is resting {until}{}.", cause.unwrap_or_default())
    };
    let wait = match why.earliest {
        Some(moment) if !busy => millis(moment.since(now)),
        _ => Duration::from_secs(1),
    };
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "no_account_available", message).retry_after(wait)
}

/// What the pause of an account says to a caller; the provider's words are for its owner, on the route of pauses.
fn why_it_rests(app: &App, wanted: &Wanted<'_>, slot: Slot) -> Option<String> {
    let account = app.gateway.pool.serving(slot)?;
    let upstream = account.upstream(wanted.model);
    let pauses = app.gateway.pauses_of(&account.id);
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
