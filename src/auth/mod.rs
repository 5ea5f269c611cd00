//! Who calls: passwords, tokens, sessions, API keys, sign-in elsewhere, and what a handler asks for to know a caller.
//!
//! Handlers and pages live in `api`; SQL and shared state live in `store` and `state`.

pub mod authenticator;
pub mod delete_user;
pub mod extract;
pub mod keys;
mod memory;
pub mod one_time;
pub mod passwords;
pub mod registration;
pub mod second_factor;
pub mod sessions;
pub mod signin;
pub mod tokens;

use std::sync::Arc;

use crate::core::Core;
use authenticator::Authenticator;
use passwords::Passwords;
use signin::SignIn;
use tokens::Tokens;

/// What recognising people and letting them in needs.
#[derive(Debug)]
pub struct Auth {
    pub core: Arc<Core>,
    pub tokens: Tokens,
    pub passwords: Passwords,
    pub signin: SignIn,
    pub authenticator: Authenticator,
}

impl Auth {
    /// Puts it together, and starts to encrypt what AntiHub stored in clear.
    pub fn start(core: Arc<Core>) -> Result<Self, reqwest::Error> {
        let signin = SignIn::new(&core.config)?;
        let tokens = Tokens::new(&core.config.tokens);
        let authenticator = Authenticator::new(tokens.clone(), &core);
        signin::tokens::encrypt_clear_rows(&core.tasks, &core.store, &core.vault);
        Ok(Self { core, tokens, passwords: Passwords::default(), signin, authenticator })
    }
}
