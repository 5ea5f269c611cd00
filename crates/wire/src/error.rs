//! Millpond's own errors in the words of each dialect, as a whole body or as a frame inside a stream that has already
//! begun. Why something failed is decided elsewhere; nothing private may come in here, for all of it is shown.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::Dialect;

/// What kind of failure a client is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request cannot be understood or is not allowed as it stands.
    InvalidRequest,
    /// The caller is not known: no key, a wrong one, or a revoked one.
    Authentication,
    /// The caller is known and may not do this.
    Permission,
    /// No such route, model or object.
    NotFound,
    /// The route exists and does not take this method.
    MethodNotAllowed,
    /// The body is larger than the gateway accepts.
    TooLarge,
    /// The body is not of a type that the route reads.
    UnsupportedMediaType,
    /// Too many requests for now; waiting helps.
    RateLimited,
    /// The caller's quota is used up; it comes back with time or by contributing.
    QuotaExhausted,
    /// The provider failed or answered nonsense.
    Upstream,
    /// The provider did not answer in time.
    Timeout,
    /// Nobody can serve the call now: no healthy account, or the gateway is full.
    Overloaded,
    /// The gateway itself failed.
    Internal,
}

impl ErrorKind {
    /// The HTTP status code, the same in every dialect.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Authentication => 401,
            Self::Permission => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited | Self::QuotaExhausted => 429,
            Self::Internal => 500,
            Self::Upstream => 502,
            Self::Overloaded => 503,
            Self::Timeout => 504,
        }
    }

    /// OpenAI's `error.type`. A wrong key is an `invalid_request_error` there (its code tells it apart), as its API
    /// really answers; 5xx are `server_error`, except failures of a provider behind us, which are `api_error`.
    fn openai_type(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::Authentication
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::UnsupportedMediaType => "invalid_request_error",
            Self::Permission => "permission_error",
            Self::RateLimited => "rate_limit_error",
            Self::QuotaExhausted => "insufficient_quota",
            Self::Upstream => "api_error",
            Self::Timeout | Self::Overloaded | Self::Internal => "server_error",
        }
    }

    /// OpenAI's `error.code` where the error itself carries none.
    fn openai_code(self) -> Option<&'static str> {
        match self {
            Self::InvalidRequest | Self::Permission | Self::Internal => None,
            Self::Authentication => Some("invalid_api_key"),
            Self::NotFound => Some("not_found"),
            Self::MethodNotAllowed => Some("method_not_allowed"),
            Self::TooLarge => Some("request_too_large"),
            Self::UnsupportedMediaType => Some("unsupported_media_type"),
            Self::RateLimited => Some("rate_limit_exceeded"),
            Self::QuotaExhausted => Some("insufficient_quota"),
            Self::Upstream => Some("upstream_error"),
            Self::Timeout => Some("timeout"),
            Self::Overloaded => Some("overloaded"),
        }
    }

    /// Anthropic's `error.type` (docs.anthropic.com, "Errors").
    fn anthropic_type(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::MethodNotAllowed | Self::UnsupportedMediaType => {
                "invalid_request_error"
            }
            Self::Authentication => "authentication_error",
            Self::Permission => "permission_error",
            Self::NotFound => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimited | Self::QuotaExhausted => "rate_limit_error",
            Self::Overloaded => "overloaded_error",
            Self::Timeout => "timeout_error",
            Self::Upstream | Self::Internal => "api_error",
        }
    }

    /// Google's `error.status`, a name of `google.rpc.Code`.
    fn google_status(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::TooLarge | Self::UnsupportedMediaType => "INVALID_ARGUMENT",
            Self::Authentication => "UNAUTHENTICATED",
            Self::Permission => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "UNIMPLEMENTED",
            Self::RateLimited | Self::QuotaExhausted => "RESOURCE_EXHAUSTED",
            Self::Upstream | Self::Overloaded => "UNAVAILABLE",
            Self::Timeout => "DEADLINE_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }
}

/// An error as a client may see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WireError {
    /// Decides the status and the type.
    pub kind: ErrorKind,
    /// A sentence for people; shown as it is.
    pub message: String,
    /// A word for programs (OpenAI's `code`), replacing the kind's own.
    pub code: Option<Cow<'static, str>>,
    /// The request member at fault (OpenAI's `param`).
    pub param: Option<String>,
}

impl WireError {
    /// An error with the code that its kind implies.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code: None, param: None }
    }

    /// The same error with a code of its own.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The HTTP status code to answer with.
    pub fn status(&self) -> u16 {
        self.kind.status()
    }
}

/// The complete JSON body of an error response, in the shape of the dialect's official API.
pub fn body(dialect: Dialect, error: &WireError) -> Vec<u8> {
    tree(dialect, error).to_string().into_bytes()
}

/// A whole SSE event that reports an error inside a stream whose status was already sent.
pub fn stream_frame(dialect: Dialect, error: &WireError) -> Vec<u8> {
    let name = if dialect == Dialect::Anthropic { "event: error\n" } else { "" };
    format!("{name}data: {}\n\n", tree(dialect, error)).into_bytes()
}

fn tree(dialect: Dialect, error: &WireError) -> Value {
    let WireError { kind, message, code, param } = error;
    match dialect {
        Dialect::OpenAi => {
            let code = code.as_deref().or(kind.openai_code());
            json!({"error": {"message": message, "type": kind.openai_type(), "param": param, "code": code}})
        }
        Dialect::Anthropic => {
            json!({"type": "error", "error": {"type": kind.anthropic_type(), "message": message}})
        }
        Dialect::Gemini => {
            json!({"error": {"code": kind.status(), "message": message, "status": kind.google_status()}})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_own_shape() {
        let error = WireError::new(ErrorKind::QuotaExhausted, "Your quota is used up.");
        let read = |dialect| serde_json::from_slice::<Value>(&body(dialect, &error)).unwrap();
        assert_eq!(
            read(Dialect::OpenAi),
            json!({"error": {"message": "Your quota is used up.", "type": "insufficient_quota",
                "param": null, "code": "insufficient_quota"}})
        );
        assert_eq!(
            read(Dialect::Anthropic),
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "Your quota is used up."}})
        );
        assert_eq!(
            read(Dialect::Gemini),
            json!({"error": {"code": 429, "message": "Your quota is used up.", "status": "RESOURCE_EXHAUSTED"}})
        );
    }

    #[test]
    fn a_frame_is_one_event() {
        let error = WireError::new(ErrorKind::Upstream, "two\nlines");
        let frame = String::from_utf8(stream_frame(Dialect::Anthropic, &error)).unwrap();
        assert!(frame.starts_with("event: error\ndata: {"));
        assert_eq!(frame.matches('\n').count(), 3);
        assert!(stream_frame(Dialect::OpenAi, &error).starts_with(b"data: {\"error\":"));
    }
}
