//! Which shared accounts their providers refuse until something is changed. Such an account counts for nothing in its owner's
//! quotas, so those are looked at again when that begins or ends. What is refused is for `health` to say, what counts for
//! `quotas`.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::gateway::accounts::Serving;
use crate::ids::AccountId;

#[derive(Default)]
pub(crate) struct RefusedAccounts(Mutex<HashSet<AccountId>>);

impl RefusedAccounts {
    /// Takes note of how an account stands; answers whether that is new.
    pub(crate) fn note(&self, account: &Serving, is_refused: bool) -> bool {
        let mut refused = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_refused { refused.insert(account.id.clone()) } else { refused.remove(&account.id) }
    }

    /// The account is gone.
    pub(crate) fn forget(&self, id: &AccountId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
