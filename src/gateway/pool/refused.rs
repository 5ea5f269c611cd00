//! Which shared accounts their providers refuse until something is changed. Such an account counts for nothing in its owner's
//! quotas, so those are looked at again when that begins or ends. What is refused is for `health` to say, what counts for
//! `quotas`.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::gateway::accounts::Serving;
use crate::ids::{AccountId, UserId};

#[derive(Default)]
pub(crate) struct RefusedAccounts(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    refused: HashSet<AccountId>,
    /// Whose quotas have to be looked at.
    owners: HashSet<UserId>,
}

impl RefusedAccounts {
    /// Takes note of how an account stands; answers whether that is new.
    pub(crate) fn note(&self, account: &Serving, is_refused: bool) -> bool {
        let mut inner = self.inner();
        let is_new = match is_refused {
            true => inner.refused.insert(account.id.clone()),
            false => inner.refused.remove(&account.id),
        };
        if is_new {
            inner.owners.insert(account.owner);
        }
        is_new
    }

    /// The account is gone.
    pub(crate) fn forget(&self, id: &AccountId) {
        self.inner().refused.remove(id);
    }

    /// A person's quotas have to be looked at, again or later.
    pub(crate) fn owe(&self, owner: UserId) {
        self.inner().owners.insert(owner);
    }

    /// Whose quotas have to be looked at now.
    pub(crate) fn take(&self) -> HashSet<UserId> {
        std::mem::take(&mut self.inner().owners)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
