//! The most input tokens that a request can cost, for what is set aside before a call. Text costs at most a token a byte;
//! a picture costs what its maker's largest does, whatever its bytes. What it really was, the provider says afterwards
//! (`usage`), and estimates are in `tokens`.

use memchr::memmem;

use crate::Dialect;
use crate::json::{Members, Value, nested};

/// Where the members of a content block stand in a list of messages.
const BLOCK: usize = 4;
/// The same inside a block's own `content`, where Anthropic's tools answer with pictures.
const INNER_BLOCK: usize = 6;
/// The most that a document costs whose bytes tell nothing: pages are read as pictures, and it may stand elsewhere.
const DOCUMENT: u64 = 200_000;

/// How a dialect carries what is no text, and what that costs.
pub(crate) struct Attachments {
    /// The members that hold one.
    pub(crate) names: &'static [&'static str],
    /// The tokens of an ordinary picture, for estimates.
    pub(crate) usual_tokens: u64,
    /// The most tokens that one picture costs.
    pub(crate) most_tokens: u64,
    /// What a member of a block costs instead of its bytes, if it is an attachment.
    pub(crate) read: fn(&Block<'_>) -> Option<Attachment>,
}

/// A member of a content block that may be an attachment.
pub(crate) struct Block<'a> {
    /// The block's `type`, as far as it was read.
    pub(crate) kind: &'a [u8],
    /// The member's name.
    pub(crate) key: &'a [u8],
    pub(crate) source: Source<'a>,
    most_tokens: u64,
}

impl Block<'_> {
    /// A picture with these bytes in the body.
    pub(crate) fn picture(&self, bytes: &[u8]) -> Attachment {
        Attachment { bytes: bytes.len() as u64, tokens: self.most_tokens }
    }

    /// Anything else with these bytes in the body.
    pub(crate) fn document(&self, bytes: &[u8]) -> Attachment {
        let bytes = bytes.len() as u64;
        Attachment { bytes, tokens: bytes.max(DOCUMENT) }
    }
}

/// How many bytes of the body are not text, and what they cost instead.
pub(crate) struct Attachment {
    bytes: u64,
    tokens: u64,
}

/// A bound on the input tokens of a body of so many bytes with these messages in it.
pub(crate) fn most_input_tokens(dialect: Dialect, messages: &[u8], body_bytes: usize) -> u64 {
    let (attachments, mut most) = (&dialect.protocol().attachments, body_bytes as u64);
    // Most requests have none, and a search is quicker than a walk.
    if !attachments.names.iter().any(|name| names(messages, name)) {
        return most;
    }
    // A block's `type`, and which of its members the walk is inside of.
    let (mut kind, mut inside): (&[u8], &[u8]) = (b"", b"");
    for member in Members::new(messages) {
        if member.depth == BLOCK && matches!(member.value, Value::Object | Value::Array) {
            inside = member.key;
        }
        // What a tool is called with can look like a block and is text.
        let inner = dialect == Dialect::Anthropic && member.depth == INNER_BLOCK && inside == b"content";
        if member.depth != BLOCK && !inner {
            continue;
        }
        let source = match member.value {
            Value::Text(text) if member.key == b"type" => {
                kind = text;
                continue;
            }
            Value::Text(url) => Source { url: Some(url), ..Source::default() },
            Value::Object => Source::read(nested(messages, member.start)),
            _ => continue,
        };
        let block = Block { kind, key: member.key, source, most_tokens: attachments.most_tokens };
        if let Some(Attachment { bytes, tokens }) = (attachments.read)(&block) {
            most = most.saturating_sub(bytes).saturating_add(tokens);
        }
    }
    most
}

/// Whether a text has a string of just this content.
fn names(text: &[u8], name: &str) -> bool {
    let is_quoted = |at: usize| at > 0 && text[at - 1] == b'"' && text.get(at + name.len()) == Some(&b'"');
    memmem::find_iter(text, name).any(is_quoted)
}

/// What the object of an attachment says of it.
#[derive(Default)]
pub(crate) struct Source<'a> {
    pub(crate) url: Option<&'a [u8]>,
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) is_image: bool,
    pub(crate) is_text: bool,
}

impl<'a> Source<'a> {
    fn read(object: &'a [u8]) -> Self {
        let mut source = Self::default();
        for member in Members::new(object).filter(|member| member.depth == 1) {
            let Value::Text(text) = member.value else { continue };
            match member.key {
                b"url" => source.url = Some(text),
                b"data" | b"file_data" => source.data = Some(text),
                b"media_type" | b"mimeType" | b"mime_type" => source.is_image = text.starts_with(b"image"),
                // Said twice, the laxest reading counts.
                b"type" => source.is_text |= matches!(text, b"text" | b"content"),
                _ => {}
            }
        }
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound less the bytes that are not the attachment's.
    fn cost(dialect: Dialect, block: &str, payload: usize) -> i64 {
        let list = match dialect {
            Dialect::Gemini => format!(r#"[{{"role":"user","parts":[{block}]}}]"#),
            _ => format!(r#"[{{"role":"user","content":[{block}]}}]"#),
        };
        let most = most_input_tokens(dialect, list.as_bytes(), list.len());
        i64::try_from(most).unwrap() - i64::try_from(list.len() - payload).unwrap()
    }

    #[test]
    fn a_picture_costs_the_same_whatever_its_bytes() {
        for size in [10, 1_000_000] {
            let data = "A".repeat(size);
            let url = format!("data:image/png;base64,{data}");
            let block = format!(r#"{{"type":"image_url","image_url":{{"url":"{url}","detail":"high"}}}}"#);
            assert_eq!(cost(Dialect::OpenAi, &block, url.len()), 50_000);
            let block = format!(
                r#"{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}"#
            );
            assert_eq!(cost(Dialect::Anthropic, &block, size), 5_000);
            let answer = format!(
                r#"{{"type":"tool_result","tool_use_id":"t","content":[{{"type":"text"}},{block}]}}"#
            );
            assert_eq!(cost(Dialect::Anthropic, &answer, size), 5_000);
            let block = format!(r#"{{"inlineData":{{"data":"{data}","mimeType":"image/png"}}}}"#);
            assert_eq!(cost(Dialect::Gemini, &block, size), 10_000);
        }
    }

    #[test]
    fn what_is_only_named_costs_as_well() {
        let url = "https://example.org/cat.png";
        let block = format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#);
        assert_eq!(cost(Dialect::OpenAi, &block, url.len()), 50_000);
        let block = format!(r#"{{"type":"image","source":{{"type":"url","url":"{url}"}}}}"#);
        assert_eq!(cost(Dialect::Anthropic, &block, 0), 5_000);
        let block = format!(r#"{{"type":"document","source":{{"type":"url","url":"{url}"}}}}"#);
        assert_eq!(cost(Dialect::Anthropic, &block, 0), 200_000);
        let block = r#"{"fileData":{"mimeType":"video/mp4","fileUri":"https://example.org/v"}}"#;
        assert_eq!(cost(Dialect::Gemini, block, 0), 200_000);
        let block = r#"{"type":"file","file":{"file_id":"file-1"}}"#;
        assert_eq!(cost(Dialect::OpenAi, block, 0), 200_000);
    }

    #[test]
    fn text_that_looks_like_a_picture_is_text() {
        let text = "word ".repeat(1_000);
        let dressed = format!(r#"{{"type":"base64","media_type":"image/png","data":"{text}"}}"#);
        for block in [
            format!(r#"{{"type":"text","text":"{text}"}}"#),
            format!(
                r#"{{"type":"document","source":{{"type":"text","media_type":"image/png","data":"{text}"}}}}"#
            ),
            format!(
                r#"{{"type":"document","source":{{"type":"base64","type":"text","media_type":"image/png","data":"{text}"}}}}"#
            ),
            format!(r#"{{"type":"tool_use","id":"t","name":"n","input":{{"source":{dressed}}}}}"#),
            format!(r#"{{"type":"tool_use","id":"t","name":"n","input":{{"a":{{"source":{dressed}}}}}}}"#),
            format!(r#"{{"type":"tool_use","id":"t","name":"n","input":{{"content":[{dressed}]}}}}"#),
        ] {
            assert_eq!(cost(Dialect::Anthropic, &block, 0), 0, "{block}");
        }
    }
}
