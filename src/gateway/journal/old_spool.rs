//! Carries the files in which an earlier version kept rows while its database was away: lines of half a SHA-256, a space
//! and a row as JSON. They are read once, at start, and removed.

use std::fs::{self, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use millpond_pool::bucket::{Lease, LeaseId};
use millpond_pool::group::Group;
use millpond_pool::units::{Moment, Units};
use sha2::{Digest as _, Sha256};

use super::charges::{Charges, Settler};
use super::insert::{NotRecorded, insert};
use super::left::Leftovers;
use super::on_disk;
use super::segment::JournalId;
use super::writer::BATCH;
use crate::state::quotas::{Charge, QuotaKey};
use crate::store::Store;
use crate::store::record::UsageBatch;
use crate::store::usage::UsageRow;

const CHECKSUM_BYTES: usize = 16;
/// Not the name of any journal.
const SPOOL: JournalId = JournalId(0);

/// Carries what there is.
pub(super) async fn carry(
    store: &Store,
    settler: &Settler,
    directory: &Path,
    left: &Leftovers,
) -> Result<(), NotRecorded> {
    let directory = directory.to_owned();
    for path in on_disk(move || files(&directory)).await? {
        let from = path.clone();
        let Some((rows, is_whole)) = on_disk(move || read(&from)).await? else { continue };
        for some in rows.chunks(BATCH) {
            let batch = UsageBatch { rows: some, ..UsageBatch::default() };
            let new =
                insert(store, &batch, |row, error| super::carrier::refuse(left, SPOOL, row, error)).await?;
            for row in new.iter().filter_map(|&place| some.get(place)) {
                settler.settle_left(&charges(row), None).await?;
            }
        }
        on_disk(move || forget(&path, is_whole)).await?;
    }
    Ok(())
}

/// What was taken from a quota, by a lease that nobody remembers.
fn charges(row: &UsageRow) -> Charges {
    let at = Moment(row.created_at.millis());
    let group = Group::of(row.model_name.as_deref().unwrap_or_default());
    let lease = Lease { id: LeaseId(0), amount: Units::ZERO, expires_at: at };
    let key = QuotaKey { user: row.user_id, group };
    let real = Units(row.quota_millionths);
    let quota = Charge { key, lease, reserved_at: at, recorded_at: None, real };
    Charges { quota: Some(quota).filter(|_| row.quota_millionths > 0), limits: None }
}

fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect())
}

/// The rows of a file, and whether all of it was readable; `None` while a process writes it.
fn read(path: &Path) -> io::Result<Option<(Vec<UsageRow>, bool)>> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    if file.try_lock().is_err() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let (mut rows, mut is_whole) = (Vec::new(), true);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        match parse(line) {
            Some(row) => rows.push(row),
            // A last line without its end was never acknowledged.
            None => is_whole &= !line.ends_with(b"\n"),
        }
    }
    Ok(Some((rows, is_whole)))
}

fn parse(line: &[u8]) -> Option<UsageRow> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = line.split_at_checked(2 * CHECKSUM_BYTES)?;
    let json = json.strip_prefix(b" ")?;
    let is_whole = hex::encode(&Sha256::digest(json)[..CHECKSUM_BYTES]).as_bytes() == sum;
    is_whole.then(|| serde_json::from_slice(json).ok()).flatten()
}

fn forget(path: &Path, is_whole: bool) -> io::Result<()> {
    if is_whole {
        return fs::remove_file(path);
    }
    let damaged = path.with_extension("damaged");
    tracing::error!(path = %damaged.display(), "a file of usage rows had damaged lines and is put aside");
    fs::rename(path, damaged)
}
