//! Which limits hold for a person and a key, in memory: those of the trust level, what was set for the one person or key,
//! and exceptions that end by themselves. Counting is `state::counters`.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use millpond_pool::bucket::LeaseId;
use millpond_pool::counters::Limits;

use crate::auth::keys::ApiKey;
use crate::clock::Timestamp;
use crate::config::Policy;
use crate::state::counters::Subject;
use crate::store::limits::LimitsRow;
use crate::store::users::User;

/// Under whose limits a call runs, and by which name they know it.
#[derive(Clone, Debug)]
pub(crate) struct Limited {
    pub(crate) id: LeaseId,
    pub(crate) subjects: Vec<Subject>,
}

/// What was set for single people and keys.
#[derive(Debug, Default)]
pub(crate) struct Exceptions(RwLock<HashMap<(String, i32), Vec<LimitsRow>>>);

impl Exceptions {
    /// Takes over what the database has.
    pub(crate) fn adopt(&self, rows: Vec<LimitsRow>) {
        let mut all: HashMap<_, Vec<LimitsRow>> = HashMap::new();
        for row in rows {
            all.entry((row.subject_kind.clone(), row.subject_id)).or_default().push(row);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// The limits of a person now.
    pub(crate) fn of_user(&self, user: &User, policy: &Policy, now: Timestamp) -> Limits {
        self.over(level(policy, user.trust_level), Subject::User(user.id), now)
    }

    /// The limits of a key now.
    pub(crate) fn of_key(&self, key: &ApiKey, now: Timestamp) -> Limits {
        let own = Limits { requests_per_minute: key.requests_per_minute.map(i64::from), ..Limits::default() };
        self.over(own, Subject::Key(key.id), now)
    }

    /// An exception counts before what was set for good, and that before the rest, limit by limit.
    fn over(&self, rest: Limits, subject: Subject, now: Timestamp) -> Limits {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return rest;
        }
        let Some(rows) = all.get(&(subject.kind().to_owned(), subject.number())) else { return rest };
        let mut rows: Vec<_> = rows.iter().filter(|row| row.until.is_none_or(|until| until > now)).collect();
        rows.sort_by_key(|row| row.is_exception);
        rows.into_iter().fold(rest, |limits, row| Limits {
            requests_per_minute: row.requests_per_minute.or(limits.requests_per_minute),
            tokens_per_minute: row.tokens_per_minute.or(limits.tokens_per_minute),
            concurrent_calls: row.concurrent_calls.or(limits.concurrent_calls),
            monthly_micro_usd: row.monthly_micro_usd.or(limits.monthly_micro_usd),
        })
    }
}

fn level(policy: &Policy, trust_level: i32) -> Limits {
    let limits = policy.of(trust_level).limits;
    let signed = |limit: Option<u64>| limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX));
    Limits {
        requests_per_minute: signed(limits.requests_per_minute),
        tokens_per_minute: signed(limits.tokens_per_minute),
        concurrent_calls: signed(limits.concurrent_calls),
        monthly_micro_usd: signed(limits.monthly_micro_usd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(is_exception: bool, calls: Option<i64>, tokens: Option<i64>, until: Option<i64>) -> LimitsRow {
        LimitsRow {
            subject_kind: "user".into(),
            subject_id: 1,
            is_exception,
            requests_per_minute: calls,
            tokens_per_minute: tokens,
            concurrent_calls: None,
            monthly_micro_usd: None,
            until: until.map(Timestamp::from_seconds),
            note: None,
            updated_at: Timestamp::from_seconds(0),
        }
    }

    #[test]
    fn an_exception_ends_by_itself() {
        let exceptions = Exceptions::default();
        exceptions.adopt(vec![row(true, Some(100), None, Some(10)), row(false, Some(5), Some(7), None)]);
        let rest = Limits { concurrent_calls: Some(3), tokens_per_minute: Some(1), ..Limits::default() };
        let at = |second| {
            exceptions.over(rest, Subject::User(crate::ids::UserId(1)), Timestamp::from_seconds(second))
        };
        assert_eq!((at(9).requests_per_minute, at(10).requests_per_minute), (Some(100), Some(5)));
        assert_eq!((at(9).tokens_per_minute, at(9).concurrent_calls), (Some(7), Some(3)));
        assert_eq!(
            exceptions.over(rest, Subject::Key(crate::ids::KeyId(1)), Timestamp::from_seconds(9)),
            rest
        );
    }
}
