//! Passwords: bcrypt at cost 12 on a bounded number of threads, with the same work for people who don't exist; and which
//! passwords may be set (after NIST SP 800-63B: long enough, not easily guessed, no rules of composition).
//!
//! Passwords are taken in Unicode's composed form, so that the same letters typed on another device are the same
//! password. bcrypt looks at 72 bytes: of a longer one its SHA-256 is hashed, and the hash says so by [`LONG`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

use crate::edge::error::{ApiError, Result};
use crate::messages::say;

/// The cost of new hashes; weaker ones are replaced when their owner signs in.
pub const COST: u32 = 12;

/// Characters that a new password needs and may have.
pub const SHORTEST: usize = 8;
pub const LONGEST: usize = 128;
/// Guesses after which an attacker who knows what people choose would have found the password.
const TOO_FEW_GUESSES: u64 = 1_000_000;
/// Stands before the hash of a password that is longer than bcrypt looks.
const LONG: &str = "sha256:";
const BCRYPT_BYTES: usize = 72;

/// How long a sign-in may wait for a free thread.
const WAIT: Duration = Duration::from_secs(10);

/// Verified when there is nothing to verify against. It is no password's hash.
const NOBODY: &str = "$2b$12$C6UzMDM.H6dfI/f/IKcEeOWl1P1xoEQ1k2yqDjKn0HKyIuJkmGZ5e";

/// Hashes and verifies passwords without blocking the server.
#[derive(Clone, Debug)]
pub struct Passwords {
    threads: Arc<Semaphore>,
    /// Work done so far: equal for people who exist and who don't, which a test holds without a stopwatch.
    verifications: Arc<AtomicU64>,
}

impl Default for Passwords {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads: Arc::new(Semaphore::new(threads)), verifications: Arc::default() }
    }
}

impl Passwords {
    /// Whether the password is the one of the hash. Without a hash the answer is no, after the same work.
    pub async fn verify(&self, password: &SecretString, hash: Option<&str>) -> Result<bool> {
        let (password, known) = (password.clone(), hash.is_some());
        let hash = hash.unwrap_or(NOBODY).to_owned();
        // What bcrypt can't read matches nothing. Like AntiHub's library it looks at 72 bytes only.
        let verifications = self.verifications.clone();
        let work = move || {
            let compare = |text: &str, hash: &str| {
                verifications.fetch_add(1, Ordering::Relaxed);
                bcrypt::verify(text, hash).unwrap_or(false)
            };
            is_password(password.expose_secret(), &hash, compare)
        };
        let matches = self.run(work).await?;
        Ok(matches && known)
    }

    /// How many hashes were computed to verify passwords.
    pub fn verifications(&self) -> u64 {
        self.verifications.load(Ordering::Relaxed)
    }

    /// A new hash.
    pub async fn hash(&self, password: &SecretString) -> Result<String> {
        let password = password.clone();
        let work = move || {
            let text: String = password.expose_secret().nfc().collect();
            if text.len() <= BCRYPT_BYTES {
                return bcrypt::hash(text, COST);
            }
            bcrypt::hash(shortened(&text), COST).map(|hash| format!("{LONG}{hash}"))
        };
        self.run(work).await?.map_err(ApiError::internal)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let permit = tokio::time::timeout(WAIT, self.threads.clone().acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(ApiError::unavailable("too many sign-ins at once"));
        };
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
    }
}

fn shortened(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

fn is_password(typed: &str, hash: &str, compare: impl Fn(&str, &str) -> bool) -> bool {
    let text: String = typed.nfc().collect();
    if let Some(hash) = hash.strip_prefix(LONG) {
        return compare(&shortened(&text), hash);
    }
    // AntiHub took passwords as they were typed.
    compare(&text, hash) || text != typed && compare(typed, hash)
}

/// Refuses a new password that is too short, too long, or among the first that anybody would try.
pub async fn check(password: &SecretString, username: &str) -> Result<()> {
    let (password, username) = (password.clone(), username.to_owned());
    let work = move || {
        let text: String = password.expose_secret().nfc().collect();
        let length = text.chars().count();
        let bad = |key| Err(ApiError::bad_request("bad_password", say(key)));
        if !(SHORTEST..=LONGEST).contains(&length) {
            return bad("password_length");
        }
        if text.contains('\0')
            || zxcvbn::zxcvbn(&text, &[&username, "millpond", "antihub"]).guesses() < TOO_FEW_GUESSES
        {
            return bad("password_common");
        }
        Ok(())
    };
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
}

/// Whether a hash was made with less than today's cost.
pub fn is_weak(hash: &str) -> bool {
    let cost = hash.split('$').nth(2).and_then(|cost| cost.parse::<u32>().ok());
    cost.is_some_and(|cost| cost < COST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_has_no_password() {
        let passwords = Passwords::default();
        let hash = bcrypt::hash("pond", 4).unwrap();
        assert!(passwords.verify(&"pond".into(), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&"lake".into(), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&"pond".into(), None).await.unwrap());
        assert!(!passwords.verify(&"pond".into(), Some("not a hash")).await.unwrap());
        assert!(bcrypt::verify("anything", NOBODY).is_ok(), "the stand-in must cost the same work");
        assert!(is_weak(&hash) && !is_weak(NOBODY));
    }

    #[test]
    fn long_and_composed_passwords_are_whole() {
        let is_password = |typed: &str, hash: &str| {
            is_password(typed, hash, |text, hash| bcrypt::verify(text, hash).unwrap_or(false))
        };
        let long = "x".repeat(72);
        let hash = format!("{LONG}{}", bcrypt::hash(shortened(&format!("{long}a")), 4).unwrap());
        assert!(is_password(&format!("{long}a"), &hash) && !is_password(&format!("{long}b"), &hash));
        let composed = bcrypt::hash("caf\u{e9}", 4).unwrap();
        assert!(is_password("cafe\u{301}", &composed));
        let as_typed = bcrypt::hash("cafe\u{301}", 4).unwrap();
        assert!(is_password("cafe\u{301}", &as_typed), "made by AntiHub");
    }

    #[tokio::test]
    async fn what_everybody_tries_first_is_refused() {
        for bad in [
            "short",
            "password",
            "Password1",
            "12345678",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "adalovelace1",
            "iloveyou1",
        ] {
            assert!(check(&bad.into(), "adalovelace").await.is_err(), "{bad}");
        }
        let long = "0".repeat(LONGEST + 1);
        assert!(check(&long.into(), "ada").await.is_err());
        for good in ["correct horse battery", "池塘里的磨坊与月光二", "gX7#kpQz", "пароль от мельницы"]
        {
            assert!(check(&good.into(), "ada").await.is_ok(), "{good}");
        }
    }
}
