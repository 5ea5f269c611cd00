//! The reading end: records from a segment, a batch at a time, with what was damaged among them.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::sync::Arc;

use super::frame::{Frames, Piece};
use super::record::{self, Record};
use super::segment::{self, Left, MAGIC_LENGTH, Name, Position, Segment};

/// A segment from one place on.
pub(super) struct Source {
    file: Arc<File>,
    name: Name,
    from: u64,
    to: Option<u64>,
}

/// A batch of records, each with where it ends.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) records: Vec<(Position, Record)>,
    /// Where the next batch begins.
    pub(super) next: Position,
    /// Nothing follows.
    pub(super) is_last: bool,
    pub(super) damaged: Vec<Vec<u8>>,
}

impl Source {
    /// A segment that is written by this process, up to what is written now.
    pub(super) fn of(segment: &Segment, from: Position) -> Self {
        let byte = if from.segment() == segment.name.number { from.byte() } else { 0 };
        let from = byte.max(MAGIC_LENGTH);
        Self { file: segment.file(), name: segment.name, from, to: Some(segment.length()) }
    }

    /// A segment whose process is gone.
    pub(super) fn left(left: &Left, from: Position) -> Self {
        let from = match from.segment().cmp(&left.name.number) {
            Ordering::Less => 0,
            Ordering::Equal => from.byte(),
            Ordering::Greater => u64::MAX,
        };
        Self { file: left.file.clone(), name: left.name, from, to: None }
    }

    pub(super) fn name(&self) -> Name {
        self.name
    }

    /// Reads at most so many records. Runs where it may block.
    pub(super) fn read(&self, most: usize) -> io::Result<Batch> {
        let length = self.to.map_or_else(|| self.file.metadata().map(|meta| meta.len()), Ok)?;
        let left = usize::try_from(length.saturating_sub(self.from)).unwrap_or(usize::MAX);
        let bytes = segment::read(&self.file, self.from, left)?;
        let mut batch = Batch::default();
        let (mut from, mut bytes) = (self.from, &bytes[..]);
        if from < MAGIC_LENGTH {
            // Without its first bytes it was never used, or is damaged from the start.
            let skipped = if segment::is_segment(bytes) { MAGIC_LENGTH } else { 0 };
            bytes = bytes.get(usize::try_from(skipped).unwrap_or(0)..).unwrap_or_default();
            from += skipped;
        }
        let mut frames = Frames::new(bytes);
        batch.is_last = loop {
            if batch.records.len() == most {
                break false;
            }
            let at = frames.at();
            match frames.next() {
                None | Some(Piece::Torn) => break true,
                Some(Piece::Damaged(bytes)) => batch.damaged.push(bytes.to_vec()),
                Some(Piece::Record(found)) => match record::read(found) {
                    Ok(Some(record)) => {
                        let end = Position::new(self.name.number, from.saturating_add(frames.at() as u64));
                        batch.records.push((end, record));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        tracing::error!(%error, "a record of the journal is not readable");
                        batch.damaged.push(bytes[at..frames.at()].to_vec());
                    }
                },
            }
        };
        batch.next = Position::new(self.name.number, from.saturating_add(frames.at() as u64));
        Ok(batch)
    }
}
