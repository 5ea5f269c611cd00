//! The one task that records finished calls and settles their quota, in groups: a call waits for one commit that it
//! shares with all calls that ended meanwhile. While the database is away rows go to the [`Spool`], which counts as
//! recorded, and from there into the database exactly once.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use millpond_wire::Dialect;
use millpond_wire::openai::ChatHead;
use millpond_wire::tokens::{self, estimate_tokens};
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::admission::{Quotas, Reservation};
use super::spool::Spool;
use crate::clock::{Clock, Timestamp};
use crate::ids::{AccountId, KeyId};
use crate::store::usage::UsageRow;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;

/// Calls that may run at once; each holds a place from its beginning, so that it can always be recorded.
const PLACES: usize = 16_384;
const LARGEST_GROUP: usize = 512;
/// A database that takes longer counts as away.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the spool is used after a failure before the database is tried again.
const AWAY: Duration = Duration::from_secs(2);
/// `last_used_at` of keys and accounts is written at most this often.
const TOUCH: Duration = Duration::from_secs(60);
/// Characters of unread text per token, on the safe side.
const BYTES_PER_TOKEN: u64 = 4;

/// A finished call on its way to the record.
pub(super) struct Finished {
    pub row: UsageRow,
    /// What to count tokens from when the provider did not say.
    pub estimate: Option<Estimate>,
    /// Quota to be settled.
    pub reservation: Option<Reservation>,
}

/// A prompt and an answer whose tokens must be estimated.
pub(super) struct Estimate {
    pub request: Bytes,
    pub text: String,
    pub more_text_bytes: u64,
}

struct Entry {
    finished: Finished,
    done: oneshot::Sender<()>,
}

/// A place in the ledger.
pub(super) struct Permit(OwnedPermit<Entry>);

impl Permit {
    /// Hands a call over; the receiver answers when it is on record.
    pub(super) fn record(self, finished: Finished) -> oneshot::Receiver<()> {
        let (done, recorded) = oneshot::channel();
        self.0.send(Entry { finished, done });
        recorded
    }
}

/// The way into the ledger. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ledger(mpsc::Sender<Entry>);

impl Ledger {
    /// Starts the task; it ends when every call that holds a place is recorded.
    pub(super) fn start(store: Store, clock: Clock, quotas: Quotas, data_dir: &Path, tasks: &Tasks) -> Self {
        let (sender, receiver) = mpsc::channel(PLACES);
        let spool = Spool::new(data_dir.join("usage.spool"));
        let writer =
            Writer { store, clock, _quotas: quotas, spool, away_until: None, touched: HashMap::new() };
        tasks.spawn("ledger", |stop| writer.run(receiver, stop));
        Self(sender)
    }

    /// A place, or `None` when the server is full or stopping.
    pub(super) fn place(&self) -> Option<Permit> {
        self.0.clone().try_reserve_owned().ok().map(Permit)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Touched {
    Key(KeyId),
    Account(AccountId),
}

struct Writer {
    store: Store,
    clock: Clock,
    _quotas: Quotas,
    spool: Spool,
    away_until: Option<Instant>,
    touched: HashMap<Touched, Instant>,
}

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Entry>, stop: CancellationToken) {
        self.replay().await;
        let mut group = Vec::with_capacity(LARGEST_GROUP);
        let mut stopping = false;
        loop {
            let received = tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {
                    // No new places; those that are held are waited for.
                    receiver.close();
                    stopping = true;
                    continue;
                }
                received = receiver.recv_many(&mut group, LARGEST_GROUP) => received,
                () = tokio::time::sleep(AWAY), if self.spool.is_used() && !stopping => {
                    self.replay().await;
                    continue;
                }
            };
            if received == 0 {
                break;
            }
            self.commit(&mut group).await;
        }
        self.replay().await;
    }

    async fn commit(&mut self, group: &mut Vec<Entry>) {
        let mut rows = Vec::with_capacity(group.len());
        let mut waiting = Vec::with_capacity(group.len());
        for Entry { finished, done } in group.drain(..) {
            rows.push(complete(finished).await);
            waiting.push(done);
        }
        self.record(&rows).await;
        for done in waiting {
            // Who hung up does not wait any more.
            done.send(()).ok();
        }
        self.touch(&rows).await;
    }

    async fn record(&mut self, rows: &[UsageRow]) {
        if self.away_until.is_none_or(|end| end <= Instant::now()) {
            match self.insert(rows).await {
                Ok(()) => {
                    self.away_until = None;
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, rows = rows.len(), "the database is away; usage goes to the spool");
                    self.away_until = Some(Instant::now() + AWAY);
                }
            }
        }
        if let Err(error) = self.spool.append(rows).await {
            tracing::error!(%error, rows = rows.len(), "usage could not be written to the spool either");
            self.insist(rows).await;
        }
    }

    /// Neither database nor spool: nothing may be acknowledged before one of them is back.
    async fn insist(&mut self, rows: &[UsageRow]) {
        const ATTEMPTS: u32 = 30;
        for _ in 0..ATTEMPTS {
            tokio::time::sleep(AWAY).await;
            if self.insert(rows).await.is_ok() || self.spool.append(rows).await.is_ok() {
                return;
            }
        }
        for row in rows {
            tracing::error!(?row, "usage is lost but for this line");
        }
    }

    /// Inserts a group; a row that the database refuses for good does not take the others with it.
    async fn insert(&self, rows: &[UsageRow]) -> Result<(), InsertError> {
        let refused = match self.insert_once(rows).await {
            Err(InsertError::Store(StoreError::Sql(error))) if error.as_database_error().is_some() => error,
            other => return other,
        };
        tracing::warn!(error = %refused, "a group was refused; its rows are tried one by one");
        for row in rows {
            match self.insert_once(std::slice::from_ref(row)).await {
                Err(InsertError::Store(StoreError::Sql(error))) if error.as_database_error().is_some() => {
                    tracing::error!(%error, ?row, "a row was refused and is kept in this line only");
                }
                Err(other) => return Err(other),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn insert_once(&self, rows: &[UsageRow]) -> Result<(), InsertError> {
        let inserted = tokio::time::timeout(COMMIT_TIMEOUT, self.store.insert_usage(rows)).await;
        Ok(inserted.map_err(|_| InsertError::Slow)??)
    }

    /// Brings spooled rows into the database. Inserting is idempotent, so a crash in between repeats nothing.
    async fn replay(&mut self) {
        let rows = match self.spool.read().await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "the usage spool can't be read");
                return;
            }
        };
        for group in rows.chunks(LARGEST_GROUP) {
            if let Err(error) = self.insert(group).await {
                tracing::debug!(%error, "the database is still away");
                return;
            }
        }
        if !rows.is_empty() {
            tracing::info!(rows = rows.len(), "usage from the spool is on record");
        }
        if let Err(error) = self.spool.clear().await {
            tracing::error!(%error, "the usage spool can't be removed; its rows are counted once all the same");
        }
        self.away_until = None;
    }

    async fn touch(&mut self, rows: &[UsageRow]) {
        if self.away_until.is_some() {
            return;
        }
        let now = self.clock.now();
        for row in rows {
            let key = row.api_key_id.map(Touched::Key);
            let account = row.account_id.clone().map(Touched::Account);
            for what in [key, account].into_iter().flatten() {
                if self.touched.get(&what).is_none_or(|last| last.elapsed() >= TOUCH) {
                    self.touch_one(&what, now).await;
                    self.touched.insert(what, Instant::now());
                }
            }
        }
        self.touched.retain(|_, last| last.elapsed() < TOUCH);
    }

    async fn touch_one(&self, what: &Touched, now: Timestamp) {
        let touched = match what {
            Touched::Key(id) => self.store.touch_api_key(*id, now).await,
            Touched::Account(id) => self.store.touch_account(id, now).await,
        };
        if let Err(error) = touched {
            tracing::warn!(%error, "last_used_at could not be written");
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum InsertError {
    #[error("no answer in time")]
    Slow,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fills in what the row still lacks: estimated tokens and the settled quota.
async fn complete(finished: Finished) -> UsageRow {
    let Finished { mut row, estimate, reservation } = finished;
    if let Some(estimate) = estimate {
        let model = row.upstream_model.clone().unwrap_or_default();
        row.tokens_estimated = true;
        // Counting a long text takes milliseconds, which would hold up everything else on this thread.
        match tokio::task::spawn_blocking(move || count(&estimate, &model)).await {
            Ok((input, output)) => (row.input_tokens, row.output_tokens) = (input, output),
            Err(error) => tracing::error!(%error, "tokens could not be estimated"),
        }
    }
    if let Some(reservation) = reservation {
        row.quota_millionths = reservation.settle(row.input_tokens.saturating_add(row.output_tokens)).0;
    }
    row
}

/// Input and output tokens of a call whose provider did not count them.
fn count(estimate: &Estimate, model: &str) -> (i64, i64) {
    let prompt = ChatHead::parse(&estimate.request).map_or(0, |head| {
        let raw = [Some(head.messages), head.tools].into_iter().flatten();
        tokens::prompt(Dialect::OpenAi, raw).estimate_tokens(Dialect::OpenAi, model)
    });
    let output = estimate_tokens(model, &estimate.text) + estimate.more_text_bytes / BYTES_PER_TOKEN;
    let whole = |tokens| i64::try_from(tokens).unwrap_or(i64::MAX);
    (whole(prompt), whole(output))
}
