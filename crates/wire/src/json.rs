//! A forgiving, iterative walk over JSON text, for the places where building a tree would cost more than the answer
//! is worth. It never fails: on text that is not JSON it finds what it can. Validation does not belong here
//! (`request` parses strictly).

use memchr::memchr2;

/// The shape of a member's value; strings are the raw text between the quotes, escapes and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Text(&'a [u8]),
    Object,
    Array,
    Scalar(&'a [u8]),
}

/// One object member, or one string inside an array (whose `key` is then empty).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    /// 1 for a member of the outermost object; arrays count as levels too.
    pub(crate) depth: usize,
    /// The raw key, escapes not decoded.
    pub(crate) key: &'a [u8],
    pub(crate) value: Value<'a>,
    /// Where the value begins in the walked text.
    pub(crate) start: usize,
}

/// Walks all members of the first JSON value in a text, in order, parents before children.
pub(crate) struct Members<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Members<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    fn member(&mut self, key: &'a [u8], colon: usize) -> Member<'a> {
        let start = skip_space(self.text, colon + 1);
        let (value, next) = match self.text.get(start) {
            Some(b'"') => {
                let (content, next) = string(self.text, start);
                (Value::Text(content), next)
            }
            Some(b'{') => (Value::Object, start),
            Some(b'[') => (Value::Array, start),
            _ => {
                let next = scalar_end(self.text, start);
                (Value::Scalar(&self.text[start..next]), next)
            }
        };
        self.at = next;
        Member { depth: self.depth, key, value, start }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'"' => {
                    let start = self.at;
                    let (content, next) = string(self.text, start);
                    let colon = skip_space(self.text, next);
                    if self.text.get(colon) == Some(&b':') {
                        return Some(self.member(content, colon));
                    }
                    self.at = next;
                    return Some(Member { depth: self.depth, key: b"", value: Value::Text(content), start });
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        self.at = self.text.len();
                        return None;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        None
    }
}

/// The content of the string that opens at `quote`, and the position after its closing quote; a string that never
/// closes reaches to the end.
fn string(text: &[u8], quote: usize) -> (&[u8], usize) {
    let start = quote + 1;
    let mut at = start;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        let here = at + found;
        if text[here] == b'"' {
            return (&text[start..here], here + 1);
        }
        at = here + 2;
    }
    (text.get(start..).unwrap_or_default(), text.len())
}

fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

fn scalar_end(text: &[u8], start: usize) -> usize {
    let mut at = start.min(text.len());
    while let Some(byte) = text.get(at)
        && !matches!(byte, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'{' | b'[')
    {
        at += 1;
    }
    at
}

/// Whether the array that opens at `start` closes at once.
pub(crate) fn is_empty_array(text: &[u8], start: usize) -> bool {
    text.get(skip_space(text, start + 1)) == Some(&b']')
}

/// The raw text of the object or array that opens at `start`, to its closing bracket or the end of the text.
pub(crate) fn nested(text: &[u8], start: usize) -> &[u8] {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => {
                at = string(text, at).1;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return &text[start..=at];
                }
            }
            _ => {}
        }
        at += 1;
    }
    text.get(start..).unwrap_or_default()
}

/// Decodes the escapes of raw string content; what cannot be decoded becomes U+FFFD.
pub(crate) fn unescape(raw: &[u8]) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(backslash) = memchr::memchr(b'\\', rest) {
        out.push_str(&String::from_utf8_lossy(&rest[..backslash]));
        let (decoded, used) = escape(&rest[backslash..]);
        out.push(decoded);
        rest = rest.get(backslash + used..).unwrap_or_default();
    }
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// Decodes one escape sequence, which begins with a backslash; returns its character and its length in bytes.
fn escape(text: &[u8]) -> (char, usize) {
    let simple = match text.get(1) {
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
        Some(b'u') => return unicode_escape(text),
        // Only the backslash goes: the next byte may begin a character of several bytes.
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (simple, 2)
}

fn unicode_escape(text: &[u8]) -> (char, usize) {
    let Some(first) = hex4(text, 2) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if (0xd800..0xdc00).contains(&first)
        && text.get(6..8) == Some(b"\\u")
        && let Some(second @ 0xdc00..0xe000) = hex4(text, 8)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

fn hex4(text: &[u8], at: usize) -> Option<u32> {
    let digits = std::str::from_utf8(text.get(at..at + 4)?).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_members_with_their_depths() {
        let text = br#"{"a":{"b":"x\"y"},"c":[1,"s",{"d":2.5e3}],"e":null}"#;
        let found: Vec<_> = Members::new(text).map(|m| (m.depth, m.key, m.value)).collect();
        assert_eq!(
            found,
            [
                (1, &b"a"[..], Value::Object),
                (2, b"b", Value::Text(br#"x\"y"#)),
                (1, b"c", Value::Array),
                (2, b"", Value::Text(b"s")),
                (3, b"d", Value::Scalar(b"2.5e3")),
                (1, b"e", Value::Scalar(b"null")),
            ]
        );
    }

    #[test]
    fn a_cut_text_still_gives_its_last_string() {
        let last = Members::new(br#"{"content":"hel"#).last().map(|m| m.value);
        assert_eq!(last, Some(Value::Text(b"hel")));
    }

    #[test]
    fn unescapes_and_replaces_what_is_broken() {
        assert_eq!(unescape(br#"a\n\u4e2d\ud83d\ude00\/"#), "a\n中😀/");
        assert_eq!(unescape(br"\ud800x\"), "\u{fffd}x\u{fffd}");
        assert_eq!(unescape(br"\u00g1"), "\u{fffd}00g1");
    }

    #[test]
    fn finds_the_end_of_a_nested_value() {
        assert_eq!(nested(br#"x{"a":"}"}y"#, 1), br#"{"a":"}"}"#);
        assert_eq!(nested(br#"{"a":["#, 0), br#"{"a":["#);
    }
}
