//! The head of a chat completion request: the few members that admission, routing and metering need, read in one
//! pass and borrowed from the body. What a message may contain is for the provider to judge, not for this module.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::request::{Edit, Field, RequestError, apply, given, hint, model, model_edit, pick};

/// More answers to one request than OpenAI allows are refused, so that a reservation stays bounded.
const MAX_CHOICES: u64 = 128;

/// What the gateway knows of a chat completion request (OpenAI API reference, "Create chat completion").
#[derive(Clone, Debug)]
pub struct ChatHead<'a> {
    /// The requested model, never empty.
    pub model: Cow<'a, str>,
    /// Whether the answer is to be streamed; false unless asked for.
    pub stream: bool,
    /// The older bound on output tokens.
    pub max_tokens: Option<u64>,
    /// The newer bound on output tokens, reasoning included.
    pub max_completion_tokens: Option<u64>,
    /// How many answers are wanted, 1 to 128; 1 unless given.
    pub n: u64,
    /// Whether the client itself asked for a usage chunk at the end of the stream.
    pub include_usage: bool,
    /// The client's hint that calls share a prompt prefix.
    pub prompt_cache_key: Option<Cow<'a, str>>,
    /// The client's own name for its end user.
    pub user: Option<Cow<'a, str>>,
    /// `metadata.user_id`, where clients of mixed dialects put the same.
    pub metadata_user_id: Option<Cow<'a, str>>,
    /// The raw JSON array of messages.
    pub messages: &'a [u8],
    /// The raw JSON of the tool definitions.
    pub tools: Option<&'a [u8]>,
    model_at: Range<usize>,
    usage_edit: Option<Edit>,
}

impl<'a> ChatHead<'a> {
    /// Reads the head of a request; the body must be one JSON object and nothing after it.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestError> {
        let [
            model_field,
            messages,
            stream,
            max_tokens,
            max_completion_tokens,
            n,
            stream_options,
            prompt_cache_key,
            user,
            metadata,
            tools,
        ] = pick(
            body,
            [
                "model",
                "messages",
                "stream",
                "max_tokens",
                "max_completion_tokens",
                "n",
                "stream_options",
                "prompt_cache_key",
                "user",
                "metadata",
                "tools",
            ],
        )?;
        let (model, model_field) = model(model_field)?;
        let messages = given(messages).ok_or_else(|| RequestError::missing("messages"))?.array()?;
        let stream = given(stream).map_or(Ok(false), Field::bool)?;
        let (include_usage, usage_edit) = read_stream_options(body, stream_options)?;
        Ok(Self {
            model,
            stream,
            max_tokens: given(max_tokens).map(|field| field.integer(0)).transpose()?,
            max_completion_tokens: given(max_completion_tokens).map(|field| field.integer(0)).transpose()?,
            n: choices(n)?,
            include_usage,
            prompt_cache_key: hint(prompt_cache_key),
            user: hint(user),
            metadata_user_id: metadata_user_id(metadata)?,
            messages,
            tools: given(tools).map(Field::bytes),
            model_at: model_field.range_in(body),
            usage_edit,
        })
    }

    /// The bound on output tokens of one answer, whichever way it was given.
    pub fn output_limit(&self) -> Option<u64> {
        self.max_completion_tokens.into_iter().chain(self.max_tokens).max()
    }

    /// Whether the usage chunk has to be asked for on the client's behalf, and then kept from it.
    pub fn lacks_usage(&self) -> bool {
        self.stream && !self.include_usage
    }

    /// The body to send upstream: `body` (which this head was read from) with another model name and, for a stream,
    /// `stream_options.include_usage` set to true; every other byte stays, and nothing is copied when nothing changes.
    pub fn upstream_body(&self, body: &Bytes, model: Option<&str>, ask_for_usage: bool) -> Bytes {
        let mut edits = Vec::new();
        if let Some(name) = model.filter(|name| *name != self.model) {
            edits.push(model_edit(&self.model_at, name));
        }
        if ask_for_usage && self.stream {
            edits.extend(self.usage_edit.clone());
        }
        apply(body, edits)
    }
}

fn choices(field: Option<Field<'_>>) -> Result<u64, RequestError> {
    let n = given(field).map_or(Ok(1), |field| field.integer(1))?;
    if n > MAX_CHOICES {
        let message = format!("Invalid 'n': integer above maximum value, expected at most {MAX_CHOICES}.");
        return Err(RequestError::new("integer_above_max_value", "n", message));
    }
    Ok(n)
}

pub(crate) fn metadata_user_id(metadata: Option<Field<'_>>) -> Result<Option<Cow<'_, str>>, RequestError> {
    let Some(metadata) = given(metadata).filter(|field| field.bytes().starts_with(b"{")) else {
        return Ok(None);
    };
    let [user_id] = metadata.pick(["user_id"])?;
    Ok(hint(user_id))
}

/// Whether usage is asked for, and the edit that asks for it where it is not.
fn read_stream_options(
    body: &[u8],
    options: Option<Field<'_>>,
) -> Result<(bool, Option<Edit>), RequestError> {
    let Some(options) = options else {
        let end = body.trim_ascii_end().len().saturating_sub(1);
        return Ok((false, Some((end..end, br#","stream_options":{"include_usage":true}"#.to_vec()))));
    };
    let at = options.range_in(body);
    if options.is_null() {
        return Ok((false, Some((at, br#"{"include_usage":true}"#.to_vec()))));
    }
    let [include_usage] = options.pick(["include_usage"])?;
    if let Some(field) = include_usage {
        if given(include_usage)
            .map_or(Ok(false), |field| field.named("stream_options.include_usage").bool())?
        {
            return Ok((true, None));
        }
        return Ok((false, Some((field.range_in(body), b"true".to_vec()))));
    }
    let inside = at.start + 1;
    let is_empty = options.bytes()[1..].trim_ascii_start() == b"}";
    let new: &[u8] = if is_empty { br#""include_usage":true"# } else { br#""include_usage":true,"# };
    Ok((false, Some((inside..inside, new.to_vec()))))
}
