//! Volatile shared state: sessions, revocations, throttles, one-time values, counters, and the invalidation bus.
//!
//! `State` is in process (persisted through the store, so that a restart logs nobody out) or Redis; the rest of the
//! program does not know which. This is the only room that says Redis. Keys and values that AntiHub knows keep its
//! names and shapes.

mod bus;
pub mod counters;
mod embedded;
mod health;
pub mod quotas;
mod redis;
pub mod sessions;
pub mod throttle;

use std::time::Duration;

use secrecy::SecretString;

use crate::clock::Clock;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
pub use bus::{Bus, Invalidation};
use embedded::Embedded;
use redis::Redis;

/// What can go wrong with shared state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Redis is away, slow, or answered what we can't read.
    #[error("redis: {0}")]
    Redis(#[from] ::redis::RedisError),
    /// The embedded state could not be persisted.
    #[error("embedded state: {0}")]
    Store(#[from] StoreError),
    /// A value under a known key is not what the program writes.
    #[error("the value of {0} is not readable")]
    Unreadable(String),
    /// It did not answer in time, or not to a call a moment ago.
    #[error("the shared state does not answer")]
    Away,
    /// The embedded state is ending, or its database does not accept writes.
    #[error("the embedded state could not be written in time")]
    NotWritten,
}

pub(crate) type Result<T> = std::result::Result<T, StateError>;

/// The shared state of this installation. Cheap to clone.
#[derive(Clone, Debug)]
pub enum State {
    Embedded(Embedded),
    Redis(Redis),
}

impl State {
    /// In-process state, loaded from the store; a task keeps the store up to date.
    pub async fn embedded(store: Store, clock: Clock, tasks: &Tasks) -> Result<Self> {
        Ok(Self::Embedded(Embedded::start(store, clock, tasks).await?))
    }

    /// State in Redis. The server may be away now and come back later. What is counted in shared windows goes by its own
    /// time, unless `clock` is moved by hand.
    pub async fn redis(url: &SecretString, clock: Clock, tasks: &Tasks) -> Result<Self> {
        Ok(Self::Redis(Redis::connect(url, clock, tasks).await?))
    }

    /// `Redis` or `memory`, as the health answer names it.
    pub fn backend(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "memory",
            Self::Redis(_) => "Redis",
        }
    }

    /// Asks for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        match self {
            Self::Embedded(_) => Ok(()),
            Self::Redis(redis) => redis.ping().await,
        }
    }

    /// The bus on which changes are announced to every instance.
    pub fn bus(&self) -> &Bus {
        match self {
            Self::Embedded(embedded) => embedded.bus(),
            Self::Redis(redis) => redis.bus(),
        }
    }

    /// Announces a change to every instance, this one included. Caches end by themselves when this fails.
    pub async fn publish(&self, change: Invalidation) {
        let sent = match self {
            Self::Embedded(embedded) => embedded.publish(&change).await,
            Self::Redis(redis) => redis.publish(&change).await,
        };
        if let Err(error) = sent {
            tracing::warn!(%error, ?change, "other instances may see this change only when their caches expire");
        }
    }

    /// The value of a key.
    pub async fn get(&self, key: &str) -> Result<Option<String>> {
        match self {
            Self::Embedded(embedded) => Ok(embedded.read(|map| map.get(key).map(ToOwned::to_owned))),
            Self::Redis(redis) => redis.get(key).await,
        }
    }

    /// The values of several keys, in their order, in one step.
    pub async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>> {
        match self {
            Self::Embedded(embedded) => {
                Ok(embedded.read(|map| keys.iter().map(|key| map.get(key).map(ToOwned::to_owned)).collect()))
            }
            Self::Redis(redis) => redis.get_many(keys).await,
        }
    }

    /// Sets a key for `life`.
    pub async fn put(&self, key: &str, value: &str, life: Duration) -> Result<()> {
        match self {
            Self::Embedded(embedded) => embedded.update(|map| map.put(key, value, life)).await,
            Self::Redis(redis) => redis.put(key, value, life).await,
        }
    }

    /// Reads a key and removes it in one step: of many takers one gets the value.
    pub async fn take(&self, key: &str) -> Result<Option<String>> {
        match self {
            Self::Embedded(embedded) => embedded.update(|map| map.take(key)).await,
            Self::Redis(redis) => redis.take(key).await,
        }
    }

    /// Removes a key.
    pub async fn remove(&self, key: &str) -> Result<()> {
        self.take(key).await.map(drop)
    }

    /// Sets a key when it still holds `expected` (`None`: when it is absent). False when somebody was faster.
    pub async fn compare_and_put(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &str,
        life: Duration,
    ) -> Result<bool> {
        match self {
            Self::Embedded(embedded) => {
                embedded
                    .update(|map| {
                        let holds = map.get(key) == expected;
                        if holds {
                            map.put(key, value, life);
                        }
                        holds
                    })
                    .await
            }
            Self::Redis(redis) => redis.compare_and_put(key, expected, value, life).await,
        }
    }

    /// Adds one to a counter that lives for `life` from its first use, and returns it. Not kept over a restart of the
    /// embedded shape: a counter is a rate limit of at most some minutes.
    pub async fn count(&self, key: &str, life: Duration) -> Result<u64> {
        match self {
            Self::Embedded(embedded) => Ok(embedded.count(key, life)),
            Self::Redis(redis) => redis.count(key, life).await,
        }
    }
}
