//! Whether a call may be made: the key's list of models, and the limits of key and person. Choosing an account, and quota
//! where it is somebody else's, is the pool's, which asks for all of it in one step.

use std::time::Duration;

use millpond_pool::bucket::LeaseId;
use millpond_pool::counters::{Claim, Limits, Refusal};
use millpond_pool::units::Moment;

use super::Gateway;
use super::estimate::Estimate;
use super::limits::Limited;
use super::pool::quotas::Reservation;
use crate::auth::extract::Caller;
use crate::clock::Timestamp;
use crate::edge::error::{ApiError, Result};
use crate::ids::AccountId;
use crate::state::StateError;
use crate::state::counters::{AccountCounters, Admit, RefusedBy, Subject};

const MINUTE: Duration = Duration::from_secs(60);
/// Two may limit a caller, and what each spent this month may not be known yet.
const TRIES: usize = 3;

/// What is set aside for a call, remembered before it is asked for. Whoever has it settles it, however the call ends.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// What is claimed of those who limit the caller and have not let the call in yet.
    claims: Vec<(Subject, Claim)>,
    /// Those who may have let it in.
    pub(crate) limited: Option<Limited>,
    /// Quota for somebody else's account.
    pub(crate) reservation: Option<Reservation>,
    /// Whether the caller has a budget in money.
    counts_money: bool,
}

/// What those who limit a call answered. A caller's limits that refuse are an error.
pub(crate) enum Asked {
    Granted(Option<AccountCounters>),
    AccountRefused(Option<AccountCounters>),
    /// Nobody but the account was to be asked, and what it said was not heard.
    AccountUnknown(StateError),
}

impl Admission {
    /// Refuses what the key may not do at all, and takes note of the limits under which the call is to be made.
    pub(crate) fn of(gateway: &Gateway, caller: &Caller, model: &str, estimate: Estimate) -> Result<Self> {
        if let Some(key) = &caller.key
            && !key.allows(model)
        {
            let message = format!("This API key may not use the model `{model}`.");
            return Err(ApiError::forbidden("model_not_found", message).param("model"));
        }
        let now = gateway.core.clock.now();
        let exceptions = &gateway.pool.exceptions;
        let user = exceptions.of_user(&caller.user, &gateway.core.config.policy, now);
        let key = caller.key.as_ref().map(|key| (Subject::Key(key.id), exceptions.of_key(key, now)));
        let id = LeaseId(rand::random());
        let mut admission = Self::default();
        for (subject, limits) in std::iter::once((Subject::User(caller.user.id), user)).chain(key) {
            admission.counts_money |= limits.monthly_micro_usd.is_some();
            if !limits.are_none() {
                admission.claims.push((subject, claim(gateway, id, limits, estimate, now)));
            }
        }
        admission.check_price(estimate)?;
        Ok(admission)
    }

    /// Refuses a model whose price is not known where the budget is in money: unknown is not free.
    pub(crate) fn check_price(&self, estimate: Estimate) -> Result<()> {
        if self.counts_money && estimate.micro_usd.is_none() {
            let message = "This model has no known price, and your budget is in money.";
            return Err(ApiError::forbidden("price_unknown", message).param("model"));
        }
        Ok(())
    }

    /// Asks those who have not let the call in yet, and an account, in one step; nobody where nobody limits it.
    pub(crate) async fn ask(
        &mut self,
        gateway: &Gateway,
        account: Option<(&AccountId, &Claim)>,
    ) -> Result<Asked> {
        if self.claims.is_empty() && account.is_none() {
            return Ok(Asked::Granted(None));
        }
        if let Some((_, first)) = self.claims.first() {
            let subjects = self.claims.iter().map(|(subject, _)| *subject).collect();
            self.limited = Some(Limited { id: first.id, subjects });
        }
        for _ in 0..TRIES {
            let admit = Admit { callers: &self.claims, account };
            let admitted = match gateway.core.state.admit(admit).await {
                Ok(admitted) => admitted,
                Err(error) if self.claims.is_empty() => return Ok(Asked::AccountUnknown(error)),
                Err(error) => return Err(ApiError::unavailable(error)),
            };
            match admitted.verdict {
                Ok(()) => {
                    self.claims.clear();
                    return Ok(Asked::Granted(admitted.account));
                }
                Err((RefusedBy::Caller(subject), Refusal::UnknownMonth)) => {
                    begin_month(gateway, subject).await?;
                }
                Err((by, refusal)) => {
                    // Nothing was set aside with anybody, unless they had let the call in before.
                    if !self.claims.is_empty() {
                        self.limited = None;
                    }
                    return match by {
                        RefusedBy::Caller(subject) => Err(self.over_limit(gateway, subject, refusal)),
                        RefusedBy::Account => Ok(Asked::AccountRefused(admitted.account)),
                    };
                }
            }
        }
        Err(ApiError::unavailable(StateError::Away))
    }

    fn over_limit(&self, gateway: &Gateway, subject: Subject, refusal: Refusal) -> ApiError {
        let claim = self.claims.iter().find(|(known, _)| *known == subject);
        let limits = claim.map_or(Limits::default(), |(_, claim)| claim.limits);
        over_limit(subject, &limits, refusal, gateway.core.clock.now())
    }
}

fn claim(gateway: &Gateway, id: LeaseId, limits: Limits, estimate: Estimate, now: Timestamp) -> Claim {
    let (month, _) = now.month();
    Claim {
        id,
        life_millis: gateway.core.config.upstream.reservation_life_ms(),
        limits,
        tokens: Some(estimate.usual_tokens),
        micro_usd: estimate.micro_usd.map_or(0, |money| money.0),
        month,
        parts: Vec::new(),
    }
}

/// Tells what a caller spent this month, from the usage rows.
async fn begin_month(gateway: &Gateway, subject: Subject) -> Result<()> {
    let (month, begun) = gateway.core.clock.now().month();
    gateway.settled().await;
    let spent = match subject {
        Subject::User(user) => gateway.core.store.spent_by_user(user.0, begun).await?,
        Subject::Key(key) => gateway.core.store.spent_by_key(key.0, begun).await?,
    };
    Ok(gateway.core.state.begin_month(subject, month, spent).await?)
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
        Refusal::Concurrent | Refusal::Spent | Refusal::Ended => {
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
