//! Quotas in Redis: a hash and two sorted sets a quota, changed by one script.
//!
//! Sharing changes in two steps, because what a grant or a withdrawal really moved has to be remembered: `adjust` moves
//! the balance and leaves a note, `complete` works the note in. Whoever finds a note that a lost process left completes it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use futures_util::future::try_join_all;
use millpond_pool::account::AccountId;
use millpond_pool::bucket::{Bucket, LEASE_MEMORY_MILLIS, Lease, LeaseId, Numbers};
use millpond_pool::quota::Quota;
use millpond_pool::sharing::{Pending, Sharing};
use millpond_pool::units::{AMOUNT_LIMIT, Moment, Units, Window};
use redis::{AsyncCommands as _, Script, ScriptInvocation};

use super::{Beginning, Brought, Charge, QuotaKey, Reserved, Terms, View};
use crate::state::redis::Redis;
use crate::state::{Result, StateError};

/// What this instance has reserved and not settled yet.
#[derive(Debug, Default)]
pub(in crate::state) struct Leases(Mutex<HashMap<QuotaKey, Vec<Lease>>>);

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<QuotaKey, Vec<Lease>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, key: QuotaKey, lease: Lease) {
        let mut all = self.lock();
        let leases = all.entry(key).or_default();
        leases.retain(|known| known.id != lease.id);
        leases.push(lease);
    }

    fn forget(&self, key: QuotaKey, id: LeaseId) {
        let mut all = self.lock();
        let Some(leases) = all.get_mut(&key) else { return };
        leases.retain(|lease| lease.id != id);
        if leases.is_empty() {
            all.remove(&key);
        }
    }

    fn of(&self, key: QuotaKey, now: Moment) -> Vec<Lease> {
        let mut all = self.lock();
        let Some(leases) = all.get_mut(&key) else { return Vec::new() };
        leases.retain(|lease| lease.expires_at > now);
        leases.clone()
    }
}

static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("quota.lua")));
/// Settlements on their way to Redis at one time.
const AT_ONCE: usize = 64;

/// The braces keep the three keys on one node of a Redis cluster.
fn keys(key: QuotaKey) -> [String; 3] {
    let name = format!("millpond:quota:{{{}:{}}}", key.user, key.group.name());
    [name.clone(), format!("{name}:held"), format!("{name}:past")]
}

fn step(key: QuotaKey, name: &str, window: Window, now: Moment) -> ScriptInvocation<'static> {
    let mut call = SCRIPT.prepare_invoke();
    for key in keys(key) {
        call.key(key);
    }
    call.arg(name).arg(now.0).arg(window.ticks()).arg(window.tick_millis());
    call.arg(LEASE_MEMORY_MILLIS).arg(AMOUNT_LIMIT);
    call
}

/// What the script answered: a word, four numbers, and what the step adds.
struct Answer {
    key: QuotaKey,
    parts: Vec<String>,
}

impl Answer {
    async fn of(redis: &Redis, key: QuotaKey, call: &ScriptInvocation<'static>) -> Result<Self> {
        let mut connection = redis.connection();
        let parts: Vec<String> = redis.promptly(call.invoke_async(&mut connection)).await?;
        Ok(Self { key, parts })
    }

    fn word(&self) -> &str {
        self.parts.first().map_or("", String::as_str)
    }

    fn text(&self, place: usize) -> Result<&str> {
        self.parts.get(place).map(String::as_str).ok_or_else(|| self.unreadable())
    }

    fn number(&self, place: usize) -> Result<i64> {
        self.text(place)?.parse().map_err(|_| self.unreadable())
    }

    fn numbers(&self) -> Result<Numbers> {
        Ok(Numbers {
            max: Units(self.number(1)?),
            balance: Units(self.number(2)?),
            remainder: self.number(3)?,
            as_of: Moment(self.number(4)?),
        })
    }

    fn unreadable(&self) -> StateError {
        let [name, ..] = keys(self.key);
        StateError::Unreadable(name)
    }
}

pub(super) async fn reserve(
    redis: &Redis,
    key: QuotaKey,
    terms: &Terms,
    lease: Lease,
    now: Moment,
) -> Result<Reserved> {
    let lease = Lease { amount: lease.amount.bounded(), ..lease };
    let mut call = step(key, "reserve", terms.window, now);
    call.arg(terms.text()).arg(lease.id.0.to_string()).arg(lease.amount.0).arg(lease.expires_at.0);
    let answer = Answer::of(redis, key, &call).await?;
    match answer.word() {
        "done" => {
            redis.leases().note(key, lease);
            Ok(Reserved::Held(lease))
        }
        "held" => {
            let (amount, expires_at) = answer.text(5)?.split_once(':').ok_or_else(|| answer.unreadable())?;
            let number = |text: &str| text.parse::<i64>().map_err(|_| answer.unreadable());
            Ok(Reserved::Held(Lease {
                id: lease.id,
                amount: Units(number(amount)?),
                expires_at: Moment(number(expires_at)?),
            }))
        }
        "lacking" => {
            let mut bucket = Bucket::restored(terms.window, answer.numbers()?, Vec::new());
            let refused = bucket.reserve(lease, now);
            Ok(refused.map_or_else(Reserved::Lacking, Reserved::Held))
        }
        _ => Ok(Reserved::Unknown),
    }
}

pub(super) async fn settle(redis: &Redis, charges: &[Charge], window: Window, now: Moment) -> Result<()> {
    for some in charges.chunks(AT_ONCE) {
        try_join_all(some.iter().map(|charge| settle_one(redis, *charge, window, now))).await?;
    }
    Ok(())
}

async fn settle_one(redis: &Redis, charge: Charge, window: Window, now: Moment) -> Result<()> {
    let mut call = step(charge.key, "settle", window, now);
    call.arg(charge.lease.id.0.to_string()).arg(charge.real.bounded().0).arg(charge.lease.expires_at.0);
    call.arg(charge.reserved_at.0).arg(charge.recorded_at.map_or(String::new(), |at| at.0.to_string()));
    Answer::of(redis, charge.key, &call).await?;
    redis.leases().forget(charge.key, charge.lease.id);
    Ok(())
}

/// Reserves again what this instance had reserved before Redis lost its memory.
pub(super) async fn reserve_again(redis: &Redis, key: QuotaKey, terms: &Terms, now: Moment) -> Result<()> {
    for lease in redis.leases().of(key, now) {
        reserve(redis, key, terms, lease, now).await?;
    }
    Ok(())
}

struct Stored {
    view: View,
    /// A change whose result was not worked in yet, and what it moved.
    pending: Option<(Pending, Units)>,
}

async fn read(redis: &Redis, key: QuotaKey) -> Result<Option<Stored>> {
    let answer = Answer::of(redis, key, &step(key, "read", Window::FiveHours, Moment(0))).await?;
    if answer.word() != "done" {
        return Ok(None);
    }
    let json = |_| answer.unreadable();
    let terms = answer.text(5)?.to_owned();
    let window = terms.rsplit(':').next().and_then(window_named).ok_or_else(|| answer.unreadable())?;
    let sharing: Sharing = serde_json::from_str(answer.text(7)?).map_err(json)?;
    let pending = match answer.text(8)? {
        "" => None,
        text => Some((serde_json::from_str(text).map_err(json)?, Units(answer.number(9)?))),
    };
    let leases = answer.text(10)?.split_whitespace().map(lease).collect::<Option<Vec<_>>>();
    let leases = leases.ok_or_else(|| answer.unreadable())?;
    let quota = Quota::restored(Bucket::restored(window, answer.numbers()?, leases), sharing);
    let version = answer.text(6)?.parse().map_err(|_| answer.unreadable())?;
    Ok(Some(Stored { view: View { quota, version, terms }, pending }))
}

fn window_named(name: &str) -> Option<Window> {
    Window::ALL.into_iter().find(|window| window.name() == name)
}

fn lease(text: &str) -> Option<Lease> {
    let mut parts = text.split(':');
    Some(Lease {
        id: LeaseId(parts.next()?.parse().ok()?),
        amount: Units(parts.next()?.parse().ok()?),
        expires_at: Moment(parts.next()?.parse().ok()?),
    })
}

pub(super) async fn view(redis: &Redis, key: QuotaKey) -> Result<Option<View>> {
    Ok(read(redis, key).await?.map(|stored| stored.view))
}

fn json(value: &impl serde::Serialize, key: QuotaKey) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StateError::Unreadable(keys(key)[0].clone()))
}

pub(super) async fn begin(
    redis: &Redis,
    key: QuotaKey,
    terms: &Terms,
    quota: &Quota,
    beginning: Beginning,
) -> Result<()> {
    let numbers = quota.bucket().numbers();
    let mut call = step(key, "begin", terms.window, numbers.as_of);
    call.arg(numbers.max.0).arg(numbers.balance.0).arg(numbers.remainder).arg(numbers.as_of.0);
    call.arg(terms.text()).arg(json(quota.sharing(), key)?).arg(beginning.at.0);
    for lease in redis.leases().of(key, numbers.as_of) {
        call.arg(lease.id.0.to_string()).arg(lease.amount.0).arg(lease.expires_at.0);
    }
    Answer::of(redis, key, &call).await.map(drop)
}

pub(super) async fn forget(redis: &Redis, key: QuotaKey) -> Result<()> {
    Ok(redis.connection().del(&keys(key)[..]).await?)
}

/// Works the result of a change in; false when somebody else did.
async fn complete(
    redis: &Redis,
    key: QuotaKey,
    version: u64,
    sharing: &Sharing,
    terms: &str,
) -> Result<bool> {
    let mut call = step(key, "complete", Window::FiveHours, Moment(0));
    call.arg(version).arg(json(sharing, key)?).arg(terms);
    Ok(Answer::of(redis, key, &call).await?.word() == "done")
}

pub(super) async fn bring(
    redis: &Redis,
    key: QuotaKey,
    viewed: &View,
    terms: &Terms,
    wanted: &BTreeMap<AccountId, Units>,
    now: Moment,
) -> Result<Brought> {
    let Some(stored) = read(redis, key).await?.filter(|stored| stored.view.version == viewed.version) else {
        return Ok(Brought::Conflict);
    };
    let mut sharing = stored.view.quota.sharing().clone();
    let mut version = viewed.version;
    if let Some((pending, moved)) = stored.pending {
        sharing.complete(&pending, moved);
        if !complete(redis, key, version, &sharing, &stored.view.terms).await? {
            return Ok(Brought::Conflict);
        }
        version += 1;
    }
    let events = sharing.events_towards(terms.base, terms.cap, wanted);
    if events.is_empty() && stored.view.is_under(terms) {
        return Ok(Brought::Done);
    }
    for event in &events {
        let pending = sharing.prepare(event, now);
        let change = pending.adjustment;
        let mut call = step(key, "adjust", terms.window, now);
        call.arg(version)
            .arg(change.max.bounded().0)
            .arg(change.take.bounded().0)
            .arg(change.give.bounded().0);
        call.arg(json(&sharing, key)?).arg(json(&pending, key)?);
        let answer = Answer::of(redis, key, &call).await?;
        if answer.word() != "done" {
            return Ok(Brought::Conflict);
        }
        sharing.complete(&pending, Units(answer.number(5)?));
        // The terms are those of before until everything is done, so that a half-way quota isn't taken for whole.
        if !complete(redis, key, version + 1, &sharing, &stored.view.terms).await? {
            return Ok(Brought::Conflict);
        }
        version += 2;
    }
    let done = complete(redis, key, version, &sharing, &terms.text()).await?;
    Ok(if done { Brought::Done } else { Brought::Conflict })
}
