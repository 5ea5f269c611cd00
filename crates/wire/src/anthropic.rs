//! The head of an Anthropic Messages request, read in one pass and borrowed from the body; the body itself passes on
//! as it came. What blocks a message may contain is for the provider to judge.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use crate::openai::request::metadata_user_id;
use crate::request::{Field, RequestError, apply, given, model, model_edit, pick};

/// What the gateway knows of a Messages request (docs.anthropic.com, "Create a Message").
#[derive(Clone, Debug)]
pub struct AnthropicHead<'a> {
    /// The requested model, never empty.
    pub model: Cow<'a, str>,
    /// Whether the answer is to be streamed; false unless asked for.
    pub stream: bool,
    /// The bound on output tokens; 0 in a request to count tokens, which has none.
    pub max_tokens: u64,
    /// `metadata.user_id`, the client's own name for its end user.
    pub user_id: Option<Cow<'a, str>>,
    /// The raw JSON array of messages.
    pub messages: &'a [u8],
    /// The raw JSON of the system prompt: a string or an array of blocks.
    pub system: Option<&'a [u8]>,
    /// The raw JSON of the tool definitions.
    pub tools: Option<&'a [u8]>,
    model_at: Range<usize>,
}

impl<'a> AnthropicHead<'a> {
    /// Reads the head of `POST /v1/messages`, where `max_tokens` is required and at least 1.
    pub fn parse(body: &'a [u8]) -> Result<Self, RequestError> {
        let (mut head, max_tokens) = Self::read(body)?;
        head.max_tokens = given(max_tokens).ok_or_else(|| RequestError::missing("max_tokens"))?.integer(1)?;
        Ok(head)
    }

    /// Reads the head of `POST /v1/messages/count_tokens`, which needs no `max_tokens`.
    pub fn parse_count_tokens(body: &'a [u8]) -> Result<Self, RequestError> {
        Self::read(body).map(|(head, _)| head)
    }

    fn read(body: &'a [u8]) -> Result<(Self, Option<Field<'a>>), RequestError> {
        let [model_field, messages, max_tokens, stream, metadata, system, tools] =
            pick(body, ["model", "messages", "max_tokens", "stream", "metadata", "system", "tools"])?;
        let (model, model_field) = model(model_field)?;
        let head = Self {
            model,
            stream: given(stream).map_or(Ok(false), Field::bool)?,
            max_tokens: 0,
            user_id: metadata_user_id(metadata)?,
            messages: given(messages).ok_or_else(|| RequestError::missing("messages"))?.array()?,
            system: given(system).map(Field::bytes),
            tools: given(tools).map(Field::bytes),
            model_at: model_field.range_in(body),
        };
        Ok((head, max_tokens))
    }

    /// The body to send upstream: `body` (which this head was read from) with another model name, or the same bytes
    /// uncopied.
    pub fn upstream_body(&self, body: &Bytes, model: Option<&str>) -> Bytes {
        let other = model.filter(|name| *name != self.model);
        apply(body, other.map(|name| model_edit(&self.model_at, name)).into_iter().collect())
    }
}
