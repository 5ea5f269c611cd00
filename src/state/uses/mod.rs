//! What was used of the allowances of upstream accounts, exact over instances and restarts: counters with windows that
//! begin at their first use, and what running calls hold of them. In Redis a hash and a sorted set an account, changed by
//! one script; embedded one entry an account, where what runs is known to the only instance there is.

mod redis;

use std::collections::BTreeMap;
use std::time::Duration;

use millpond_pool::allowance::Used;
use millpond_pool::units::Moment;

use super::{Result, State};
use crate::ids::AccountId;

/// Kept longer than any window is left, in case instances' clocks differ.
const SLACK_MILLIS: i64 = 3_600_000;

/// One amount to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Which counter of the account.
    pub name: String,
    pub amount: i64,
    pub window_millis: i64,
}

/// What one call holds of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HoldId(pub u64);

/// A part of an account that is wanted for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub id: HoldId,
    /// When the hold ends if its process is lost.
    pub ends_at: Moment,
    /// How many calls may hold something at one time.
    pub most_calls: Option<u32>,
    pub parts: Vec<Part>,
}

/// What is wanted of one counter; there is something as long as used and held are below the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub limit: i64,
    pub amount: i64,
}

/// One step on an account, done as a whole.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Holds that end.
    pub ended: Vec<HoldId>,
    pub uses: Vec<Use>,
    pub ask: Option<Ask>,
}

/// Whether what was asked for is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    Done,
    /// As many calls run as may.
    Full,
    /// Nothing is left of a counter.
    Spent,
}

/// One counter, with what running calls hold of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// `None`: nothing was used in any window yet.
    pub used: Option<Used>,
    pub held: i64,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stepped {
    pub granted: Granted,
    /// Another instance was refused what this step gave back.
    pub waited_for: bool,
    pub account: AccountUses,
}

/// What is known of an account, or of the counters that a step touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountUses {
    pub counters: BTreeMap<String, Counted>,
    /// Calls that hold something.
    pub calls: u32,
}

impl State {
    /// Whether other instances may use the same accounts, so that running calls have to be held in shared state.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Ends holds, counts uses, and holds a part of an account, in one step.
    pub async fn step_uses(&self, account: &AccountId, step: &Step, now: Moment) -> Result<Stepped> {
        let embedded = match self {
            Self::Embedded(embedded) => embedded,
            Self::Redis(redis) => return redis::step(redis, account, step, now).await,
        };
        let key = entry(account);
        let change = |map: &mut super::embedded::Map| {
            let (record, life, answer) = add(map.get(&key), &step.uses, now);
            map.put(&key, &record, life);
            answer
        };
        let counters = embedded.update(change).await?;
        let account = AccountUses { counters, calls: 0 };
        Ok(Stepped { granted: Granted::Done, waited_for: false, account })
    }

    /// Every counter of an account.
    pub async fn uses_of(&self, account: &AccountId) -> Result<AccountUses> {
        match self {
            Self::Embedded(embedded) => {
                let counters = embedded.read(|map| read(map.get(&entry(account))));
                let counted = |(name, used)| (name, Counted { used: Some(used), held: 0 });
                Ok(AccountUses { counters: counters.into_iter().map(counted).collect(), calls: 0 })
            }
            Self::Redis(redis) => redis::read(redis, account).await,
        }
    }
}

fn entry(account: &AccountId) -> String {
    format!("uses:{account}")
}

fn read(text: Option<&str>) -> BTreeMap<String, Used> {
    let held: BTreeMap<String, String> =
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    held.into_iter().filter_map(|(name, text)| Some((name, Used::decode(&text)?))).collect()
}

/// The same as the script does, on one JSON entry.
fn add(held: Option<&str>, uses: &[Use], now: Moment) -> (String, Duration, BTreeMap<String, Counted>) {
    let mut counters = read(held);
    let mut touched = BTreeMap::new();
    for one in uses {
        let counter = counters.get(&one.name).copied().unwrap_or(Used::nothing(one.window_millis));
        let counted = Used { window_millis: one.window_millis, ..counter }.plus(one.amount, now);
        counters.insert(one.name.clone(), counted);
        touched.insert(one.name.clone(), Counted { used: Some(counted), held: 0 });
    }
    let end = |used: &Used| used.start.plus(used.window_millis).plus(SLACK_MILLIS);
    counters.retain(|_, used| now < end(used));
    let life = counters.values().map(|used| end(used).since(now)).max().unwrap_or(SLACK_MILLIS);
    let texts: BTreeMap<&String, String> =
        counters.iter().map(|(name, used)| (name, used.encode())).collect();
    let record = serde_json::to_string(&texts).unwrap_or_default();
    (record, Duration::from_millis(u64::try_from(life).unwrap_or(0)), touched)
}
