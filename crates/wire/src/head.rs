//! One view on the request heads of all dialects, so that whatever happens to a call is written once: what it asks for,
//! what bounds its cost, what it is sent on as. Translating a request into another dialect belongs here as well, as
//! another way to make the body that goes upstream.

use std::borrow::Cow;
use std::hash::Hasher;

use bytes::Bytes;

use crate::anthropic::AnthropicHead;
use crate::gemini::GeminiHead;
use crate::json::{Members, Value};
use crate::openai::ChatHead;
use crate::request::RequestError;
use crate::{Dialect, bound, tokens};

/// At most so many bytes of a conversation's beginning are looked at to recognise it.
const MAX_OPENING_BYTES: usize = 8 << 10;

/// A model endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountMessageTokens,
    /// `POST /v1beta/models/{model}:generateContent`
    GenerateContent,
    /// `POST /v1beta/models/{model}:streamGenerateContent`
    StreamGenerateContent,
    /// `POST /v1beta/models/{model}:countTokens`
    CountContentTokens,
}

impl Endpoint {
    /// The endpoint behind a model's name in Gemini's URLs.
    pub fn of_gemini_action(action: &str) -> Option<Self> {
        match action {
            "generateContent" => Some(Self::GenerateContent),
            "streamGenerateContent" => Some(Self::StreamGenerateContent),
            "countTokens" => Some(Self::CountContentTokens),
            _ => None,
        }
    }

    /// The dialect that it belongs to.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::ChatCompletions => Dialect::OpenAi,
            Self::Messages | Self::CountMessageTokens => Dialect::Anthropic,
            Self::GenerateContent | Self::StreamGenerateContent | Self::CountContentTokens => Dialect::Gemini,
        }
    }

    /// Whether it only counts tokens, which makes none and costs nothing.
    pub fn only_counts(self) -> bool {
        matches!(self, Self::CountMessageTokens | Self::CountContentTokens)
    }

    /// Its path as it is kept on record; the model in Gemini's stands in a column of its own.
    pub fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
            Self::CountMessageTokens => "/v1/messages/count_tokens",
            Self::GenerateContent => "/v1beta/models/{model}:generateContent",
            Self::StreamGenerateContent => "/v1beta/models/{model}:streamGenerateContent",
            Self::CountContentTokens => "/v1beta/models/{model}:countTokens",
        }
    }
}

/// The head of a request in any dialect.
#[derive(Clone, Debug)]
pub enum Head<'a> {
    /// A chat completion.
    OpenAi(ChatHead<'a>),
    /// A message, or the counting of its tokens.
    Anthropic(AnthropicHead<'a>),
    /// Content, or the counting of its tokens.
    Gemini(GeminiHead<'a>),
}

impl<'a> Head<'a> {
    /// Reads the head of a request; the body must be one JSON object and nothing after it.
    pub fn parse(endpoint: Endpoint, body: &'a [u8]) -> Result<Self, RequestError> {
        match endpoint {
            Endpoint::ChatCompletions => ChatHead::parse(body).map(Self::OpenAi),
            Endpoint::Messages => AnthropicHead::parse(body).map(Self::Anthropic),
            Endpoint::CountMessageTokens => AnthropicHead::parse_count_tokens(body).map(Self::Anthropic),
            Endpoint::GenerateContent | Endpoint::StreamGenerateContent | Endpoint::CountContentTokens => {
                GeminiHead::parse(body).map(Self::Gemini)
            }
        }
    }

    /// The model that the body names; in Gemini's dialect it stands in the URL.
    pub fn model(&self) -> Option<&Cow<'a, str>> {
        match self {
            Self::OpenAi(head) => Some(&head.model),
            Self::Anthropic(head) => Some(&head.model),
            Self::Gemini(_) => None,
        }
    }

    /// Whether the body asks for a stream; in Gemini's dialect the URL does.
    pub fn stream(&self) -> bool {
        match self {
            Self::OpenAi(head) => head.stream,
            Self::Anthropic(head) => head.stream,
            Self::Gemini(_) => false,
        }
    }

    /// The bound on output tokens of one answer, if the client gave one.
    pub fn output_limit(&self) -> Option<u64> {
        match self {
            Self::OpenAi(head) => head.output_limit(),
            Self::Anthropic(head) => Some(head.max_tokens).filter(|&bound| bound > 0),
            Self::Gemini(head) => head.max_output_tokens,
        }
    }

    /// The most input tokens that the request can cost; `body_bytes` is the length of all of it.
    pub fn most_input(&self, body_bytes: usize) -> u64 {
        let (dialect, messages) = match self {
            Self::OpenAi(head) => (Dialect::OpenAi, head.messages),
            Self::Anthropic(head) => (Dialect::Anthropic, head.messages),
            Self::Gemini(head) => (Dialect::Gemini, head.contents),
        };
        bound::most_input_tokens(dialect, messages, body_bytes)
    }

    /// How many answers are wanted.
    pub fn answers(&self) -> u64 {
        match self {
            Self::OpenAi(head) => head.n,
            Self::Anthropic(_) => 1,
            Self::Gemini(head) => head.candidate_count,
        }
    }

    /// Whether the usage chunk has to be asked for on the client's behalf, and then kept from it.
    pub fn lacks_usage(&self) -> bool {
        matches!(self, Self::OpenAi(head) if head.lacks_usage())
    }

    /// The body to send to a provider of the same dialect: other bytes only where another model is named or usage must
    /// be asked for, else the same bytes uncopied.
    pub fn upstream_body(&self, body: &Bytes, model: &str) -> Bytes {
        match self {
            Self::OpenAi(head) => head.upstream_body(body, Some(model), true),
            Self::Anthropic(head) => head.upstream_body(body, Some(model)),
            Self::Gemini(_) => body.clone(),
        }
    }

    /// The client's own name for the conversation or its end user.
    pub fn conversation(&self) -> Option<&str> {
        match self {
            Self::OpenAi(head) => {
                head.prompt_cache_key.as_deref().or(head.metadata_user_id.as_deref()).or(head.user.as_deref())
            }
            Self::Anthropic(head) => head.user_id.as_deref(),
            Self::Gemini(_) => None,
        }
    }

    /// Feeds what a conversation begins with, and keeps beginning with, to `hasher`: the system prompt and the first
    /// thing the user said. Only texts count, because clients move cache marks about between turns.
    pub fn hash_opening(&self, hasher: &mut impl Hasher) {
        let (system, messages) = match self {
            Self::OpenAi(head) => (None, head.messages),
            Self::Anthropic(head) => (head.system, head.messages),
            Self::Gemini(head) => (head.system_instruction, head.contents),
        };
        let mut left = MAX_OPENING_BYTES;
        let mut take = |text: &[u8]| {
            let text = text.get(..left).unwrap_or(text);
            left -= text.len();
            hasher.write(text);
            left > 0
        };
        if let Some(system) = system
            && !Members::new(system).filter_map(prose).all(&mut take)
        {
            return;
        }
        let mut asked = false;
        for member in Members::new(messages) {
            match (member.depth, member.key, member.value) {
                (2, b"role", _) if asked => return,
                (2, b"role", Value::Text(role)) => asked = role == b"user",
                _ => {
                    if !prose(member).is_none_or(&mut take) {
                        return;
                    }
                }
            }
        }
    }

    /// An estimate of the input tokens, for an answer whose provider reports none.
    pub fn estimate_input(&self, model: &str) -> u64 {
        let (dialect, parts) = match self {
            Self::OpenAi(head) => (Dialect::OpenAi, [Some(head.messages), head.tools, None]),
            Self::Anthropic(head) => (Dialect::Anthropic, [Some(head.messages), head.system, head.tools]),
            Self::Gemini(head) => {
                (Dialect::Gemini, [Some(head.contents), head.system_instruction, head.tools])
            }
        };
        tokens::prompt(dialect, parts.into_iter().flatten()).estimate_tokens(dialect, model)
    }
}

fn prose(member: crate::json::Member<'_>) -> Option<&[u8]> {
    match member.value {
        Value::Text(text) if matches!(member.key, b"" | b"text" | b"content") => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use super::*;

    fn opening(endpoint: Endpoint, body: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        Head::parse(endpoint, body.as_bytes()).unwrap().hash_opening(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn a_conversation_keeps_its_opening() {
        let one = r#"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"be kind","cache_control":{"type":"ephemeral"}}],
            "messages":[{"role":"user","content":"hello"}]}"#;
        let two = r#"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"be kind"}],
            "messages":[{"role":"user","content":[{"type":"text","text":"hello"}]},{"role":"assistant","content":"hi"},
            {"role":"user","content":"and now?"}]}"#;
        assert_eq!(opening(Endpoint::Messages, one), opening(Endpoint::Messages, two));
        assert_ne!(
            opening(Endpoint::Messages, one),
            opening(Endpoint::Messages, &one.replace("hello", "hullo"))
        );
        assert_ne!(
            opening(Endpoint::Messages, one),
            opening(Endpoint::Messages, &one.replace("kind", "rude"))
        );
    }

    #[test]
    fn every_dialect_has_an_opening() {
        let chat =
            r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}"#;
        let more = chat.replace("]}", r#",{"role":"assistant","content":"b"}]}"#);
        assert_eq!(opening(Endpoint::ChatCompletions, chat), opening(Endpoint::ChatCompletions, &more));
        let content = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#;
        let next = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]}]}"#;
        assert_eq!(opening(Endpoint::GenerateContent, content), opening(Endpoint::GenerateContent, next));
        assert_ne!(opening(Endpoint::GenerateContent, content), opening(Endpoint::ChatCompletions, chat));
    }
}
