//! Millpond's own errors in the words of each dialect, as a whole body or as a frame inside a stream that has already
//! begun. Why something failed is decided elsewhere; nothing private may come in here, for all of it is shown.

use std::borrow::Cow;

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
    (dialect.protocol().error)(error).to_string().into_bytes()
}

/// A whole SSE event that reports an error inside a stream whose status was already sent.
pub fn stream_frame(dialect: Dialect, error: &WireError) -> Vec<u8> {
    let protocol = dialect.protocol();
    format!("{}data: {}\n\n", protocol.error_event, (protocol.error)(error)).into_bytes()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

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
