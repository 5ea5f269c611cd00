//! An event that is too large to be held in memory, cut down while it passes: its structure and the beginnings of its
//! strings, and how much of each was left out. So the counts behind a picture of megabytes are found, and the picture is
//! not taken for text.

use std::mem;

use memchr::{memchr, memchr2, memmem};

/// So much of a string is kept.
const MAX_STRING_BYTES: usize = 512;

/// A digest of so many bytes is handed out, and another one begun at the same depth.
const MAX_BYTES: usize = 8 << 10;

/// Counts that began in the last so many bytes are not torn apart.
const USAGE_BYTES: usize = 1 << 10;

/// Stands before the number of bytes that were left out of a string; it can't occur in one.
const MARK: u8 = 0;

/// The digest of one event.
#[derive(Debug, Default)]
pub(super) struct Digest {
    kept: Vec<u8>,
    /// What makes a later part readable on its own.
    prefix: &'static [u8],
    /// What stands before an element does not belong to it.
    between: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
    string: usize,
    left_out: u64,
}

impl Digest {
    /// The digest of an event of an event stream.
    pub(super) fn of_event() -> Self {
        Self { prefix: b"data: ", ..Self::default() }
    }

    /// The digest of an element of an array.
    pub(super) fn of_element() -> Self {
        Self { between: true, ..Self::default() }
    }

    /// Takes the next piece; `read` gets a part of the digest whenever there is enough of it.
    pub(super) fn feed(&mut self, mut piece: &[u8], read: &mut impl FnMut(&[u8])) {
        while let Some((&byte, rest)) = piece.split_first() {
            if mem::take(&mut self.escaped) {
                self.keep_of_string(&[byte]);
            } else if self.in_string {
                let end = memchr2(b'"', b'\\', piece).unwrap_or(piece.len());
                self.keep_of_string(&piece[..end]);
                let Some((&byte, rest)) = piece[end..].split_first() else { return };
                self.escaped = byte == b'\\';
                if self.escaped {
                    self.keep_of_string(b"\\");
                } else {
                    self.end_string();
                }
                piece = rest;
                continue;
            } else {
                self.keep(byte, read);
            }
            piece = rest;
        }
    }

    /// Hands out the rest.
    pub(super) fn finish<R>(mut self, tail: &[u8], read: &mut impl FnMut(&[u8]) -> R) -> R {
        self.feed(tail, &mut |part| drop(read(part)));
        if self.in_string {
            self.end_string();
        }
        read(&self.kept)
    }

    fn keep(&mut self, byte: u8, read: &mut impl FnMut(&[u8])) {
        if self.between && matches!(byte, b'[' | b',' | b' ' | b'\t' | b'\r' | b'\n') {
            return;
        }
        self.between = false;
        self.kept.push(byte);
        match byte {
            b'"' => (self.in_string, self.string) = (true, 0),
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' if self.kept.len() > MAX_BYTES => self.hand_out(read),
            _ => {}
        }
        if self.kept.len() > MAX_BYTES + USAGE_BYTES {
            self.begin_again(read);
        }
    }

    fn hand_out(&mut self, read: &mut impl FnMut(&[u8])) {
        let latest = self.kept.len().saturating_sub(USAGE_BYTES);
        if memmem::find(&self.kept[latest..], b"\"usage").is_none() {
            self.begin_again(read);
        }
    }

    fn begin_again(&mut self, read: &mut impl FnMut(&[u8])) {
        // A string that has just begun belongs to the next part.
        let begun = self.in_string.then(|| self.kept.pop()).flatten();
        read(&self.kept);
        self.kept.clear();
        self.kept.extend_from_slice(self.prefix);
        self.kept.resize(self.prefix.len() + self.depth.min(MAX_BYTES / 2), b'{');
        self.kept.extend(begun);
    }

    fn keep_of_string(&mut self, bytes: &[u8]) {
        let (kept, left_out) = bytes.split_at(bytes.len().min(MAX_STRING_BYTES - self.string));
        self.kept.extend(kept.iter().filter(|byte| **byte != MARK));
        self.string += kept.len();
        self.left_out += left_out.len() as u64;
    }

    fn end_string(&mut self) {
        if self.left_out > 0 {
            self.kept.push(MARK);
            self.kept.extend_from_slice(mem::take(&mut self.left_out).to_string().as_bytes());
        }
        self.kept.push(b'"');
        self.in_string = false;
    }
}

/// What a digest kept of a string, and how many bytes it left out.
pub(super) fn split_mark(text: &[u8]) -> (&[u8], u64) {
    let Some(mark) = memchr(MARK, text) else { return (text, 0) };
    let count = std::str::from_utf8(&text[mark + 1..]).ok().and_then(|count| count.parse().ok());
    (&text[..mark], count.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str, size: usize) -> Vec<String> {
        let (mut digest, mut parts) = (Digest::of_element(), Vec::new());
        let mut read = |part: &[u8]| parts.push(String::from_utf8(part.to_vec()).unwrap());
        for piece in text.as_bytes().chunks(size) {
            digest.feed(piece, &mut read);
        }
        digest.finish(b"", &mut read);
        parts
    }

    #[test]
    fn long_strings_are_cut_down() {
        let long = "x\\\"".repeat(400);
        let text = format!(r#"[ {{"a":"{long}","b":{{"c":"short"}}}}"#);
        for size in [1, 7, 10_000] {
            let parts = digest(&text, size);
            let [part] = &parts[..] else { panic!("{parts:?}") };
            assert!(
                part.starts_with("{\"a\":\"x\\\"x") && part.ends_with("\",\"b\":{\"c\":\"short\"}}"),
                "{part}"
            );
            assert!(part.contains("\u{0}688\""), "{part}");
        }
        assert_eq!(split_mark(b"ab\x0012"), (&b"ab"[..], 12));
        assert_eq!(split_mark(b"ab"), (&b"ab"[..], 0));
    }

    #[test]
    fn a_wide_event_comes_in_parts_of_the_same_depth() {
        let wide = r#"{"n":1},"#.repeat(5_000);
        let parts = digest(&format!(r#"{{"a":[{wide}0],"usage":{{"b":2}}}}"#), 100);
        assert!(parts.len() > 3 && parts.iter().all(|part| part.len() <= MAX_BYTES + USAGE_BYTES));
        let depth = |text: &str| {
            let count = |letters: [char; 2]| text.matches(letters).count();
            count(['{', '[']) - count(['}', ']'])
        };
        assert!(parts[1..].iter().all(|part| part.starts_with("{{")));
        assert_eq!(depth(&parts[0]), 2);
        assert!(parts.last().unwrap().ends_with(r#""usage":{"b":2}}"#));
    }
}
