//! Keeping the accounts in memory as the database has them: what is announced is read row by row, and now and then all
//! versions are compared, in case an announcement was lost. Nobody's call waits for a read, except for changes of their own.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millpond_pool::account::AccountId as PoolId;
use tokio_util::sync::CancellationToken;

use super::Pool;
use super::changes::Work;
use crate::clock::Timestamp;
use crate::gateway::accounts::Serving;
use crate::ids::{AccountId, UserId};
use crate::store::StoreError;
use crate::store::accounts::AccountRow;
use crate::tasks::Tasks;

/// How often pauses that are over are looked for.
const WAKE_EVERY: Duration = Duration::from_millis(250);
const TICK: Duration = Duration::from_secs(1);
/// How often all versions are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(30);
/// How often it is counted anew what shared accounts proved to be worth, where that matters.
const RECOUNT_EVERY: Duration = Duration::from_secs(300);
/// A quota that could not be brought up to date is looked at again after this.
const QUOTAS_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// No read holds the others up for longer.
const READ_WITHIN: Duration = Duration::from_secs(2);

/// A read that takes too long.
#[derive(Debug, thiserror::Error)]
enum NotRead {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the database does not answer")]
    Late,
}

async fn read<T>(query: impl Future<Output = Result<T, StoreError>>) -> Result<T, NotRead> {
    Ok(tokio::time::timeout(READ_WITHIN, query).await.map_err(|_| NotRead::Late)??)
}

impl Pool {
    /// Keeps the accounts fresh until the tasks end.
    pub(super) fn keep(self: &Arc<Self>, tasks: &Tasks) {
        tasks.spawn("accounts", |stop| self.clone().keep_fresh(stop));
        tasks.spawn("accounts compare", |stop| self.clone().keep_comparing(stop));
        tasks.spawn("accounts wake", |stop| self.clone().keep_awake(stop));
        tasks.spawn("quotas", |stop| self.clone().keep_quotas(stop));
    }

    async fn keep_awake(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(WAKE_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let now = self.now();
            self.write().index.wake(now);
            self.hand_out();
        }
    }

    async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changes.heard.notified() => {}
                _ = tick.tick() => {}
            }
            let mut work = self.changes.take();
            let people = std::mem::take(&mut work.people);
            let mut owners = HashSet::new();
            if let Err(error) = self.take_over(&mut work, &mut owners).await {
                tracing::warn!(%error, "accounts or limits could not be read; those known go on serving");
            }
            // Calls that wait go on with what is known, also when it could not be read.
            self.changes.are_read(&people, &owners);
            self.changes.try_again(work);
        }
    }

    /// Reads what has changed; what stays in `work` could not be read. Collects whose shared accounts count for something else
    /// now.
    async fn take_over(&self, work: &mut Work, owners: &mut HashSet<UserId>) -> Result<(), NotRead> {
        while let Some(id) = work.accounts.iter().next().cloned() {
            let row = read(self.store.find_active_account(&id)).await?;
            owners.extend(row.map_or_else(|| self.remove(&id), |row| self.adopt(row)));
            work.accounts.remove(&id);
        }
        while let Some(owner) = work.owners.iter().next().copied() {
            let rows = read(self.store.list_active_accounts_of(owner)).await?;
            owners.extend(self.adopt_all_of(owner, rows).then_some(owner));
            work.owners.remove(&owner);
        }
        while let Some(subject) = work.limits.iter().next().copied() {
            self.exceptions
                .put(subject, read(self.store.find_limits(subject.kind(), subject.number())).await?);
            work.limits.remove(&subject);
        }
        if work.all_limits {
            self.exceptions.adopt(read(self.store.list_limits(self.clock.now())).await?);
            work.all_limits = false;
        }
        Ok(())
    }

    /// Compares all versions now and then: often while the bus is down, and at once after it was.
    async fn keep_comparing(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        let mut compared = Instant::now();
        loop {
            let lost = tokio::select! {
                () = stop.cancelled() => return,
                () = self.changes.lost.notified() => true,
                _ = tick.tick() => !self.bus.is_live(),
            };
            if !lost && compared.elapsed() < COMPARE_EVERY {
                continue;
            }
            compared = Instant::now();
            match read(self.store.list_account_versions()).await {
                Ok(versions) => self.changes.find(self.accounts_other_than(versions.into_iter().collect())),
                Err(error) => tracing::warn!(%error, "the accounts could not be compared with the database"),
            }
        }
    }

    fn accounts_other_than(&self, mut versions: HashMap<AccountId, Timestamp>) -> Vec<AccountId> {
        let accounts = self.read();
        let known = accounts.serving.values().map(|account| (&account.id, account.updated_at));
        let known = known.chain(accounts.unusable.iter().map(|(id, at)| (id, *at)));
        let mut others: Vec<AccountId> = known
            .filter(|(id, updated_at)| versions.remove(*id) != Some(*updated_at))
            .map(|(id, _)| id.clone())
            .collect();
        drop(accounts);
        others.extend(versions.into_keys());
        others
    }

    /// Brings quotas up to date when what their owners share has changed.
    async fn keep_quotas(self: Arc<Self>, stop: CancellationToken) {
        let mut recount = tokio::time::interval(RECOUNT_EVERY);
        let (mut begins, mut again) = (true, HashMap::new());
        loop {
            let due = tokio::select! {
                () = stop.cancelled() => return,
                () = self.changes.owed.notified() => self.changes.take_quotas(),
                () = tokio::time::sleep(QUOTAS_AGAIN_AFTER), if !again.is_empty() => std::mem::take(&mut again),
                // The first tick comes at once: it is for what changed while no instance ran.
                _ = recount.tick(), if begins || self.quotas.counts_change_by_use() => {
                    begins = false;
                    self.sharers().into_iter().map(|owner| (owner, 0)).collect()
                }
            };
            for (owner, number) in due {
                if !self.refresh_quotas(owner).await {
                    again.insert(owner, 0);
                }
                self.changes.quotas_are_seen_to(owner, number);
            }
        }
    }

    async fn refresh_quotas(&self, owner: UserId) -> bool {
        let refreshed = tokio::time::timeout(READ_WITHIN, self.quotas.refresh(owner)).await;
        let error = match refreshed {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        tracing::warn!(error, user = owner.0, "a quota could not be brought up to date now");
        false
    }

    fn sharers(&self) -> HashSet<UserId> {
        self.read().serving.values().filter(|account| account.shared).map(|account| account.owner).collect()
    }

    /// Takes over all accounts of a person; answers whether what they share counts for something else now.
    fn adopt_all_of(&self, owner: UserId, rows: Vec<AccountRow>) -> bool {
        let mut gone: HashSet<AccountId> = self.accounts_of(owner);
        let mut changed = false;
        for row in rows {
            gone.remove(&row.id);
            changed |= self.adopt(row).is_some();
        }
        for id in gone {
            changed |= self.remove(&id).is_some();
        }
        changed
    }

    fn accounts_of(&self, owner: UserId) -> HashSet<AccountId> {
        let accounts = self.read();
        let own = accounts.serving.values().filter(|account| account.owner == owner);
        own.map(|account| account.id.clone()).collect()
    }

    /// Takes over what the database has of an account; answers its owner where it counts for something else now.
    pub(super) fn adopt(&self, row: AccountRow) -> Option<UserId> {
        let known = self.account(&row.id);
        if known.as_ref().is_some_and(|known| known.updated_at == row.updated_at) {
            return None;
        }
        let (id, updated_at) = (row.id.clone(), row.updated_at);
        let account = match self.loader.load(row) {
            Ok(account) => Arc::new(account),
            Err(error) => {
                tracing::warn!(account = %id, %error, "an account can't serve");
                let owner = self.remove(&id);
                self.write().unusable.insert(id, updated_at);
                return owner;
            }
        };
        self.put(&account);
        let counts = |account: &Arc<Serving>| self.quotas.counts_of(account);
        let nothing = self.quotas.counts_of_nothing();
        (known.as_ref().map_or(nothing, counts) != counts(&account)).then_some(account.owner)
    }

    fn put(&self, account: &Arc<Serving>) {
        let described = account.for_selection(self.quotas.reference());
        self.allowances.adopt(account);
        let mut accounts = self.write();
        accounts.unusable.remove(&account.id);
        let slot = accounts.index.put(described);
        accounts.serving.insert(slot, account.clone());
        self.apply_rest(&mut accounts.index, slot, account);
        self.allowances.show(&accounts.index, slot, &account.id);
    }

    /// An account is gone; answers its owner where it counted for something.
    fn remove(&self, id: &AccountId) -> Option<UserId> {
        let mut accounts = self.write();
        accounts.unusable.remove(id);
        let pool_id = PoolId::new(id.0.clone());
        let slot = accounts.index.find(&pool_id)?;
        let gone = accounts.serving.remove(&slot);
        accounts.index.remove(&pool_id);
        drop(accounts);
        self.allowances.forget(id);
        self.refused.forget(id);
        let gone = gone?;
        (self.quotas.counts_of(&gone) != self.quotas.counts_of_nothing()).then_some(gone.owner)
    }
}
