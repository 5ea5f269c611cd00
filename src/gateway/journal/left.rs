//! Segments that processes left which are gone: each is read by who carries rows and by who settles charges, and removed
//! when both are done with it. What was damaged in it is kept beside for the operator.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::progress::{self, Carried};
use super::segment::{self, JournalId, Left, Name};

/// One segment on its way.
pub(super) struct Leftover {
    pub(super) left: Left,
    /// How far its process had come.
    pub(super) carried: Carried,
    pub(super) rows_done: AtomicBool,
    pub(super) charges_done: AtomicBool,
}

/// All that is known of.
pub(super) struct Leftovers {
    directory: PathBuf,
    found: Mutex<Vec<Arc<Leftover>>>,
    /// Charges of theirs were settled by who carries rows.
    with_charges: bool,
    damaged: AtomicU64,
}

impl Leftovers {
    pub(super) fn new(directory: &Path, with_charges: bool) -> Self {
        let found = Mutex::default();
        Self { directory: directory.to_owned(), found, with_charges, damaged: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Leftover>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for more, and for notes of which no segment is left. Runs where it may block.
    pub(super) fn look(&self) -> io::Result<()> {
        let more = segment::left(&self.directory)?;
        let more = more.into_iter().map(|left| {
            Arc::new(Leftover {
                carried: progress::of(&self.directory, left.name.journal),
                left,
                rows_done: AtomicBool::new(false),
                charges_done: AtomicBool::new(self.with_charges),
            })
        });
        self.lock().extend(more);
        Ok(())
    }

    /// Those whose rows are to be carried, or whose charges are to be settled.
    pub(super) fn to_do(&self, done: impl Fn(&Leftover) -> &AtomicBool) -> Vec<Arc<Leftover>> {
        let found = self.lock();
        found.iter().filter(|left| !done(left).load(Ordering::Acquire)).cloned().collect()
    }

    /// Removes those that are done. Runs where it may block.
    pub(super) fn clear(&self) {
        let mut found = self.lock();
        let is_done = |one: &Arc<Leftover>| {
            one.rows_done.load(Ordering::Acquire) && one.charges_done.load(Ordering::Acquire)
        };
        let done: Vec<_> = found.extract_if(.., |one| is_done(one)).collect();
        let living: HashSet<JournalId> = found.iter().map(|one| one.left.name.journal).collect();
        drop(found);
        for one in &done {
            if let Err(error) = fs::remove_file(&one.left.path) {
                // Harmless: the same records again change nothing.
                tracing::warn!(%error, "a carried segment of the journal could not be removed");
            }
        }
        for journal in
            done.iter().map(|one| one.left.name.journal).filter(|journal| !living.contains(journal))
        {
            progress::forget(&self.directory, journal);
        }
    }

    /// Keeps bytes that were records for the operator.
    pub(super) fn keep_damaged(&self, name: Name, pieces: &[Vec<u8>]) {
        if pieces.is_empty() {
            return;
        }
        let count = pieces.len() as u64;
        let all = self.damaged.fetch_add(count, Ordering::Relaxed) + count;
        let path = name.path(&self.directory).with_extension("damaged");
        let kept = keep(&path, &pieces.concat());
        tracing::error!(damaged = count, all, path = %path.display(), "records of the journal are damaged and put aside");
        if let Err(error) = kept {
            tracing::error!(%error, "damaged records could not be put aside");
        }
    }

    /// Keeps a record that the database refuses, whenever it is asked.
    pub(super) fn keep_refused(&self, journal: JournalId, frame: &[u8]) -> io::Result<()> {
        keep(&self.directory.join(format!("{journal}.refused")), frame)
    }

    /// Records that were damaged since the start.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }
}

fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)?.write_all(bytes)
}
