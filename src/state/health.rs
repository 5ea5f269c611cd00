//! The health of upstream accounts, shared between instances: one JSON record an account, changed by comparing and
//! swapping. In Redis they are the fields of one hash, so that an instance learns of all unhealthy accounts at once;
//! healthy accounts have none. What the records mean is not known here.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{AsyncCommands as _, Script};

use super::{Invalidation, Result, State};
use crate::ids::AccountId;

const HASH: &str = "millpond:health";
/// Embedded entries need an end; records drop what is forgotten themselves, and earlier.
const LIFE: Duration = Duration::from_secs(120 * 86_400);

fn entry(account: &AccountId) -> String {
    format!("health:{account}")
}

/// KEYS: hash. ARGV: field, whether something is expected, what, whether there is a new value, which.
static SWAP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('HGET', KEYS[1], ARGV[1])
         if ARGV[2] == '0' and held or ARGV[2] == '1' and held ~= ARGV[3] then return 0 end
         if ARGV[4] == '1' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[5])
         else redis.call('HDEL', KEYS[1], ARGV[1]) end
         return 1",
    )
});

impl State {
    /// An account's record, if it is not healthy.
    pub async fn health_of(&self, account: &AccountId) -> Result<Option<String>> {
        match self {
            Self::Embedded(_) => self.get(&entry(account)).await,
            Self::Redis(redis) => Ok(redis.connection().hget(HASH, &account.0).await?),
        }
    }

    /// Every record.
    pub async fn all_health(&self) -> Result<Vec<(AccountId, String)>> {
        let found: Vec<(String, String)> = match self {
            Self::Embedded(embedded) => embedded.read(|map| map.with_prefix("health:")),
            Self::Redis(redis) => redis.connection().hgetall(HASH).await?,
        };
        Ok(found.into_iter().map(|(account, record)| (AccountId(account), record)).collect())
    }

    /// Puts a record in the place of the one that was read, or removes it. False when somebody was faster.
    pub async fn swap_health(
        &self,
        account: &AccountId,
        expected: Option<&str>,
        record: Option<&str>,
    ) -> Result<bool> {
        match self {
            Self::Embedded(embedded) => {
                let key = entry(account);
                let swap = |map: &mut super::embedded::Map| {
                    let holds = map.get(&key) == expected;
                    match record {
                        Some(record) if holds => map.put(&key, record, LIFE),
                        None if holds => drop(map.take(&key)),
                        _ => {}
                    }
                    holds
                };
                embedded.update(swap).await
            }
            Self::Redis(redis) => {
                let done: i64 = SWAP
                    .key(HASH)
                    .arg(&account.0)
                    .arg(i64::from(expected.is_some()))
                    .arg(expected.unwrap_or(""))
                    .arg(i64::from(record.is_some()))
                    .arg(record.unwrap_or(""))
                    .invoke_async(&mut redis.connection())
                    .await?;
                Ok(done == 1)
            }
        }
    }

    /// Tells other instances to look at an account's health or allowances again. The embedded shape has no others.
    pub async fn announce_account(&self, change: Invalidation) {
        if matches!(self, Self::Redis(_)) {
            self.publish(change).await;
        }
    }
}
