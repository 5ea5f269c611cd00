//! From an admitted call to a provider's answer: up to three attempts, each on another account or credential, and down
//! the chain of models that may stand in for the wanted one. Retries come out of a budget, so that a general outage is
//! not made worse. Where it is switched on, a call that waits long for its first byte is [hedged](hedge).

mod fallbacks;
mod hedge;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Response, StatusCode};
use bytes::Bytes;
use millpond_pool::index::Slot;
use millpond_pool::rules::Trouble;
use millpond_wire::Endpoint;

pub(crate) use self::fallbacks::Fallbacks;
use crate::auth::extract::Caller;
use crate::edge::error::ApiError;
use crate::gateway::Gateway;
use crate::gateway::accounts::Serving;
use crate::gateway::admission::Admission;
use crate::gateway::choose;
use crate::gateway::estimate::{self, Estimate};
use crate::gateway::pool::health::Met;
use crate::gateway::pool::lease::{Picked, Wanted};
use crate::gateway::request::ModelRequest;
use crate::gateway::settlement::Settlement;
use crate::gateway::upstream::{AnswerBody, Failure, Refused, Sending};
use crate::providers::Profile;
use crate::store::usage::Outcome;

/// The first account and two more; after the first byte none.
const ATTEMPTS: usize = 3;
/// What a client is told to wait where no provider says.
const USUAL_WAIT: Duration = Duration::from_secs(5);

/// What a provider said that the client gets.
pub(crate) enum Answer {
    Success(Response<AnswerBody>),
    /// The request itself is wrong.
    Refused(Box<Refused>),
}

/// Why a call got no answer, and whose decision that was.
pub(crate) struct Refusal {
    pub(crate) error: ApiError,
    pub(crate) outcome: Outcome,
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
            Failure::Timeout | Failure::Deadline => {
                let message = "The provider did not answer in time.";
                ApiError::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", message)
            }
            Failure::Exhausted(_) => {
                let message = "No more connections can be opened at present; try again in a moment.";
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "server_busy", message)
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

/// Whether a failed call may be tried once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Retry,
    Stop,
}

/// What a provider made of an attempt.
type Sent = Result<Response<AnswerBody>, Failure>;

/// The account, endpoint and credential of one attempt.
struct Trial {
    account: Arc<Serving>,
    /// What is called upstream; the client's own endpoint as long as nothing is translated.
    endpoint: Endpoint,
    slot: Slot,
    credential: usize,
    upstream_model: String,
}

/// What every attempt of a call has in common.
#[derive(Clone, Copy)]
struct Way<'a> {
    gateway: &'a Gateway,
    asked: &'a ModelRequest,
    body: &'a Bytes,
    deadline: Instant,
}

impl Way<'_> {
    fn trial(self, picked: &Picked) -> Trial {
        Trial {
            account: picked.account.clone(),
            endpoint: self.asked.endpoint,
            slot: picked.lease.slot,
            credential: picked.account.credentials.turn(self.gateway.pool.now()),
            upstream_model: picked.upstream_model.clone(),
        }
    }

    async fn send(self, trial: &Trial) -> Sent {
        let Trial { account, endpoint, credential, upstream_model, .. } = trial;
        let body = self.asked.head.upstream_body(self.body, upstream_model, true);
        let url = account
            .url(*endpoint, upstream_model, self.asked.query)
            .map_err(|error| Failure::Broken(error.to_string()))?;
        let sending = Sending { url, credential: *credential, headers: &self.asked.headers, body };
        let silent = || self.note_silence(trial);
        self.gateway.upstream.call(account, sending, self.deadline, silent).await
    }

    /// Counts against the account that nothing came for long. The call itself waits on: what is sent to a second account
    /// is paid twice.
    fn note_silence(self, trial: &Trial) {
        let Trial { account, credential, upstream_model, .. } = trial;
        self.gateway.pool.health.after_failure(&Met {
            account,
            credential: *credential,
            upstream_model,
            trouble: Trouble::Timeout,
            headers: None,
            body: &[],
        });
    }
}

/// One call on its way from account to account.
struct Attempts<'a> {
    way: Way<'a>,
    caller: &'a Caller,
    /// Of the model that was asked for.
    estimate: Estimate,
    made: usize,
    tried: Vec<Slot>,
    /// What the latest attempt met with.
    failure: Option<Refusal>,
    /// What all attempts met with, for the log.
    story: String,
}

/// A provider's answer to the call, or why there is none.
pub(crate) async fn answer(
    gateway: &Gateway,
    caller: &Caller,
    asked: &ModelRequest,
    body: &Bytes,
    settlement: &mut Settlement,
    deadline: Instant,
) -> Result<Answer, Refusal> {
    gateway.pool.fresh(caller.user.id).await;
    let estimate = estimate::estimate(gateway, asked, &asked.model, body);
    settlement.admission = Admission::of(gateway, caller, &asked.model, estimate)?;
    let mut attempts = Attempts {
        way: Way { gateway, asked, body, deadline },
        caller,
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
        let asked = self.way.asked;
        let (mut refused, mut next) = (None, Next::Retry);
        for (place, model) in self.way.gateway.fallbacks.chain(&asked.model).into_iter().enumerate() {
            let allowed = self.caller.key.as_ref().is_none_or(|key| key.allows(model));
            if place > 0 && !allowed {
                continue;
            }
            while self.made < ATTEMPTS && next == Next::Retry && self.may_go_on() {
                let chosen = self.choose(model, settlement).await;
                let picked = match chosen {
                    Ok(Some(picked)) => picked,
                    Ok(None) => continue,
                    Err(error) => {
                        refused.get_or_insert(error);
                        break;
                    }
                };
                if self.made > 0 && !self.way.gateway.retries.take(self.way.gateway.pool.now()) {
                    self.note("no retry is left in the budget");
                    next = Next::Stop;
                    break;
                }
                match self.attempt(model, picked, settlement).await {
                    Ok(answer) => return Ok(answer),
                    Err(after) => next = after,
                }
            }
        }
        // That no second account was free says less than what the first one answered.
        Err(match (self.failure.take(), refused) {
            (Some(failure), _) => failure,
            (None, Some(error)) => error.into(),
            (None, None) => Refusal::after(Failure::Deadline, None),
        })
    }

    /// An account that may be tried now; `None` when the chosen one is being probed by somebody else.
    async fn choose(&mut self, model: &str, settlement: &mut Settlement) -> Result<Option<Picked>, ApiError> {
        let (asked, gateway) = (self.way.asked, self.way.gateway);
        let estimate = if *model == *asked.model {
            self.estimate
        } else {
            estimate::estimate(gateway, asked, model, self.way.body)
        };
        settlement.admission.check_price(estimate)?;
        let wanted = Wanted {
            model,
            asked_model: &asked.model,
            caller: self.caller.user.id,
            provider: Profile::of(asked.endpoint.dialect()).provider,
            conversation: Some(asked.conversation),
            estimate: estimate.cost(),
            tried: &self.tried,
            patient: self.made == 0,
        };
        let mut picked = choose::choose(gateway, self.caller, &wanted, &mut settlement.admission).await?;
        let health = &gateway.pool.health;
        let Some(probes) = health.admit(&picked.account.id, &picked.upstream_model).await else {
            self.tried.push(picked.lease.slot);
            return Ok(None);
        };
        picked.lease.probes = probes;
        Ok(Some(picked))
    }

    fn may_go_on(&self) -> bool {
        self.made == 0 || Instant::now() < self.way.deadline
    }

    fn note(&mut self, text: &str) {
        let separator = if self.story.is_empty() { "" } else { "; " };
        // Writing to a string can't fail.
        write!(self.story, "{separator}{text}").ok();
    }

    async fn attempt(
        &mut self,
        model: &str,
        picked: Picked,
        settlement: &mut Settlement,
    ) -> Result<Answer, Next> {
        let trial = self.way.trial(&picked);
        settlement.attempt(picked);
        if self.made == 0 {
            self.way.gateway.retries.earn();
        }
        self.made += 1;
        match self.way.gateway.core.config.calls.hedge_after {
            None => {
                let sent = self.way.send(&trial).await;
                self.judge(&trial, sent)
            }
            Some(after) => self.hedged(model, &trial, after, settlement).await,
        }
    }

    /// What an attempt's end means for its account, and for the call.
    fn judge(&mut self, trial: &Trial, sent: Sent) -> Result<Answer, Next> {
        let pool = &self.way.gateway.pool;
        match sent {
            Ok(answer) => {
                pool.health.after_answer(&trial.account.id, &trial.upstream_model);
                pool.allowances.learn(&trial.account, &trial.upstream_model, answer.headers());
                Ok(Answer::Success(answer))
            }
            Err(failure) => self.after_failure(trial, failure),
        }
    }

    /// What a failure means for the account and its credential, and whether the call is tried once more.
    fn after_failure(&mut self, trial: &Trial, failure: Failure) -> Result<Answer, Next> {
        let Trial { account, slot, credential, upstream_model, .. } = trial;
        let pool = &self.way.gateway.pool;
        let Some(trouble) = failure.trouble() else {
            self.note(&format!("{}: {failure}", account.id));
            self.failure = Some(Refusal::after(failure, None));
            return Err(Next::Stop);
        };
        let refused = match &failure {
            Failure::Refused(refused) => Some(refused),
            _ => None,
        };
        if let Some(refused) = refused {
            pool.allowances.learn_from_refusal(account, upstream_model, refused);
        }
        let judged = pool.health.after_failure(&Met {
            account,
            credential: *credential,
            upstream_model,
            trouble,
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
            self.tried.push(*slot);
        }
        Err(Next::Retry)
    }
}
