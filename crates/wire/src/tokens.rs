//! Estimates of token counts, for answers whose provider reports no usage. Counts that a provider reports are in `usage`,
//! and always win; what a call may cost at most is in `bound`.

use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

use crate::Dialect;
use crate::json::{Members, Value, nested, unescape};

/// Text is tokenised in pieces of at most this many bytes. The tokeniser takes quadratic time on a long run of one
/// letter, so this bounds the work; the cuts add less than one token a piece.
const PIECE_BYTES: usize = 512;

/// At most this many pieces (256 KiB) are tokenised; of a longer text an even sample stands for the whole.
const MAX_PIECES: usize = 512;

/// The number of tokens of a text as OpenAI's tokeniser for the model sees it: cl100k for GPT-4 and GPT-3.5, o200k
/// for everything else, including models of other makers, whose own tokenisers differ by some 20 %.
///
/// Never fewer than 1 for a text that is not empty. The first call for each vocabulary unpacks it, which takes some
/// hundred milliseconds and tens of megabytes; nothing is read from disk or network.
pub fn estimate_tokens(model: &str, text: &str) -> u64 {
    if text.is_empty() {
        return 0;
    }
    let tokenizer = tokenizer(model);
    let pieces = text.len().div_ceil(PIECE_BYTES);
    let step = pieces.div_ceil(MAX_PIECES);
    let (mut tokens, mut seen) = (0, 0);
    for piece in (Pieces { rest: text }).step_by(step) {
        tokens += tokenizer.count_ordinary(piece) as u64;
        seen += piece.len() as u64;
    }
    (tokens * text.len() as u64).div_ceil(seen.max(1)).max(1)
}

fn tokenizer(model: &str) -> &'static CoreBPE {
    let name = model.rsplit('/').next().unwrap_or(model);
    let older = name.starts_with("gpt-3.5")
        || name == "gpt-4"
        || ["gpt-4-", "gpt-4_"].iter().any(|p| name.starts_with(p));
    if older { cl100k_base_singleton() } else { o200k_base_singleton() }
}

/// Cuts a text into pieces of at most [`PIECE_BYTES`], between characters and if possible before a space.
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() {
            return None;
        }
        let (piece, rest) = self.rest.split_at(cut(self.rest));
        self.rest = rest;
        Some(piece)
    }
}

fn cut(text: &str) -> usize {
    if text.len() <= PIECE_BYTES {
        return text.len();
    }
    let mut at = PIECE_BYTES;
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    match text[..at].rfind(' ') {
        Some(space) if space > PIECE_BYTES / 2 => space,
        _ => at,
    }
}

/// An estimate of the tokens of a prompt that these raw JSON values of a request are (messages or contents, system prompt,
/// tool definitions): the text's, and a fixed amount for every attachment, which is what an ordinary picture costs with the
/// dialect's maker.
pub(crate) fn estimate_prompt<'a>(
    dialect: Dialect,
    model: &str,
    raw: impl IntoIterator<Item = &'a [u8]>,
) -> u64 {
    let mut said = Said::default();
    for json in raw {
        said.read(dialect, json);
    }
    estimate_tokens(model, &said.text) + said.attachments * dialect.protocol().attachments.usual_tokens
}

/// What of a prompt costs tokens.
#[derive(Default)]
struct Said {
    /// All texts, one after the other, each on its own line.
    text: String,
    /// How many images, documents and recordings there are.
    attachments: u64,
}

impl Said {
    fn read(&mut self, dialect: Dialect, json: &[u8]) {
        if json.first() == Some(&b'"') {
            self.add(json.get(1..json.len().saturating_sub(1)).unwrap_or_default());
            return;
        }
        for member in Members::new(json) {
            match member.value {
                Value::Text(text) if is_prose(member.key) => self.add(text),
                // Names and structure of a schema are tokens as well.
                Value::Object if matches!(member.key, b"parameters" | b"input_schema") => {
                    let keys = Members::new(nested(json, member.start));
                    keys.for_each(|inner| self.add(inner.key));
                }
                Value::Object | Value::Text(_) if is_attachment(dialect, member.key) => self.attachments += 1,
                _ => {}
            }
        }
    }

    fn add(&mut self, raw: &[u8]) {
        if !raw.is_empty() {
            self.text.push_str(&unescape(raw));
            self.text.push('\n');
        }
    }
}

/// What only identifies, classifies, or carries bytes.
static TECHNICAL: &[&[u8]] = &[
    b"type",
    b"role",
    b"id",
    b"tool_call_id",
    b"tool_use_id",
    b"url",
    b"data",
    b"media_type",
    b"mimeType",
    b"mime_type",
    b"fileUri",
    b"file_uri",
    b"file_id",
    b"file_data",
    b"detail",
    b"format",
    b"signature",
    b"thoughtSignature",
    b"thought_signature",
    b"image_url",
    b"encrypted_content",
    b"ttl",
];

fn is_prose(key: &[u8]) -> bool {
    !TECHNICAL.contains(&key)
}

fn is_attachment(dialect: Dialect, key: &[u8]) -> bool {
    dialect.protocol().attachments.names.iter().any(|name| name.as_bytes() == key)
}
