//! How accounts are: what an attempt's failure means for them, and which of them need a probe. Judging and looking are
//! done in memory; [`sync`] carries events to the shared state and back. Nothing here chooses an account or sends.
//!
//! Failures are counted by each instance for itself; what follows from them (rests, circuits and their probes) is
//! shared.

mod sync;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use axum::http::HeaderMap;
use millpond_pool::health::{Circuit, Event, Fuse, Reason, Record, Scope, Tally};
use millpond_pool::rules::{Failed, Harm, Reach, Rules, Then, Trouble};
use millpond_pool::units::Moment;
use millpond_wire::limits;
use millpond_wire::refusal::Refusal;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::gateway::accounts::Serving;
use crate::gateway::accounts::credentials::Credentials;
use crate::ids::AccountId;
use crate::state::State;

pub use view::PauseView;

/// So much of a refusal's body is looked at.
const LONGEST_BODY: usize = 64 << 10;
/// A call waits so long to hear whether another instance probes.
const ASK_WITHIN: Duration = Duration::from_secs(1);
/// Scopes of one account whose failures are counted at one time.
const TALLIES: usize = 64;

/// An attempt that failed.
pub(crate) struct Met<'a> {
    pub(crate) account: &'a Serving,
    /// Which of the account's credentials was sent.
    pub(crate) credential: usize,
    pub(crate) upstream_model: &'a str,
    pub(crate) trouble: Trouble,
    /// Headers and the (bounded) body of the answer, if there was one.
    pub(crate) headers: Option<&'a HeaderMap>,
    pub(crate) body: &'a [u8],
}

/// What an attempt's failure means for the call.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// Whether another account may be tried; else the client gets the provider's answer.
    pub(crate) go_on: bool,
    /// The rule that decided.
    pub(crate) cause: String,
    /// Whether it is one credential that rests.
    pub(crate) about_credential: bool,
    /// How long what failed rests, where that is known.
    pub(crate) wait: Option<Duration>,
}

/// What is known of one account.
#[derive(Default)]
struct Held {
    /// Events that the shared state doesn't know yet, in order.
    pending: Vec<(u64, Event, Moment)>,
    /// The shared record as it is stored, by the wall clock, and the same by the clock that nobody sets. It is converted
    /// once, so that setting the wall clock back makes no rest longer.
    stored: Record,
    known: Record,
    /// That with those events.
    view: Record,
    tallies: HashMap<Scope, Tally>,
}

type OnChange = Box<dyn Fn(&AccountId) + Send + Sync>;

/// What the bus said and nobody has looked at yet.
#[derive(Default)]
struct Heard {
    accounts: HashSet<AccountId>,
    everything: bool,
}

/// The health of all accounts that are not quite well.
pub(crate) struct Health {
    rules: Rules,
    fuse: Fuse,
    clock: Clock,
    state: State,
    /// Who this instance is when it probes.
    me: u64,
    held: RwLock<HashMap<AccountId, Held>>,
    heard: Mutex<Heard>,
    wake: Notify,
    changed: OnceLock<OnChange>,
}

/// What the accounts' selection has to respect.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rest {
    pub(crate) account: Option<Moment>,
    /// For each credential, until when it rests.
    pub(crate) credentials: Vec<Option<Moment>>,
    pub(crate) models: Vec<(Box<str>, Moment)>,
}

impl Rest {
    /// Whether all of the account rests, and time alone doesn't end it.
    pub(crate) fn is_without_end(&self) -> bool {
        self.account == Some(Moment(i64::MAX))
    }
}

/// A call that was let through to find out whether an account is well again. Dropped without a result, it lets the next
/// call try.
pub(crate) struct Probe {
    health: Arc<Health>,
    account: AccountId,
    scope: Scope,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let left = Event::ProbeLeft { scope: self.scope.clone(), holder: self.health.me };
        self.health.note(&self.account, left);
    }
}

impl Health {
    /// Who is told when an account's rests change; set once, before the first call.
    pub(crate) fn tell(&self, changed: impl Fn(&AccountId) + Send + Sync + 'static) {
        drop(self.changed.set(Box::new(changed)));
    }

    /// Judges a failed attempt by the rules, and lets the account rest or its circuit count.
    pub(crate) fn after_failure(&self, met: &Met<'_>) -> Judged {
        let body = &met.body[..met.body.len().min(LONGEST_BODY)];
        let refusal = Refusal::read(body);
        let now = self.now();
        let header = |name: &str| met.headers.and_then(|headers| headers.get(name)?.to_str().ok());
        let wait_millis = limits::wait_millis(header, self.clock.now().millis()).or(refusal.retry_millis);
        let verdict = self.rules.judge(&Failed {
            provider: met.account.provider,
            trouble: met.trouble,
            codes: &refusal.codes,
            message: &refusal.message,
            text: &String::from_utf8_lossy(body),
            wait_millis,
        });
        let status = match met.trouble {
            Trouble::Status(status) => Some(status),
            _ => None,
        };
        let words = met.account.words(met.credential, &refusal);
        let reason = Reason { cause: verdict.cause.to_owned(), status, words };
        // Several credentials are mostly of several customers of the provider: what it limits is one of them.
        let limited = matches!(met.trouble, Trouble::Status(402 | 403 | 429));
        let harm = match verdict.harm {
            Harm::Rest(_, millis) if limited && !met.account.credentials.is_single() => {
                Harm::Rest(Reach::Credential, millis)
            }
            harm => harm,
        };
        let judged = Judged {
            go_on: verdict.then == Then::GoOn,
            cause: verdict.cause.to_owned(),
            about_credential: matches!(
                harm,
                Harm::Rest(Reach::Credential, _) | Harm::UntilChanged(Reach::Credential)
            ),
            wait: match harm {
                Harm::Rest(_, millis) => Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0))),
                _ => None,
            },
        };
        self.harm(met, harm, reason, now);
        judged
    }

    fn harm(&self, met: &Met<'_>, harm: Harm, reason: Reason, now: Moment) {
        let (account, model) = (met.account, met.upstream_model);
        let (Harm::Circuit(reach) | Harm::Rest(reach, _) | Harm::UntilChanged(reach)) = harm else { return };
        let scope = match reach {
            // A name with a star would be a pattern in selection; no provider has one.
            Reach::Model if model.contains('*') => return,
            Reach::Model => Scope::Model(model.to_owned()),
            Reach::Credential => match account.credentials.fingerprint(met.credential) {
                Some(fingerprint) => Scope::Credential(fingerprint.to_owned()),
                None => return,
            },
            Reach::Account => Scope::Account,
        };
        let event = match harm {
            Harm::Rest(_, millis) => Event::Rest { scope, reason, until: Some(now.plus(millis)) },
            Harm::UntilChanged(_) => Event::Rest { scope, reason, until: None },
            _ => match self.count_failure(&account.id, scope, reason, now) {
                Some(event) => event,
                None => return,
            },
        };
        self.note(&account.id, event);
    }

    /// Counts a failure; answers what follows from it.
    fn count_failure(&self, id: &AccountId, scope: Scope, reason: Reason, now: Moment) -> Option<Event> {
        let chance = rand::random();
        let mut held = self.write();
        let held = held.entry(id.clone()).or_default();
        match held.view.circuit(&scope).and_then(|pause| pause.circuit) {
            Some(Circuit::Probing { holder, .. }) if holder == self.me => {
                return Some(Event::ProbeFailed { scope, holder, reason, chance });
            }
            // A call that began before it opened tells nothing new.
            Some(_) => return None,
            None => {}
        }
        if held.tallies.len() >= TALLIES && !held.tallies.contains_key(&scope) {
            held.tallies.retain(|_, tally| !tally.is_quiet(&self.fuse, now));
            if held.tallies.len() >= TALLIES {
                return None;
            }
        }
        let opens = held.tallies.entry(scope.clone()).or_default().failed(&self.fuse, now);
        opens.then_some(Event::Open { scope, reason, chance })
    }

    /// The provider has begun to answer: a probe has worked.
    pub(crate) fn after_answer(&self, id: &AccountId, model: &str) {
        let probing = {
            let held = self.read();
            let Some(held) = held.get(id) else { return };
            let mine =
                |circuit| matches!(circuit, Some(Circuit::Probing { holder, .. }) if holder == self.me);
            let scopes = held.view.probes_for(model).filter(|pause| mine(pause.circuit));
            scopes.map(|pause| pause.scope.clone()).collect::<Vec<_>>()
        };
        for scope in probing {
            self.note(id, Event::ProbeWorked { scope, holder: self.me });
        }
    }

    /// A call went well to its end.
    pub(crate) fn worked(&self, id: &AccountId, model: &str) {
        if self.read().get(id).is_none_or(|held| held.tallies.is_empty()) {
            return;
        }
        let now = self.now();
        let mut all = self.write();
        let Some(held) = all.get_mut(id) else { return };
        for (scope, tally) in &mut held.tallies {
            if matches!(scope, Scope::Account) || matches!(scope, Scope::Model(name) if name == model) {
                tally.worked(&self.fuse, now);
            }
        }
    }

    /// The provider broke off an answer that had begun, which counts like an error of its server.
    pub(crate) fn broke_off(&self, account: &Serving, model: &str) {
        let met = Met {
            account,
            credential: 0,
            upstream_model: model,
            trouble: Trouble::Broken,
            headers: None,
            body: &[],
        };
        let words = "the answer broke off".to_owned();
        let reason = Reason { cause: "broken_off".to_owned(), status: None, words };
        self.harm(&met, Harm::Circuit(Reach::Model), reason, self.now());
    }

    /// Lets a call through to a chosen account: at once to a healthy one (only memory is read), as the one probe of all
    /// instances where a circuit is open. `None`: somebody else probes; choose another account.
    pub(crate) async fn admit(self: &Arc<Self>, id: &AccountId, model: &str) -> Option<Vec<Probe>> {
        let scopes: Vec<Scope> = match self.read().get(id) {
            None => return Some(Vec::new()),
            Some(held) => held.view.probes_for(model).map(|pause| pause.scope.clone()).collect(),
        };
        let mut probes = Vec::with_capacity(scopes.len());
        for scope in scopes {
            probes.push(self.claim(id, scope).await?);
        }
        Some(probes)
    }

    async fn claim(self: &Arc<Self>, id: &AccountId, scope: Scope) -> Option<Probe> {
        let claim = Event::Claim { scope: scope.clone(), holder: self.me };
        // First here, so that of many calls of this instance one asks.
        if !self.note(id, claim) {
            return None;
        }
        match tokio::time::timeout(ASK_WITHIN, self.flush(id)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, account = %id, "whether another instance probes is not known");
            }
            Err(_) => tracing::warn!(account = %id, "whether another instance probes is not heard in time"),
        }
        let held = self.read();
        let circuit = held.get(id).and_then(|held| held.view.circuit(&scope)).and_then(|pause| pause.circuit);
        let mine = matches!(circuit, Some(Circuit::Probing { holder, .. }) if holder == self.me);
        drop(held);
        mine.then(|| Probe { health: self.clone(), account: id.clone(), scope })
    }

    /// Ends every pause and circuit of an account by hand.
    pub(crate) async fn resume(&self, id: &AccountId) -> crate::state::Result<()> {
        if let Some(held) = self.write().get_mut(id) {
            held.tallies.clear();
        }
        self.note(id, Event::Resume);
        self.flush(id).await
    }

    /// The pauses of an account, and of its present credentials where those are known.
    pub(crate) fn of(&self, id: &AccountId, credentials: Option<&Credentials>) -> Vec<PauseView> {
        let now = self.now();
        let held = self.read();
        let pauses = held.get(id).map_or(&[][..], |held| &held.view.pauses);
        let concerns = |scope: &Scope| match scope {
            Scope::Credential(one) => {
                credentials.is_none_or(|present| present.fingerprints().any(|fingerprint| fingerprint == one))
            }
            _ => true,
        };
        let shown = pauses.iter().filter(|pause| pause.rests(now) || pause.needs_probe());
        let ahead = self.clock.ahead_millis();
        shown
            .filter(|pause| concerns(&pause.scope))
            .map(|pause| PauseView::from(&pause.moved(ahead)))
            .collect()
    }

    /// What selection has to respect.
    pub(crate) fn rest_of(&self, account: &Serving) -> Rest {
        let now = self.now();
        let held = self.read();
        let well = Record::default();
        let view = held.get(&account.id).map_or(&well, |held| &held.view);
        let until = |fingerprint: &str| view.rests_until(&Scope::Credential(fingerprint.to_owned()), now);
        let credentials: Vec<Option<Moment>> = account.credentials.fingerprints().map(until).collect();
        // Without any credential that may be sent, all of it rests until the first may.
        let spent = credentials.iter().all(Option::is_some);
        let first = credentials.iter().flatten().min().copied().filter(|_| spent);
        let whole = [view.rests_until(&Scope::Account, now), first];
        let mut models: Vec<(Box<str>, Moment)> = Vec::new();
        for pause in view.pauses.iter().filter(|pause| pause.rests(now)) {
            let Scope::Model(name) = &pause.scope else { continue };
            let until = pause.until.unwrap_or(Moment(i64::MAX));
            match models.iter_mut().find(|(known, _)| **known == **name) {
                Some((_, known)) => *known = until.max(*known),
                None => models.push((name.as_str().into(), until)),
            }
        }
        Rest { account: whole.into_iter().flatten().max(), credentials, models }
    }

    /// Whether its provider refuses all of the account until its owner changes something.
    pub(crate) fn is_refused(&self, account: &Serving) -> bool {
        self.rest_of(account).is_without_end()
    }

    /// Takes an event up here at once and has it carried to the others; answers whether it changed something.
    fn note(&self, id: &AccountId, event: Event) -> bool {
        let now = self.now();
        {
            let mut held = self.write();
            // What changes nothing here may still matter to the shared record, but only a hand's word is sure to.
            let known = held.entry(id.clone()).or_default();
            if !known.view.apply(&event, &self.fuse, now) && event != Event::Resume {
                return false;
            }
            known.pending.push((rand::random(), event, now));
        }
        self.wake.notify_one();
        self.announce_here(id);
        true
    }

    fn announce_here(&self, id: &AccountId) {
        if let Some(changed) = self.changed.get() {
            changed(id);
        }
    }

    fn now(&self) -> Moment {
        self.clock.steady()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<AccountId, Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<AccountId, Held>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}
