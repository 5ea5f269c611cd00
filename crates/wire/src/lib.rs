//! Wire formats of the model providers that Millpond speaks: what a gateway must read of a request, what it must
//! notice in an answer, and what its own errors look like in each dialect.
//!
//! Everything here is a pure function of bytes. No runtime, no socket, no clock, no configuration and no randomness
//! may enter, and nothing may recurse on input or panic on it: every byte comes from somebody else.
//!
//! What differs between dialects stands in one file and one table each ([`dialect`]); everything else is written once.

mod anthropic;
mod bound;
mod gemini;
mod json;
mod openai;
mod request;

pub mod dialect;
pub mod error;
pub mod head;
pub mod limits;
pub mod models;
pub mod observe;
pub mod prompt;
pub mod refusal;
pub mod sample;
pub mod sse;
pub mod tokens;
pub mod usage;

pub use dialect::{Dialect, Endpoint};
pub use error::{ErrorKind, WireError};
pub use head::Head;
pub use observe::{Observed, StreamObserver};
pub use prompt::Prompt;
pub use request::RequestError;
pub use usage::Usage;
