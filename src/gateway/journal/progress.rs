//! How far a journal has been carried, noted beside its segments: what is before need not be looked at again. A note that
//! is missing or damaged costs work and nothing else, because rows and charges are counted once however often they come.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crc32c::crc32c;

use super::segment::{JournalId, Position};

/// Up to where usage rows are in the database, and charges in the shared state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) rows: Position,
    pub(super) charges: Position,
}

impl Carried {
    /// Up to where everything is.
    pub(super) fn all(self) -> Position {
        self.rows.min(self.charges)
    }

    fn encode(self) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.rows.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.charges.0.to_le_bytes());
        let sum = crc32c(&bytes[..16]);
        bytes[16..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (rows, rest) = bytes.split_first_chunk::<8>()?;
        let (charges, sum) = rest.split_first_chunk::<8>()?;
        let sum: [u8; 4] = sum.try_into().ok()?;
        let place = |bytes: &[u8; 8]| Position(u64::from_le_bytes(*bytes));
        (u32::from_le_bytes(sum) == crc32c(&bytes[..16]))
            .then(|| Self { rows: place(rows), charges: place(charges) })
    }
}

fn path(directory: &Path, journal: JournalId) -> PathBuf {
    directory.join(format!("{journal}.progress"))
}

/// The note of this process.
#[derive(Debug)]
pub(super) struct Note {
    file: File,
    written: Carried,
}

impl Note {
    pub(super) fn create(directory: &Path, journal: JournalId) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path(directory, journal))?;
        Ok(Self { file, written: Carried::default() })
    }

    /// Written where it was written before, so that a full disk doesn't keep it from moving.
    pub(super) fn write(&mut self, carried: Carried) -> io::Result<()> {
        if carried != self.written {
            self.file.write_all_at(&carried.encode(), 0)?;
            self.written = carried;
        }
        Ok(())
    }
}

/// How far a process that is gone had come.
pub(super) fn of(directory: &Path, journal: JournalId) -> Carried {
    fs::read(path(directory, journal)).ok().and_then(|bytes| Carried::decode(&bytes)).unwrap_or_default()
}

/// Forgets the note of a journal that is no more.
pub(super) fn forget(directory: &Path, journal: JournalId) {
    fs::remove_file(path(directory, journal)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_note_is_none() {
        let carried = Carried { rows: Position(7), charges: Position::new(3, 9) };
        let bytes = carried.encode();
        assert_eq!(Carried::decode(&bytes), Some(carried));
        for place in 0..bytes.len() {
            let mut changed = bytes;
            changed[place] ^= 1;
            assert_eq!(Carried::decode(&changed), None);
            assert_eq!(Carried::decode(&bytes[..place]), None);
        }
    }
}
