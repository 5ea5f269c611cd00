//! What people, keys and upstream accounts have counted, exact over all instances: calls and tokens in a minute, permits of
//! calls that run, money in a month, and amounts in windows (an account's allowances). In Redis one script does a step on
//! all subjects of a call as a whole; embedded the same steps are done in memory.
//!
//! The arithmetic is `millpond_pool::counters`. Time is Redis' own, so that instances whose clocks differ count alike. The
//! embedded form persists windows only: a minute is forgotten by a restart, the money spent in a month is told anew from
//! the usage rows, and what runs on an account is known to the only instance there is.

mod embedded;
mod redis;

use std::collections::BTreeMap;

use millpond_pool::allowance::Used;
use millpond_pool::bucket::LeaseId;
use millpond_pool::counters::{Claim, Refusal};

use super::{Result, State};
use crate::ids::{AccountId, KeyId, UserId};
pub(super) use embedded::CallerCounters;
pub(super) use redis::Memory;

/// Who makes calls and may be limited.
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

/// One call that asks to be admitted by all who limit it.
#[derive(Clone, Copy, Debug)]
pub struct Admit<'a> {
    pub callers: &'a [(Subject, Claim)],
    pub account: Option<(&'a AccountId, &'a Claim)>,
}

/// Who refused a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    Caller(Subject),
    Account,
}

/// What became of it. When anybody refuses, nothing is set aside with anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    pub verdict: std::result::Result<(), (RefusedBy, Refusal)>,
    /// What is known of the account by now.
    pub account: Option<AccountCounters>,
}

/// An amount to count in a window of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowUse {
    pub name: String,
    pub amount: i64,
    pub window_millis: i64,
}

/// One window, with what calls that run hold of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// `None`: nothing was used in any window yet.
    pub used: Option<Used>,
    pub held: i64,
}

/// What is known of an account, or of the windows that a step touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountCounters {
    pub windows: BTreeMap<String, Counted>,
    /// Calls that run.
    pub permits: u32,
    /// Grows with every step, so that what is older is known as that.
    pub version: i64,
    /// Another instance was refused what this step gave back.
    pub waited_for: bool,
}

impl State {
    /// Whether other instances may use the same accounts, so that what runs has to be counted in shared state.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Counts a call as begun with all who limit it, or says who keeps it out. Asked again by the same names it is the same
    /// call.
    pub async fn admit(&self, admit: Admit<'_>) -> Result<Admitted> {
        match self {
            Self::Embedded(embedded) => Ok(embedded::admit(embedded, admit)),
            Self::Redis(redis) => redis::admit(redis, admit).await,
        }
    }

    /// Tells what a caller spent in a month that isn't known yet.
    pub async fn begin_month(&self, subject: Subject, month: i64, spent: i64) -> Result<()> {
        match self {
            Self::Embedded(embedded) => {
                embedded.callers().with(subject, |counters| counters.begin_month(month, spent));
                Ok(())
            }
            Self::Redis(redis) => redis::begin_month(redis, subject, month, spent).await,
        }
    }

    /// Puts what a call really used in place of its estimates. What nobody knows of is charged as well, once.
    pub async fn settle_limits(
        &self,
        subject: Subject,
        id: LeaseId,
        tokens: i64,
        micro_usd: i64,
    ) -> Result<()> {
        match self {
            Self::Embedded(_) => {
                self.settle_limits_here(subject, id, tokens, micro_usd);
                Ok(())
            }
            Self::Redis(redis) => redis::settle(redis, subject, id, tokens, micro_usd).await,
        }
    }

    /// The same at once, where callers are counted in this process; false where they are not.
    pub fn settle_limits_here(&self, subject: Subject, id: LeaseId, tokens: i64, micro_usd: i64) -> bool {
        let Self::Embedded(embedded) = self else { return false };
        let now = embedded.now();
        embedded.callers().with(subject, |counters| counters.settle(id, tokens, micro_usd, now));
        true
    }

    /// Ends permits of an account and counts what was used of it.
    pub async fn count_account(
        &self,
        account: &AccountId,
        ended: &[LeaseId],
        uses: &[WindowUse],
    ) -> Result<AccountCounters> {
        match self {
            Self::Embedded(embedded) => embedded::count_account(embedded, account, uses).await,
            Self::Redis(redis) => redis::count_account(redis, account, ended, uses).await,
        }
    }

    /// Every window of an account.
    pub async fn account_counters(&self, account: &AccountId) -> Result<AccountCounters> {
        match self {
            Self::Embedded(embedded) => Ok(embedded::read_account(embedded, account)),
            Self::Redis(redis) => redis::read_account(redis, account).await,
        }
    }
}
