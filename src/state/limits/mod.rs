//! Limits of people and keys, shared by all instances: in Redis one script a step, embedded the same steps in memory.
//!
//! The arithmetic is `millpond_pool::limits`. The embedded form needs no persistence: a minute is forgotten by a restart,
//! and the money spent in a month is told anew from the usage rows.

mod redis;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use millpond_pool::bucket::LeaseId;
use millpond_pool::limits::{Ask, Limits, Meter, Refusal};
use millpond_pool::units::Moment;

use super::{Result, State};
use crate::ids::{KeyId, UserId};

/// Who is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    User(UserId),
    Key(KeyId),
}

impl Subject {
    /// `user` or `key`, as the table of limits says it.
    pub fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Key(_) => "key",
        }
    }

    /// The number of the person or key.
    pub fn number(self) -> i32 {
        match self {
            Self::User(id) => id.0,
            Self::Key(id) => id.0,
        }
    }
}

/// The meters of a single instance.
#[derive(Clone, Debug, Default)]
pub(super) struct Meters(Arc<Mutex<HashMap<Subject, Meter>>>);

impl Meters {
    fn with<T>(&self, subject: Subject, step: impl FnOnce(&mut Meter) -> T) -> T {
        let mut meters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        step(meters.entry(subject).or_default())
    }

    /// Drops the meters that say nothing any more.
    pub(super) fn forget_idle(&self, now: Moment) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, meter| !meter.is_idle(now));
    }
}

impl State {
    /// Counts a call as begun, or says which limit keeps it out. `month` names the calendar month.
    pub async fn admit(
        &self,
        subject: Subject,
        limits: &Limits,
        ask: &Ask,
        month: i64,
        now: Moment,
    ) -> Result<std::result::Result<(), Refusal>> {
        match self {
            Self::Embedded(embedded) => {
                Ok(embedded.meters().with(subject, |meter| meter.admit(limits, ask, month, now)))
            }
            Self::Redis(redis) => redis::admit(redis, subject, limits, ask, month, now).await,
        }
    }

    /// Tells what the subject spent in a month that isn't known yet.
    pub async fn begin_month(&self, subject: Subject, month: i64, spent: i64, now: Moment) -> Result<()> {
        match self {
            Self::Embedded(embedded) => {
                embedded.meters().with(subject, |meter| meter.begin_month(month, spent));
                Ok(())
            }
            Self::Redis(redis) => redis::begin_month(redis, subject, month, spent, now).await,
        }
    }

    /// Puts what a call really used in place of its estimates.
    pub async fn settle_limits(
        &self,
        subject: Subject,
        id: LeaseId,
        tokens: i64,
        micro_usd: i64,
        now: Moment,
    ) -> Result<()> {
        match self {
            Self::Embedded(embedded) => {
                embedded.meters().with(subject, |meter| meter.settle(id, tokens, micro_usd, now));
                Ok(())
            }
            Self::Redis(redis) => redis::settle(redis, subject, id, tokens, micro_usd, now).await,
        }
    }

    /// The same at once, where limits are counted in this process; false where they are not.
    pub fn settle_limits_here(
        &self,
        subject: Subject,
        id: LeaseId,
        tokens: i64,
        micro_usd: i64,
        now: Moment,
    ) -> bool {
        match self {
            Self::Embedded(embedded) => {
                embedded.meters().with(subject, |meter| meter.settle(id, tokens, micro_usd, now));
                true
            }
            Self::Redis(_) => false,
        }
    }

    /// Takes a call back that never ran.
    pub async fn cancel_limits(&self, subject: Subject, id: LeaseId, now: Moment) -> Result<()> {
        match self {
            Self::Embedded(embedded) => {
                embedded.meters().with(subject, |meter| meter.cancel(id, now));
                Ok(())
            }
            Self::Redis(redis) => redis::cancel(redis, subject, id, now).await,
        }
    }
}
