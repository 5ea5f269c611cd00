//! Counters in Redis: a hash and three sorted sets a subject, changed by one script, which explains what it does.
//!
//! A Redis that lost its memory is known by its epoch, a key that nobody else writes. Each instance remembers what it was
//! granted until that is settled, and tells it again before its next step in a new epoch, so that calls that run are
//! counted again.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millpond_pool::allowance::Used;
use millpond_pool::bucket::LeaseId;
use millpond_pool::counters::{Claim, Part, Refusal};
use millpond_pool::units::Moment;
use redis::Script;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::{AccountCounters, Admit, Admitted, Counted, RefusedBy, Subject, WindowUse};
use crate::ids::AccountId;
use crate::state::redis::Redis;
use crate::state::{Result, StateError};

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("counters.lua")));
const EPOCH: &str = "millpond:epoch";
/// A memory that is lost again and again is no memory.
const EPOCHS: usize = 4;
/// So many claims are told again in one step.
const RESTORED_AT_ONCE: usize = 200;

/// Claims that ended by themselves are looked for at every so many.
const LOOK_EVERY: usize = 1_024;

/// What this instance knows of Redis' memory, and what it was granted.
#[derive(Debug)]
pub(in crate::state) struct Memory {
    epoch: Mutex<Arc<str>>,
    granted: Mutex<HashMap<(String, LeaseId), (Claim, Instant)>>,
    /// One task finds out about a new epoch; the others wait for it.
    turn: Semaphore,
}

impl Default for Memory {
    fn default() -> Self {
        Self { epoch: Mutex::new(Arc::from("")), granted: Mutex::default(), turn: Semaphore::new(1) }
    }
}

impl Memory {
    fn epoch(&self) -> Arc<str> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn granted(&self) -> MutexGuard<'_, HashMap<(String, LeaseId), (Claim, Instant)>> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, name: &str, claim: &Claim) {
        let life = Duration::from_millis(u64::try_from(claim.life_millis).unwrap_or(0));
        let (mut all, now) = (self.granted(), Instant::now());
        if all.len() % LOOK_EVERY == LOOK_EVERY - 1 {
            all.retain(|_, (_, ends_at)| *ends_at > now);
        }
        all.insert((name.to_owned(), claim.id), (claim.clone(), now + life));
    }

    fn forget(&self, name: &str, id: LeaseId) {
        self.granted().remove(&(name.to_owned(), id));
    }
}

/// What is to be done for one subject, as the script reads it.
#[derive(Serialize)]
struct Step<'a> {
    #[serde(skip)]
    name: String,
    settled: Vec<Settled>,
    uses: Vec<Counting<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    month: Option<String>,
    spent: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<Wanted<'a>>,
}

#[derive(Serialize)]
struct Settled {
    id: String,
    tokens: i64,
    money: i64,
}

#[derive(Serialize)]
struct Counting<'a> {
    name: &'a str,
    amount: i64,
    length: i64,
}

impl<'a> Counting<'a> {
    fn of(one: &'a WindowUse) -> Self {
        Self { name: &one.name, amount: one.amount, length: one.window_millis }
    }
}

#[derive(Serialize)]
struct Wanted<'a> {
    id: String,
    life: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<i64>,
    money: i64,
    month: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_once: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<i64>,
    parts: Vec<WantedPart<'a>>,
    /// Granted before Redis lost its memory.
    was_granted: bool,
}

#[derive(Serialize)]
struct WantedPart<'a> {
    name: &'a str,
    limit: i64,
    amount: i64,
}

impl<'a> Step<'a> {
    fn on(name: String) -> Self {
        Self { name, settled: Vec::new(), uses: Vec::new(), month: None, spent: 0, claim: None }
    }

    fn claiming(name: String, claim: &'a Claim) -> Self {
        let limits = &claim.limits;
        let part = |part: &'a Part| WantedPart { name: &part.name, limit: part.limit, amount: part.amount };
        let wanted = Wanted {
            id: claim.id.0.to_string(),
            life: claim.life_millis,
            tokens: claim.tokens,
            money: claim.micro_usd,
            month: claim.month.to_string(),
            requests: limits.requests_per_minute,
            token_limit: limits.tokens_per_minute,
            at_once: limits.concurrent_calls,
            budget: limits.monthly_micro_usd,
            parts: claim.parts.iter().map(part).collect(),
            was_granted: false,
        };
        Self { claim: Some(wanted), ..Self::on(name) }
    }

    fn granted_before(name: String, claim: &'a Claim, life: i64) -> Self {
        let mut step = Self::claiming(name, claim);
        if let Some(wanted) = &mut step.claim {
            (wanted.was_granted, wanted.life) = (true, life);
        }
        step
    }
}

/// What the script answered.
struct Answer(Vec<String>);

impl Answer {
    fn text(&self, place: usize) -> Result<&str> {
        self.0.get(place).map(String::as_str).ok_or_else(unreadable)
    }

    fn number(&self, place: usize) -> Result<i64> {
        self.text(place)?.parse().map_err(|_| unreadable())
    }

    /// Which subject refused, and why.
    fn verdict(&self) -> Result<std::result::Result<(), (usize, Refusal)>> {
        let moment = self.text(2)?.parse().ok().map(Moment);
        let refusal = match self.text(0)? {
            "done" => return Ok(Ok(())),
            "requests" => Refusal::Requests(moment),
            "tokens" => Refusal::Tokens(moment),
            "concurrent" => Refusal::Concurrent,
            "budget" => Refusal::Budget,
            "month" => Refusal::UnknownMonth,
            "spent" => Refusal::Spent,
            "ended" => Refusal::Ended,
            _ => return Err(unreadable()),
        };
        Ok(Err((usize::try_from(self.number(1)?).unwrap_or(usize::MAX), refusal)))
    }

    fn account(&self) -> Result<AccountCounters> {
        let mut account = AccountCounters {
            waited_for: !self.text(3)?.is_empty(),
            version: self.number(4)?,
            permits: u32::try_from(self.number(5)?).unwrap_or(u32::MAX),
            ..AccountCounters::default()
        };
        for touched in self.0.get(6..).unwrap_or_default().chunks_exact(3) {
            let [name, window, held] = touched else { return Err(unreadable()) };
            let held = held.parse().map_err(|_| unreadable())?;
            account.windows.insert(name.clone(), Counted { used: Used::decode(window), held });
        }
        Ok(account)
    }
}

fn unreadable() -> StateError {
    StateError::Unreadable("counters".to_owned())
}

fn of_caller(subject: Subject) -> String {
    format!("millpond:counters:{}:{}", subject.kind(), subject.number())
}

fn of_account(account: &AccountId) -> String {
    format!("millpond:counters:account:{account}")
}

async fn run(redis: &Redis, steps: &[Step<'_>]) -> Result<Answer> {
    for _ in 0..EPOCHS {
        let known = redis.memory().epoch();
        let answer = run_in(redis, steps, &known).await?;
        if answer.text(0)? != "lost" {
            return Ok(answer);
        }
        restore(redis, &known).await?;
    }
    Err(StateError::Away)
}

async fn run_in(redis: &Redis, steps: &[Step<'_>], epoch: &str) -> Result<Answer> {
    let mut call = SCRIPT.prepare_invoke();
    call.key(EPOCH);
    for step in steps {
        let name = &step.name;
        call.key(name).key(format!("{name}:calls"));
        call.key(format!("{name}:permits")).key(format!("{name}:ended"));
    }
    let json = serde_json::to_string(steps).map_err(|_| unreadable())?;
    call.arg(redis.moment()).arg(epoch).arg(json);
    let mut connection = redis.connection();
    redis.promptly(call.invoke_async(&mut connection)).await.map(Answer)
}

/// Tells Redis what this instance was granted before it lost its memory.
async fn restore(redis: &Redis, known: &str) -> Result<()> {
    let memory = redis.memory();
    // It is never closed, so there is always a turn.
    let _turn = memory.turn.acquire().await.ok();
    if *memory.epoch() != *known {
        return Ok(());
    }
    let mut connection = redis.connection();
    let fresh = rand::random::<u64>().to_string();
    let mut both = redis::pipe();
    both.set_nx(EPOCH, fresh).ignore().get(EPOCH);
    let (epoch,): (String,) = redis.promptly(both.query_async(&mut connection)).await?;
    let now = Instant::now();
    let granted: Vec<(String, Claim, i64)> = {
        let mut all = memory.granted();
        all.retain(|_, (_, ends_at)| *ends_at > now);
        let left = |ends_at: Instant| i64::try_from((ends_at - now).as_millis()).unwrap_or(i64::MAX);
        all.iter()
            .map(|((name, _), (claim, ends_at))| (name.clone(), claim.clone(), left(*ends_at)))
            .collect()
    };
    for some in granted.chunks(RESTORED_AT_ONCE) {
        let steps: Vec<Step<'_>> =
            some.iter().map(|(name, claim, life)| Step::granted_before(name.clone(), claim, *life)).collect();
        run_in(redis, &steps, &epoch).await?;
    }
    if !known.is_empty() {
        tracing::warn!(calls = granted.len(), "Redis lost its memory; calls that run are counted again");
    }
    *memory.epoch.lock().unwrap_or_else(PoisonError::into_inner) = epoch.into();
    Ok(())
}

pub(super) async fn admit(redis: &Redis, admit: Admit<'_>) -> Result<Admitted> {
    let callers = admit.callers.iter().map(|(subject, claim)| (of_caller(*subject), claim));
    let claims: Vec<(String, &Claim)> =
        callers.chain(admit.account.map(|(account, claim)| (of_account(account), claim))).collect();
    let steps: Vec<Step<'_>> =
        claims.iter().map(|(name, claim)| Step::claiming(name.clone(), claim)).collect();
    let answer = run(redis, &steps).await?;
    let verdict = answer.verdict()?;
    if verdict.is_ok() {
        claims.iter().for_each(|(name, claim)| redis.memory().note(name, claim));
    }
    let by = |place: usize| {
        admit.callers.get(place).map_or(RefusedBy::Account, |(caller, _)| RefusedBy::Caller(*caller))
    };
    Ok(Admitted {
        verdict: verdict.map_err(|(place, refusal)| (by(place), refusal)),
        account: admit.account.map(|_| answer.account()).transpose()?,
    })
}

pub(super) async fn begin_month(redis: &Redis, subject: Subject, month: i64, spent: i64) -> Result<()> {
    let month = Some(month.to_string());
    run(redis, &[Step { month, spent, ..Step::on(of_caller(subject)) }]).await.map(drop)
}

pub(super) async fn settle(
    redis: &Redis,
    subject: Subject,
    id: LeaseId,
    tokens: i64,
    micro_usd: i64,
) -> Result<()> {
    let settled = vec![Settled { id: id.0.to_string(), tokens, money: micro_usd }];
    let step = Step { settled, ..Step::on(of_caller(subject)) };
    run(redis, std::slice::from_ref(&step)).await?;
    redis.memory().forget(&step.name, id);
    Ok(())
}

pub(super) async fn count_account(
    redis: &Redis,
    account: &AccountId,
    ended: &[LeaseId],
    uses: &[WindowUse],
) -> Result<AccountCounters> {
    let settled = ended.iter().map(|id| Settled { id: id.0.to_string(), tokens: 0, money: 0 }).collect();
    let uses = uses.iter().map(Counting::of).collect();
    let step = Step { settled, uses, ..Step::on(of_account(account)) };
    let answer = run(redis, std::slice::from_ref(&step)).await?;
    ended.iter().for_each(|id| redis.memory().forget(&step.name, *id));
    answer.account()
}

pub(super) async fn read_account(redis: &Redis, account: &AccountId) -> Result<AccountCounters> {
    let name = of_account(account);
    let permits = format!("{name}:permits");
    let mut connection = redis.connection();
    let mut both = redis::pipe();
    both.hgetall(name).zcard(permits);
    let (fields, permits): (HashMap<String, String>, u32) =
        redis.promptly(both.query_async(&mut connection)).await?;
    let mut account = AccountCounters { permits, ..AccountCounters::default() };
    for (name, text) in fields {
        if let Some(of) = name.strip_prefix('+') {
            account.windows.entry(of.to_owned()).or_default().held = text.parse().unwrap_or(0);
        } else if name == "version" {
            account.version = text.parse().unwrap_or(0);
        } else if let Some(used) = Used::decode(&text) {
            account.windows.entry(name).or_default().used = Some(used);
        }
    }
    Ok(account)
}
