//! The seals: HMAC-SHA256 with a key made from the installation's encryption key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::store::audit::AuditRow;

/// Makes seals. The same text sealed for another purpose has another seal.
#[derive(Clone)]
pub(super) struct Chain(Hmac<Sha256>);

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chain")
    }
}

/// Every part with its length before it, so that no two lists of parts read alike.
struct Sealer(Hmac<Sha256>);

impl Sealer {
    fn part(mut self, part: Option<&str>) -> Self {
        match part {
            None => self.0.update(&[0]),
            Some(text) => {
                self.0.update(&[1]);
                self.0.update(&(text.len() as u64).to_be_bytes());
                self.0.update(text.as_bytes());
            }
        }
        self
    }

    fn number(mut self, number: i64) -> Self {
        self.0.update(&[2]);
        self.0.update(&number.to_be_bytes());
        self
    }

    fn finish(self) -> String {
        hex::encode(self.0.finalize().into_bytes())
    }
}

impl Chain {
    pub(super) fn new(encryption_key: &SecretString) -> Self {
        let mac = |key: &[u8]| {
            // HMAC takes a key of any length.
            Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
        };
        let derived = mac(encryption_key.expose_secret().as_bytes()).chain_update("millpond audit log 1");
        Self(mac(&derived.finalize().into_bytes()))
    }

    fn sealer(&self, purpose: &str) -> Sealer {
        Sealer(self.0.clone()).part(Some(purpose))
    }

    /// The hash of an entry over all its columns and the hash of the entry before.
    pub(super) fn hash(&self, row: &AuditRow) -> String {
        let AuditRow { seq, at, actor_kind, actor_id, action, target_kind, target_id, .. } = row;
        let AuditRow { address, request_id, state_before, state_after, previous_hash, hash: _, .. } = row;
        self.sealer("entry")
            .number(*seq)
            .number(at.micros())
            .part(Some(actor_kind))
            .part(actor_id.map(|id| id.to_string()).as_deref())
            .part(Some(action))
            .part(target_kind.as_deref())
            .part(target_id.as_deref())
            .part(address.as_deref())
            .part(request_id.as_deref())
            .part(state_before.as_deref())
            .part(state_after.as_deref())
            .part(Some(previous_hash))
            .finish()
    }

    /// The seal of "this is the newest entry".
    pub(super) fn seal(&self, seq: i64, hash: &str) -> String {
        self.sealer("head").number(seq).part(Some(hash)).finish()
    }

    pub(super) fn fingerprint(&self, text: &str) -> String {
        let mut hex = self.sealer("fingerprint").part(Some(text)).finish();
        hex.truncate(16);
        hex
    }
}
