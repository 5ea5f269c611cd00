//! The bus over Redis: what is announced goes out on one channel, and a subscription of its own brings what others announce.
//!
//! A link that is half open looks well for minutes. So it is asked several times a second whether all that was announced has
//! come, and made anew when there is no answer. What could not be announced is owed: as soon as Redis is back, everybody is
//! told that anything may have changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _};
use redis::aio::{ConnectionManager, PubSubSink};
use redis::{AsyncCommands as _, Client, Msg, RedisResult, Value};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{Bus, Invalidation, Result};
use crate::tasks::Tasks;

const CHANNEL: &str = "millpond:invalidate";
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const PROBE_EVERY: Duration = Duration::from_millis(250);
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Tells other instances.
#[derive(Clone)]
pub(super) struct Announcer {
    connection: ConnectionManager,
    /// Wakes who announces what could not be announced at once.
    owes: Arc<Notify>,
}

impl Announcer {
    /// Listens on the channel from now on.
    pub(super) fn start(client: Client, connection: ConnectionManager, bus: Bus, tasks: &Tasks) -> Self {
        let announcer = Self { connection, owes: Arc::default() };
        let owing = announcer.clone();
        tasks.spawn("announcements", |stop| owing.pay(stop));
        tasks.spawn("invalidation-bus", |stop| receive(client, bus, stop));
        announcer
    }

    /// Announces a change, now or, when Redis doesn't answer, as soon as it does again.
    pub(super) async fn send(&self, change: &Invalidation) -> Result<()> {
        self.announce(change).await.inspect_err(|_| self.owes.notify_one())
    }

    async fn announce(&self, change: &Invalidation) -> Result<()> {
        let message = serde_json::to_string(change).unwrap_or_default();
        let mut connection = self.connection.clone();
        within(connection.publish(CHANNEL, message)).await
    }

    async fn pay(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = self.owes.notified() => {}
                () = stop.cancelled() => return,
            }
            while self.announce(&Invalidation::Everything).await.is_err() {
                tokio::select! {
                    () = tokio::time::sleep(AGAIN_AFTER) => {}
                    () = stop.cancelled() => return,
                }
            }
        }
    }
}

/// Passes on what other instances announce; subscribes again whenever the link is lost.
async fn receive(client: Client, bus: Bus, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            result = listen(&client, &bus) => {
                if let Err(error) = result {
                    tracing::warn!(%error, "not subscribed to changes of other instances");
                }
            }
            () = stop.cancelled() => return,
        }
        bus.is_cut();
        tokio::select! {
            () = tokio::time::sleep(AGAIN_AFTER) => {}
            () = stop.cancelled() => return,
        }
    }
}

async fn listen(client: &Client, bus: &Bus) -> Result<()> {
    let mut subscription = within(client.get_async_pubsub()).await?;
    within(subscription.subscribe(CHANNEL)).await?;
    let subscribed = Instant::now();
    let (mut link, mut messages) = subscription.split();
    // What was announced while nobody listened is lost.
    bus.deliver(&Invalidation::Everything);
    bus.heard_until(subscribed);
    loop {
        let probe = probe(&mut link);
        tokio::pin!(probe);
        let asked = loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => hear(bus, &message),
                    None => return Ok(()),
                },
                asked = &mut probe => break asked?,
            }
        };
        // What came before the answer may still lie here.
        while let Some(Some(message)) = messages.next().now_or_never() {
            hear(bus, &message);
        }
        bus.heard_until(asked);
    }
}

/// Redis answers in order, so what was announced before the question has come when there is an answer.
async fn probe(link: &mut PubSubSink) -> Result<Instant> {
    tokio::time::sleep(PROBE_EVERY).await;
    let asked = Instant::now();
    within(link.ping::<Value>()).await?;
    Ok(asked)
}

/// Announcements of another version may mean anything.
fn hear(bus: &Bus, message: &Msg) {
    let change = serde_json::from_slice(message.get_payload_bytes()).unwrap_or(Invalidation::Everything);
    bus.deliver(&change);
}

async fn within<T>(command: impl Future<Output = RedisResult<T>>) -> Result<T> {
    let late = |_| redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    Ok(tokio::time::timeout(ANSWER_WITHIN, command).await.map_err(late)??)
}
