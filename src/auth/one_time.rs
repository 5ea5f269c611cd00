//! Secrets that open one door once: set-up links, links that reset a password, challenges for a second factor.
//!
//! Only a hash is kept, in the shared state, for as long as the secret is good. Of many uses at once one wins.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::error::Result;

/// What a secret opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Setting a new password; the value is the person's id.
    PasswordReset,
    /// The second half of a sign-in; the value is the person's id.
    SecondFactor,
}

impl Door {
    fn key(self, hash: &str) -> String {
        match self {
            Self::PasswordReset => format!("password_reset:{hash}"),
            Self::SecondFactor => format!("totp_challenge:{hash}"),
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

/// A new secret for a door.
pub async fn give(app: &App, door: Door, value: &str) -> Result<SecretString> {
    let secret = secret();
    app.state.put(&door.key(&hash(secret.expose_secret())), value, door.life()).await?;
    Ok(secret)
}

/// What the secret stands for, without using it up.
pub async fn look(app: &App, door: Door, secret: &str) -> Result<Option<String>> {
    Ok(app.state.get(&door.key(&hash(secret))).await?)
}

/// What the secret stands for; it is good no more.
pub async fn take(app: &App, door: Door, secret: &str) -> Result<Option<String>> {
    Ok(app.state.take(&door.key(&hash(secret))).await?)
}
