//! OpenAI's dialect (API reference, "Create chat completion"), and that of the many services that imitate it. What a
//! message may contain is for the provider to judge.

use serde_json::{Value as Json, json};

use crate::bound::{Attachment, Attachments, Block};
use crate::dialect::Protocol;
use crate::json::{Members, Value, is_empty_array};
use crate::observe::{Tally, Verdict};
use crate::request::{Edit, Field, RequestError, given, hint, metadata_user_id, model, pick};
use crate::usage::{Count, Spellings};
use crate::{Dialect, Endpoint, ErrorKind, Head, Prompt, WireError};

pub(crate) static PROTOCOL: Protocol = Protocol {
    name: "openai",
    parse,
    read,
    usage: Spellings { counts: COUNTS },
    error,
    error_event: "",
    has_end_event: true,
    attachments: Attachments {
        names: &["image_url", "input_audio", "file"],
        usual_tokens: 765,
        // Its small models at high detail.
        most_tokens: 50_000,
        read: attachment,
    },
};

/// More answers to one request than OpenAI allows are refused, so that a reservation stays bounded.
const MAX_CHOICES: u64 = 128;

/// The names of counts, from the documents and recorded answers of OpenAI (both APIs), Azure, OpenRouter, xAI, Groq,
/// Cerebras, SambaNova, Fireworks, Together, Novita, Mistral, DeepSeek, Moonshot, Z.AI, Qwen, Perplexity, LiteLLM, vLLM.
#[rustfmt::skip]
static COUNTS: &[(usize, &str, Count)] = &[
    (1, "prompt_tokens", Count::Input),
    (1, "input_tokens", Count::Input),
    (1, "completion_tokens", Count::Output),
    (1, "output_tokens", Count::Output),
    (1, "total_tokens", Count::Total),
    // Most: `prompt_tokens_details` or `input_tokens_details`.
    (2, "cached_tokens", Count::Cached),
    // Moonshot, Z.AI.
    (1, "cached_tokens", Count::Cached),
    // DeepSeek.
    (1, "prompt_cache_hit_tokens", Count::Cached),
    // Mistral.
    (1, "num_cached_tokens", Count::Cached),
    // Services in front of Anthropic: LiteLLM and its like.
    (1, "cache_read_input_tokens", Count::Cached),
    (1, "cached_input_tokens", Count::Cached),
    (2, "cache_read_input_tokens", Count::Cached),
    (2, "cache_read_tokens", Count::Cached),
    (1, "cache_creation_input_tokens", Count::CacheWrite),
    (1, "cache_creation_tokens", Count::CacheWrite),
    (2, "cache_creation_tokens", Count::CacheWrite),
    // Qwen.
    (2, "cache_creation_input_tokens", Count::CacheWrite),
    // OpenRouter.
    (2, "cache_write_tokens", Count::CacheWrite),
    // Most: `completion_tokens_details` or `output_tokens_details`.
    (2, "reasoning_tokens", Count::Reasoning),
    // Perplexity.
    (1, "reasoning_tokens", Count::Reasoning),
];

fn parse(_: Endpoint, body: &[u8]) -> Result<Head, RequestError> {
    #[rustfmt::skip]
    let [
        model_field, messages, stream, max_tokens, max_completion_tokens, n, stream_options, cache_key, user, metadata, tools,
    ] = pick(body, [
        "model", "messages", "stream", "max_tokens", "max_completion_tokens", "n", "stream_options", "prompt_cache_key", "user",
        "metadata", "tools",
    ])?;
    let (model, model_field) = model(model_field)?;
    let messages = given(messages).ok_or_else(|| RequestError::missing("messages"))?;
    messages.array()?;
    let stream = given(stream).map_or(Ok(false), Field::bool)?;
    let ask_for_usage = usage_edit(body, stream_options)?.filter(|_| stream);
    let limit = |field| given(field).map(|field: Field<'_>| field.integer(0)).transpose();
    let end_user = metadata_user_id(metadata)?;
    let prompt = Prompt {
        dialect: Dialect::OpenAi,
        messages: messages.range_in(body),
        system: None,
        tools: given(tools).map(|field| field.range_in(body)),
    };
    Ok(Head {
        model: Some(model.into_owned()),
        stream,
        // The older name and the newer one, which includes reasoning.
        output_limit: limit(max_completion_tokens)?.into_iter().chain(limit(max_tokens)?).max(),
        answers: choices(n)?,
        conversation: hint(cache_key).or(end_user).or(hint(user)).map(Into::into),
        model_at: Some(model_field.range_in(body)),
        ask_for_usage,
        ..Head::of(prompt)
    })
}

fn choices(field: Option<Field<'_>>) -> Result<u64, RequestError> {
    let n = given(field).map_or(Ok(1), |field| field.integer(1))?;
    if n > MAX_CHOICES {
        let message = format!("Invalid 'n': integer above maximum value, expected at most {MAX_CHOICES}.");
        return Err(RequestError::new("integer_above_max_value", "n", message));
    }
    Ok(n)
}

/// The edit that asks for usage, where `stream_options` do not ask for it yet.
fn usage_edit(body: &[u8], options: Option<Field<'_>>) -> Result<Option<Edit>, RequestError> {
    let Some(options) = options else {
        let end = body.trim_ascii_end().len().saturating_sub(1);
        return Ok(Some((end..end, br#","stream_options":{"include_usage":true}"#.into())));
    };
    let at = options.range_in(body);
    if options.is_null() {
        return Ok(Some((at, br#"{"include_usage":true}"#.into())));
    }
    let [include_usage] = options.pick(["include_usage"])?;
    if let Some(field) = include_usage {
        let asked = given(include_usage)
            .map_or(Ok(false), |field| field.named("stream_options.include_usage").bool())?;
        return Ok((!asked).then(|| (field.range_in(body), b"true".into())));
    }
    let inside = at.start + 1;
    let is_empty = options.bytes()[1..].trim_ascii_start() == b"}";
    let new: &[u8] = if is_empty { br#""include_usage":true"# } else { br#""include_usage":true,"# };
    Ok(Some((inside..inside, new.into())))
}

fn read(tally: &mut Tally, _: &[u8], data: &[u8]) -> Verdict {
    if data.starts_with(b"[DONE]") {
        return Verdict::Terminal;
    }
    let (mut has_choices, mut has_usage, mut reasoned) = (false, false, false);
    for member in Members::new(data) {
        match (member.key, member.value) {
            (b"content" | b"refusal" | b"arguments", Value::Text(text)) => tally.add_text(text),
            // The same reasoning may stand under several of these names in one event.
            (b"reasoning_content" | b"reasoning" | b"thinking_content" | b"text", Value::Text(text))
                if !reasoned =>
            {
                tally.add_text(text);
                reasoned = !text.is_empty();
            }
            (b"function" | b"audio" | b"image_url", Value::Object) => tally.add_other(),
            (b"finish_reason", Value::Text(reason)) => tally.finish(reason),
            (b"choices", Value::Array) if member.depth == 1 => {
                has_choices = !is_empty_array(data, member.start);
            }
            // In the chunk, in `x_groq`, or in a choice.
            (b"usage", Value::Object) if member.depth <= 3 => {
                has_usage |= member.depth == 1;
                tally.add_usage(Dialect::OpenAi, &data[member.start..]);
            }
            (b"error", _) if member.depth == 1 => tally.note_error(&data[member.start..], member.value),
            _ => {}
        }
    }
    if has_usage && !has_choices { Verdict::UsageOnly } else { Verdict::Content }
}

fn attachment(block: &Block<'_>) -> Option<Attachment> {
    match block.key {
        b"image_url" => Some(block.picture(block.source.url?)),
        b"file" => Some(block.document(block.source.data.unwrap_or_default())),
        _ => None,
    }
}

fn error(error: &WireError) -> Json {
    let WireError { kind, message, code, param } = error;
    let code = code.as_deref().or(error_code(*kind));
    json!({"error": {"message": message, "type": error_type(*kind), "param": param, "code": code}})
}

/// `error.type`. A wrong key is an `invalid_request_error` there (its code tells it apart), as its API really answers; 5xx
/// are `server_error`, except failures of a provider behind us, which are `api_error`.
fn error_type(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest
        | ErrorKind::Authentication
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::TooLarge
        | ErrorKind::UnsupportedMediaType => "invalid_request_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::QuotaExhausted => "insufficient_quota",
        ErrorKind::Upstream => "api_error",
        ErrorKind::Timeout | ErrorKind::Overloaded | ErrorKind::Internal => "server_error",
    }
}

/// `error.code` where the error itself carries none.
fn error_code(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::Permission | ErrorKind::Internal => None,
        ErrorKind::Authentication => Some("invalid_api_key"),
        ErrorKind::NotFound => Some("not_found"),
        ErrorKind::MethodNotAllowed => Some("method_not_allowed"),
        ErrorKind::TooLarge => Some("request_too_large"),
        ErrorKind::UnsupportedMediaType => Some("unsupported_media_type"),
        ErrorKind::RateLimited => Some("rate_limit_exceeded"),
        ErrorKind::QuotaExhausted => Some("insufficient_quota"),
        ErrorKind::Upstream => Some("upstream_error"),
        ErrorKind::Timeout => Some("timeout"),
        ErrorKind::Overloaded => Some("overloaded"),
    }
}
