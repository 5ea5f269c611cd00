//! Wire formats of the model providers that Millpond speaks: what a gateway must read of a request, what it must
//! notice in an answer, and what its own errors look like in each dialect.
//!
//! Everything here is a pure function of bytes. No runtime, no socket, no clock, no configuration and no randomness
//! may enter, and nothing may recurse on input or panic on it: every byte comes from somebody else.

mod bound;
mod json;
mod request;

pub mod anthropic;
pub mod error;
pub mod gemini;
pub mod head;
pub mod limits;
pub mod models;
pub mod observe;
pub mod openai;
pub mod refusal;
pub mod sse;
pub mod tokens;
pub mod usage;

pub use error::{ErrorKind, WireError};
pub use head::{Endpoint, Head};
pub use observe::{Observed, StreamObserver};
pub use request::RequestError;
pub use usage::Usage;

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
