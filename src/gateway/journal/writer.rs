//! The writing end: one lock around one `write`, and the queues of those who carry on what was written. It is held for no
//! longer than that and never across an await.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use millpond_pool::units::Moment;
use tokio::sync::{Notify, oneshot};

use super::charges::{Charges, Settler};
use super::progress::Carried;
use super::queue::{Next, Queue};
use super::reader::Source;
use super::record;
use super::recorded::Recorded;
use super::segment::{JournalId, Name, Position, Segment};
use crate::state::quotas::Charge;
use crate::store::usage::UsageRow;

/// Records in one transaction, and in one step of settling.
pub(super) const BATCH: usize = 512;
/// Records that wait in memory for each who carries them on. While a database is away the rest waits on disk only.
const QUEUED: usize = 8_192;
/// Calls that neither disk nor database has taken yet.
const UNWRITTEN: usize = 8_192;
/// Segments that are kept for charges that Redis doesn't take.
const SEGMENTS_FOR_CHARGES: usize = 64;
/// Batches of which it is remembered when they came on record.
const REMEMBERED: usize = 1_024;
/// A segment that is longer gives way to the next as soon as there is one.
const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;

/// A call that the disk did not take: it is on record when the database says so.
pub(super) struct Unwritten {
    pub(super) row: UsageRow,
    pub(super) told: Option<oneshot::Sender<()>>,
}

/// What a call owes to Redis.
pub(super) struct Owed {
    pub(super) charges: Charges,
    /// Hears when it is settled, or can't be.
    pub(super) told: Option<oneshot::Sender<()>>,
}

/// The journal of this process as those see it who write it and carry it on.
pub(super) struct Writer {
    pub(super) directory: PathBuf,
    pub(super) id: JournalId,
    pub(super) settler: Settler,
    inner: Mutex<Inner>,
    /// There are rows for a whole batch, or somebody waits for them.
    pub(super) hurry: Notify,
    /// There are charges for Redis.
    pub(super) owes: Notify,
    /// The last write failed.
    disk_fails: AtomicBool,
    /// The last transaction failed.
    database_fails: AtomicBool,
    /// The last step of settling in Redis failed.
    redis_fails: AtomicBool,
}

struct Inner {
    open: Option<Segment>,
    spare: Option<Segment>,
    /// Those before, as far as not all of them is carried.
    full: VecDeque<Segment>,
    next_number: u32,
    rows: Queue<UsageRow>,
    charges: Queue<Owed>,
    charges_done: Position,
    unwritten: VecDeque<Unwritten>,
    waiting: VecDeque<(Position, oneshot::Sender<()>)>,
    /// When rows came on record lately, by where they end.
    recorded: VecDeque<(Position, Moment)>,
}

impl Writer {
    pub(super) fn new(directory: &Path, id: JournalId, settler: Settler) -> Self {
        let inner = Inner {
            open: None,
            spare: None,
            full: VecDeque::new(),
            next_number: 1,
            rows: Queue::new(QUEUED),
            charges: Queue::new(QUEUED),
            charges_done: Position::default(),
            unwritten: VecDeque::new(),
            waiting: VecDeque::new(),
            recorded: VecDeque::new(),
        };
        Self {
            directory: directory.to_owned(),
            id,
            settler,
            inner: Mutex::new(inner),
            hurry: Notify::new(),
            owes: Notify::new(),
            disk_fails: AtomicBool::new(false),
            database_fails: AtomicBool::new(false),
            redis_fails: AtomicBool::new(false),
        }
    }

    /// Every step leaves whole values, so that a panic elsewhere does no harm here.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a finished call down, and settles it where that can be done here. `sure`: it counts as recorded only when the
    /// database has it.
    pub(super) fn record(&self, row: UsageRow, charges: Charges, sure: bool) -> Recorded {
        let written = record::framed(&row, &charges, |frame| {
            let mut inner = self.lock();
            let written = inner.append(frame);
            (inner, written)
        });
        let (mut inner, written) =
            written.unwrap_or_else(|| (self.lock(), Err(io::ErrorKind::InvalidData.into())));
        let (from, end) = match &written {
            Ok(place) => *place,
            Err(_) => (inner.end(), inner.end()),
        };
        let settles = self.charge(&mut inner, charges, (from, end));
        match written {
            Ok(_) => {
                self.disk_works();
                match self.queue(inner, row, (from, end), sure) {
                    Recorded::Done => settles.map_or(Recorded::Done, Recorded::Settles),
                    waits => waits,
                }
            }
            Err(error) => {
                if !self.disk_fails.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the journal takes no records; they go to the database directly");
                }
                self.queue_unwritten(inner, row)
            }
        }
    }

    /// Settles here, or has it settled; who counts calls that run is waited for.
    fn charge(
        &self,
        inner: &mut Inner,
        charges: Charges,
        (from, end): (Position, Position),
    ) -> Option<oneshot::Receiver<()>> {
        if charges.is_none() {
            return None;
        }
        if self.settler.is_here() {
            // What is not in the journal has no place there.
            let at = (from < end).then_some((self.id, end));
            self.settler.settle_here(&charges, at);
            return None;
        }
        let waits = charges.limits.is_some() && !self.redis_fails.load(Ordering::Relaxed);
        let (told, hears) = waits.then(oneshot::channel).unzip();
        inner.charges.push(from, end, Owed { charges, told });
        self.owes.notify_one();
        hears
    }

    fn queue(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        row: UsageRow,
        (from, end): (Position, Position),
        sure: bool,
    ) -> Recorded {
        inner.rows.push(from, end, row);
        if sure && !self.database_fails() {
            let (told, hears) = oneshot::channel();
            inner.waiting.push_back((end, told));
            self.hurry.notify_one();
            return Recorded::Waits(hears);
        }
        if inner.rows.len() == BATCH {
            self.hurry.notify_one();
        }
        Recorded::Done
    }

    fn queue_unwritten(&self, mut inner: MutexGuard<'_, Inner>, row: UsageRow) -> Recorded {
        let (told, hears) = oneshot::channel();
        if inner.unwritten.len() < UNWRITTEN {
            // While the database is away nobody waits, but it is tried again.
            let told = Some(told).filter(|_| !self.database_fails());
            inner.unwritten.push_back(Unwritten { row, told });
            self.hurry.notify_one();
        } else {
            tracing::error!(
                ?row,
                "neither disk nor database takes calls; this one is kept in this line only"
            );
        }
        Recorded::Waits(hears)
    }

    fn disk_works(&self) {
        if self.disk_fails.load(Ordering::Relaxed) {
            self.disk_fails.store(false, Ordering::Relaxed);
            tracing::info!("the journal takes records again");
        }
    }

    pub(super) fn set_database_fails(&self, fails: bool) {
        self.database_fails.store(fails, Ordering::Relaxed);
    }

    /// Gives up what is owed to a Redis that is away, when it keeps too many segments on disk.
    pub(super) fn forgo_charges(&self) -> bool {
        let mut inner = self.lock();
        let done = inner.charges_done;
        let kept = inner.full.iter().filter(|segment| segment.end() > done).count();
        let too_many = kept > SEGMENTS_FOR_CHARGES;
        if too_many {
            inner.charges = Queue::new(QUEUED);
            inner.charges_done = inner.end();
        }
        too_many
    }

    /// Lets nobody wait for what is owed to Redis.
    pub(super) fn stop_waiting(&self) {
        self.lock().charges.queued().for_each(|owed| owed.told = None);
    }

    pub(super) fn set_redis_fails(&self, fails: bool) {
        self.redis_fails.store(fails, Ordering::Relaxed);
    }

    pub(super) fn database_fails(&self) -> bool {
        self.database_fails.load(Ordering::Relaxed)
    }

    /// Whether neither disk nor database took anything when they were last asked.
    pub(super) fn is_stuck(&self) -> bool {
        self.disk_fails.load(Ordering::Relaxed) && self.database_fails()
    }

    /// Asks a disk that failed whether it takes writes again.
    pub(super) fn probe_disk(&self) {
        if self.disk_fails.load(Ordering::Relaxed) && self.lock().append(&record::nothing()).is_ok() {
            self.disk_works();
        }
    }

    /// Where the next record goes.
    pub(super) fn end(&self) -> Position {
        self.lock().end()
    }

    /// Calls that wait for the database itself, first those that are nowhere else.
    pub(super) fn take_unwritten(&self) -> Vec<Unwritten> {
        let mut inner = self.lock();
        let count = BATCH.min(inner.unwritten.len());
        inner.unwritten.drain(..count).collect()
    }

    /// Rows to be carried on, and the journal's end before which nothing else is; or where they stand on disk.
    pub(super) fn next_rows(&self) -> (Next<UsageRow>, Position) {
        let mut inner = self.lock();
        (inner.rows.next(BATCH), inner.end())
    }

    pub(super) fn next_charges(&self) -> (Next<Owed>, Position) {
        let mut inner = self.lock();
        (inner.charges.next(BATCH), inner.end())
    }

    /// Where a record on disk can be read.
    pub(super) fn source(&self, from: Position) -> Option<Source> {
        self.lock().source(from)
    }

    pub(super) fn rows_read_to(&self, to: Position) {
        let mut inner = self.lock();
        let end = inner.end();
        inner.rows.read_to(to, end);
    }

    pub(super) fn charges_read_to(&self, to: Position) {
        let mut inner = self.lock();
        let end = inner.end();
        inner.charges.read_to(to, end);
    }

    /// All charges before this place are settled.
    pub(super) fn charges_done(&self, to: Position) {
        self.lock().charges_done = to;
    }

    /// Rows before this place have come on record.
    pub(super) fn recorded_to(&self, to: Position) {
        let now = self.settler.now();
        let mut inner = self.lock();
        inner.recorded.push_back((to, now));
        if inner.recorded.len() > REMEMBERED {
            inner.recorded.pop_front();
        }
    }

    /// Charges with the moments at which their rows came on record, as far as they did.
    pub(super) fn with_moments(&self, owed: &[(Position, Owed)]) -> Vec<Charges> {
        let inner = self.lock();
        let with_moment = |(end, Owed { charges, .. }): &(Position, Owed)| {
            let place = inner.recorded.partition_point(|(to, _)| to < end);
            let recorded_at = inner.recorded.get(place).map(|(_, at)| *at);
            let quota = charges.quota.map(|charge| Charge { recorded_at, ..charge });
            Charges { quota, ..charges.clone() }
        };
        owed.iter().map(with_moment).collect()
    }

    /// Whether calls wait that are nowhere but in memory.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.lock().unwritten.is_empty()
    }

    /// Whether a further segment is ready.
    pub(super) fn is_prepared(&self) -> bool {
        self.lock().spare.is_some()
    }

    /// Whether something waits for the database.
    pub(super) fn has_rows(&self) -> bool {
        let inner = self.lock();
        !inner.rows.is_empty() || !inner.unwritten.is_empty()
    }

    /// Up to where charges are settled; where they are settled at once, `rows` says how far they are stored.
    pub(super) fn charges_carried(&self, stored: Position) -> Position {
        if self.settler.is_here() { stored } else { self.lock().charges_done }
    }

    /// Tells those who wait for the rows before a place. While the database is away all of them, because the journal has
    /// them; those whose rows are nowhere else hear that they are not on record.
    pub(super) fn tell(&self, carried: Position) {
        let mut inner = self.lock();
        if self.database_fails() {
            inner.unwritten.iter_mut().for_each(|one| one.told = None);
        }
        while let Some((end, told)) = inner.waiting.pop_front() {
            if end > carried && !self.database_fails() {
                inner.waiting.push_front((end, told));
                return;
            }
            // Nobody waits for a call whose client went away.
            let _ = told.send(());
        }
    }

    /// Has a new segment ready before it is needed. Runs where it may block.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let number = {
            let mut inner = self.lock();
            if inner.spare.is_some() {
                return Ok(());
            }
            let number = inner.next_number;
            inner.next_number = number.wrapping_add(1);
            number
        };
        let segment = Segment::create(&self.directory, Name { journal: self.id, number })?;
        let mut inner = self.lock();
        match inner.open {
            None => inner.open = Some(segment),
            Some(_) => inner.spare = Some(segment),
        }
        Ok(())
    }

    /// Takes the segments out that are carried to their end. When nothing waits, an `idle` journal goes on in a new one.
    pub(super) fn take_done(&self, carried: Carried, idle: bool) -> Vec<Segment> {
        let mut inner = self.lock();
        let is_carried = carried.all() == inner.end() && inner.rows.is_empty() && inner.charges.is_empty();
        if idle && is_carried && inner.open.as_ref().is_some_and(|open| !open.is_empty()) {
            inner.rotate();
        }
        let mut done = Vec::new();
        while let Some(first) = inner.full.front() {
            if first.end() > carried.all() {
                break;
            }
            done.extend(inner.full.pop_front());
        }
        done
    }

    /// Takes all segments out, at the end of the process.
    pub(super) fn take_all(&self) -> Vec<Segment> {
        let mut inner = self.lock();
        let mut all: Vec<_> = inner.full.drain(..).collect();
        all.extend(inner.open.take());
        all.extend(inner.spare.take());
        all
    }
}

impl Inner {
    fn end(&self) -> Position {
        self.open.as_ref().map_or_else(Position::default, Segment::end)
    }

    /// Writes a frame; where it begins and ends.
    fn append(&mut self, frame: &[u8]) -> io::Result<(Position, Position)> {
        if self.open.as_ref().is_some_and(|open| open.length() >= SEGMENT_BYTES) {
            self.rotate();
        }
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let from = open.end();
        open.append(frame)?;
        Ok((from, open.end()))
    }

    /// Goes on in the next segment if it is ready.
    fn rotate(&mut self) {
        if let Some(spare) = self.spare.take() {
            self.full.extend(self.open.replace(spare));
        }
    }

    fn source(&self, from: Position) -> Option<Source> {
        let segments = self.full.iter().chain(&self.open);
        // At the end of one segment the next one goes on.
        let segment = segments.into_iter().find(|segment| from < segment.end())?;
        Some(Source::of(segment, from))
    }
}
