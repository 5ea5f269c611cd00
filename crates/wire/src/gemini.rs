//! Google's dialect (ai.google.dev, "Generating content"). The model and whether to stream stand in the URL, so there is
//! nothing in a body that the gateway would ever change.

use serde_json::{Value as Json, json};

use crate::bound::{Attachment, Attachments, Block};
use crate::dialect::Protocol;
use crate::json::{Members, Value, is_empty_array, nested};
use crate::observe::{Tally, Verdict};
use crate::request::{Field, RequestError, given, pick};
use crate::usage::{Count, Spellings};
use crate::{Dialect, Endpoint, ErrorKind, Head, Prompt, WireError};

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "gemini",
    parse,
    read,
    usage: Spellings { counts: COUNTS },
    error,
    error_event: "",
    has_end_event: false,
    attachments: Attachments {
        names: &["inlineData", "inline_data", "fileData", "file_data"],
        usual_tokens: 258,
        // Its tiles.
        most_tokens: 10_000,
        read: attachment,
    },
};

/// The names of counts, as Google's JSON has them and as its proto has them. Thoughts are not among the candidates' tokens.
#[rustfmt::skip]
static COUNTS: &[(usize, &str, Count)] = &[
    (1, "promptTokenCount", Count::Input),
    (1, "prompt_token_count", Count::Input),
    (1, "toolUsePromptTokenCount", Count::InputBeside),
    (1, "tool_use_prompt_token_count", Count::InputBeside),
    (1, "candidatesTokenCount", Count::Output),
    (1, "candidates_token_count", Count::Output),
    (1, "responseTokenCount", Count::Output),
    (1, "thoughtsTokenCount", Count::ReasoningBeside),
    (1, "thoughts_token_count", Count::ReasoningBeside),
    (1, "cachedContentTokenCount", Count::Cached),
    (1, "cached_content_token_count", Count::Cached),
    (1, "totalTokenCount", Count::Total),
    (1, "total_token_count", Count::Total),
];

/// Google reads both the camel case and the snake case of a name; giving both is refused.
fn parse(_: Endpoint, body: &[u8]) -> Result<Head, RequestError> {
    #[rustfmt::skip]
    let [contents, tools, config, config_snake, system, system_snake] = pick(body, [
        "contents", "tools", "generationConfig", "generation_config", "systemInstruction", "system_instruction",
    ])?;
    let contents = given(contents).ok_or_else(|| RequestError::missing("contents"))?;
    if is_empty_array(contents.array()?, 0) {
        let message = "Invalid 'contents': at least one content is required.".to_owned();
        return Err(RequestError::new("empty_array", "contents", message));
    }
    let (output_limit, answers) = read_config(one_of(config, config_snake)?)?;
    let prompt = Prompt {
        dialect: Dialect::Gemini,
        messages: contents.range_in(body),
        system: one_of(system, system_snake)?.map(|field| field.range_in(body)),
        tools: given(tools).map(|field| field.range_in(body)),
    };
    Ok(Head { output_limit, answers, ..Head::of(prompt) })
}

fn read_config(config: Option<Field<'_>>) -> Result<(Option<u64>, u64), RequestError> {
    let Some(config) = config else { return Ok((None, 1)) };
    let [max, max_snake, count, count_snake] =
        config.pick(["maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"])?;
    let max = one_of(max, max_snake)?
        .map(|field| field.named("generationConfig.maxOutputTokens").integer(0))
        .transpose()?;
    let count = one_of(count, count_snake)?
        .map(|field| field.named("generationConfig.candidateCount").integer(1))
        .transpose()?;
    Ok((max, count.unwrap_or(1)))
}

/// The field under whichever of its two names it was given.
fn one_of<'a>(camel: Option<Field<'a>>, snake: Option<Field<'a>>) -> Result<Option<Field<'a>>, RequestError> {
    match (camel, snake) {
        (Some(camel), Some(snake)) => {
            let message = format!("Duplicate parameter: '{}' and '{}' are the same.", camel.name, snake.name);
            Err(RequestError::new("duplicate_parameter", camel.name, message))
        }
        (camel, snake) => Ok(given(camel.or(snake))),
    }
}

fn read(tally: &mut Tally, _: &[u8], data: &[u8]) -> Verdict {
    let mut terminal = false;
    // A whole answer may be the array that a stream is.
    let outer = usize::from(data.starts_with(b"["));
    for member in Members::new(data) {
        match (member.depth - outer.min(member.depth), member.key, member.value) {
            // Deeper texts are citations that repeat the answer.
            (6, b"text", Value::Text(text)) => tally.add_text(text),
            (7, b"code" | b"output", Value::Text(text)) => tally.add_text(text),
            (7, b"args", Value::Object) => tally.add_text(nested(data, member.start)),
            (_, b"functionCall" | b"inlineData", Value::Object) => tally.add_other(),
            (3, b"finishReason", Value::Text(reason)) => {
                tally.finish(reason);
                terminal |= !reason.is_empty();
            }
            // A prompt that was refused has no candidates, and is answered nevertheless.
            (2, b"blockReason", Value::Text(reason)) => {
                tally.finish(reason);
                terminal |= !reason.is_empty();
            }
            (1, b"usageMetadata" | b"usage_metadata", Value::Object) => {
                tally.add_usage(Dialect::Gemini, &data[member.start..]);
            }
            (1, b"error", value) => tally.note_error(&data[member.start..], value),
            _ => {}
        }
    }
    if terminal { Verdict::Terminal } else { Verdict::Content }
}

fn attachment(block: &Block<'_>) -> Option<Attachment> {
    let source = &block.source;
    match block.key {
        b"inlineData" | b"inline_data" if source.is_image => Some(block.picture(source.data?)),
        b"fileData" | b"file_data" if source.is_image => Some(block.picture(b"")),
        b"fileData" | b"file_data" => Some(block.document(b"")),
        _ => None,
    }
}

fn error(error: &WireError) -> Json {
    let WireError { kind, message, .. } = error;
    json!({"error": {"code": kind.status(), "message": message, "status": error_status(*kind)}})
}

/// `error.status`, a name of `google.rpc.Code`.
fn error_status(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::TooLarge | ErrorKind::UnsupportedMediaType => {
            "INVALID_ARGUMENT"
        }
        ErrorKind::Authentication => "UNAUTHENTICATED",
        ErrorKind::Permission => "PERMISSION_DENIED",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::MethodNotAllowed => "UNIMPLEMENTED",
        ErrorKind::RateLimited | ErrorKind::QuotaExhausted => "RESOURCE_EXHAUSTED",
        ErrorKind::Upstream | ErrorKind::Overloaded => "UNAVAILABLE",
        ErrorKind::Timeout => "DEADLINE_EXCEEDED",
        ErrorKind::Internal => "INTERNAL",
    }
}
