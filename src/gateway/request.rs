//! What a client asks of a model: the head of the body and what stands around it, read once and handed on to every step.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use millpond_wire::{Endpoint, Head};

use crate::auth::extract::Caller;
use crate::providers::Profile;

/// Headers by which clients name their conversation.
const SESSION: [&str; 5] =
    ["session_id", "session-id", "x-session-id", "x-claude-code-session-id", "x-conversation-id"];

/// A request as far as it was read.
pub(crate) struct ModelRequest {
    /// What the client called; what is called upstream is each attempt's business.
    pub(crate) endpoint: Endpoint,
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) head: Head,
    /// Headers and query that go on to a provider of the same dialect.
    pub(crate) headers: HeaderMap,
    pub(crate) query: Option<&'static str>,
    /// Calls of one conversation should meet one account, whose provider remembers the prompt.
    pub(crate) conversation: u64,
}

/// What stands outside the body.
pub(crate) struct Outside {
    pub(crate) endpoint: Endpoint,
    model: Option<String>,
    headers: HeaderMap,
    query: Option<&'static str>,
    session: Option<HeaderValue>,
}

impl Outside {
    /// What counts of the headers and the query of a call, for which the URL may name the model.
    pub(crate) fn of<'q>(
        endpoint: Endpoint,
        model: Option<String>,
        headers: &HeaderMap,
        query: impl Fn(&str) -> Option<&'q str>,
    ) -> Self {
        let profile = Profile::of(endpoint.dialect());
        let mut passed = HeaderMap::new();
        for name in profile.passed_headers {
            for value in headers.get_all(*name) {
                passed.append(HeaderName::from_static(name), value.clone());
            }
        }
        let session = SESSION.iter().find_map(|name| headers.get(*name)).cloned();
        Self { endpoint, model, headers: passed, query: profile.query(query), session }
    }
}

impl ModelRequest {
    /// `head` must have been read from `body`.
    pub(crate) fn new(caller: &Caller, outside: Outside, head: Head, body: &[u8]) -> Self {
        let Outside { endpoint, model, headers, query, session } = outside;
        let session = session.as_ref().map(HeaderValue::as_bytes);
        Self {
            endpoint,
            model: model.or_else(|| head.model.clone()).unwrap_or_default(),
            stream: head.stream || endpoint == Endpoint::StreamGenerateContent,
            conversation: head.conversation_key(body, i64::from(caller.user.id.0), session),
            head,
            headers,
            query,
        }
    }
}
