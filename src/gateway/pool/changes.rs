//! What was announced of accounts, people and limits and is not taken over yet, and who has to wait for it: whoever changes
//! something sees it at their next call, and nobody waits for what isn't theirs.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::ids::{AccountId, UserId};
use crate::state::Invalidation;
use crate::state::counters::Subject;

/// A call waits at most so long for a change that was announced before it came.
const FRESH_WITHIN: Duration = Duration::from_secs(1);
/// So many of the accounts that nobody waits for are read in one go.
const FOUND_AT_ONCE: usize = 100;

/// What is to be read.
#[derive(Default)]
pub(super) struct Work {
    pub(super) accounts: HashSet<AccountId>,
    pub(super) owners: HashSet<UserId>,
    pub(super) limits: HashSet<Subject>,
    pub(super) all_limits: bool,
    /// Whose announcements these are, with the number of the last.
    pub(super) people: HashMap<UserId, u64>,
}

/// How far a person's announcements are taken over.
#[derive(Default)]
struct Progress {
    announced: u64,
    taken: u64,
}

#[derive(Default)]
struct Inner {
    announced: Work,
    /// Accounts that were found to have changed without anybody saying so.
    found: HashSet<AccountId>,
    /// Whose quotas have to be looked at, and how far their announcements are taken over then.
    quotas: HashMap<UserId, u64>,
    /// Whose quotas are being looked at.
    refreshing: HashSet<UserId>,
    people: HashMap<UserId, Progress>,
    count: u64,
}

/// The announcements.
pub(super) struct Changes {
    inner: Mutex<Inner>,
    /// For how many people something is pending, to be read by every call.
    pending: AtomicUsize,
    taken: watch::Sender<()>,
    /// Something is to be read.
    pub(super) heard: Notify,
    /// Anything may have changed.
    pub(super) lost: Notify,
    /// Somebody's quotas have to be looked at.
    pub(super) owed: Notify,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            pending: AtomicUsize::new(0),
            taken: watch::Sender::new(()),
            heard: Notify::new(),
            lost: Notify::new(),
            owed: Notify::new(),
        }
    }
}

impl Changes {
    /// Takes note of what the bus says.
    pub(super) fn hear(&self, change: &Invalidation) {
        let mut inner = self.inner();
        let announced = &mut inner.announced;
        let whose = match change {
            Invalidation::Account(id, owner) => {
                announced.accounts.insert(id.clone());
                *owner
            }
            Invalidation::User(owner) | Invalidation::AccountsOf(owner) => {
                announced.owners.insert(*owner);
                *owner
            }
            Invalidation::Limits(owner, subject) => {
                announced.limits.insert(*subject);
                *owner
            }
            Invalidation::Everything => return self.lost.notify_one(),
            Invalidation::ApiKey(_)
            | Invalidation::Session(_)
            | Invalidation::Health(_)
            | Invalidation::Allowance(_) => return,
        };
        inner.count += 1;
        let number = inner.count;
        inner.announced.people.insert(whose, number);
        inner.people.entry(whose).or_default().announced = number;
        self.pending.store(inner.people.len(), Ordering::Release);
        drop(inner);
        self.heard.notify_one();
    }

    /// These accounts are not as the database has them; nobody waits for them.
    pub(super) fn find(&self, accounts: impl IntoIterator<Item = AccountId>) {
        let mut inner = self.inner();
        inner.announced.all_limits = true;
        inner.found.extend(accounts);
        drop(inner);
        self.heard.notify_one();
    }

    /// What could not be read is tried again with the next turn.
    pub(super) fn try_again(&self, work: Work) {
        let mut inner = self.inner();
        inner.found.extend(work.accounts);
        inner.announced.owners.extend(work.owners);
        inner.announced.limits.extend(work.limits);
        inner.announced.all_limits |= work.all_limits;
    }

    /// What is to be read now: all that was announced, and some of what was found.
    pub(super) fn take(&self) -> Work {
        let mut inner = self.inner();
        let mut work = std::mem::take(&mut inner.announced);
        let some: Vec<AccountId> = inner.found.iter().take(FOUND_AT_ONCE).cloned().collect();
        for id in some {
            inner.found.remove(&id);
            work.accounts.insert(id);
        }
        if !inner.found.is_empty() {
            self.heard.notify_one();
        }
        work
    }

    /// These people's announcements are taken over, as soon as the quotas of those in `quotas` have been looked at.
    /// An earlier announcement of the same change may have set that going already.
    pub(super) fn are_read(&self, people: &HashMap<UserId, u64>, quotas: &HashSet<UserId>) {
        for (user, number) in people.iter().filter(|(user, _)| !quotas.contains(user)) {
            if self.has_quotas_to_look_at(*user) {
                self.owe_quotas(*user, *number);
            } else {
                self.is_taken_over(*user, *number);
            }
        }
        for user in quotas {
            self.owe_quotas(*user, people.get(user).copied().unwrap_or(0));
        }
    }

    /// A person's quotas have to be looked at.
    pub(super) fn owe_quotas(&self, user: UserId, number: u64) {
        let mut inner = self.inner();
        let until = inner.quotas.entry(user).or_default();
        *until = number.max(*until);
        drop(inner);
        self.owed.notify_one();
    }

    /// Whose quotas have to be looked at now.
    pub(super) fn take_quotas(&self) -> HashMap<UserId, u64> {
        let mut inner = self.inner();
        let taken = std::mem::take(&mut inner.quotas);
        inner.refreshing.extend(taken.keys());
        taken
    }

    /// A person's quotas have been looked at, for their announcements up to this one.
    pub(super) fn quotas_are_seen_to(&self, user: UserId, number: u64) {
        self.inner().refreshing.remove(&user);
        self.is_taken_over(user, number);
    }

    fn has_quotas_to_look_at(&self, user: UserId) -> bool {
        let inner = self.inner();
        inner.quotas.contains_key(&user) || inner.refreshing.contains(&user)
    }

    /// A person's announcements are taken over up to this one.
    pub(super) fn is_taken_over(&self, user: UserId, number: u64) {
        let mut inner = self.inner();
        let Some(progress) = inner.people.get_mut(&user) else { return };
        progress.taken = number.max(progress.taken);
        if progress.taken >= progress.announced {
            inner.people.remove(&user);
        }
        self.pending.store(inner.people.len(), Ordering::Release);
        drop(inner);
        self.taken.send_replace(());
    }

    /// Returns when everything that was announced of this person so far is known here.
    pub(super) async fn wait(&self, user: UserId) {
        if self.pending.load(Ordering::Acquire) == 0 {
            return;
        }
        let Some(wanted) = self.inner().people.get(&user).map(|progress| progress.announced) else { return };
        let mut taken = self.taken.subscribe();
        let is_known = |_: &()| self.inner().people.get(&user).is_none_or(|known| known.taken >= wanted);
        if tokio::time::timeout(FRESH_WITHIN, taken.wait_for(is_known)).await.is_err() {
            tracing::warn!(user = user.0, "a change takes long to be read");
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn account(id: &str, owner: i32) -> Invalidation {
        Invalidation::Account(AccountId(id.to_owned()), UserId(owner))
    }

    #[tokio::test]
    async fn only_those_wait_whose_change_it_is() {
        let changes = Changes::default();
        let waits = |user| changes.wait(UserId(user)).now_or_never().is_none();
        changes.hear(&account("a", 1));
        changes.hear(&Invalidation::Everything);
        assert!(waits(1) && !waits(2));
        let work = changes.take();
        assert!(waits(1), "it is not read yet");
        changes.hear(&account("b", 1));
        changes.are_read(&work.people, &HashSet::new());
        assert!(waits(1), "a later one is not");
        let work = changes.take();
        changes.are_read(&work.people, &HashSet::from([UserId(1)]));
        assert!(waits(1), "the quotas are not brought up to date yet");
        for (user, number) in changes.take_quotas() {
            // The same announcement comes back from the bus.
            changes.hear(&account("b", 1));
            let again = changes.take();
            changes.are_read(&again.people, &HashSet::new());
            assert!(waits(1), "the quotas are not brought up to date yet");
            changes.quotas_are_seen_to(user, number);
        }
        for (user, number) in changes.take_quotas() {
            changes.quotas_are_seen_to(user, number);
        }
        assert!(!waits(1));
    }

    #[tokio::test]
    async fn who_waits_does_not_wait_for_what_comes_later() {
        let changes = Changes::default();
        changes.hear(&account("a", 1));
        let work = changes.take();
        let mut waiting = Box::pin(changes.wait(UserId(1)));
        assert!((&mut waiting).now_or_never().is_none());
        changes.hear(&account("b", 1));
        changes.are_read(&work.people, &HashSet::new());
        assert!(waiting.now_or_never().is_some());
    }

    #[test]
    fn what_nobody_waits_for_comes_in_parts() {
        let changes = Changes::default();
        changes.find((0..250).map(|n| AccountId(n.to_string())));
        changes.hear(&account("a", 1));
        let counts: Vec<usize> = (0..4).map(|_| changes.take().accounts.len()).collect();
        assert_eq!(counts, [101, 100, 50, 0]);
    }
}
