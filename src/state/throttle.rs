//! Slows down who guesses: growing delays after failures, per account and per address.
//!
//! Only the act of signing in is delayed. Sessions that exist are never touched, so nobody can be locked out of what
//! is already open.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{Result, State};
use crate::clock::Timestamp;

/// Who is counted, and how many failures are free.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// Everybody who tries this account, from wherever.
    Account(&'a str),
    /// Everything that comes from this address.
    Address(&'a str),
}

impl Subject<'_> {
    /// An address may be shared by a school or an office; an account belongs to one person.
    fn free_failures(self) -> u32 {
        match self {
            Self::Account(_) => 5,
            Self::Address(_) => 30,
        }
    }

    /// Names are hashed: a mistyped password in the name field must not be kept in clear.
    fn key(self) -> String {
        let (kind, name) = match self {
            Self::Account(name) => ("account", name.to_lowercase()),
            Self::Address(address) => ("address", address.to_owned()),
        };
        format!("login_failures:{kind}:{}", hex::encode(&Sha256::digest(name.as_bytes())[..16]))
    }
}

/// Failures are forgotten when nothing failed for this long.
const MEMORY: Duration = Duration::from_secs(3_600);
const LONGEST_DELAY: Duration = Duration::from_secs(900);
const UPDATE_ATTEMPTS: u32 = 16;

/// `failures:moment of the last one in microseconds`
fn decode(value: &str) -> Option<(u32, Timestamp)> {
    let (failures, last) = value.split_once(':')?;
    Some((failures.parse().ok()?, Timestamp::from_micros(last.parse().ok()?)))
}

/// One second after the first failure that is not free, then doubling.
fn delay(failures: u32, free: u32) -> Duration {
    match failures.checked_sub(free) {
        None => Duration::ZERO,
        Some(excess) => Duration::from_secs(1_u64 << excess.min(16)).min(LONGEST_DELAY),
    }
}

impl State {
    /// Counts an attempt as a failure before it is made, so that many guesses at once are many failures. Answers how long
    /// the subject must still wait; zero when it may go on. [`State::login_succeeded`] takes it back.
    pub async fn login_attempt(&self, subject: Subject<'_>, now: Timestamp) -> Result<Duration> {
        let key = subject.key();
        for _ in 0..UPDATE_ATTEMPTS {
            let held = self.get(&key).await?;
            let (failures, last) = held.as_deref().and_then(decode).unwrap_or((0, now));
            let wait = delay(failures, subject.free_failures()).saturating_sub(now.since(last));
            if !wait.is_zero() {
                return Ok(wait);
            }
            let value = format!("{}:{}", failures.saturating_add(1), now.micros());
            if self.compare_and_put(&key, held.as_deref(), &value, MEMORY).await? {
                return Ok(Duration::ZERO);
            }
        }
        // So many others try at the same moment that this one had better wait.
        Ok(Duration::from_secs(1))
    }

    /// Takes one attempt back that was none: of an address, whose other failures still count.
    pub async fn forget_attempt(&self, subject: Subject<'_>) -> Result<()> {
        let key = subject.key();
        for _ in 0..UPDATE_ATTEMPTS {
            let held = self.get(&key).await?;
            let Some((failures, last)) = held.as_deref().and_then(decode) else { return Ok(()) };
            let value = format!("{}:{}", failures.saturating_sub(1), last.micros());
            if self.compare_and_put(&key, held.as_deref(), &value, MEMORY).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Forgets the failures of an account whose owner has signed in.
    pub async fn login_succeeded(&self, subject: Subject<'_>) -> Result<()> {
        if self.get(&subject.key()).await?.is_some() {
            self.remove(&subject.key()).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_and_end() {
        assert_eq!(delay(4, 5), Duration::ZERO);
        assert_eq!(delay(5, 5), Duration::from_secs(1));
        assert_eq!(delay(8, 5), Duration::from_secs(8));
        assert_eq!(delay(u32::MAX, 5), LONGEST_DELAY);
    }
}
