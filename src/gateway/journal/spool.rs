//! Where finished calls wait while the database is away: files of checksummed lines in the data directory.
//!
//! A line is the first half of the SHA-256 of a row's JSON, a space and the JSON. What `append` returned for is on disk.
//! Every process writes a file of its own under a lock; files of processes that ended are anybody's to replay. Rows may
//! be replayed more than once: their `record_id` makes recording idempotent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::store::usage::UsageRow;

const EXTENSION: &str = "jsonl";
const CHECKSUM_BYTES: usize = 16;

/// The directory and this process's own file in it.
pub(crate) struct Spool {
    directory: PathBuf,
    own: Option<Own>,
}

struct Own {
    path: PathBuf,
    file: File,
    /// Bytes that are known to be whole lines on disk.
    length: u64,
}

/// Rows that wait in one file, which stays locked until this is dropped.
pub(crate) struct Waiting {
    path: PathBuf,
    pub(crate) rows: Vec<UsageRow>,
    /// Lines that could not be read.
    pub(crate) damaged: usize,
    _lock: Option<File>,
}

impl Spool {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { directory: data_dir.join("usage-spool"), own: None }
    }

    /// Writes rows to disk. After an error none of them counts as written.
    pub(crate) fn append(&mut self, rows: &[UsageRow]) -> io::Result<()> {
        let mut lines = Vec::new();
        for row in rows {
            lines.extend_from_slice(line(row)?.as_bytes());
        }
        let own = match &mut self.own {
            Some(own) => own,
            none => none.insert(Own::create(&self.directory)?),
        };
        own.append(&lines)
    }

    /// Everything that waits: in this process's file and in those that other processes left.
    pub(crate) fn waiting(&mut self) -> io::Result<Vec<Waiting>> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut waiting = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            match &mut self.own {
                Some(own) if own.path == path => waiting.push(read(path, &mut own.file)?),
                _ => waiting.extend(read_left(path)?),
            }
        }
        Ok(waiting)
    }

    /// Forgets rows that are recorded elsewhere now. A file with damaged lines is put aside for the operator.
    pub(crate) fn forget(&mut self, waiting: &Waiting) -> io::Result<()> {
        if self.own.as_ref().is_some_and(|own| own.path == waiting.path) {
            self.own = None;
        }
        let done = if waiting.damaged > 0 {
            fs::rename(&waiting.path, waiting.path.with_extension("damaged"))
        } else {
            fs::remove_file(&waiting.path)
        };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Own {
    fn create(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        loop {
            let path = directory.join(uuid::Uuid::now_v7().simple().to_string()).with_extension(EXTENSION);
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            // Another process may have found the empty file before it was locked, and removed it.
            if file.try_lock().is_ok() && path.exists() {
                File::open(directory)?.sync_all()?;
                return Ok(Self { path, file, length: 0 });
            }
        }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        // What a failed append left behind is written over.
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.length += lines.len() as u64;
        Ok(())
    }
}

/// The rows of a file that a process left, unless that process still lives.
fn read_left(path: PathBuf) -> io::Result<Option<Waiting>> {
    let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    if file.try_lock().is_err() {
        return Ok(None);
    }
    let waiting = read(path, &mut file)?;
    Ok(Some(Waiting { _lock: Some(file), ..waiting }))
}

fn read(path: PathBuf, file: &mut File) -> io::Result<Waiting> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    let (mut rows, mut damaged) = (Vec::new(), 0);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        match parse(line) {
            Some(row) => rows.push(row),
            // A last line without its end was never acknowledged.
            None if !line.ends_with(b"\n") => {}
            None => damaged += 1,
        }
    }
    Ok(Waiting { path, rows, damaged, _lock: None })
}

fn line(row: &UsageRow) -> io::Result<String> {
    let json = serde_json::to_string(row)?;
    Ok(format!("{} {json}\n", checksum(json.as_bytes())))
}

fn parse(line: &[u8]) -> Option<UsageRow> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = line.split_at_checked(2 * CHECKSUM_BYTES)?;
    let json = json.strip_prefix(b" ")?;
    if checksum(json).as_bytes() != sum {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn checksum(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..CHECKSUM_BYTES])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::UserId;
    use crate::store::usage::Outcome;

    pub(crate) fn row(record_id: &str) -> UsageRow {
        UsageRow {
            record_id: record_id.into(),
            request_id: "r".into(),
            user_id: UserId(1),
            api_key_id: None,
            account_id: None,
            is_shared: false,
            endpoint: "/v1/chat/completions".into(),
            method: "POST".into(),
            model_name: Some("a\nmodel".into()),
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
            latency_ms: 3,
            ttft_ms: None,
            attempts: 1,
            created_at: Timestamp::from_micros(1_764_151_200_123_456),
        }
    }

    pub(crate) fn directory() -> PathBuf {
        let path = std::env::temp_dir().join(format!("millpond-spool-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn ids(waiting: &[Waiting]) -> Vec<&str> {
        waiting.iter().flat_map(|one| &one.rows).map(|row| row.record_id.as_str()).collect()
    }

    #[test]
    fn rows_come_back_as_they_were() {
        let directory = directory();
        let mut spool = Spool::new(&directory);
        assert!(spool.waiting().unwrap().is_empty());
        spool.append(&[row("a"), row("b")]).unwrap();
        spool.append(&[row("c")]).unwrap();
        let mut waiting = spool.waiting().unwrap();
        assert_eq!(waiting[0].rows, [row("a"), row("b"), row("c")]);
        spool.forget(&waiting.remove(0)).unwrap();
        assert!(spool.waiting().unwrap().is_empty());
        spool.append(&[row("d")]).unwrap();
        assert_eq!(ids(&spool.waiting().unwrap()), ["d"]);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_belongs_to_one_process_until_it_ends() {
        let directory = directory();
        let mut ended = Spool::new(&directory);
        ended.append(&[row("a")]).unwrap();
        let mut living = Spool::new(&directory);
        assert!(living.waiting().unwrap().is_empty());
        drop(ended);
        let mut waiting = living.waiting().unwrap();
        assert_eq!(ids(&waiting), ["a"]);
        assert!(Spool::new(&directory).waiting().unwrap().is_empty(), "replayed by one at a time");
        living.forget(&waiting.remove(0)).unwrap();
        assert!(living.waiting().unwrap().is_empty());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_torn_last_line_costs_nothing_else_and_a_damaged_one_is_kept_for_the_operator() {
        let directory = directory();
        let mut spool = Spool::new(&directory);
        spool.append(&[row("a"), row("b")]).unwrap();
        let path = spool.own.as_ref().unwrap().path.clone();
        drop(spool);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let waiting = Spool::new(&directory).waiting().unwrap();
            assert_eq!(waiting[0].damaged, 0);
            let complete = whole[..length].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(waiting[0].rows.len(), complete);
        }
        let mut changed = whole.clone();
        changed[60] ^= 1;
        fs::write(&path, &changed).unwrap();
        let mut spool = Spool::new(&directory);
        let mut waiting = spool.waiting().unwrap();
        assert_eq!((ids(&waiting), waiting[0].damaged), (vec!["b"], 1));
        spool.forget(&waiting.remove(0)).unwrap();
        assert!(path.with_extension("damaged").exists() && !path.exists());
        fs::remove_dir_all(directory).unwrap();
    }
}
