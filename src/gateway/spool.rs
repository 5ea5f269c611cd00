//! Usage rows on disk while the database is away: one line a row, `checksum json`, synced before it counts as
//! recorded. A line that a crash tore fails its checksum and is skipped; it was never acknowledged.

use std::io::Write as _;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::store::usage::UsageRow;

/// The spool file. Only the ledger's task uses it.
pub(super) struct Spool {
    path: PathBuf,
    used: bool,
}

fn checksum(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

fn line(row: &UsageRow) -> std::io::Result<String> {
    let json = serde_json::to_string(row)?;
    Ok(format!("{} {json}\n", checksum(&json)))
}

fn parse(line: &str) -> Option<UsageRow> {
    let (sum, json) = line.split_once(' ')?;
    (checksum(json) == sum).then(|| serde_json::from_str(json).ok()).flatten()
}

impl Spool {
    /// A spool that may hold rows of an earlier run.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, used: true }
    }

    /// Whether there may be rows.
    pub(super) fn is_used(&self) -> bool {
        self.used
    }

    /// Adds rows; they are on disk when this returns.
    pub(super) async fn append(&mut self, rows: &[UsageRow]) -> std::io::Result<()> {
        self.used = true;
        // A line of its own ends what a crash may have torn before.
        let mut text = String::from("\n");
        for row in rows {
            text.push_str(&line(row)?);
        }
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .await
        .map_err(std::io::Error::other)?
    }

    /// All rows that are whole.
    pub(super) async fn read(&mut self) -> std::io::Result<Vec<UsageRow>> {
        if !self.used {
            return Ok(Vec::new());
        }
        let bytes = match tokio::fs::read(&self.path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().filter(|line| !line.is_empty()).filter_map(parse).collect())
    }

    /// Removes the file: all its rows are in the database.
    pub(super) async fn clear(&mut self) -> std::io::Result<()> {
        match tokio::fs::remove_file(&self.path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => self.used = false,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::UserId;
    use crate::store::usage::Outcome;

    fn row(record_id: &str) -> UsageRow {
        UsageRow {
            record_id: record_id.to_owned(),
            request_id: "r".to_owned(),
            user_id: UserId(1),
            api_key_id: None,
            account_id: None,
            is_shared: false,
            endpoint: "/v1/chat/completions".to_owned(),
            method: "POST".to_owned(),
            model_name: Some("m\n\u{2028}".to_owned()),
            upstream_model: None,
            stream: true,
            status_code: 200,
            outcome: Outcome::Ok,
            error_code: None,
            input_tokens: 1,
            output_tokens: 2,
            cached_tokens: 0,
            reasoning_tokens: 0,
            tokens_estimated: false,
            cost_micro_usd: None,
            quota_millionths: 0,
            latency_ms: 1,
            ttft_ms: None,
            attempts: 1,
            created_at: Timestamp::from_seconds(0),
        }
    }

    #[tokio::test]
    async fn a_torn_line_costs_nothing_but_itself() {
        let path = std::env::temp_dir().join(format!("millpond-spool-{}", uuid::Uuid::new_v4()));
        let mut spool = Spool::new(path.clone());
        assert_eq!(spool.read().await.unwrap(), Vec::new());
        spool.append(&[row("a"), row("b")]).await.unwrap();
        let torn = line(&row("torn")).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&torn.as_bytes()[..torn.len() / 2]);
        std::fs::write(&path, bytes).unwrap();
        spool.append(&[row("c")]).await.unwrap();
        let ids = |rows: Vec<UsageRow>| rows.into_iter().map(|row| row.record_id).collect::<Vec<_>>();
        assert_eq!(ids(Spool::new(path.clone()).read().await.unwrap()), ["a", "b", "c"]);
        spool.clear().await.unwrap();
        assert!(!path.exists());
    }
}
