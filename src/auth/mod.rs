//! Who is calling: passwords, tokens, sessions, API keys, and the extractors by which a handler names who may call it.
//!
//! Handlers and pages live in `api`; SQL and shared state live in `store` and `state`.

pub mod callers;
pub mod extract;
pub mod keys;
pub mod passwords;
pub mod sessions;
pub mod tokens;
pub mod vault;
