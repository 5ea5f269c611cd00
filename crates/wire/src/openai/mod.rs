//! OpenAI's dialect: what the gateway reads of its requests.

pub mod request;

pub use request::ChatHead;
