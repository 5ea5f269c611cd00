//! The usage record: one task that commits finished calls in groups and says so to whoever waits.
//!
//! Every call takes its place in the channel before it begins, so that recording it can't fail for want of room, not
//! even from a destructor. While the database is away rows go to the spool, which counts as recorded, and from there
//! into the database when it is back. The task ends when everything that began has been recorded.

pub(crate) mod collector;
mod spool;

use std::collections::HashMap;
use std::hash::Hash;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use millpond_pool::bucket::LeaseId;

use crate::clock::Timestamp;
use crate::gateway::journal::collector::Collector;
use crate::gateway::journal::spool::{Spool, Waiting};
use crate::ids::{AccountId, KeyId};
use crate::state::limits::Subject;
use crate::state::quotas::Charge;
use crate::store::quotas::QuotaRow;
use crate::store::usage::UsageRow;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;

/// Calls that may run at once; more are refused at the door.
const PLACES: usize = 65_536;
const GROUP: usize = 512;
/// A database that takes longer counts as away.
const COMMIT_WITHIN: Duration = Duration::from_secs(5);
const TEND_EVERY: Duration = Duration::from_secs(1);
/// Files that other processes left are looked for every so many times.
const LOOK_FOR_LEFT_EVERY: u32 = 60;
const TOUCH_EVERY: Duration = Duration::from_secs(60);
const TOUCHES_AT_ONCE: usize = 100;
/// How long rows that neither database nor disk accepts are tried again when the process ends.
const LAST_TRIES: u32 = 10;

struct Entry {
    row: UsageRow,
    dues: Dues,
    recorded: oneshot::Sender<()>,
}

/// What a finished call owes to those who admitted it.
#[derive(Debug, Default)]
pub(crate) struct Dues {
    pub(crate) charge: Option<Charge>,
    pub(crate) limits: Option<Used>,
}

/// What a call really used of the limits that it was admitted under.
#[derive(Debug)]
pub(crate) struct Used {
    pub(crate) id: LeaseId,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) tokens: i64,
    pub(crate) micro_usd: i64,
}

/// Where finished calls are handed in.
pub(crate) struct Ledger {
    inbox: mpsc::Sender<Entry>,
}

/// A place for one row.
pub(crate) struct Place(mpsc::OwnedPermit<Entry>);

impl Place {
    /// Hands a row in; `recorded` hears when it is safe.
    pub(crate) fn record(self, row: UsageRow, dues: Dues, recorded: oneshot::Sender<()>) {
        self.0.send(Entry { row, dues, recorded });
    }
}

impl Ledger {
    pub(crate) fn start(store: Store, collector: Collector, data_dir: &Path, tasks: &Tasks) -> Self {
        let (inbox, entries) = mpsc::channel(PLACES);
        let keeper = Keeper {
            store,
            collector,
            spool: Arc::new(Mutex::new(Spool::new(data_dir))),
            away: false,
            accounts: Touches::default(),
            keys: Touches::default(),
        };
        tasks.spawn("ledger", |stop| keeper.run(entries, stop));
        Self { inbox }
    }

    /// A place for a call that begins; `None` when too many run, or the process ends.
    pub(crate) fn place(&self) -> Option<Place> {
        self.inbox.clone().try_reserve_owned().ok().map(Place)
    }
}

/// When things were last used, written at most once a minute each.
struct Touches<K> {
    due: HashMap<K, Timestamp>,
    written: HashMap<K, Timestamp>,
}

impl<K> Default for Touches<K> {
    fn default() -> Self {
        Self { due: HashMap::new(), written: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash> Touches<K> {
    fn note(&mut self, id: &K, at: Timestamp) {
        let recently = self.written.get(id).is_some_and(|last| at.since(*last) < TOUCH_EVERY);
        if !recently {
            self.due.insert(id.clone(), at);
        }
    }

    fn take(&mut self) -> Vec<(K, Timestamp)> {
        let ids: Vec<K> = self.due.keys().take(TOUCHES_AT_ONCE).cloned().collect();
        let taken: Vec<_> = ids.iter().filter_map(|id| self.due.remove_entry(id)).collect();
        if let Some(newest) = taken.iter().map(|(_, at)| *at).max() {
            self.written.retain(|_, at| newest.since(*at) < TOUCH_EVERY);
        }
        self.written.extend(taken.iter().cloned());
        taken
    }
}

/// The task's own state.
struct Keeper {
    store: Store,
    collector: Collector,
    spool: Arc<Mutex<Spool>>,
    /// The database failed last time; rows go to the spool until it is back.
    away: bool,
    accounts: Touches<AccountId>,
    keys: Touches<KeyId>,
}

impl Keeper {
    async fn run(mut self, mut entries: mpsc::Receiver<Entry>, stop: CancellationToken) {
        self.replay().await;
        let mut tick = tokio::time::interval(TEND_EVERY);
        let mut ticks = 0_u32;
        let mut group = Vec::with_capacity(GROUP);
        let mut ending = false;
        loop {
            tokio::select! {
                count = entries.recv_many(&mut group, GROUP) => {
                    if count == 0 {
                        break;
                    }
                    self.commit(&mut group, ending).await;
                }
                () = stop.cancelled(), if !ending => {
                    // No new places; those given out are still waited for.
                    entries.close();
                    ending = true;
                }
                _ = tick.tick() => {
                    ticks = ticks.wrapping_add(1);
                    if self.away || ticks.is_multiple_of(LOOK_FOR_LEFT_EVERY) {
                        self.replay().await;
                    }
                    self.collector.collect().await;
                    self.touch().await;
                }
            }
        }
        if self.away {
            self.replay().await;
        }
        self.collector.collect().await;
        self.touch().await;
    }

    /// Records a group and tells everybody who waits.
    async fn commit(&mut self, group: &mut Vec<Entry>, ending: bool) {
        let (mut rows, mut waiting) = (Vec::with_capacity(group.len()), Vec::with_capacity(group.len()));
        for entry in group.drain(..) {
            self.collector.take(entry.dues);
            rows.push(entry.row);
            waiting.push(entry.recorded);
        }
        self.collector.collect().await;
        let mut tries = 0;
        while !self.record(&rows).await {
            tries += 1;
            if ending && tries == LAST_TRIES {
                tracing::error!(
                    rows = rows.len(),
                    "neither database nor disk took these usage rows; they are lost"
                );
                return;
            }
            tokio::time::sleep(TEND_EVERY).await;
        }
        for recorded in waiting {
            // Nobody waits for a call whose client went away.
            let _ = recorded.send(());
        }
        for row in &rows {
            row.account_id.iter().for_each(|id| self.accounts.note(id, row.created_at));
            row.api_key_id.iter().for_each(|id| self.keys.note(id, row.created_at));
        }
    }

    async fn record(&mut self, rows: &[UsageRow]) -> bool {
        if !self.away {
            match insert(&self.store, rows, self.collector.unsaved()).await {
                Ok(()) => {
                    self.collector.saved();
                    return true;
                }
                Err(error) => {
                    tracing::error!(%error, "the database took no usage rows; they go to the spool");
                }
            }
            self.away = true;
        }
        let copy = rows.to_vec();
        match self.on_disk(move |spool| spool.append(&copy)).await {
            Ok(()) => return true,
            Err(error) => tracing::error!(%error, "the spool took no usage rows"),
        }
        // Neither: the database is asked again at once next time.
        self.away = false;
        false
    }

    /// Moves what waits in the spool into the database.
    async fn replay(&mut self) {
        let waiting = match self.on_disk(Spool::waiting).await {
            Ok(waiting) => waiting,
            Err(error) => return tracing::error!(%error, "the usage spool is not readable"),
        };
        for one in waiting {
            if !self.replay_one(one).await {
                self.away = true;
                return;
            }
        }
        if self.away {
            tracing::info!("the database takes usage rows again");
        }
        self.away = false;
    }

    async fn replay_one(&self, waiting: Waiting) -> bool {
        for rows in waiting.rows.chunks(GROUP) {
            if let Err(error) = insert(&self.store, rows, &[]).await {
                tracing::warn!(%error, "usage rows stay in the spool");
                return false;
            }
        }
        if waiting.damaged > 0 {
            tracing::error!(
                lines = waiting.damaged,
                "a spool file had damaged lines and is kept as .damaged"
            );
        }
        if let Err(error) = self.on_disk(move |spool| spool.forget(&waiting)).await {
            // Harmless: a second replay of the same rows changes nothing.
            tracing::warn!(%error, "a replayed spool file could not be removed");
        }
        true
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> std::io::Result<T> + Send + 'static,
    ) -> std::io::Result<T> {
        let spool = self.spool.clone();
        let done = tokio::task::spawn_blocking(move || {
            work(&mut spool.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.map_err(std::io::Error::other)?
    }

    async fn touch(&mut self) {
        if self.away {
            return;
        }
        for (id, at) in self.accounts.take() {
            note_failure(self.store.touch_account(&id, at).await);
        }
        for (id, at) in self.keys.take() {
            note_failure(self.store.touch_api_key(id, at).await);
        }
    }
}

fn note_failure(touched: Result<(), StoreError>) {
    if let Err(error) = touched {
        tracing::debug!(%error, "a time of last use was not written");
    }
}

/// Why rows could not be recorded.
#[derive(Debug, thiserror::Error)]
enum NotRecorded {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no answer in time")]
    Timeout,
}

async fn insert(store: &Store, rows: &[UsageRow], quotas: &[QuotaRow]) -> Result<(), NotRecorded> {
    match insert_in_time(store, rows, quotas).await {
        Err(NotRecorded::Store(error)) if is_for_good(&error) => insert_one_by_one(store, rows, quotas).await,
        other => other,
    }
}

/// One row that can't be recorded, as of a person who was deleted meanwhile, must not hold up the others.
async fn insert_one_by_one(store: &Store, rows: &[UsageRow], quotas: &[QuotaRow]) -> Result<(), NotRecorded> {
    for row in rows {
        let own: Vec<_> = quotas.iter().filter(|quota| quota.user_id == row.user_id).cloned().collect();
        match insert_in_time(store, std::slice::from_ref(row), &own).await {
            Err(NotRecorded::Store(error)) if is_for_good(&error) => {
                tracing::error!(%error, ?row, "a usage row was refused for good and is kept in this line only");
            }
            other => other?,
        }
    }
    Ok(())
}

async fn insert_in_time(store: &Store, rows: &[UsageRow], quotas: &[QuotaRow]) -> Result<(), NotRecorded> {
    let inserted = tokio::time::timeout(COMMIT_WITHIN, store.insert_usage(rows, quotas)).await;
    Ok(inserted.map_err(|_| NotRecorded::Timeout)??)
}

/// Whether the database refuses the row itself, whenever it is asked: its person was deleted, or a value does not fit.
/// Everything else (busy, full, read-only, starting up) passes, and until then the row waits in the spool.
fn is_for_good(error: &StoreError) -> bool {
    let StoreError::Sql(error) = error else { return false };
    error.as_database_error().is_some_and(|error| {
        let is_bad_value = error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some_and(|error| {
            // SQLSTATE class 22: data exception.
            error.code().starts_with("22")
        });
        is_bad_value || !matches!(error.kind(), sqlx::error::ErrorKind::Other)
    })
}

#[cfg(test)]
mod tests {
    use super::spool::tests::{directory, row};
    use super::*;
    use crate::clock::Clock;
    use crate::config::DatabaseConfig;
    use crate::ids::UserId;
    use crate::state::State;
    use crate::store::usage::UsageFilter;
    use crate::store::users::{NewUser, Role};
    use millpond_pool::units::Window;

    async fn store(directory: &Path) -> (Store, UserId) {
        let store =
            Store::connect(&DatabaseConfig::Sqlite { path: directory.join("test.db") }).await.unwrap();
        store.migrate().await.unwrap();
        let user = NewUser {
            username: "ada".into(),
            password_hash: None,
            oauth_id: None,
            avatar_url: None,
            trust_level: 0,
            is_active: true,
            is_silenced: false,
            is_beta: false,
            role: Role::Member,
        };
        let mut tx = store.begin().await.unwrap();
        let id = tx.create_user(&user, Timestamp::from_seconds(1)).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        (store, id)
    }

    fn of(user_id: UserId, record_id: &str) -> UsageRow {
        UsageRow { user_id, ..row(record_id) }
    }

    async fn recorded(store: &Store, user: UserId) -> usize {
        store.list_usage(user, &UsageFilter::default(), None, 1000).await.unwrap().len()
    }

    async fn start(store: &Store, directory: &Path, tasks: &Tasks) -> Ledger {
        let book =
            Store::connect(&DatabaseConfig::Sqlite { path: directory.join("state.db") }).await.unwrap();
        book.migrate().await.unwrap();
        let state = State::embedded(book, Clock::System, tasks).await.unwrap();
        let collector = Collector::new(state, Clock::System, Window::FiveHours);
        Ledger::start(store.clone(), collector, directory, tasks)
    }

    async fn hand_in(ledger: &Ledger, row: UsageRow) -> bool {
        let (sender, receiver) = oneshot::channel();
        ledger.place().unwrap().record(row, Dues::default(), sender);
        receiver.await.is_ok()
    }

    #[tokio::test]
    async fn what_is_acknowledged_is_in_the_database() {
        let directory = directory();
        let (store, user) = store(&directory).await;
        let tasks = Tasks::default();
        let ledger = start(&store, &directory, &tasks).await;
        assert!(hand_in(&ledger, of(user, "a")).await);
        assert!(hand_in(&ledger, of(UserId(999), "nobody")).await, "a deleted person holds nobody up");
        assert!(hand_in(&ledger, of(user, "a")).await);
        assert_eq!(recorded(&store, user).await, 1);
        // A call that still runs when the process ends is waited for.
        let late = ledger.place().unwrap();
        let (ended, ()) = tokio::join!(tasks.shutdown(Duration::from_secs(5)), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            late.record(of(user, "late"), Dues::default(), oneshot::channel().0);
        });
        assert!(ended && ledger.place().is_none());
        assert_eq!(recorded(&store, user).await, 2);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[tokio::test]
    async fn what_the_database_refused_is_replayed_once() {
        let directory = directory();
        let (away, user) = store(&directory).await;
        away.close().await;
        let tasks = Tasks::default();
        let ledger = start(&away, &directory, &tasks).await;
        assert!(hand_in(&ledger, of(user, "a")).await, "the spool counts as recorded");
        assert!(hand_in(&ledger, of(user, "b")).await);
        drop(ledger);
        assert!(tasks.shutdown(Duration::from_secs(5)).await);

        for _ in 0..2 {
            let config = DatabaseConfig::Sqlite { path: directory.join("test.db") };
            let back = Store::connect(&config).await.unwrap();
            let tasks = Tasks::default();
            let ledger = start(&back, &directory, &tasks).await;
            assert!(hand_in(&ledger, of(user, "b")).await);
            assert!(tasks.shutdown(Duration::from_secs(5)).await);
            assert_eq!(recorded(&back, user).await, 2);
        }
        std::fs::remove_dir_all(directory).unwrap();
    }
}
