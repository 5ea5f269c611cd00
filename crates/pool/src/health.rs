//! How an account is: why and until when it rests, and the circuits that open after many failures and close by one
//! probe. A [`Record`] is one account's shared state, changed only by applying [`Event`]s, so that every instance that
//! applies the same events in the same order agrees. A [`Tally`] counts failures before a circuit opens and belongs to
//! one instance. How long a rest is, is decided in `rules`; who tells other instances, elsewhere.

use serde::{Deserialize, Serialize};

use crate::units::Moment;

/// Pauses that one account may have at once; beyond that the one that ends first is forgotten.
const PAUSES: usize = 64;
/// Words of a provider that are kept.
pub const LONGEST_WORDS: usize = 300;
/// A rest without an end is forgotten after so long, and the account tried again.
pub const LONGEST_REST_MILLIS: i64 = 90 * 24 * 3_600_000;
/// A pause that is over is kept so long, so that its owner sees what happened.
pub const KEPT_MILLIS: i64 = 3_600_000;

/// What rests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "scope", content = "which")]
pub enum Scope {
    /// All of the account.
    Account,
    /// One upstream model on it.
    Model(String),
    /// One credential, by its fingerprint; another credential is not concerned.
    Credential(String),
}

/// Why something rests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The rule's name.
    pub cause: String,
    /// The provider's status, if it answered.
    pub status: Option<u16>,
    /// The provider's words, bounded, without credentials.
    pub words: String,
}

/// Where a circuit stands that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Circuit {
    /// Nothing is sent until the pause's end; then one probe may be.
    Open {
        /// How often it opened again since it was closed.
        round: u32,
    },
    /// Somebody probes, and has the pause's end as deadline.
    Probing {
        /// As in `Open`.
        round: u32,
        /// Who.
        holder: u64,
    },
}

/// A rest with all that its owner should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// What rests.
    #[serde(flatten)]
    pub scope: Scope,
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
    /// Since when.
    pub since: Moment,
    /// Until when; `None` until its owner changes something.
    pub until: Option<Moment>,
    /// The circuit that made it, if one did.
    pub circuit: Option<Circuit>,
}

impl Pause {
    /// Whether nothing may be sent now. An open circuit whose time has come needs a claim first.
    pub fn rests(&self, now: Moment) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether a call needs to be the one probe.
    pub fn needs_probe(&self) -> bool {
        self.circuit.is_some()
    }

    fn is_forgotten(&self, now: Moment) -> bool {
        // A circuit stays open until a probe closes it, however long nobody calls; yet not for ever.
        let kept = if self.circuit.is_some() { LONGEST_REST_MILLIS } else { KEPT_MILLIS };
        match self.until {
            Some(until) => until.plus(kept) <= now,
            None => self.since.plus(LONGEST_REST_MILLIS) <= now,
        }
    }
}

/// How circuits open and are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fuse {
    /// So many failures in a row open it.
    pub in_a_row: u32,
    /// Or this part of the calls in the window, in percent,
    pub percent: u32,
    /// if there were so many.
    pub least_calls: u32,
    /// Over how long calls are counted.
    pub window_millis: i64,
    /// The first wait before a probe; each failed probe doubles it.
    pub first_wait_millis: i64,
    /// The longest wait.
    pub longest_wait_millis: i64,
    /// How long a probe may take before somebody else may try.
    pub probe_millis: i64,
}

impl Default for Fuse {
    fn default() -> Self {
        Self {
            in_a_row: 5,
            percent: 50,
            least_calls: 20,
            window_millis: 60_000,
            first_wait_millis: 5_000,
            longest_wait_millis: 300_000,
            probe_millis: 60_000,
        }
    }
}

impl Fuse {
    /// The wait before the next probe, shortened by up to a fifth by chance, so that many circuits that opened together
    /// are not tried together.
    pub fn wait_millis(&self, round: u32, chance: u32) -> i64 {
        let doubled = self.first_wait_millis.saturating_mul(1_i64 << round.min(30));
        let wait = doubled.min(self.longest_wait_millis);
        wait - wait / 5 * i64::from(chance % 1_000) / 1_000
    }
}

/// Something that happened to an account. Applying it again or late must do no harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A rest begins; a longer one of the same scope stays.
    Rest { scope: Scope, reason: Reason, until: Option<Moment> },
    /// Enough failed: the circuit opens, if it is closed.
    Open { scope: Scope, reason: Reason, chance: u32 },
    /// Somebody wants to probe.
    Claim { scope: Scope, holder: u64 },
    /// A probe failed: the circuit stays open, for longer.
    ProbeFailed { scope: Scope, holder: u64, reason: Reason, chance: u32 },
    /// A probe worked: the circuit closes.
    ProbeWorked { scope: Scope, holder: u64 },
    /// A probe ended without telling anything: anybody may try again.
    ProbeLeft { scope: Scope, holder: u64 },
    /// The owner ends everything by hand.
    Resume,
}

impl Event {
    /// The same by a clock that is so many milliseconds ahead.
    #[must_use]
    pub fn moved(&self, millis: i64) -> Self {
        let mut moved = self.clone();
        if let Self::Rest { until: Some(until), .. } = &mut moved {
            *until = until.plus(millis);
        }
        moved
    }
}

/// All that is known of one account's health.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its pauses, also those that ended a short while ago.
    pub pauses: Vec<Pause>,
}

impl Pause {
    /// The same by a clock that is so many milliseconds ahead.
    #[must_use]
    pub fn moved(&self, millis: i64) -> Self {
        let until = self.until.map(|until| until.plus(millis));
        Self { since: self.since.plus(millis), until, ..self.clone() }
    }
}

impl Record {
    /// The same by a clock that is so many milliseconds ahead.
    #[must_use]
    pub fn moved(&self, millis: i64) -> Self {
        Self { pauses: self.pauses.iter().map(|pause| pause.moved(millis)).collect() }
    }

    /// Whether nothing needs to be kept.
    pub fn is_empty(&self) -> bool {
        self.pauses.is_empty()
    }

    /// Takes an event up. Answers whether something changed.
    pub fn apply(&mut self, event: &Event, fuse: &Fuse, now: Moment) -> bool {
        let count = self.pauses.len();
        self.pauses.retain(|pause| !pause.is_forgotten(now));
        let swept = self.pauses.len() != count;
        let changed = match event {
            Event::Rest { scope, reason, until } => self.rest(scope, reason, *until, now),
            Event::Open { scope, reason, chance } => {
                self.open(scope, reason, fuse.wait_millis(0, *chance), now)
            }
            Event::Claim { scope, holder } => self.claim(scope, *holder, fuse, now),
            Event::ProbeFailed { scope, holder, reason, chance } => {
                self.held(scope, *holder).is_some_and(|(pause, round)| {
                    let round = round.saturating_add(1);
                    pause.reason = reason.clone();
                    pause.until = Some(now.plus(fuse.wait_millis(round, *chance)));
                    pause.circuit = Some(Circuit::Open { round });
                    true
                })
            }
            Event::ProbeWorked { scope, holder } => {
                let worked = self.held(scope, *holder).is_some();
                self.pauses.retain(|pause| !worked || pause.circuit.is_none() || pause.scope != *scope);
                worked
            }
            Event::ProbeLeft { scope, holder } => self.held(scope, *holder).is_some_and(|(pause, round)| {
                pause.until = Some(now);
                pause.circuit = Some(Circuit::Open { round });
                true
            }),
            Event::Resume => {
                let had = !self.pauses.is_empty();
                self.pauses.clear();
                had
            }
        };
        changed || swept
    }

    /// The circuit of a scope, unless it is closed.
    pub fn circuit(&self, scope: &Scope) -> Option<&Pause> {
        self.pauses.iter().find(|pause| pause.circuit.is_some() && pause.scope == *scope)
    }

    /// The scopes of a model whose circuits ask for a probe before a call may be sent.
    pub fn probes_for<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a Pause> {
        let concerns = move |scope: &Scope| match scope {
            Scope::Account => true,
            Scope::Model(name) => name == model,
            Scope::Credential(_) => false,
        };
        self.pauses.iter().filter(move |pause| pause.needs_probe() && concerns(&pause.scope))
    }

    /// Until when a scope rests; the far end of time when it has no end.
    pub fn rests_until(&self, scope: &Scope, now: Moment) -> Option<Moment> {
        let resting = self.pauses.iter().filter(|pause| pause.scope == *scope && pause.rests(now));
        resting.map(|pause| pause.until.unwrap_or(Moment(i64::MAX))).max()
    }

    fn rest(&mut self, scope: &Scope, reason: &Reason, until: Option<Moment>, now: Moment) -> bool {
        let far = |until: Option<Moment>| until.unwrap_or(Moment(i64::MAX));
        let known = self.pauses.iter_mut().find(|pause| pause.circuit.is_none() && pause.scope == *scope);
        let made = Pause { scope: scope.clone(), reason: reason.clone(), since: now, until, circuit: None };
        match known {
            Some(known) if known.rests(now) && far(known.until) >= far(until) => return false,
            // It goes on: since when it rests stays true.
            Some(known) if known.rests(now) => *known = Pause { since: known.since, ..made },
            Some(known) => *known = made,
            None => self.add(made),
        }
        true
    }

    fn open(&mut self, scope: &Scope, reason: &Reason, wait: i64, now: Moment) -> bool {
        if self.circuit(scope).is_some() {
            return false;
        }
        let circuit = Some(Circuit::Open { round: 0 });
        let until = Some(now.plus(wait));
        self.add(Pause { scope: scope.clone(), reason: reason.clone(), since: now, until, circuit });
        true
    }

    fn claim(&mut self, scope: &Scope, holder: u64, fuse: &Fuse, now: Moment) -> bool {
        let found = self.pauses.iter_mut().find(|pause| pause.circuit.is_some() && pause.scope == *scope);
        let Some(pause) = found.filter(|pause| !pause.rests(now)) else { return false };
        let Some(Circuit::Open { round } | Circuit::Probing { round, .. }) = pause.circuit else {
            return false;
        };
        pause.circuit = Some(Circuit::Probing { round, holder });
        pause.until = Some(now.plus(fuse.probe_millis));
        true
    }

    fn held(&mut self, scope: &Scope, wanted: u64) -> Option<(&mut Pause, u32)> {
        self.pauses.iter_mut().filter(|pause| pause.scope == *scope).find_map(|pause| match pause.circuit {
            Some(Circuit::Probing { round, holder }) if holder == wanted => Some((pause, round)),
            _ => None,
        })
    }

    fn add(&mut self, pause: Pause) {
        if self.pauses.len() >= PAUSES {
            let ends = |pause: &Pause| pause.until.unwrap_or(Moment(i64::MAX));
            let first = self.pauses.iter().enumerate().min_by_key(|(_, pause)| ends(pause));
            if let Some(place) = first.map(|(place, _)| place) {
                self.pauses.swap_remove(place);
            }
        }
        self.pauses.push(pause);
    }
}

/// Calls of one scope that one instance has counted lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    since: Moment,
    failures: u32,
    successes: u32,
    in_a_row: u32,
}

impl Tally {
    /// Counts a failure; answers whether the circuit should open, and begins anew if so.
    pub fn failed(&mut self, fuse: &Fuse, now: Moment) -> bool {
        self.renew(fuse, now);
        self.failures = self.failures.saturating_add(1);
        self.in_a_row = self.in_a_row.saturating_add(1);
        let calls = self.failures.saturating_add(self.successes);
        let too_often = calls >= fuse.least_calls
            && u64::from(self.failures) * 100 >= u64::from(fuse.percent) * u64::from(calls);
        let opens = self.in_a_row >= fuse.in_a_row || too_often;
        if opens {
            *self = Self { since: now, ..Self::default() };
        }
        opens
    }

    /// Counts a success.
    pub fn worked(&mut self, fuse: &Fuse, now: Moment) {
        self.renew(fuse, now);
        self.successes = self.successes.saturating_add(1);
        self.in_a_row = 0;
    }

    /// Whether nothing that is still in the window failed.
    pub fn is_quiet(&self, fuse: &Fuse, now: Moment) -> bool {
        self.failures == 0 || now.since(self.since) >= fuse.window_millis
    }

    fn renew(&mut self, fuse: &Fuse, now: Moment) {
        if now.since(self.since) >= fuse.window_millis {
            *self = Self { since: now, ..Self::default() };
        }
    }
}
