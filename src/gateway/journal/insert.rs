//! One batch of rows into the database, with a deadline. A row that it refuses for good must not hold up the others.

use std::time::Duration;

use crate::state::StateError;
use crate::store::record::{Recorded, UsageBatch};
use crate::store::usage::UsageRow;
use crate::store::{Store, StoreError};

/// A database that takes longer counts as away.
const COMMIT_WITHIN: Duration = Duration::from_secs(5);

/// Why rows could not be recorded.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRecorded {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no answer in time")]
    Timeout,
    /// What earlier calls owe could not be settled.
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the journal is not readable: {0}")]
    Journal(#[from] std::io::Error),
}

/// Records a batch; answers which rows were new. What is refused for good goes to `refused`.
pub(super) async fn insert(
    store: &Store,
    batch: &UsageBatch<'_>,
    refused: impl Fn(&UsageRow, &StoreError),
) -> Result<Vec<usize>, NotRecorded> {
    match insert_in_time(store, batch).await {
        Err(NotRecorded::Store(error)) if error.is_permanent() => one_by_one(store, batch, refused).await,
        other => Ok(other?.new),
    }
}

async fn one_by_one(
    store: &Store,
    batch: &UsageBatch<'_>,
    refused: impl Fn(&UsageRow, &StoreError),
) -> Result<Vec<usize>, NotRecorded> {
    let mut new = Vec::new();
    for (place, row) in batch.rows.iter().enumerate() {
        let one = UsageBatch { rows: std::slice::from_ref(row), ..UsageBatch::default() };
        match insert_in_time(store, &one).await {
            Err(NotRecorded::Store(error)) if error.is_permanent() => refused(row, &error),
            recorded => new.extend(recorded?.new.first().map(|_| place)),
        }
    }
    match insert_in_time(store, &UsageBatch { rows: &[], ..*batch }).await {
        Err(NotRecorded::Store(error)) if error.is_permanent() => {
            tracing::error!(%error, "what follows from calls was refused for good");
        }
        other => drop(other?),
    }
    Ok(new)
}

async fn insert_in_time(store: &Store, batch: &UsageBatch<'_>) -> Result<Recorded, NotRecorded> {
    let recorded = tokio::time::timeout(COMMIT_WITHIN, store.record_usage(batch)).await;
    Ok(recorded.map_err(|_| NotRecorded::Timeout)??)
}
