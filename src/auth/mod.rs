//! Who calls: passwords, tokens, sessions, API keys, sign-in elsewhere, and what a handler asks for to know a caller.
//!
//! Handlers and pages live in `api`; SQL and shared state live in `store` and `state`.

pub mod callers;
pub mod departure;
pub mod extract;
pub mod keys;
pub mod one_time;
pub mod passwords;
pub mod registration;
pub mod second_factor;
pub mod sessions;
pub mod signin;
pub mod tokens;
pub mod vault;
