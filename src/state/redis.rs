//! State in Redis: primitives and scripts. Every command has a deadline and the connection heals itself.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, Client, RedisResult, Script};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::counters::Memory;
use super::quotas::Leases;
use super::{Bus, Invalidation, Result, StateError};
use crate::clock::Clock;
use crate::tasks::Tasks;

const CHANNEL: &str = "millpond:invalidate";
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A step that a call waits for has less time.
const STEP_WITHIN: Duration = Duration::from_secs(1);
/// After one that failed no other is tried for so long, so that calls don't wait for the same one after another.
const AWAY_FOR: Duration = Duration::from_secs(1);
/// A subscription that hears nothing is probed this often.
const RESUBSCRIBE_AFTER: Duration = Duration::from_millis(500);

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
    clock: Clock,
    memory: Arc<Memory>,
    leases: Arc<Leases>,
    pulse: Arc<Mutex<Pulse>>,
}

/// When steps of calls were answered last, and failed last.
#[derive(Debug, Default)]
struct Pulse {
    answered: Option<Instant>,
    failed: Option<Instant>,
}

impl Pulse {
    fn is_away(&self) -> bool {
        self.failed > self.answered && self.failed.is_some_and(|at| at.elapsed() < AWAY_FOR)
    }

    fn answers(&self) -> bool {
        self.answered.is_some_and(|at| at.elapsed() < STEP_WITHIN)
    }
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
    pub(super) async fn connect(url: &SecretString, clock: Clock, tasks: &Tasks) -> Result<Self> {
        let client = Client::open(url.expose_secret())?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(ANSWER_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_number_of_retries(3);
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        let bus = Bus::default();
        let client = Arc::new(client);
        let receiving = bus.clone();
        tasks.spawn("invalidation-bus", |stop| receive(client, receiving, stop));
        Ok(Self {
            connection,
            bus,
            clock,
            memory: Arc::default(),
            leases: Arc::default(),
            pulse: Arc::default(),
        })
    }

    pub(super) fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(super) fn leases(&self) -> &Leases {
        &self.leases
    }

    /// The moment as scripts are told it: none where it is Redis' own time that counts.
    pub(super) fn moment(&self) -> String {
        match &self.clock {
            Clock::System => String::new(),
            clock @ Clock::Manual(_) => clock.now().millis().to_string(),
        }
    }

    /// Does a step that a call waits for, unless another failed a moment ago. It is given up when Redis answers nobody; that
    /// it answers others says that it is only slow, or that we are.
    pub(super) async fn promptly<T>(&self, step: impl Future<Output = RedisResult<T>>) -> Result<T> {
        if self.pulse().is_away() {
            return Err(StateError::Away);
        }
        let mut step = std::pin::pin!(step);
        loop {
            match tokio::time::timeout(STEP_WITHIN, &mut step).await {
                Ok(Ok(answer)) => {
                    self.pulse().answered = Some(Instant::now());
                    return Ok(answer);
                }
                Ok(Err(error)) => {
                    self.pulse().failed = Some(Instant::now());
                    return Err(error.into());
                }
                Err(_) if self.pulse().answers() => {}
                Err(_) => {
                    self.pulse().failed = Some(Instant::now());
                    return Err(StateError::Away);
                }
            }
        }
    }

    fn pulse(&self) -> MutexGuard<'_, Pulse> {
        self.pulse.lock().unwrap_or_else(PoisonError::into_inner)
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
        let message = serde_json::to_string(change).unwrap_or_default();
        Ok(self.connection().publish(CHANNEL, message).await?)
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

/// Passes on what other instances announce; subscribes again whenever the connection is lost.
async fn receive(client: Arc<Client>, bus: Bus, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            result = listen(&client, &bus) => {
                if let Err(error) = result {
                    tracing::warn!(%error, "not subscribed to changes of other instances");
                }
            }
            () = stop.cancelled() => return,
        }
        bus.set_live(false);
        tokio::select! {
            () = tokio::time::sleep(RESUBSCRIBE_AFTER) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn listen(client: &Client, bus: &Bus) -> Result<()> {
    let mut subscription =
        tokio::time::timeout(ANSWER_WITHIN, client.get_async_pubsub()).await.map_err(timed_out)??;
    tokio::time::timeout(ANSWER_WITHIN, subscription.subscribe(CHANNEL)).await.map_err(timed_out)??;
    // What was announced while nobody listened is lost.
    bus.deliver(&Invalidation::Everything);
    bus.set_live(true);
    let mut messages = subscription.into_on_message();
    while let Some(message) = messages.next().await {
        let text: String = message.get_payload()?;
        bus.deliver(&serde_json::from_str(&text).unwrap_or(Invalidation::Everything));
    }
    Ok(())
}

fn timed_out(_: tokio::time::error::Elapsed) -> redis::RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}
