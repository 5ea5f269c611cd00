//! Settles in Redis what finished calls owe, as soon as they owe it. While Redis is away charges stay in the journal; it
//! waits for no database, and nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::charges::Charges;
use super::gate::Gate;
use super::left::{Leftover, Leftovers};
use super::on_disk;
use super::queue::Next;
use super::reader::Source;
use super::segment::Position;
use super::writer::{BATCH, Owed, Writer};
use crate::state::StateError;

/// A Redis that failed is asked again so often.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How long running calls are waited for when the process ends, and then Redis.
const LAST_CALLS: Duration = Duration::from_secs(4);
const LAST_CHARGES: Duration = Duration::from_secs(3);

/// Why charges could not be settled.
#[derive(Debug, thiserror::Error)]
enum NotSettled {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the journal is not readable: {0}")]
    Journal(#[from] std::io::Error),
}

/// The settling task's own state.
pub(super) struct Debts {
    writer: Arc<Writer>,
    left: Arc<Leftovers>,
    gate: Arc<Gate>,
    places: TaskTracker,
    pending: Vec<(Position, Owed)>,
    failed: Option<Instant>,
    /// Says that it has ended.
    _settled: DropGuard,
}

impl Debts {
    pub(super) fn new(
        writer: Arc<Writer>,
        left: Arc<Leftovers>,
        gate: Arc<Gate>,
        places: TaskTracker,
        settled: CancellationToken,
    ) -> Self {
        let _settled = settled.drop_guard();
        Self { writer, left, gate, places, pending: Vec::new(), failed: None, _settled }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let settled = self.settle_left().await;
        self.heard(settled);
        self.gate.pass();
        let mut tick = tokio::time::interval(RETRY_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.writer.owes.notified(), if self.failed.is_none() => {}
                _ = tick.tick() => {}
                () = stop.cancelled() => {}
            }
            self.turn().await;
        }
        // The calls that still run owe something, too.
        self.turn().await;
        drop(tokio::time::timeout(LAST_CALLS, self.places.wait()).await);
        let settled = tokio::time::timeout(LAST_CHARGES, self.settle()).await;
        if let Err(error) = settled.unwrap_or(Err(StateError::Away.into())) {
            tracing::error!(%error, "what calls owe stays in the journal for the next start");
        }
    }

    async fn turn(&mut self) {
        let mut settled = self.settle().await;
        if settled.is_ok() {
            settled = self.settle_left().await;
        }
        self.heard(settled);
    }

    fn heard(&mut self, settled: Result<(), NotSettled>) {
        self.writer.set_redis_fails(settled.is_err());
        match settled {
            Ok(()) => {
                if self.failed.take().is_some() {
                    tracing::info!("calls are settled again");
                }
            }
            Err(error) => {
                // Nobody waits for a Redis that is away.
                self.pending.iter_mut().for_each(|(_, owed)| owed.told = None);
                self.writer.stop_waiting();
                if self.writer.forgo_charges() {
                    // Redis gives the reservations back when they run out.
                    tracing::error!("Redis was away for too long: what calls owe to it is given up");
                    self.pending.clear();
                }
                if self.failed.replace(Instant::now()).is_none() {
                    tracing::warn!(%error, "calls are settled later");
                }
            }
        }
    }

    async fn settle(&mut self) -> Result<(), NotSettled> {
        loop {
            if self.pending.is_empty() && !self.fetch().await? {
                return Ok(());
            }
            let charges = self.writer.with_moments(&self.pending);
            self.writer.settler.settle(&charges).await?;
            if let Some((end, _)) = self.pending.last() {
                self.writer.charges_done(*end);
            }
            // Whoever waits hears as these are dropped.
            self.pending.clear();
        }
    }

    /// Takes the next batch; false when nothing waits.
    async fn fetch(&mut self) -> Result<bool, NotSettled> {
        match self.writer.next_charges() {
            (Next::Queued(charges), _) => self.pending = charges,
            (Next::OnDisk(from), end) => {
                let Some(source) = self.writer.source(from) else {
                    self.writer.charges_read_to(end);
                    return Ok(true);
                };
                let batch = on_disk(move || source.read(BATCH)).await?;
                self.writer.charges_read_to(batch.next);
                let owed = batch
                    .records
                    .into_iter()
                    .map(|(end, record)| (end, Owed { charges: record.charges, told: None }));
                self.pending = owed.filter(|(_, owed)| !owed.charges.is_none()).collect();
            }
            (Next::Nothing, end) => {
                self.writer.charges_done(end);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What processes owed that are gone.
    async fn settle_left(&mut self) -> Result<(), NotSettled> {
        let to_do = self.left.to_do(|one| &one.charges_done);
        if to_do.is_empty() {
            return Ok(());
        }
        for one in to_do {
            self.settle_segment(&one).await?;
            one.charges_done.store(true, Ordering::Release);
        }
        let left = self.left.clone();
        on_disk(move || {
            left.clear();
            Ok(())
        })
        .await?;
        Ok(())
    }

    async fn settle_segment(&mut self, one: &Leftover) -> Result<(), NotSettled> {
        let mut from = one.carried.charges;
        loop {
            let source = Source::left(&one.left, from);
            let batch = on_disk(move || source.read(BATCH)).await?;
            let charges: Vec<Charges> = batch
                .records
                .into_iter()
                .map(|(_, record)| record.charges)
                .filter(|charges| !charges.is_none())
                .collect();
            self.writer.settler.settle(&charges).await?;
            if batch.is_last {
                return Ok(());
            }
            from = batch.next;
        }
    }
}
