//! Where one piece of an answer ends and the next begins: events of an event stream, or elements of a JSON array that
//! arrives bit by bit. What a piece says is for `inspect`.

use memchr::memchr2;

use super::inspect::{Tally, Verdict};
use crate::Dialect;
use crate::sse::EventEnd;

/// How an answer is cut into pieces.
#[derive(Debug)]
pub(super) enum Framing {
    Events(EventEnd),
    Elements(ElementEnd),
}

impl Default for Framing {
    fn default() -> Self {
        Self::Events(EventEnd::default())
    }
}

impl Framing {
    pub(super) fn array() -> Self {
        Self::Elements(ElementEnd::default())
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self, Self::Elements(_))
    }

    pub(super) fn restart(&mut self) {
        *self = if self.is_array() { Self::array() } else { Self::default() };
    }

    /// The length of the prefix of `bytes` that completes the current piece.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Events(end) => end.find(bytes),
            Self::Elements(end) => end.find(bytes),
        }
    }

    /// Looks into a complete piece.
    pub(super) fn inspect(&self, tally: &mut Tally, dialect: Dialect, raw: &[u8]) -> Verdict {
        if !self.is_array() {
            return tally.inspect(dialect, raw);
        }
        let begins = raw.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'['));
        let Some(element) = begins.and_then(|at| raw.get(at..)) else { return Verdict::Nothing };
        if element.first() == Some(&b']') {
            tally.saw_end = true;
            return Verdict::Terminal;
        }
        tally.read(dialect, b"", element);
        Verdict::Content
    }
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
                observer.feed(Bytes::copy_from_slice(piece));
                while let Some(bytes) = observer.pop() {
                    out.extend_from_slice(&bytes);
                }
            }
            assert!(!out.ends_with(b"]") && !out.ends_with(b"]\n"), "the end is kept back");
            assert!(observer.has_ended());
            let observed = observer.take();
            observer.release();
            while let Some(bytes) = observer.pop() {
                out.extend_from_slice(&bytes);
            }
            assert_eq!(out, ANSWER.as_bytes());
            assert_eq!(observed.text, "a ] } \" \\b");
            assert_eq!(observed.usage, Some(Usage { input_tokens: 7, output_tokens: 5, ..Usage::default() }));
            assert!(observed.finished && observed.saw_end);
        }
    }

    #[test]
    fn an_array_that_is_cut_off_has_no_end() {
        let mut observer = StreamObserver::of_array(Dialect::Gemini);
        observer.feed(Bytes::copy_from_slice(&ANSWER.as_bytes()[..90]));
        assert!(!observer.has_ended());
        let observed = observer.take();
        assert!(observed.any_content && !observed.saw_end && !observed.finished);
    }
}
