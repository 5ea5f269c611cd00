//! Segments: the files of a journal. Each belongs to one process, which holds a lock on it as long as it lives, so that
//! whoever can lock a segment knows that its process is gone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const EXTENSION: &str = "journal";
/// What every segment begins with; it also keeps the first position from being zero.
const MAGIC: &[u8; 8] = b"millpnd1";
pub(super) const MAGIC_LENGTH: u64 = 8;

/// Names the journal of one process: the second of its start and chance, so that newer ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct JournalId(pub(super) u64);

impl std::fmt::Display for JournalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A place in a journal: the number of the segment and the byte in it. Later records have greater positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(pub(super) u64);

impl Position {
    pub(super) fn new(segment: u32, byte: u64) -> Self {
        Self(u64::from(segment) << 32 | byte.min(u64::from(u32::MAX)))
    }

    pub(super) fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }

    pub(super) fn byte(self) -> u64 {
        self.0 & u64::from(u32::MAX)
    }
}

/// Makes the directory, which nobody else may read.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What a file in the directory is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) journal: JournalId,
    pub(super) number: u32,
}

impl Name {
    pub(super) fn path(self, directory: &Path) -> PathBuf {
        directory.join(format!("{}-{:08x}.{EXTENSION}", self.journal, self.number))
    }

    pub(super) fn of(path: &Path) -> Option<Self> {
        if path.extension()? != EXTENSION {
            return None;
        }
        let (journal, number) = path.file_stem()?.to_str()?.split_once('-')?;
        let number = u32::from_str_radix(number, 16).ok()?;
        Some(Self { journal: JournalId(u64::from_str_radix(journal, 16).ok()?), number })
    }
}

/// A segment of this process.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: Name,
    path: PathBuf,
    /// Locked.
    file: Arc<File>,
    /// Bytes that are known to be whole records.
    length: u64,
}

impl Segment {
    /// A new one. It gets its name when it is locked, so that nobody finds it without its owner.
    pub(super) fn create(directory: &Path, name: Name) -> io::Result<Self> {
        let path = name.path(directory);
        let unnamed = path.with_extension("new");
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&unnamed)?;
        let made = file.lock().and_then(|()| file.write_all_at(MAGIC, 0));
        if let Err(error) = made.and_then(|()| fs::rename(&unnamed, &path)) {
            fs::remove_file(&unnamed).ok();
            return Err(error);
        }
        Ok(Self { name, path, file: Arc::new(file), length: MAGIC_LENGTH })
    }

    /// Writes one frame. After an error nothing of it counts as written.
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(frame, self.length) {
            // What a reader would find there is torn, or is written over by the next record.
            self.file.set_len(self.length).ok();
            return Err(error);
        }
        self.length += frame.len() as u64;
        Ok(())
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Where the next record goes.
    pub(super) fn end(&self) -> Position {
        Position::new(self.name.number, self.length)
    }

    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == MAGIC_LENGTH
    }

    /// Whether all of it stands before a place.
    pub(super) fn is_before(&self, place: Position) -> bool {
        self.end() <= place || self.is_empty()
    }

    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Bytes of a file; fewer at its end.
pub(super) fn read(file: &File, from: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most];
    let mut filled = 0;
    while filled < most {
        match file.read_at(&mut bytes[filled..], from + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// A segment whose process is gone, locked by us.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) name: Name,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
}

/// The segments that processes left which are gone, in their order. Those that live keep theirs.
pub(super) fn left(directory: &Path) -> io::Result<Vec<Left>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let Some(name) = Name::of(&path) else { continue };
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        // Who had the lock before us may have removed the file meanwhile.
        if file.try_lock().is_ok() && path.exists() {
            found.push(Left { name, path, file: Arc::new(file) });
        }
    }
    found.sort_by_key(|left| left.name);
    Ok(found)
}

/// Whether a file begins like a segment.
pub(super) fn is_segment(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}
