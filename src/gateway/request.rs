//! What a client asks of a model: the head of the body and what stands around it, read once and handed on to every step.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::http::{HeaderMap, HeaderValue};
use millpond_wire::{Dialect, Endpoint, Head};

use crate::auth::extract::Caller;

/// Headers by which clients name their conversation.
const SESSION: [&str; 5] =
    ["session_id", "session-id", "x-session-id", "x-claude-code-session-id", "x-conversation-id"];

/// A request as far as it was read.
pub(crate) struct ModelRequest<'a> {
    pub(crate) endpoint: Endpoint,
    pub(crate) model: Cow<'a, str>,
    pub(crate) stream: bool,
    pub(crate) head: Head<'a>,
    /// Headers and query that go on to the provider.
    pub(crate) headers: HeaderMap,
    pub(crate) query: Option<&'static str>,
    pub(crate) conversation: u64,
}

/// What stands outside the body.
pub(crate) struct Outside {
    pub(crate) endpoint: Endpoint,
    pub(crate) model: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Option<&'static str>,
}

impl<'a> ModelRequest<'a> {
    pub(crate) fn new(caller: &Caller, headers: &HeaderMap, outside: Outside, head: Head<'a>) -> Self {
        let Outside { endpoint, model, headers: passed, query } = outside;
        let model = model.map(Cow::Owned).or_else(|| head.model().cloned()).unwrap_or_default();
        Self {
            endpoint,
            model,
            stream: head.stream() || endpoint == Endpoint::StreamGenerateContent,
            conversation: conversation(caller, headers, &head, endpoint.dialect()),
            head,
            headers: passed,
            query,
        }
    }
}

/// Calls of one conversation should meet one account, whose provider remembers the prompt. It is known by the name that
/// the client gives it, or else by what it begins with.
fn conversation(caller: &Caller, headers: &HeaderMap, head: &Head<'_>, dialect: Dialect) -> u64 {
    let mut hasher = DefaultHasher::new();
    (caller.user.id, dialect).hash(&mut hasher);
    let session = || SESSION.iter().find_map(|name| headers.get(*name)).map(HeaderValue::as_bytes);
    match head.conversation().map(str::as_bytes).or_else(session) {
        Some(name) => hasher.write(name),
        None => head.hash_opening(&mut hasher),
    }
    hasher.finish()
}
