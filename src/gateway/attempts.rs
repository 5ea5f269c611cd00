//! From an admitted call to a provider's answer: up to three attempts, each on another account or credential, and down
//! the chain of models that may stand in for the wanted one. Retries come out of a budget, so that a general outage is
//! not made worse; hedging (sending twice and taking the quicker answer) is not done.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use axum::http::{Response, StatusCode};
use bytes::Bytes;
use hyper::body::Incoming;
use millpond_pool::index::Slot;

use super::accounts::{Serving, provider_of};
use super::admission::{self, Estimate};
use super::call::Asked;
use super::health::Met;
use super::pool::{Picked, Wanted};
use super::settlement::Settlement;
use super::upstream::{Failure, Refused, Sending};
use crate::app::App;
use crate::auth::extract::Caller;
use crate::error::ApiError;
use crate::store::usage::Outcome;

/// The first account and two more; after the first byte none.
const ATTEMPTS: usize = 3;
/// What a client is told to wait where no provider says.
const USUAL_WAIT: Duration = Duration::from_secs(5);
/// A chain of models is followed so far.
const LONGEST_CHAIN: usize = 5;

/// What a provider said that the client gets.
pub(super) enum Answer {
    Success(Response<Incoming>),
    /// The request itself is wrong.
    Refused(Box<Refused>),
}

/// Why a call got no answer, and whose decision that was.
pub(super) struct Refusal {
    pub(super) error: ApiError,
    pub(super) outcome: Outcome,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, outcome: Outcome::Rejected }
    }
}

impl Refusal {
    /// Nobody answered; the last failure says most. `wait` is how long what failed rests.
    fn after(failure: Failure, wait: Option<Duration>) -> Self {
        let bad_gateway = |code, message| ApiError::new(StatusCode::BAD_GATEWAY, code, message);
        let error = match &failure {
            Failure::Timeout => {
                let message = "The provider did not answer in time.";
                ApiError::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", message)
            }
            Failure::Refused(refused) if refused.status == StatusCode::TOO_MANY_REQUESTS => {
                let message = "The provider's rate limit is reached; try again in a moment.";
                ApiError::too_many("rate_limit_exceeded", message, wait.unwrap_or(USUAL_WAIT))
            }
            Failure::Refused(_) => {
                bad_gateway("upstream_error", "The provider can't serve the call at present.")
            }
            Failure::Forbidden | Failure::Broken(_) => {
                bad_gateway("upstream_unreachable", "The provider can't be reached.")
            }
        };
        Self { error: error.because(failure), outcome: Outcome::UpstreamError }
    }
}

/// What stands in for which model.
pub(super) struct Fallbacks(Vec<(String, String)>);

impl Fallbacks {
    pub(super) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The model, what stands in for it, what stands in for that, each once.
    fn chain<'a>(&'a self, model: &'a str) -> Vec<&'a str> {
        let mut chain = vec![model];
        let mut place = 0;
        while place < chain.len() && chain.len() < LONGEST_CHAIN {
            for (from, to) in &self.0 {
                if from == chain[place] && !chain.contains(&to.as_str()) && chain.len() < LONGEST_CHAIN {
                    chain.push(to);
                }
            }
            place += 1;
        }
        chain
    }
}

/// Whether a failed call may be tried once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Retry,
    Stop,
}

/// One call on its way from account to account.
struct Attempts<'a> {
    app: &'a App,
    caller: &'a Caller,
    asked: &'a Asked<'a>,
    body: &'a Bytes,
    deadline: Instant,
    estimate: Estimate,
    made: usize,
    tried: Vec<Slot>,
    /// What the latest attempt met with.
    failure: Option<Refusal>,
    /// What all attempts met with, for the log.
    story: String,
}

/// A provider's answer to the call, or why there is none.
pub(super) async fn answer(
    app: &App,
    caller: &Caller,
    asked: &Asked<'_>,
    body: &Bytes,
    settlement: &mut Settlement,
    deadline: Instant,
) -> Result<Answer, Refusal> {
    app.gateway.pool.fresh().await;
    let estimate = admission::estimate(app, asked, body.len());
    admission::enter(app, caller, &asked.model, estimate, settlement).await?;
    let mut attempts = Attempts {
        app,
        caller,
        asked,
        body,
        deadline,
        estimate,
        made: 0,
        tried: Vec::new(),
        failure: None,
        story: String::new(),
    };
    let answer = attempts.run(settlement).await;
    if !attempts.story.is_empty() {
        let (model, tried, served) = (&*asked.model, &*attempts.story, answer.is_ok());
        tracing::warn!(model, tried, served, "attempts failed");
    }
    answer
}

impl Attempts<'_> {
    async fn run(&mut self, settlement: &mut Settlement) -> Result<Answer, Refusal> {
        let asked = self.asked;
        let (mut refused, mut next) = (None, Next::Retry);
        for (place, model) in self.app.gateway.fallbacks.chain(&asked.model).into_iter().enumerate() {
            let allowed = self.caller.key.as_ref().is_none_or(|key| key.allows(model));
            if place > 0 && !allowed {
                continue;
            }
            while self.made < ATTEMPTS && next == Next::Retry && self.may_go_on() {
                let wanted = Wanted {
                    model,
                    caller: self.caller.user.id,
                    provider: provider_of(asked.endpoint.dialect()),
                    conversation: Some(asked.conversation),
                    estimate: self.estimate.cost(),
                    tried: &self.tried,
                    patient: self.made == 0,
                };
                let chosen =
                    admission::choose(self.app, self.caller, &wanted, self.estimate, settlement).await;
                let mut picked = match chosen {
                    Ok(picked) => picked,
                    Err(error) => {
                        refused.get_or_insert(error);
                        break;
                    }
                };
                let health = &self.app.gateway.pool.health;
                let Some(probes) = health.admit(&picked.account.id, &picked.upstream_model).await else {
                    self.tried.push(picked.lease.slot);
                    continue;
                };
                picked.lease.probes = probes;
                if self.made > 0 && !self.app.gateway.retries.take(self.app.gateway.pool.now()) {
                    self.note("no retry is left in the budget");
                    next = Next::Stop;
                    break;
                }
                match self.attempt(picked, settlement).await {
                    Ok(answer) => return Ok(answer),
                    Err(after) => next = after,
                }
            }
        }
        // That no second account was free says less than what the first one answered.
        Err(match (self.failure.take(), refused) {
            (Some(failure), _) => failure,
            (None, Some(error)) => error.into(),
            (None, None) => Refusal::after(Failure::Timeout, None),
        })
    }

    fn may_go_on(&self) -> bool {
        self.made == 0 || Instant::now() < self.deadline
    }

    fn note(&mut self, text: &str) {
        let separator = if self.story.is_empty() { "" } else { "; " };
        // Writing to a string can't fail.
        write!(self.story, "{separator}{text}").ok();
    }

    async fn attempt(&mut self, picked: Picked, settlement: &mut Settlement) -> Result<Answer, Next> {
        let (app, asked) = (self.app, self.asked);
        let (account, slot) = (picked.account.clone(), picked.lease.slot);
        let credential = account.credentials.turn(app.gateway.pool.now());
        let body = asked.head.upstream_body(self.body, &picked.upstream_model);
        let model = picked.upstream_model.clone();
        let url = account.url(asked.endpoint, &picked.upstream_model, asked.query);
        settlement.attempt(picked);
        if self.made == 0 {
            app.gateway.retries.earn();
        }
        self.made += 1;
        let sent = match url {
            Ok(url) => {
                let sending = Sending { url, credential, headers: asked.headers.clone(), body };
                app.gateway.upstream.call(&account, sending, self.deadline).await
            }
            Err(error) => Err(Failure::Broken(error.to_string())),
        };
        let pool = &app.gateway.pool;
        match sent {
            Ok(answer) => {
                pool.health.after_answer(&account.id, &model);
                pool.allowances.learn(&account, &model, answer.headers());
                Ok(Answer::Success(answer))
            }
            Err(failure) => self.after_failure(&account, slot, (credential, &model), failure),
        }
    }

    /// What a failure means for the account and its credential, and whether the call is tried once more.
    fn after_failure(
        &mut self,
        account: &Serving,
        slot: Slot,
        (credential, upstream_model): (usize, &str),
        failure: Failure,
    ) -> Result<Answer, Next> {
        let pool = &self.app.gateway.pool;
        let refused = match &failure {
            Failure::Refused(refused) => Some(refused),
            _ => None,
        };
        if let Some(refused) = refused {
            pool.allowances.learn_from_refusal(account, upstream_model, refused);
        }
        let judged = pool.health.after_failure(&Met {
            account,
            credential,
            upstream_model,
            trouble: failure.trouble(),
            headers: refused.map(|refused| &refused.headers),
            body: refused.map_or(&[], |refused| &refused.body),
        });
        self.note(&format!("{}: {failure} ({})", account.id, judged.cause));
        match failure {
            Failure::Refused(refused) if !judged.go_on => return Ok(Answer::Refused(refused)),
            failure => self.failure = Some(Refusal::after(failure, judged.wait)),
        }
        // Another credential of the same account may do better.
        if !(judged.about_credential && account.credentials.any_awake(pool.now())) {
            self.tried.push(slot);
        }
        Err(Next::Retry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_end() {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let fallbacks = Fallbacks::new(vec![pair("a", "b"), pair("b", "c"), pair("c", "a"), pair("a", "d")]);
        assert_eq!(fallbacks.chain("a"), ["a", "b", "d", "c"]);
        assert_eq!(fallbacks.chain("x"), ["x"]);
    }
}
