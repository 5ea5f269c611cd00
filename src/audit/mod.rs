//! The audit log: who did what to whom, from where, and what it was before and after.
//!
//! Entries are only ever added. Each is sealed, with a key that the database doesn't hold, together with the entry
//! before it; the newest is remembered in the database and in a note in the data directory. So whoever can write to the
//! database alone can neither forge, change nor remove an entry without `verify` telling where.
//!
//! What must not enter: secrets of any kind. An entry is built of the words in `entry`, not of rows or bodies. Nothing
//! on the way of a model call is recorded here.

mod chain;
mod entry;
mod note;
mod verify;

use crate::clock::Clock;
use crate::config::Config;
use crate::store::audit::AuditRow;
use crate::store::{Store, StoreError, Tx};

use chain::Chain;
pub use entry::{Action, Actor, Entry, Fact, Facts, Field, Origin, Target};
use note::{Head, Note};
pub use verify::{Break, Verdict};

/// Writes the log and checks it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    chain: Chain,
    store: Store,
    clock: Clock,
    note: Note,
}

impl Audit {
    /// The log of this installation.
    pub fn new(config: &Config, store: Store, clock: Clock) -> Self {
        let chain = Chain::new(&config.encryption_key);
        Self { chain, store, clock, note: Note::new(&config.data_dir) }
    }

    /// Records what changes nothing in the database: a refusal, something handed out, what happens in shared state.
    pub async fn record(&self, entry: &Entry) -> Result<(), StoreError> {
        let tx = self.store.begin().await?;
        self.commit(tx, entry).await
    }

    /// Records one entry as the last act of a transaction and commits it: the change and its entry, or neither.
    pub async fn commit(&self, mut tx: Tx, entry: &Entry) -> Result<(), StoreError> {
        let turn = tx.take_audit_turn().await?;
        let mut row = entry.to_row();
        row.seq = turn.seq;
        // Taken in turn, so moments stand in the order of the entries.
        row.at = self.clock.now();
        row.previous_hash = turn.hash;
        row.hash = self.chain.hash(&row);
        tx.append_audit(&row, &self.chain.seal(row.seq, &row.hash)).await?;
        tx.commit().await?;
        self.note.remember(Head { seq: row.seq, hash: row.hash });
        Ok(())
    }

    /// Tells equal texts apart from others without keeping what they are: for names that belong to nobody, because
    /// people type passwords into the name's field.
    pub fn fingerprint(&self, text: &str) -> String {
        self.chain.fingerprint(text)
    }

    /// Keeps the note in the data directory up to date until `stop`.
    pub async fn keep_note(self, stop: tokio_util::sync::CancellationToken) {
        self.note.keep(stop).await;
    }

    /// Writes the note now; for commands, which end at once.
    pub async fn write_note(&self) {
        self.note.write().await;
    }

    fn is_sealed(&self, row: &AuditRow) -> bool {
        self.chain.hash(row) == row.hash
    }
}
