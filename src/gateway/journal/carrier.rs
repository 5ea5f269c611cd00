//! Carries rows from the journal into the database, on a tick or sooner, in batches of one transaction each, together with
//! what follows from them: quotas that are kept there, times of last use. While the database is away rows stay in the
//! journal; when it is back they are carried from there.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::Gate;
use super::insert::{NotRecorded, insert};
use super::left::{Leftover, Leftovers};
use super::progress::{self, Carried, Note};
use super::queue::Next;
use super::reader::{Batch, Source};
use super::record;
use super::segment::{JournalId, Position, Segment};
use super::touches::Touches;
use super::writer::{BATCH, Writer};
use super::{old_spool, on_disk};
use crate::ids::{AccountId, KeyId};
use crate::store::record::UsageBatch;
use crate::store::usage::UsageRow;
use crate::store::{Store, StoreError};

/// How long a row waits at most while the database answers.
const TICK: Duration = Duration::from_millis(100);
/// A database that failed is asked again so often.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Segments of processes that ended meanwhile are looked for so often.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A segment that is carried to its end is not kept open longer.
const IDLE_FOR: Duration = Duration::from_secs(60);
/// How long running calls are waited for when the process ends, and then the database.
const LAST_CALLS: Duration = Duration::from_secs(4);
const LAST_ROWS: Duration = Duration::from_secs(3);

/// The carrier's own state.
pub(super) struct Carrier {
    pub(super) store: Store,
    pub(super) writer: Arc<Writer>,
    pub(super) left: Arc<Leftovers>,
    pub(super) gate: Arc<Gate>,
    pub(super) places: TaskTracker,
    /// Up to where rows are in the database.
    pub(super) carried: watch::Sender<Position>,
    pub(super) note: Option<Note>,
    pub(super) pending: Pending,
    /// Up to where quotas that are kept in the database were written.
    pub(super) stored: Position,
    pub(super) accounts: Touches<AccountId>,
    pub(super) keys: Touches<KeyId>,
    /// When the database last failed, and when no segment could be made.
    pub(super) failed: Option<Instant>,
    pub(super) unprepared: Option<Instant>,
    /// Cancelled when nobody settles charges any more.
    pub(super) settled: CancellationToken,
}

/// A batch on its way.
#[derive(Default)]
pub(super) struct Pending {
    rows: Vec<UsageRow>,
    told: Vec<oneshot::Sender<()>>,
    /// Where it ends in the journal; `None` for rows that are not in it.
    to: Option<Position>,
}

impl Carrier {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.recover().await;
        self.gate.pass();
        let (mut looked, mut rotated) = (Instant::now(), Instant::now());
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.is_cancelled() {
            tokio::select! {
                _ = tick.tick() => {}
                () = self.writer.hurry.notified() => {}
                () = stop.cancelled() => {}
            }
            let failed = self.failed.is_some();
            self.turn().await;
            let idle = rotated.elapsed() >= IDLE_FOR;
            if idle {
                rotated = Instant::now();
            }
            self.keep(idle).await;
            if self.failed.is_none() && (failed || looked.elapsed() >= LOOK_EVERY) {
                looked = Instant::now();
                self.look().await;
            }
        }
        self.end().await;
    }

    /// Carries what waits, unless the database failed a moment ago.
    async fn turn(&mut self) {
        let waits = self.failed.is_some_and(|failed| failed.elapsed() < RETRY_EVERY);
        if waits && !self.writer.has_unwritten() {
            return;
        }
        if self.failed.is_some() {
            self.writer.probe_disk();
        }
        let carried = self.carry().await;
        self.heard(carried);
    }

    fn heard(&mut self, carried: Result<(), NotRecorded>) {
        match carried {
            Ok(()) => {
                if self.failed.take().is_some() {
                    tracing::info!("the database takes usage rows again");
                }
                self.writer.set_database_fails(false);
            }
            Err(error) => {
                if self.failed.replace(Instant::now()).is_none() {
                    tracing::error!(%error, "the database takes no usage rows; they stay in the journal");
                }
                self.writer.set_database_fails(true);
                // Those that are nowhere else are not on record; they are tried again, but nobody is told so later.
                self.pending.told.clear();
                self.writer.tell(Position::default());
            }
        }
    }

    async fn carry(&mut self) -> Result<(), NotRecorded> {
        if self.failed.is_some() && !self.writer.has_rows() && self.pending.rows.is_empty() {
            self.store.ping().await?;
        }
        loop {
            if self.pending.rows.is_empty() && !self.fetch().await? {
                return Ok(());
            }
            self.commit().await?;
        }
    }

    /// Takes the next batch; false when nothing waits.
    async fn fetch(&mut self) -> Result<bool, NotRecorded> {
        let unwritten = self.writer.take_unwritten();
        if !unwritten.is_empty() {
            let (rows, told): (_, Vec<_>) = unwritten.into_iter().map(|one| (one.row, one.told)).unzip();
            self.pending = Pending { rows, told: told.into_iter().flatten().collect(), to: None };
            return Ok(true);
        }
        match self.writer.next_rows() {
            (Next::Queued(rows), _) => {
                let to = rows.last().map(|(end, _)| *end);
                let rows = rows.into_iter().map(|(_, row)| row).collect();
                self.pending = Pending { rows, told: Vec::new(), to };
                Ok(true)
            }
            (Next::OnDisk(from), end) => self.fetch_from_disk(from, end).await,
            (Next::Nothing, end) => {
                self.pass(end);
                Ok(false)
            }
        }
    }

    async fn fetch_from_disk(&mut self, from: Position, end: Position) -> Result<bool, NotRecorded> {
        let Some(source) = self.writer.source(from) else {
            self.writer.rows_read_to(end);
            return Ok(true);
        };
        let name = source.name();
        let batch = read(source).await?;
        self.left.keep_damaged(name, &batch.damaged);
        self.writer.rows_read_to(batch.next);
        let rows = batch.records.into_iter().map(|(_, record)| record.row).collect();
        self.pending = Pending { rows, told: Vec::new(), to: Some(batch.next) };
        Ok(true)
    }

    /// Commits the batch with what follows from it.
    async fn commit(&mut self) -> Result<(), NotRecorded> {
        let stored = self.writer.end();
        self.insert(self.writer.id).await?;
        self.stored = stored;
        let Pending { told, to, .. } = std::mem::take(&mut self.pending);
        for told in told {
            // Nobody waits for a call whose client went away.
            let _ = told.send(());
        }
        if let Some(to) = to {
            self.pass(to);
        }
        Ok(())
    }

    async fn insert(&mut self, journal: JournalId) -> Result<(), NotRecorded> {
        let rows = &self.pending.rows;
        for row in rows {
            row.account_id.iter().for_each(|id| self.accounts.note(id, row.created_at));
            row.api_key_id.iter().for_each(|id| self.keys.note(id, row.created_at));
        }
        let quotas = self.writer.settler.unsaved();
        let (accounts_used, keys_used) = (self.accounts.due(), self.keys.due());
        let batch =
            UsageBatch { rows, quotas: &quotas, accounts_used: &accounts_used, keys_used: &keys_used };
        let left = &self.left;
        insert(&self.store, &batch, |row, error| refuse(left, journal, row, error)).await?;
        self.writer.settler.saved(&quotas);
        self.accounts.written(accounts_used);
        self.keys.written(keys_used);
        Ok(())
    }

    /// All rows before this place are in the database.
    fn pass(&mut self, to: Position) {
        if *self.carried.borrow() != to {
            self.writer.recorded_to(to);
            self.carried.send_replace(to);
        }
        self.writer.tell(to);
    }

    fn progress(&self) -> Carried {
        Carried { rows: *self.carried.borrow(), charges: self.writer.charges_carried(self.stored) }
    }

    /// Notes how far everything is, removes segments that are carried, and has the next one ready.
    async fn keep(&mut self, idle: bool) {
        let carried = self.progress();
        if let Some(Err(error)) = self.note.as_mut().map(|note| note.write(carried)) {
            tracing::debug!(%error, "how far the journal is carried was not noted");
        }
        let done = self.writer.take_done(carried, idle);
        let prepares = !self.writer.is_prepared()
            && self.unprepared.is_none_or(|failed| failed.elapsed() >= RETRY_EVERY);
        if done.is_empty() && !prepares {
            return;
        }
        let writer = self.writer.clone();
        let kept = on_disk(move || {
            remove(done);
            writer.prepare()
        });
        match kept.await {
            Ok(()) => self.unprepared = None,
            Err(error) => {
                if self.unprepared.replace(Instant::now()).is_none() {
                    tracing::warn!(%error, "no further segment of the journal can be made");
                }
            }
        }
    }

    /// Carries what earlier processes left, as far as the database takes it now.
    async fn recover(&mut self) {
        let spool = self.writer.directory.with_file_name("usage-spool");
        let carried = match old_spool::carry(&self.store, &self.writer.settler, &spool, &self.left).await {
            Ok(()) => self.carry_left().await,
            Err(error) => Err(error),
        };
        self.heard(carried);
    }

    async fn look(&mut self) {
        let left = self.left.clone();
        if let Err(error) = on_disk(move || left.look()).await {
            return tracing::warn!(%error, "the directory of journals is not readable");
        }
        self.writer.owes.notify_one();
        let carried = self.carry_left().await;
        self.heard(carried);
    }

    async fn carry_left(&mut self) -> Result<(), NotRecorded> {
        for one in self.left.to_do(|one| &one.rows_done) {
            self.carry_segment(&one).await?;
            one.rows_done.store(true, Ordering::Release);
        }
        let left = self.left.clone();
        on_disk(move || {
            left.clear();
            Ok(())
        })
        .await?;
        Ok(())
    }

    async fn carry_segment(&mut self, one: &Leftover) -> Result<(), NotRecorded> {
        let (mut from, name) = (one.carried.rows, one.left.name);
        if self.writer.settler.is_here() {
            from = one.carried.all();
        }
        loop {
            let batch = read(Source::left(&one.left, from)).await?;
            self.left.keep_damaged(name, &batch.damaged);
            for (end, record) in &batch.records {
                let settled =
                    self.writer.settler.settle_left(&record.charges, Some((name.journal, *end))).await;
                settled?;
            }
            // Not the carrier's own batch, which may wait for the same database.
            let rows = batch.records.into_iter().map(|(_, record)| record.row).collect();
            let pending = std::mem::replace(&mut self.pending, Pending { rows, ..Pending::default() });
            let inserted = self.insert(name.journal).await;
            self.pending = pending;
            inserted?;
            if batch.is_last {
                return Ok(());
            }
            from = batch.next;
        }
    }

    /// The last calls, and then what the database takes in time; the rest stays on disk for the next process.
    async fn end(mut self) {
        self.places.close();
        let until = Instant::now() + LAST_CALLS + LAST_ROWS;
        drop(tokio::time::timeout(LAST_CALLS, self.places.wait()).await);
        let carried = tokio::time::timeout(LAST_ROWS, self.carry()).await;
        let carried = carried.unwrap_or(Err(NotRecorded::Timeout));
        if let Err(error) = carried {
            tracing::error!(%error, "usage rows stay in the journal for the next start");
        }
        let mut lost = std::mem::take(&mut self.pending);
        lost.rows.retain(|_| lost.to.is_none());
        lost.rows.extend(self.writer.take_unwritten().into_iter().map(|one| one.row));
        for row in lost.rows {
            tracing::error!(?row, "neither disk nor database took this call; it is kept in this line only");
        }
        drop(tokio::time::timeout_at(until, self.settled.cancelled()).await);
        self.keep(false).await;
        self.close().await;
    }

    /// Removes what is carried whole.
    async fn close(mut self) {
        let (carried, writer, note) = (self.progress(), self.writer.clone(), self.note.take());
        let closed = on_disk(move || {
            let (done, kept): (Vec<_>, Vec<_>) =
                writer.take_all().into_iter().partition(|segment| segment.is_before(carried.all()));
            remove(done);
            if kept.is_empty() && note.is_some() {
                progress::forget(&writer.directory, writer.id);
            }
            // Their locks go with them: the next process may have them.
            drop(kept);
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "the journal was not closed");
        }
    }
}

fn remove(segments: Vec<Segment>) {
    for segment in segments {
        if let Err(error) = segment.remove() {
            tracing::warn!(%error, "a carried segment of the journal could not be removed");
        }
    }
}

async fn read(source: Source) -> Result<Batch, NotRecorded> {
    Ok(on_disk(move || source.read(BATCH)).await?)
}

pub(super) fn refuse(left: &Leftovers, journal: JournalId, row: &UsageRow, error: &StoreError) {
    let kept = record::framed(row, &super::Charges::default(), |frame| left.keep_refused(journal, frame));
    let kept = kept.is_some_and(|kept| kept.is_ok());
    tracing::error!(%error, record = row.record_id, kept, "a usage row was refused for good and is put aside");
    if !kept {
        tracing::error!(?row, "it is kept in this line only");
    }
}
