//! The newest entry, noted in the data directory: the database alone can't tell that its own end was cut off when head
//! and log were put back together.
//!
//! The note is written behind the entries, so after a hard stop it may be some entries old; it then vouches for fewer.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const FILE: &str = "audit-head";

/// One entry's number and hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) hash: String,
}

/// The note and what is to be noted. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Note {
    path: PathBuf,
    newest: watch::Sender<Head>,
}

impl Note {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE), newest: watch::Sender::new(Head::default()) }
    }

    /// Takes note of a newer entry; concurrent writers may come in any order.
    pub(super) fn remember(&self, head: Head) {
        self.newest.send_if_modified(|newest| {
            let newer = head.seq > newest.seq;
            if newer {
                *newest = head;
            }
            newer
        });
    }

    /// What the data directory has; `None` when there is no note, an error when it is unreadable.
    pub(super) async fn read(&self) -> std::io::Result<Option<Head>> {
        match tokio::fs::read(&self.path).await {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn keep(&self, stop: CancellationToken) {
        let mut newest = self.newest.subscribe();
        loop {
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { break },
                () = stop.cancelled() => break,
            }
            newest.mark_unchanged();
            self.write().await;
        }
        self.write().await;
    }

    /// Writes what was taken note of. A note is never replaced by an older one: only an operator may say that the end
    /// of the log is meant to be gone. Other instances may keep theirs in the same file, so looking and writing are one.
    pub(super) async fn write(&self) {
        let newest = self.newest.borrow().clone();
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || put_if_newer(&path, &newest)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            self.complain(&error);
        }
    }

    /// Replaces the note, whatever it says.
    pub(super) async fn put(&self, head: &Head) {
        let (path, head) = (self.path.clone(), head.clone());
        let written = tokio::task::spawn_blocking(move || put(&path, &head)).await;
        if let Err(error) = written.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            self.complain(&error);
        }
    }

    fn complain(&self, error: &std::io::Error) {
        tracing::error!(%error, path = %self.path.display(), "the newest audit entry could not be noted");
    }
}

fn put_if_newer(path: &Path, head: &Head) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let turn = File::create(path.with_extension("lock"))?;
    turn.lock()?;
    let held = std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Head>(&bytes).ok());
    if held.map_or(0, |held| held.seq) >= head.seq {
        return Ok(());
    }
    put(path, head)
}

fn put(path: &Path, head: &Head) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let draft = path.with_extension(uuid::Uuid::new_v4().simple().to_string());
    std::fs::write(&draft, serde_json::to_vec(head)?)?;
    std::fs::rename(&draft, path)
}
