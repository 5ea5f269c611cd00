//! The credentials of one account, taken in turn. One that its provider refused or limited rests for a while, and the
//! account goes on with the others. Nothing here says which failures are about a credential.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use axum::http::{HeaderName, HeaderValue};
use millpond_pool::units::Moment;
use sha2::{Digest as _, Sha256};

use crate::providers::Profile;

/// A credential as it is sent. Marked sensitive, so that nothing prints it.
struct Credential {
    value: HeaderValue,
    /// Tells one credential from another without telling what it is.
    fingerprint: String,
    rests_until: AtomicI64,
}

pub(crate) struct Credentials {
    name: HeaderName,
    all: Box<[Credential]>,
    next: AtomicUsize,
}

impl Credentials {
    /// Reads one credential a line; `None` when there is none or one can't stand in a header.
    pub(crate) fn parse(profile: &Profile, text: &str) -> Option<Self> {
        let read = |line: &str| {
            let mut value = HeaderValue::from_str(&format!("{}{line}", profile.credential_prefix)).ok()?;
            value.set_sensitive(true);
            let fingerprint = hex::encode(&Sha256::digest(line)[..8]);
            Some(Credential { value, fingerprint, rests_until: AtomicI64::new(i64::MIN) })
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let all: Box<[Credential]> = lines.map(read).collect::<Option<_>>()?;
        let name = HeaderName::from_static(profile.credential_header);
        (!all.is_empty()).then_some(Self { name, all, next: AtomicUsize::new(0) })
    }

    pub(crate) fn header(&self, which: usize) -> Option<(&HeaderName, &HeaderValue)> {
        self.all.get(which).map(|credential| (&self.name, &credential.value))
    }

    /// The next one that does not rest; when all do, the next one all the same.
    pub(crate) fn turn(&self, now: Moment) -> usize {
        if self.all.len() == 1 {
            return 0;
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut places = (0..self.all.len()).map(|step| first.wrapping_add(step) % self.all.len());
        places.find(|&place| self.is_awake(place, now)).unwrap_or(first % self.all.len())
    }

    /// Lets one rest until a moment, or wakes it.
    pub(crate) fn rest(&self, which: usize, until: Option<Moment>) {
        if let Some(credential) = self.all.get(which) {
            credential.rests_until.store(until.map_or(i64::MIN, |until| until.0), Ordering::Relaxed);
        }
    }

    /// Whether one of them may be used.
    pub(crate) fn any_awake(&self, now: Moment) -> bool {
        (0..self.all.len()).any(|place| self.is_awake(place, now))
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn is_single(&self) -> bool {
        self.all.len() == 1
    }

    /// What tells each from the others.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|credential| credential.fingerprint.as_str())
    }

    pub(crate) fn fingerprint(&self, which: usize) -> Option<&str> {
        self.all.get(which).map(|credential| credential.fingerprint.as_str())
    }

    /// The credential itself, for taking it out of what a provider says.
    pub(crate) fn secret(&self, which: usize) -> &str {
        let sent = self.all.get(which).and_then(|credential| credential.value.to_str().ok());
        sent.unwrap_or_default().trim_start_matches("Bearer ")
    }

    fn is_awake(&self, place: usize, now: Moment) -> bool {
        self.all.get(place).is_some_and(|one| one.rests_until.load(Ordering::Relaxed) <= now.0)
    }
}

#[cfg(test)]
mod tests {
    use millpond_wire::Dialect;

    use super::*;

    #[test]
    fn they_take_turns_and_rest() {
        let three = Credentials::parse(Profile::of(Dialect::Anthropic), "a\n b \n\nc\n").unwrap();
        let now = Moment(0);
        let turns = |now| [three.turn(now), three.turn(now), three.turn(now)];
        assert_eq!(turns(now), [0, 1, 2]);
        three.rest(1, Some(Moment(100)));
        assert_eq!(turns(now), [0, 2, 2]);
        three.rest(0, Some(Moment(100)));
        assert!(three.any_awake(now));
        three.rest(2, Some(Moment(100)));
        assert!(!three.any_awake(now), "nobody is left");
        assert_eq!(three.turn(Moment(100)), 0);
        assert_eq!(three.header(1).unwrap().1, "b");
        assert!(Credentials::parse(Profile::of(Dialect::OpenAi), "\n").is_none());
        assert!(Credentials::parse(Profile::of(Dialect::OpenAi), "a\u{7f}").is_none());
    }
}
