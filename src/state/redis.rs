//! State in Redis: primitives and scripts. Every command has a deadline and the connection heals itself.

use std::sync::LazyLock;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, Client, Script};
use secrecy::{ExposeSecret as _, SecretString};

use super::subscription::Announcer;
use super::{Bus, Invalidation, Result};
use crate::tasks::Tasks;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);

static COMPARE_AND_PUT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('GET', KEYS[1])
         if ARGV[1] == '0' and held or ARGV[1] == '1' and held ~= ARGV[2] then return 0 end
         redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
         return 1",
    )
});

static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new("local held = redis.call('GET', KEYS[1]) redis.call('DEL', KEYS[1]) return held")
});

static COUNT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local count = redis.call('INCR', KEYS[1])
         if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
         return count",
    )
});

/// The Redis variant of `State`.
#[derive(Clone)]
pub struct Redis {
    connection: ConnectionManager,
    bus: Bus,
    announcer: Announcer,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

/// Whole milliseconds, at least one: Redis refuses a life of zero.
pub(super) fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX >> 2).clamp(1, u64::MAX >> 2)
}

impl Redis {
    pub(super) async fn connect(url: &SecretString, tasks: &Tasks) -> Result<Self> {
        let client = Client::open(url.expose_secret())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        let bus = Bus::default();
        let announcer = Announcer::start(client, connection.clone(), bus.clone(), tasks);
        Ok(Self { connection, bus, announcer })
    }

    pub(super) fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }

    pub(super) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(super) async fn ping(&self) -> Result<()> {
        Ok(redis::cmd("PING").query_async(&mut self.connection()).await?)
    }

    pub(super) async fn publish(&self, change: &Invalidation) -> Result<()> {
        // Here at once, elsewhere as soon as Redis has passed it on.
        self.bus.deliver(change);
        self.announcer.send(change).await
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<String>> {
        Ok(self.connection().get(key).await?)
    }

    pub(super) async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<String>>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.connection().mget(keys).await?)
    }

    pub(super) async fn put(&self, key: &str, value: &str, life: Duration) -> Result<()> {
        Ok(self.connection().pset_ex(key, value, millis(life)).await?)
    }

    pub(super) async fn take(&self, key: &str) -> Result<Option<String>> {
        Ok(TAKE.key(key).invoke_async(&mut self.connection()).await?)
    }

    pub(super) async fn compare_and_put(
        &self,
        key: &str,
        expected: Option<&str>,
        value: &str,
        life: Duration,
    ) -> Result<bool> {
        let done: i64 = COMPARE_AND_PUT
            .key(key)
            .arg(i64::from(expected.is_some()))
            .arg(expected.unwrap_or(""))
            .arg(value)
            .arg(millis(life))
            .invoke_async(&mut self.connection())
            .await?;
        Ok(done == 1)
    }

    pub(super) async fn count(&self, key: &str, life: Duration) -> Result<u64> {
        Ok(COUNT.key(key).arg(millis(life)).invoke_async(&mut self.connection()).await?)
    }
}
