//! The journal: how a finished call comes on record without waiting for a database.
//!
//! The call's own task writes one record, with its usage row and what it owes, in one `write` to a file of this process.
//! From then on the call is on record, whatever becomes of the process. Everything else happens beside it:
//!
//! | step | file |
//! | --- | --- |
//! | a record and its form on disk | `record`, `frame` |
//! | files, who owns them, how far they are carried | `segment`, `progress` |
//! | writing, what waits to be carried, and who waits for it | `writer`, `queue`, `recorded` |
//! | rows into the database | `carrier`, `insert`, `touches` |
//! | what calls owe to the shared state | `charges`, and `debts` where that is Redis |
//! | what earlier processes left | `reader`, `left`, `gate`, `old_spool` |
//!
//! While the disk takes nothing rows go to the database directly and calls wait for it; while neither takes anything no
//! call is begun. What is in the journal outlives the process, and what the system has not written to the disk yet does not
//! outlive the machine.

mod carrier;
mod charges;
mod debts;
mod frame;
mod gate;
mod insert;
mod left;
mod old_spool;
mod progress;
mod queue;
mod reader;
mod record;
mod recorded;
mod segment;
#[cfg(test)]
mod tests;
mod touches;
mod writer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::carrier::Carrier;
use self::charges::Settler;
pub(crate) use self::charges::{Charges, LimitsUsed};
use self::debts::Debts;
use self::gate::Gate;
use self::left::Leftovers;
use self::progress::Note;
pub(crate) use self::recorded::{NotRecorded, Recorded};
use self::segment::{JournalId, Position};
use self::writer::Writer;
use crate::config::Durability;
use crate::core::Core;
use crate::state::quotas::Mark;
use crate::store::usage::UsageRow;

/// Calls that may run at once; more are refused at the door.
const PLACES: usize = 65_536;
/// How long a call waits at the door while what an earlier process left is carried.
const OPENS_WITHIN: Duration = Duration::from_secs(10);
/// How long whoever reads usage waits for what was just recorded.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// Why no call may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// As many run as may.
    #[error("too many calls are running")]
    Full,
    /// The process ends.
    #[error("the server is ending")]
    Ending,
    /// What an earlier process left comes first.
    #[error("what an earlier run recorded is still being carried")]
    Recovering,
    /// A call could not be recorded.
    #[error("neither the disk nor the database takes records")]
    Stuck,
}

/// A place for one call that will be recorded.
pub(crate) struct Place {
    _running: TaskTrackerToken,
}

/// The journal of this process.
pub(crate) struct Journal {
    writer: Arc<Writer>,
    places: TaskTracker,
    gate: Arc<Gate>,
    carried: watch::Receiver<Position>,
    left: Arc<Leftovers>,
    records: AtomicU64,
    durability: Durability,
}

/// Runs what may block where it may.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

impl Journal {
    /// Opens the journal in the data directory and begins to carry what lies there.
    pub(crate) async fn start(core: &Core) -> Self {
        let Core { config, clock, store, state, tasks, .. } = core;
        let directory = config.data_dir.join("journal");
        let second = u64::try_from(clock.now().seconds()).unwrap_or(0);
        let id = JournalId(second << 32 | u64::from(rand::random::<u32>()));
        let window = config.policy.reference.window;
        let settler = Settler { state: state.clone(), clock: clock.clone(), window };
        let is_here = settler.is_here();
        let writer = Arc::new(Writer::new(&directory, id, settler));
        let left = Arc::new(Leftovers::new(&directory, is_here));
        let note = open(&writer, &left).await;
        let gate = Arc::new(Gate::new(if is_here { 1 } else { 2 }));
        let places = TaskTracker::new();
        let settled = CancellationToken::new();
        let (sender, carried) = watch::channel(writer.end());
        let carrier = Carrier {
            store: store.clone(),
            writer: writer.clone(),
            left: left.clone(),
            gate: gate.clone(),
            places: places.clone(),
            carried: sender,
            note,
            pending: Default::default(),
            stored: writer.end(),
            accounts: Default::default(),
            keys: Default::default(),
            failed: None,
            unprepared: None,
            settled: settled.clone(),
        };
        tasks.spawn("journal", |stop| carrier.run(stop));
        if is_here {
            settled.cancel();
        } else {
            let debts = Debts::new(writer.clone(), left.clone(), gate.clone(), places.clone(), settled);
            tasks.spawn("debts", |stop| debts.run(stop));
        }
        Self {
            writer,
            places,
            gate,
            carried,
            left,
            records: AtomicU64::new(0),
            durability: config.calls.durability,
        }
    }

    /// A place for a call that begins, if it will be recorded.
    pub(crate) async fn place(&self) -> Result<Place, Closed> {
        if !self.gate.is_open() {
            let opened = tokio::time::timeout(OPENS_WITHIN, self.gate.opened()).await;
            opened.map_err(|_| Closed::Recovering)?;
        }
        if self.places.is_closed() {
            return Err(Closed::Ending);
        }
        if self.writer.is_stuck() {
            return Err(Closed::Stuck);
        }
        if self.places.len() >= PLACES {
            return Err(Closed::Full);
        }
        Ok(Place { _running: self.places.token() })
    }

    /// A name for a record that no other has.
    pub(crate) fn record_id(&self) -> String {
        format!("{}{:016x}", self.writer.id, self.records.fetch_add(1, Ordering::Relaxed))
    }

    /// Records a finished call and settles what it owes.
    pub(crate) fn record(&self, place: Place, row: UsageRow, charges: Charges) -> Recorded {
        let recorded = self.writer.record(row, charges, self.durability == Durability::Database);
        drop(place);
        recorded
    }

    /// Waits until what is recorded now can be read from the database; not for long, and not while it is away.
    pub(crate) async fn settled(&self) {
        if !self.gate.is_open() {
            drop(tokio::time::timeout(SETTLED_WITHIN, self.gate.opened()).await);
        }
        let end = self.writer.end();
        if *self.carried.borrow() >= end || self.writer.database_fails() {
            return;
        }
        self.writer.hurry.notify_one();
        let mut carried = self.carried.clone();
        drop(tokio::time::timeout(SETTLED_WITHIN, carried.wait_for(|carried| *carried >= end)).await);
    }

    /// Up to where rows can be read from the database, as a quota notes it.
    pub(crate) fn mark(&self) -> Mark {
        Mark { journal: self.writer.id.0, position: self.carried.borrow().0 }
    }

    /// What keeps calls from being recorded.
    pub(crate) fn trouble(&self) -> Option<Closed> {
        if self.writer.is_stuck() {
            return Some(Closed::Stuck);
        }
        (!self.gate.is_open()).then_some(Closed::Recovering)
    }

    /// Records that were found damaged since the start.
    pub(crate) fn damaged(&self) -> u64 {
        self.left.damaged()
    }
}

/// Makes the directory and the first segment. Without them calls go to the database directly.
async fn open(writer: &Arc<Writer>, left: &Arc<Leftovers>) -> Option<Note> {
    let (writer, left) = (writer.clone(), left.clone());
    let opened = on_disk(move || {
        segment::make_directory(&writer.directory)?;
        if let Err(error) = left.look() {
            tracing::error!(%error, "what earlier processes left of the journal is not readable");
        }
        // The first, and one to go on in.
        writer.prepare()?;
        writer.prepare()?;
        Note::create(&writer.directory, writer.id)
    });
    match opened.await {
        Ok(note) => Some(note),
        Err(error) => {
            tracing::error!(%error, "the journal can't be opened; calls wait for the database");
            None
        }
    }
}
