//! What was used of the allowances of upstream accounts: counters with windows that begin at their first use, exact
//! over instances and restarts. In Redis one hash an account, counted by one script; embedded one entry an account.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use millpond_pool::allowance::Used;
use millpond_pool::units::Moment;
use redis::{AsyncCommands as _, Script};

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

fn hash(account: &AccountId) -> String {
    format!("millpond:uses:{account}")
}

fn entry(account: &AccountId) -> String {
    format!("uses:{account}")
}

/// KEYS: hash. ARGV: now, slack, then name, amount and window of each use. The same arithmetic as `Used::plus`; when a
/// window begins, counters whose window is over are forgotten.
static ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local function read(text)
             local start, amount, window = string.match(text or '', '^(%-?%d+):(%d+):(%d+)$')
             if start then return tonumber(start), tonumber(amount), tonumber(window) end
         end
         local now, slack, life, began, answer = tonumber(ARGV[1]), tonumber(ARGV[2]), 0, false, {}
         for i = 3, #ARGV, 3 do
             local name, more, window = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
             local start, amount = read(redis.call('HGET', KEYS[1], name))
             if not start or amount == 0 or start + window <= now then start, amount, began = now, 0, true end
             amount = math.min(amount + more, 4503599627370496)
             local text = string.format('%.0f:%.0f:%.0f', start, amount, window)
             redis.call('HSET', KEYS[1], name, text)
             table.insert(answer, text)
             life = math.max(life, start + window - now)
         end
         if began then
             local all = redis.call('HGETALL', KEYS[1])
             for i = 1, #all, 2 do
                 local start, _, window = read(all[i + 1])
                 if not start or start + window + slack <= now then redis.call('HDEL', KEYS[1], all[i]) end
             end
         end
         life = math.max(life + slack, redis.call('PTTL', KEYS[1]))
         redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
         return answer",
    )
});

impl State {
    /// Counts uses of an account in one step; answers what each counter holds then.
    pub async fn add_uses(&self, account: &AccountId, uses: &[Use], now: Moment) -> Result<Vec<Used>> {
        let texts: Vec<String> = match self {
            Self::Embedded(embedded) => {
                let (key, add) = (entry(account), |held: Option<&str>| add(held, uses, now));
                let change = |map: &mut super::embedded::Map| {
                    let (record, life, answer) = add(map.get(&key));
                    map.put(&key, &record, life);
                    answer
                };
                return embedded.update(change).await;
            }
            Self::Redis(redis) => {
                let mut call = ADD.key(hash(account));
                call.arg(now.0).arg(SLACK_MILLIS);
                for one in uses {
                    call.arg(&one.name).arg(one.amount).arg(one.window_millis);
                }
                call.invoke_async(&mut redis.connection()).await?
            }
        };
        Ok(texts.iter().filter_map(|text| Used::decode(text)).collect())
    }

    /// Every counter of an account.
    pub async fn uses_of(&self, account: &AccountId) -> Result<BTreeMap<String, Used>> {
        let held: BTreeMap<String, String> = match self {
            Self::Embedded(embedded) => embedded.read(|map| read(map.get(&entry(account)))),
            Self::Redis(redis) => redis.connection().hgetall(hash(account)).await?,
        };
        Ok(held.into_iter().filter_map(|(name, text)| Some((name, Used::decode(&text)?))).collect())
    }
}

fn read(text: Option<&str>) -> BTreeMap<String, String> {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The same as `ADD`, on one JSON entry.
fn add(held: Option<&str>, uses: &[Use], now: Moment) -> (String, Duration, Vec<Used>) {
    let mut counters: BTreeMap<String, Used> =
        read(held).into_iter().filter_map(|(name, text)| Some((name, Used::decode(&text)?))).collect();
    let mut answer = Vec::with_capacity(uses.len());
    for one in uses {
        let counter = counters.get(&one.name).copied().unwrap_or(Used::nothing(one.window_millis));
        let counted = Used { window_millis: one.window_millis, ..counter }.plus(one.amount, now);
        counters.insert(one.name.clone(), counted);
        answer.push(counted);
    }
    let end = |used: &Used| used.start.plus(used.window_millis).plus(SLACK_MILLIS);
    counters.retain(|_, used| now < end(used));
    let life = counters.values().map(|used| end(used).since(now)).max().unwrap_or(SLACK_MILLIS);
    let texts: BTreeMap<&String, String> =
        counters.iter().map(|(name, used)| (name, used.encode())).collect();
    let record = serde_json::to_string(&texts).unwrap_or_default();
    (record, Duration::from_millis(u64::try_from(life).unwrap_or(0)), answer)
}
