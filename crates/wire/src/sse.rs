//! Server-sent events (WHATWG HTML, "Server-sent events"): where an event ends in a stream that arrives in arbitrary
//! pieces, and what an event says. What the data mean does not belong here.

use std::borrow::Cow;

use memchr::memchr2;

/// Finds the ends of events in a stream fed piece by piece; lines may end in `\n`, `\r\n` or `\r`.
///
/// It keeps no bytes, only where in a line it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventEnd {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    LineStart,
    InLine,
    /// A `\r` ended a line; a `\n` that follows belongs to it.
    AfterCr,
    /// A `\r` ended an empty line, so the event is over, but a `\n` that follows still belongs to it.
    AfterLastCr,
}

impl EventEnd {
    /// The length of the prefix of `piece` that completes the current event, or `None` if all of it belongs to an
    /// event that goes on. The next call takes the bytes after the prefix, which may be empty.
    pub fn find(&mut self, piece: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            let (state, step) = match (self.state, byte) {
                (State::InLine, _) => match memchr2(b'\n', b'\r', &piece[at..]) {
                    None => return None,
                    Some(found) if piece[at + found] == b'\n' => (State::LineStart, found + 1),
                    Some(found) => (State::AfterCr, found + 1),
                },
                (State::LineStart, b'\n') | (State::AfterLastCr, b'\n') => {
                    self.state = State::LineStart;
                    return Some(at + 1);
                }
                (State::AfterLastCr, _) => {
                    self.state = State::LineStart;
                    return Some(at);
                }
                (State::LineStart, b'\r') => (State::AfterLastCr, 1),
                (State::LineStart, _) => (State::InLine, 1),
                (State::AfterCr, b'\n') => (State::LineStart, 1),
                (State::AfterCr, _) => (State::LineStart, 0),
            };
            self.state = state;
            at += step;
        }
        None
    }
}

/// What one event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The value of its last `event` field; empty if it has none.
    pub name: &'a [u8],
    /// Its `data` fields joined by newlines; empty if it has none. Copied only if there are several.
    pub data: Cow<'a, [u8]>,
}

impl<'a> Event<'a> {
    /// Reads the raw bytes of an event. A byte order mark before it, comments and other fields are skipped.
    pub fn parse(raw: &'a [u8]) -> Self {
        let mut event = Self { name: b"", data: Cow::Borrowed(b"") };
        let mut has_data = false;
        let mut rest = raw.strip_prefix(b"\xef\xbb\xbf").unwrap_or(raw);
        while !rest.is_empty() {
            let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let line = &rest[..end];
            rest = rest.get(end + 1..).unwrap_or_default();
            if let Some(value) = field(line, b"data") {
                if has_data {
                    let joined = event.data.to_mut();
                    joined.push(b'\n');
                    joined.extend_from_slice(value);
                } else {
                    event.data = Cow::Borrowed(value);
                    has_data = true;
                }
            } else if let Some(value) = field(line, b"event") {
                event.name = value;
            }
        }
        event
    }
}

fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    match line.strip_prefix(name)? {
        [] => Some(b""),
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (mut events, mut end, mut partial) = (Vec::new(), EventEnd::default(), Vec::new());
        let mut take = |raw: &[u8]| {
            let event = Event::parse(raw);
            events.push((text(event.name), text(&event.data)));
        };
        for piece in pieces {
            let mut rest = *piece;
            while let Some(length) = end.find(rest) {
                partial.extend_from_slice(&rest[..length]);
                take(&std::mem::take(&mut partial));
                rest = &rest[length..];
            }
            partial.extend_from_slice(rest);
        }
        take(&partial);
        events.retain(|(name, data)| !name.is_empty() || !data.is_empty());
        events
    }

    fn event(name: &str, data: &str) -> (String, String) {
        (name.to_owned(), data.to_owned())
    }

    #[test]
    fn all_line_ends_and_fields() {
        let stream = b"\xef\xbb\xbf: hello\n\nevent: a\r\ndata: 1\r\ndata:2\r\n\r\nid: 7\rdata\r\rdata: last";
        let expected = [event("a", "1\n2"), event("", "last")];
        assert_eq!(read(&[stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(read(&bytes), expected);
    }

    #[test]
    fn a_line_feed_after_the_last_carriage_return_belongs_to_the_event() {
        let mut end = EventEnd::default();
        assert_eq!(end.find(b"data: 1\r\n\r"), None);
        assert_eq!(end.find(b"\ndata"), Some(1));
        let mut end = EventEnd::default();
        assert_eq!(end.find(b"data: 1\r\r"), None);
        assert_eq!(end.find(b"data: 2"), Some(0));
    }

    #[test]
    fn a_field_name_must_match_wholly() {
        assert_eq!(Event::parse(b"database: x\ndata : y\n\n").data.as_ref(), b"");
        assert_eq!(Event::parse(b"data:  two spaces\n\n").data.as_ref(), b" two spaces");
    }
}
