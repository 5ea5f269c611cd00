//! How records lie in a segment: a head of three numbers, then the record. A reader can tell a record that was never
//! finished from one that was damaged, and finds the next whole one after it.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the record |
//! | 4 | CRC32C of these four bytes, so that a damaged length is known as one |
//! | 4 | CRC32C of the record |
//! | length | the record |

use crc32c::crc32c;

const HEAD: usize = 12;
/// No record comes near it, so a length beyond it is none.
pub(super) const LONGEST: usize = 64 * 1024;

/// Empties a buffer and leaves room for the head.
pub(super) fn begin(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.extend_from_slice(&[0; HEAD]);
}

/// Writes the head of the record that follows it in the buffer; false when the record is too long.
pub(super) fn finish(buffer: &mut [u8]) -> bool {
    let Some((head, record)) = buffer.split_at_mut_checked(HEAD) else { return false };
    let Some(length) = u32::try_from(record.len()).ok().filter(|_| record.len() <= LONGEST) else {
        return false;
    };
    let length = length.to_le_bytes();
    head[..4].copy_from_slice(&length);
    head[4..8].copy_from_slice(&crc32c(&length).to_le_bytes());
    head[8..].copy_from_slice(&crc32c(record).to_le_bytes());
    true
}

/// What stands in a segment from one place on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Record(&'a [u8]),
    /// Bytes that were a record once.
    Damaged(&'a [u8]),
    /// The begin of a record whose end is missing: it was never acknowledged, or is still to be read.
    Torn,
}

/// Walks through the records of a segment, or of a part of it.
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    at: usize,
}

enum Look<'a> {
    /// A whole frame and what is in it, if its checksum agrees.
    Whole(usize, Option<&'a [u8]>),
    Unfinished,
    Nonsense,
}

impl<'a> Frames<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next record begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn look(&self, at: usize) -> Look<'a> {
        let rest = &self.bytes[at..];
        let Some((head, rest)) = rest.split_first_chunk::<HEAD>() else { return Look::Unfinished };
        let number =
            |from: usize| u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
        let length = number(0) as usize;
        if number(4) != crc32c(&head[..4]) || length > LONGEST {
            return Look::Nonsense;
        }
        match rest.get(..length) {
            None => Look::Unfinished,
            Some(record) => {
                Look::Whole(HEAD + length, Some(record).filter(|record| crc32c(record) == number(8)))
            }
        }
    }

    /// The next place at which a whole record stands.
    fn resume(&self) -> Option<usize> {
        (self.at + 1..self.bytes.len()).find(|&at| matches!(self.look(at), Look::Whole(_, Some(_))))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let from = self.at;
        match self.look(from) {
            Look::Whole(length, record) => {
                self.at += length;
                Some(record.map_or(Piece::Damaged(&self.bytes[from..self.at]), Piece::Record))
            }
            Look::Unfinished => Some(Piece::Torn),
            Look::Nonsense => {
                self.at = self.resume().unwrap_or(self.bytes.len());
                Some(Piece::Damaged(&self.bytes[from..self.at]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(records: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            begin(&mut buffer);
            buffer.extend_from_slice(record);
            assert!(finish(&mut buffer));
            bytes.extend_from_slice(&buffer);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    /// The whole records, and how many pieces are damaged.
    fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let (mut whole, mut damaged) = (Vec::new(), 0);
        for piece in Frames::new(bytes) {
            match piece {
                Piece::Record(record) => whole.push(record.to_vec()),
                Piece::Damaged(_) => damaged += 1,
                Piece::Torn => break,
            }
        }
        (whole, damaged)
    }

    fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 1..8)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(records in records()) {
            prop_assert_eq!(read(&framed(&records).0), (records, 0));
        }

        #[test]
        fn a_torn_record_costs_nothing_else(records in records(), cut in any::<prop::sample::Index>()) {
            let (bytes, ends) = framed(&records);
            let length = cut.index(bytes.len());
            let whole = ends.iter().filter(|&&end| end <= length).count();
            prop_assert_eq!(read(&bytes[..length]), (records[..whole].to_vec(), 0));
        }

        #[test]
        fn a_flipped_bit_is_found_and_costs_one_record(
            records in records(), place in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let (mut bytes, ends) = framed(&records);
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let lost = ends.iter().filter(|&&end| end <= at).count();
            let mut left = records;
            left.remove(lost);
            prop_assert_eq!(read(&bytes), (left, 1));
        }
    }

    #[test]
    fn nothing_and_zeros_are_no_records() {
        assert_eq!(read(&[]), (vec![], 0));
        assert_eq!(read(&[0; 100]), (vec![], 1));
        let mut long = vec![0; HEAD + LONGEST + 1];
        assert!(!finish(&mut long));
    }
}
