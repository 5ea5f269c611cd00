//! Secrets that open one door once: set-up links, links that reset a password, challenges for a second factor.
//!
//! Only a hash is kept, in the shared state, for as long as the secret is good. Of many uses at once one wins.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::Auth;
use crate::edge::error::Result;
use crate::ids::UserId;
use crate::store::users::User;

/// What a secret opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Setting a new password.
    PasswordReset,
    /// The second half of a sign-in.
    SecondFactor,
}

impl Door {
    fn key(self, hash: &str) -> String {
        match self {
            Self::PasswordReset => format!("password_reset:{hash}"),
            Self::SecondFactor => format!("totp_challenge:{hash}"),
        }
    }

    /// Changes when secrets given before must not open the door any more.
    fn stamp(self, user: &User) -> String {
        match self {
            // A password that was set meanwhile, by another link or by its owner, makes the link void.
            Self::PasswordReset => hash(user.password_hash.as_deref().unwrap_or_default()),
            // A password that is changed, or sessions that are ended everywhere, end half-made sign-ins as well.
            Self::SecondFactor => user.token_generation.to_string(),
        }
    }

    /// How long a secret for the door is good.
    pub fn life(self) -> Duration {
        match self {
            Self::PasswordReset => Duration::from_secs(3_600),
            Self::SecondFactor => Duration::from_secs(300),
        }
    }
}

/// A secret of 256 bits that is safe in an address.
pub fn secret() -> SecretString {
    SecretString::from(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// The form in which secrets are kept.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// A new secret for a door of this person.
pub async fn give(auth: &Auth, door: Door, user: &User) -> Result<SecretString> {
    let secret = secret();
    let value = format!("{}:{}", user.id, door.stamp(user));
    auth.core.state.put(&door.key(&hash(secret.expose_secret())), &value, door.life()).await?;
    Ok(secret)
}

/// Whose door the secret opens, without using it up; nobody's when what it was made for has changed since.
pub async fn look(auth: &Auth, door: Door, secret: &str) -> Result<Option<User>> {
    let held = auth.core.state.get(&door.key(&hash(secret))).await?;
    opened(auth, door, held).await
}

/// Whose door the secret opens; it is good no more.
pub async fn take(auth: &Auth, door: Door, secret: &str) -> Result<Option<User>> {
    let held = auth.core.state.take(&door.key(&hash(secret))).await?;
    opened(auth, door, held).await
}

async fn opened(auth: &Auth, door: Door, held: Option<String>) -> Result<Option<User>> {
    let Some((id, stamp)) = held.as_deref().and_then(|held| held.split_once(':')) else { return Ok(None) };
    let Ok(id) = id.parse().map(UserId) else { return Ok(None) };
    let user = auth.core.store.find_user(id).await?;
    Ok(user.filter(|user| door.stamp(user) == stamp))
}
