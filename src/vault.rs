//! Encryption at rest of what must be readable again: Fernet, the format of AntiHub's stored upstream keys.

use fernet::Fernet;
use secrecy::{ExposeSecret as _, SecretString};

/// The key of this installation and what can be done with it.
#[derive(Clone)]
pub struct Vault(Fernet);

/// The stored text was not encrypted with this installation's key, or is damaged.
#[derive(Debug, thiserror::Error)]
#[error("a stored secret can't be decrypted: is PLUGIN_API_ENCRYPTION_KEY the one it was encrypted with?")]
pub struct Undecryptable;

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// A vault with a Fernet key (44 characters of URL-safe base64); `None` when it is not one.
    pub fn new(key: &SecretString) -> Option<Self> {
        Fernet::new(key.expose_secret()).map(Self)
    }

    /// A Fernet token of the text.
    pub fn encrypt(&self, text: &str) -> String {
        self.0.encrypt(text.as_bytes())
    }

    /// The text of a Fernet token.
    pub fn decrypt(&self, token: &str) -> Result<SecretString, Undecryptable> {
        let bytes = self.0.decrypt(token).map_err(|_| Undecryptable)?;
        String::from_utf8(bytes).map(SecretString::from).map_err(|_| Undecryptable)
    }
}
