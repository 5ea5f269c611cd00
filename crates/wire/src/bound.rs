//! The most input tokens that a request can cost, for what is set aside before a call. Text costs at most a token a byte;
//! a picture costs what its maker's largest does, whatever its bytes. What it really was, the provider says afterwards
//! (`usage`), and estimates are in `tokens`.

use memchr::memmem;

use crate::Dialect;
use crate::json::{Member, Members, Value, nested};

/// Where the members of a content block stand in a list of messages.
const BLOCK: usize = 4;
/// The same inside a block's own `content`, where Anthropic's tools answer with pictures.
const INNER_BLOCK: usize = 6;
/// The most that a document costs whose bytes tell nothing: pages are read as pictures, and it may stand elsewhere.
const DOCUMENT: u64 = 200_000;

/// The most tokens that one picture costs: OpenAI's small models at high detail, Anthropic's largest size, Google's tiles.
fn picture(dialect: Dialect) -> u64 {
    match dialect {
        Dialect::OpenAi => 50_000,
        Dialect::Anthropic => 5_000,
        Dialect::Gemini => 10_000,
    }
}

/// A bound on the input tokens of a body of so many bytes with these messages in it.
pub(crate) fn most_input_tokens(dialect: Dialect, messages: &[u8], body_bytes: usize) -> u64 {
    let mut most = body_bytes as u64;
    if !mentions_attachments(dialect, messages) {
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
        match (member.key, member.value) {
            (b"type", Value::Text(text)) => kind = text,
            _ => {
                if let Some(Attachment { bytes, tokens }) = attachment(dialect, &member, messages, kind) {
                    most = most.saturating_sub(bytes).saturating_add(tokens);
                }
            }
        }
    }
    most
}

/// Most requests have no attachment, and a search is quicker than a walk.
fn mentions_attachments(dialect: Dialect, messages: &[u8]) -> bool {
    let names: &[&str] = match dialect {
        Dialect::OpenAi => &["\"image_url\"", "\"file\""],
        Dialect::Anthropic => &["\"source\""],
        Dialect::Gemini => &["\"inlineData\"", "\"inline_data\"", "\"fileData\"", "\"file_data\""],
    };
    names.iter().any(|name| memmem::find(messages, name.as_bytes()).is_some())
}

/// How many bytes of the body are not text, and what they cost instead.
struct Attachment {
    bytes: u64,
    tokens: u64,
}

fn attachment(dialect: Dialect, member: &Member<'_>, text: &[u8], kind: &[u8]) -> Option<Attachment> {
    let image = |bytes: &[u8]| Attachment { bytes: bytes.len() as u64, tokens: picture(dialect) };
    let document = |bytes: &[u8]| {
        let bytes = bytes.len() as u64;
        Attachment { bytes, tokens: bytes.max(DOCUMENT) }
    };
    let source = match member.value {
        Value::Object => Source::read(nested(text, member.start)),
        Value::Text(url) => Source { url: Some(url), ..Source::default() },
        _ => return None,
    };
    match (dialect, member.key) {
        (Dialect::OpenAi, b"image_url") => Some(image(source.url?)),
        (Dialect::OpenAi, b"file") => Some(document(source.data.unwrap_or_default())),
        (Dialect::Anthropic, b"source") if source.is_text => None,
        (Dialect::Anthropic, b"source") => Some(match source.data {
            Some(data) if source.is_image => image(data),
            Some(data) => document(data),
            None if kind == b"image" => image(b""),
            None => document(b""),
        }),
        (Dialect::Gemini, b"inlineData" | b"inline_data") if source.is_image => Some(image(source.data?)),
        (Dialect::Gemini, b"fileData" | b"file_data") => {
            Some(if source.is_image { image(b"") } else { document(b"") })
        }
        _ => None,
    }
}

/// What the object of an attachment says of it.
#[derive(Default)]
struct Source<'a> {
    url: Option<&'a [u8]>,
    data: Option<&'a [u8]>,
    is_image: bool,
    is_text: bool,
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
