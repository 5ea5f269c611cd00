//! Trying one account out: a single cheap call with one of its credentials, past the same guard and proxy as every call.
//! It says what the provider said, without credentials, and changes nothing of the account.

use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use millpond_wire::refusal::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

use super::Gateway;
use super::accounts::Serving;
use super::upstream::{Failure, Sending, read_body};
use crate::edge::openapi::one_of;
use crate::ids::AccountId;
use crate::store::accounts::AccountRow;

/// The provider has so long.
const WITHIN: Duration = Duration::from_secs(15);

/// What to try.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// A model to call for one token; absent: only the list of models is asked for, which costs nothing.
    pub model: Option<String>,
    /// Which of the account's credentials, from 0.
    pub credential: usize,
}

one_of!(outcome: "ok", "refused", "timeout", "unreachable", "forbidden_address", "not_usable");

/// What a provider said to a trial.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Checked {
    /// Whether the provider answered with success.
    pub ok: bool,
    /// The provider's status, if it answered.
    pub provider_status: Option<u16>,
    /// The provider's words, shortened and without credentials; empty on success.
    pub words: String,
    #[schema(schema_with = outcome)]
    pub outcome: &'static str,
    pub latency_ms: u64,
}

impl Checked {
    fn failed(outcome: &'static str, words: String) -> Self {
        Self { ok: false, provider_status: None, words, outcome, latency_ms: 0 }
    }
}

impl Gateway {
    /// Makes one cheap call on an account, also on one that is switched off.
    pub async fn check(&self, row: AccountRow, trial: Trial) -> Checked {
        let id = row.id.clone();
        let account = match self.pool.loader.load(row) {
            Ok(account) => account,
            Err(error) => return Checked::failed("not_usable", error.to_string()),
        };
        let credential =
            if account.credentials.header(trial.credential).is_some() { trial.credential } else { 0 };
        let began = Instant::now();
        let answer = self.ask(&account, credential, trial.model.as_deref(), began + WITHIN).await;
        let mut checked = told(&id, answer, |refusal| account.words(credential, refusal));
        checked.latency_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        checked
    }

    async fn ask(
        &self,
        account: &Serving,
        credential: usize,
        model: Option<&str>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let Some(model) = model else {
            return self.upstream.look(account, credential, WITHIN).await.map(drop);
        };
        let model = account.upstream(model);
        let (endpoint, body) = (account.profile.one_token)(model);
        let url = account.url(endpoint, model, None).map_err(|error| Failure::Broken(error.to_string()))?;
        let (headers, body) = (HeaderMap::new(), body.to_string().into());
        let sending = Sending { url, credential, headers: &headers, body };
        let answer = self.upstream.call(account, sending, deadline, || ()).await?;
        read_body(answer.into_body(), WITHIN, deadline).await.map(drop)
    }
}

fn told(id: &AccountId, answer: Result<(), Failure>, words: impl Fn(&Refusal) -> String) -> Checked {
    match answer {
        Ok(()) => Checked {
            ok: true,
            provider_status: Some(200),
            words: String::new(),
            outcome: "ok",
            latency_ms: 0,
        },
        Err(Failure::Refused(refused)) => {
            let mut refusal = Refusal::read(&refused.body);
            if refusal.message.is_empty() {
                refusal.message = String::from_utf8_lossy(&refused.body).into_owned();
            }
            let words = words(&refusal);
            Checked { provider_status: Some(refused.status.as_u16()), ..Checked::failed("refused", words) }
        }
        Err(Failure::Timeout | Failure::Deadline) => Checked::failed("timeout", String::new()),
        Err(Failure::Forbidden) => Checked::failed("forbidden_address", String::new()),
        Err(Failure::Broken(reason) | Failure::Exhausted(reason)) => {
            // The reason names addresses of this side's network, which its owner has no need to know.
            tracing::debug!(account = %id, reason, "a checked account could not be reached");
            Checked::failed("unreachable", String::new())
        }
    }
}
