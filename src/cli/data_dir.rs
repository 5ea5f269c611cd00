//! Keeps a second server off the data that can have one only: without Redis quotas, limits and sessions are in the memory of
//! one process. Commands may run beside it. Where Redis is shared each process has a journal of its own, and several may
//! use one data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Result;
use crate::config::{Config, DatabaseConfig};

/// Held as long as the server runs; the system takes it back however the process ends.
#[derive(Debug)]
pub(super) struct DataDirLock(#[expect(dead_code, reason = "kept open for their locks")] Vec<File>);

impl DataDirLock {
    /// Takes the data of this configuration for this process.
    pub(super) fn take(config: &Config) -> Result<Self> {
        if config.redis_url.is_some() {
            return Ok(Self(Vec::new()));
        }
        let mut paths = vec![config.data_dir.join("serve.lock")];
        // The same database may be named from several data directories.
        if let DatabaseConfig::Sqlite { path } = &config.database
            && path.parent() != Some(&config.data_dir)
        {
            paths.push(beside(path));
        }
        let locks: Result<Vec<File>> = paths.iter().map(|path| lock(path)).collect();
        Ok(Self(locks?))
    }
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn lock(path: &Path) -> Result<File> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|error| format!("can't make {}: {error}", directory.display()))?;
    }
    let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = open.map_err(|error| format!("can't open {}: {error}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(format!(
            "another server runs on this data ({} is locked); without Redis there may be one only",
            path.display()
        )
        .into()),
        Err(TryLockError::Error(error)) => Err(format!("can't lock {}: {error}", path.display()).into()),
    }
}
