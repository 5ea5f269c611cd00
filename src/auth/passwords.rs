//! Passwords: bcrypt at cost 12 on a bounded number of threads, with the same work for people who don't exist.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::error::{ApiError, Result};

/// The cost of new hashes; weaker ones are replaced when their owner signs in.
pub const COST: u32 = 12;

/// How long a sign-in may wait for a free thread.
const WAIT: Duration = Duration::from_secs(10);

/// Verified when there is nothing to verify against. It is no password's hash.
const NOBODY: &str = "$2b$12$C6UzMDM.H6dfI/f/IKcEeOWl1P1xoEQ1k2yqDjKn0HKyIuJkmGZ5e";

/// Hashes and verifies passwords without blocking the server.
#[derive(Clone, Debug)]
pub struct Passwords {
    threads: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { threads: Arc::new(Semaphore::new(threads)) }
    }
}

impl Passwords {
    /// Whether the password is the one of the hash. Without a hash the answer is no, after the same work.
    pub async fn verify(&self, password: &SecretString, hash: Option<&str>) -> Result<bool> {
        let (password, known) = (password.clone(), hash.is_some());
        let hash = hash.unwrap_or(NOBODY).to_owned();
        // What bcrypt can't read matches nothing. Like AntiHub's library it looks at 72 bytes only.
        let matches =
            self.run(move || bcrypt::verify(password.expose_secret(), &hash).unwrap_or(false)).await?;
        Ok(matches && known)
    }

    /// A new hash.
    pub async fn hash(&self, password: &SecretString) -> Result<String> {
        let password = password.clone();
        self.run(move || bcrypt::hash(password.expose_secret(), COST)).await?.map_err(ApiError::internal)
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
}
