//! API keys: how they are made, looked up and shown again.

use std::hash::{Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::ids::{KeyId, UserId};
use crate::store::api_keys::ApiKeyRow;
use crate::vault::{Undecryptable, Vault};

/// So many keys one person may have, so that every key that works is in their list.
pub const MOST: i64 = 1_000;
/// What every key begins with.
pub const PREFIX: &str = "sk-";
const RANDOM_BYTES: usize = 48;
const PREVIEW_CHARACTERS: usize = 8;

/// The SHA-256 of a key: what it is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash([u8; 32]);

/// A part of it does; nobody can choose it, because keys are made by us.
impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        hasher.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

impl KeyHash {
    /// The hash of a presented key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Lower-case hex, as stored.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The hash from its stored form.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// A new key: `sk-` and 64 characters of URL-safe base64.
pub fn generate() -> SecretString {
    SecretString::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; RANDOM_BYTES]>())))
}

/// The first eight characters, which tell one's keys apart and open nothing.
pub fn preview(key: &SecretString) -> String {
    key.expose_secret().chars().take(PREVIEW_CHARACTERS).collect()
}

/// The full key for its owner: decrypted, or AntiHub's clear text.
pub fn reveal(row: &ApiKeyRow, vault: &Vault) -> Result<SecretString, Undecryptable> {
    match &row.key_encrypted {
        Some(token) => vault.decrypt(token),
        None => Ok(SecretString::from(row.key.clone())),
    }
}

/// A key as the gateway checks it on every call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: KeyId,
    pub user_id: UserId,
    pub config_type: String,
    is_active: bool,
    expires_at: Option<Timestamp>,
    /// `None`: every model.
    pub allowed_models: Option<Vec<String>>,
    pub requests_per_minute: Option<u32>,
}

/// Why a key that exists is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    Disabled,
    Expired,
}

impl ApiKey {
    /// The key of a stored row. A list of models that can't be read allows none.
    pub fn from_row(row: &ApiKeyRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            config_type: row.config_type.clone(),
            is_active: row.is_active,
            expires_at: row.expires_at,
            allowed_models: row
                .allowed_models
                .as_deref()
                .map(|list| serde_json::from_str(list).unwrap_or_default()),
            requests_per_minute: row.requests_per_minute.and_then(|limit| u32::try_from(limit).ok()),
        }
    }

    /// Whether the key may be used now.
    pub fn check(&self, now: Timestamp) -> Result<(), KeyRefusal> {
        if !self.is_active {
            return Err(KeyRefusal::Disabled);
        }
        match self.expires_at {
            Some(end) if end <= now => Err(KeyRefusal::Expired),
            _ => Ok(()),
        }
    }

    /// Whether the key may call the model.
    pub fn allows(&self, model: &str) -> bool {
        self.allowed_models.as_ref().is_none_or(|models| models.iter().any(|allowed| allowed == model))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_look_like_the_contract() {
        let key = generate();
        assert_eq!(key.expose_secret().len(), 67);
        assert_eq!(preview(&key).len(), 8);
        let hash = KeyHash::of(key.expose_secret());
        assert_eq!(KeyHash::from_hex(&hash.to_hex()), Some(hash));
    }
}
