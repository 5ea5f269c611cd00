//! Anthropic's dialect (docs.anthropic.com, "Create a Message"). What blocks a message may contain is for the provider to
//! judge.

use serde_json::{Value as Json, json};

use crate::bound::{Attachment, Attachments, Block};
use crate::dialect::Protocol;
use crate::json::{Members, Value};
use crate::observe::{Tally, Verdict};
use crate::request::{Field, RequestError, given, metadata_user_id, model, pick};
use crate::usage::{Count, Spellings};
use crate::{Dialect, Endpoint, ErrorKind, Head, Prompt, WireError};

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "anthropic",
    parse,
    read,
    usage: Spellings { counts: COUNTS },
    error,
    error_event: "event: error\n",
    has_end_event: true,
    attachments: Attachments {
        names: &["source"],
        usual_tokens: 1_600,
        // Its largest size.
        most_tokens: 5_000,
        read: attachment,
    },
};

/// The names of counts. Those of the cache are not in `input_tokens`.
#[rustfmt::skip]
static COUNTS: &[(usize, &str, Count)] = &[
    (1, "input_tokens", Count::Input),
    (1, "cache_read_input_tokens", Count::CachedBeside),
    (1, "cache_creation_input_tokens", Count::CacheWriteBeside),
    (1, "output_tokens", Count::Output),
    (2, "thinking_tokens", Count::Reasoning),
    (2, "reasoning_tokens", Count::Reasoning),
];

fn parse(endpoint: Endpoint, body: &[u8]) -> Result<Head, RequestError> {
    let [model_field, messages, max_tokens, stream, metadata, system, tools] =
        pick(body, ["model", "messages", "max_tokens", "stream", "metadata", "system", "tools"])?;
    let (model, model_field) = model(model_field)?;
    let stream = given(stream).map_or(Ok(false), Field::bool)?;
    let conversation = metadata_user_id(metadata)?;
    let messages = given(messages).ok_or_else(|| RequestError::missing("messages"))?;
    messages.array()?;
    let output_limit = match endpoint.only_counts() {
        true => None,
        false => Some(given(max_tokens).ok_or_else(|| RequestError::missing("max_tokens"))?.integer(1)?),
    };
    let range = |field| given(field).map(|field: Field<'_>| field.range_in(body));
    let prompt = Prompt {
        dialect: Dialect::Anthropic,
        messages: messages.range_in(body),
        system: range(system),
        tools: range(tools),
    };
    Ok(Head {
        model: Some(model.into_owned()),
        stream,
        output_limit,
        conversation: conversation.map(Into::into),
        model_at: Some(model_field.range_in(body)),
        ..Head::of(prompt)
    })
}

fn read(tally: &mut Tally, name: &[u8], data: &[u8]) -> Verdict {
    let mut terminal = name == b"message_stop";
    for member in Members::new(data) {
        match (member.key, member.value) {
            (b"text" | b"thinking" | b"partial_json", Value::Text(text)) => tally.add_text(text),
            (b"type", Value::Text(b"message_stop")) if member.depth == 1 => terminal = true,
            (b"type", Value::Text(b"tool_use" | b"server_tool_use")) => tally.add_other(),
            (b"stop_reason", Value::Text(reason)) => tally.finish(reason),
            // In `message_start` it belongs to the message, in `message_delta` to the event.
            (b"usage", Value::Object) if member.depth <= 2 => {
                tally.add_usage(Dialect::Anthropic, &data[member.start..]);
            }
            (b"error", _) if member.depth == 1 => tally.note_error(&data[member.start..], member.value),
            _ => {}
        }
    }
    if terminal { Verdict::Terminal } else { Verdict::Content }
}

fn attachment(block: &Block<'_>) -> Option<Attachment> {
    let source = &block.source;
    if block.key != b"source" || source.is_text {
        return None;
    }
    Some(match source.data {
        Some(data) if source.is_image => block.picture(data),
        Some(data) => block.document(data),
        None if block.kind == b"image" => block.picture(b""),
        None => block.document(b""),
    })
}

fn error(error: &WireError) -> Json {
    json!({"type": "error", "error": {"type": error_type(error.kind), "message": error.message}})
}

/// `error.type` (docs.anthropic.com, "Errors").
fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::MethodNotAllowed | ErrorKind::UnsupportedMediaType => {
            "invalid_request_error"
        }
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimited | ErrorKind::QuotaExhausted => "rate_limit_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::Upstream | ErrorKind::Internal => "api_error",
    }
}
