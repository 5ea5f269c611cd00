//! What the gateway knows of a request, the same for all dialects, so that whatever happens to a call is written once:
//! what it asks for, what bounds its cost, what it is sent on as. Each dialect's own file fills it. It borrows nothing, so
//! that it lives as long as the call and nobody reads the body a second time.

use std::ops::Range;

use bytes::Bytes;
use xxhash_rust::xxh64::Xxh64;

use crate::request::{Edit, RequestError, apply, model_edit};
use crate::{Dialect, Endpoint, Prompt};

/// The head of a request.
#[derive(Clone, Debug)]
pub struct Head {
    /// The model that the body names; `None` where the URL does.
    pub model: Option<String>,
    /// Whether the body asks for a stream; in Gemini's dialect the URL does.
    pub stream: bool,
    /// The bound on output tokens of one answer, if the client gave one.
    pub output_limit: Option<u64>,
    /// How many answers are wanted.
    pub answers: u64,
    /// The client's own name for the conversation or its end user.
    pub conversation: Option<String>,
    /// What is said.
    pub prompt: Prompt,
    /// Where the body names the model.
    pub(crate) model_at: Option<Range<usize>>,
    /// The edit that asks for the usage chunk, where a stream would come without.
    pub(crate) ask_for_usage: Option<Edit>,
}

impl Head {
    /// Reads the head of a request; the body must be one JSON object and nothing after it.
    pub fn parse(endpoint: Endpoint, body: &[u8]) -> Result<Self, RequestError> {
        (endpoint.dialect().protocol().parse)(endpoint, body)
    }

    /// A head that asks for nothing but an answer to a prompt.
    pub(crate) fn of(prompt: Prompt) -> Self {
        Self {
            model: None,
            stream: false,
            output_limit: None,
            answers: 1,
            conversation: None,
            prompt,
            model_at: None,
            ask_for_usage: None,
        }
    }

    /// Whether the usage chunk has to be asked for on the client's behalf, and then kept from it.
    pub fn lacks_usage(&self) -> bool {
        self.ask_for_usage.is_some()
    }

    /// The body to send to a provider of the same dialect: other bytes only where another model is named, or usage that
    /// the head lacks is to be asked for; else the same bytes uncopied. `body` must be what the head was read from.
    pub fn upstream_body(&self, body: &Bytes, model: &str, ask_for_usage: bool) -> Bytes {
        let renamed = self.model_at.as_ref().filter(|_| self.model.as_deref() != Some(model));
        let renamed = renamed.map(|at| model_edit(at, model));
        let asked = self.ask_for_usage.clone().filter(|_| ask_for_usage);
        apply(body, [renamed, asked])
    }

    /// A number that calls of one conversation have in common, whichever instance and release they meet (XXH64): from the
    /// name that the client gives it, in the body or else in `session`, or else from what it begins with.
    pub fn conversation_key(&self, body: &[u8], caller: i64, session: Option<&[u8]>) -> u64 {
        let mut hash = Xxh64::new(0);
        hash.update(&caller.to_le_bytes());
        hash.update(self.dialect().protocol().name.as_bytes());
        match self.conversation.as_deref().map(str::as_bytes).or(session) {
            Some(name) => {
                hash.update(b"\0name\0");
                hash.update(name);
            }
            None => {
                hash.update(b"\0opening\0");
                self.prompt.opening(body, |text| hash.update(text));
            }
        }
        hash.digest()
    }

    fn dialect(&self) -> Dialect {
        self.prompt.dialect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(endpoint: Endpoint, body: &str) -> u64 {
        Head::parse(endpoint, body.as_bytes()).unwrap().conversation_key(body.as_bytes(), 7, None)
    }

    #[test]
    fn a_conversation_keeps_its_opening() {
        let one = r#"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"be kind","cache_control":{"type":"ephemeral"}}],
            "messages":[{"role":"user","content":"hello"}]}"#;
        let two = r#"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"be kind"}],
            "messages":[{"role":"user","content":[{"type":"text","text":"hello"}]},{"role":"assistant","content":"hi"},
            {"role":"user","content":"and now?"}]}"#;
        assert_eq!(key(Endpoint::Messages, one), key(Endpoint::Messages, two));
        assert_ne!(key(Endpoint::Messages, one), key(Endpoint::Messages, &one.replace("hello", "hullo")));
        assert_ne!(key(Endpoint::Messages, one), key(Endpoint::Messages, &one.replace("kind", "rude")));
    }

    #[test]
    fn every_dialect_has_an_opening() {
        let chat =
            r#"{"model":"m","messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}]}"#;
        let more = chat.replace("]}", r#",{"role":"assistant","content":"b"}]}"#);
        assert_eq!(key(Endpoint::ChatCompletions, chat), key(Endpoint::ChatCompletions, &more));
        let content = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#;
        let next = r#"{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]}]}"#;
        assert_eq!(key(Endpoint::GenerateContent, content), key(Endpoint::GenerateContent, next));
        assert_ne!(key(Endpoint::GenerateContent, content), key(Endpoint::ChatCompletions, chat));
    }

    /// Instances of several releases must agree, so these numbers never change.
    #[test]
    fn conversations_keep_their_numbers() {
        let chat =
            |extra: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":"a"}}]{extra}}}"#);
        let of = |extra: &str, caller, session: Option<&[u8]>| {
            let body = chat(extra);
            let head = Head::parse(Endpoint::ChatCompletions, body.as_bytes()).unwrap();
            head.conversation_key(body.as_bytes(), caller, session)
        };
        assert_eq!(of("", 7, None), 8_492_736_825_976_159_083);
        assert_eq!(of("", 8, None), 8_844_754_677_618_673_681);
        assert_eq!(of("", 7, Some(b"s")), 14_434_878_009_779_098_881);
        assert_eq!(of(r#","user":"s""#, 7, None), 14_434_878_009_779_098_881);
        assert_eq!(
            of(r#","user":"s""#, 7, Some(b"t")),
            of("", 7, Some(b"s")),
            "the body's name counts first"
        );
        let message = r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}]}"#;
        assert_eq!(key(Endpoint::Messages, message), 18_372_773_786_316_345_857);
    }
}
