//! Where one piece of an answer ends and the next begins: events of an event stream, or elements of a JSON array that
//! arrives bit by bit. What a piece says is for `tally`.

use memchr::{memchr, memchr2};
use serde::de::IgnoredAny;

use super::digest::Digest;
use super::tally::{Tally, Verdict};
use crate::Dialect;
use crate::sse::{Event, EventEnd};

/// How an answer is cut into pieces.
#[derive(Debug)]
pub(super) enum Framing {
    Events(EventEnd),
    /// Events of one line each, from services that leave out the blank line between them.
    Lines,
    Elements(ElementEnd),
}

impl Framing {
    pub(super) fn is_array(&self) -> bool {
        matches!(self, Self::Elements(_))
    }

    /// The length of the prefix of `bytes` that completes the current piece.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Events(end) => end.find(bytes),
            Self::Lines => memchr(b'\n', bytes).map(|at| at + 1),
            Self::Elements(end) => end.find(bytes),
        }
    }

    /// Looks into a complete piece.
    pub(super) fn inspect(&self, tally: &mut Tally, dialect: Dialect, raw: &[u8]) -> Verdict {
        match self {
            Self::Events(_) => return tally.inspect(dialect, raw),
            // Who leaves out blank lines is not asked to leave out more.
            Self::Lines => {
                let verdict = tally.inspect(dialect, raw);
                return if verdict == Verdict::UsageOnly { Verdict::Content } else { verdict };
            }
            Self::Elements(_) => {}
        }
        let begins = raw.iter().position(|byte| !is_between(*byte));
        let Some(element) = begins.and_then(|at| raw.get(at..)) else { return Verdict::Nothing };
        if element.first() == Some(&b']') {
            tally.saw_end = true;
            return Verdict::Terminal;
        }
        tally.read(dialect, b"", element);
        Verdict::Content
    }

    /// Whether what is left when a stream ends is a whole piece that lacks only its blank line.
    pub(super) fn is_whole(&self, rest: &[u8]) -> bool {
        if self.is_array() {
            return rest.iter().all(u8::is_ascii_whitespace);
        }
        let event = Event::parse(rest);
        if event.data.is_empty() {
            return event.name.is_empty() && rest.ends_with(b"\n");
        }
        is_whole(&event.data)
    }

    /// Whether the event that begins with `rest` will never end, because its lines are events themselves.
    pub(super) fn are_lines(&self, rest: &[u8]) -> bool {
        if !matches!(self, Self::Events(_)) || !rest.starts_with(b"data:") {
            return false;
        }
        let Some(end) = memchr(b'\n', rest) else { return false };
        rest[end + 1..].starts_with(b"data:") && is_whole(&Event::parse(&rest[..end]).data)
    }

    /// Begins the digest of a piece that is too large to be held.
    pub(super) fn digest(&self) -> Digest {
        if self.is_array() { Digest::of_element() } else { Digest::of_event() }
    }
}

/// Whether the data of an event is complete: an object, or OpenAI's mark of the end.
fn is_whole(data: &[u8]) -> bool {
    data == b"[DONE]" || (data.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(data).is_ok())
}

/// Whether a byte stands between the elements of an array, or before the first.
fn is_between(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[')
}

/// Finds the ends of the elements of a JSON array, whose closing bracket is a piece of its own.
#[derive(Debug, Default)]
pub(super) struct ElementEnd {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ElementEnd {
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            if self.in_string {
                at += memchr2(b'"', b'\\', &bytes[at..])?;
                self.escaped = bytes[at] == b'\\';
                self.in_string = self.escaped;
                at += 1;
                continue;
            }
            match bytes[at] {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                close @ (b'}' | b']') => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 || (self.depth == 1 && close == b'}') {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::{Dialect, StreamObserver, Usage};

    const ANSWER: &str = "[{\n  \"candidates\": [{\"content\": {\"parts\": [{\"text\": \"a ] } \\\" \\\\\"}]}}]\n}\n,\r\n{\"candidates\": \
        [{\"content\": {\"parts\": [{\"text\": \"b\"}]}, \"finishReason\": \"STOP\"}], \"usageMetadata\": \
        {\"promptTokenCount\": 7, \"candidatesTokenCount\": 5, \"totalTokenCount\": 12}}\n]\n";

    #[test]
    fn an_array_is_watched_however_it_arrives() {
        for size in [1, 2, 3, 7, 50, 10_000] {
            let mut observer = StreamObserver::of_array(Dialect::Gemini);
            let mut out = Vec::new();
            for piece in ANSWER.as_bytes().chunks(size) {
                observer.feed(&Bytes::copy_from_slice(piece));
                while let Some(bytes) = observer.pop() {
                    out.extend_from_slice(&bytes);
                }
            }
            assert!(!out.ends_with(b"]") && !out.ends_with(b"]\n"), "the end is kept back");
            assert!(observer.has_ended());
            let observed = observer.end();
            observer.release();
            while let Some(bytes) = observer.pop() {
                out.extend_from_slice(&bytes);
            }
            assert_eq!(out, ANSWER.as_bytes());
            assert_eq!(observed.delivered.text(), "a ] } \" \\b");
            assert_eq!(observed.usage, Some(Usage { input_tokens: 7, output_tokens: 5, ..Usage::default() }));
            assert!(observed.is_complete);
        }
    }

    #[test]
    fn an_array_that_is_cut_off_has_no_end() {
        let mut observer = StreamObserver::of_array(Dialect::Gemini);
        observer.feed(&Bytes::copy_from_slice(&ANSWER.as_bytes()[..90]));
        assert!(!observer.has_ended());
        let observed = observer.end();
        assert!(observed.any_content && !observed.is_complete);
    }
}
