//! The dialects and their endpoints. A dialect is one file with one [`Protocol`] in it, and one line in
//! [`Dialect::protocol`].

use serde_json::Value;

use crate::bound::Attachments;
use crate::observe::{Tally, Verdict};
use crate::request::RequestError;
use crate::usage::Spellings;
use crate::{Head, WireError, anthropic, gemini, openai};

/// The protocol that a client or a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's chat completions, and the many services that imitate them.
    OpenAi,
    /// Anthropic's Messages API.
    Anthropic,
    /// Google's Gemini `generateContent` API.
    Gemini,
}

impl Dialect {
    pub(crate) fn protocol(self) -> &'static Protocol {
        match self {
            Self::OpenAi => &openai::PROTOCOL,
            Self::Anthropic => &anthropic::PROTOCOL,
            Self::Gemini => &gemini::PROTOCOL,
        }
    }
}

/// What a dialect is.
pub(crate) struct Protocol {
    /// Tells conversations of one dialect from those of another; it must never change.
    pub(crate) name: &'static str,
    /// Reads the head of a request for one of the dialect's endpoints.
    pub(crate) parse: fn(Endpoint, &[u8]) -> Result<Head, RequestError>,
    /// Looks into the data of an event, or into a whole body; `name` is the event's, if it has one.
    pub(crate) read: fn(&mut Tally, name: &[u8], data: &[u8]) -> Verdict,
    /// How counts are called.
    pub(crate) usage: Spellings,
    /// An error as the dialect's official API shows it.
    pub(crate) error: fn(&WireError) -> Value,
    /// What stands before the data of an error inside a stream.
    pub(crate) error_event: &'static str,
    /// Whether an event says that the answer is over, so that nothing follows it. Else the last one does.
    pub(crate) has_end_event: bool,
    /// What of a prompt is no text.
    pub(crate) attachments: Attachments,
}

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
