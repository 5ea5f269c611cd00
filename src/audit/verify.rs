//! Checks the whole log against its seals and its remembered ends.

use super::Audit;
use super::note::Head;
use crate::store::StoreError;
use crate::store::audit::{AuditHead, AuditRow};

const PAGE: i64 = 1_000;

/// The first thing that is wrong with the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The entry at which it shows.
    pub seq: i64,
    /// What is wrong, in words.
    pub what: String,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How many entries were read and found good.
    pub entries: i64,
    /// The data directory's note speaks of this entry; `None` when there is no note.
    pub noted: Option<i64>,
    pub broken: Option<Break>,
}

fn broken(seq: i64, what: &str) -> Option<Break> {
    Some(Break { seq, what: what.to_owned() })
}

/// Whether the entry is there that a remembered head speaks of.
fn fits(entry: Option<&AuditRow>, hash: &str) -> bool {
    entry.is_some_and(|row| row.hash == hash)
}

impl Audit {
    /// Reads the log from its beginning. Entries may be added meanwhile.
    pub async fn verify(&self) -> Result<Verdict, StoreError> {
        let remembered = self.store.audit_head().await?;
        let noted = self.note.read().await;
        let mut verdict = Verdict { entries: 0, noted: None, broken: None };
        let mut previous = Head::default();
        loop {
            let page = self.store.list_audit_after(previous.seq, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for row in page {
                verdict.broken = self.check(&row, &previous);
                if verdict.broken.is_some() {
                    return Ok(verdict);
                }
                verdict.entries += 1;
                previous = Head { seq: row.seq, hash: row.hash };
            }
        }
        // Read again: the log may have grown while we read it.
        let newest = self.store.audit_head().await?;
        verdict.broken = match noted {
            Err(_) => broken(0, "the note in the data directory (audit-head) is not readable"),
            Ok(note) => {
                verdict.noted = note.as_ref().map(|note| note.seq);
                let end = self.check_end(&remembered, &newest, &previous).await?;
                if end.is_some() { end } else { self.check_note(note).await? }
            }
        };
        Ok(verdict)
    }

    fn check(&self, row: &AuditRow, previous: &Head) -> Option<Break> {
        if row.seq != previous.seq + 1 {
            return broken(previous.seq + 1, "the entry is missing");
        }
        if row.previous_hash != previous.hash {
            return broken(row.seq, "the entry does not follow the one before it");
        }
        if !self.is_sealed(row) {
            return broken(row.seq, "the entry was changed, or sealed with another encryption key");
        }
        None
    }

    async fn check_end(
        &self,
        remembered: &AuditHead,
        newest: &AuditHead,
        last: &Head,
    ) -> Result<Option<Break>, StoreError> {
        for head in [remembered, newest] {
            let sealed = match head.seq {
                0 => head.hash.is_empty() && head.seal.is_empty(),
                seq => self.chain.seal(seq, &head.hash) == head.seal,
            };
            if !sealed {
                return Ok(broken(head.seq, "the remembered newest entry was changed"));
            }
            let entry = self.store.find_audit(head.seq).await?;
            if head.seq != 0 && !fits(entry.as_ref(), &head.hash) {
                return Ok(broken(head.seq, "the remembered newest entry is missing: the end was cut off"));
            }
        }
        if last.seq > newest.seq {
            return Ok(broken(newest.seq + 1, "there are entries after the remembered newest one"));
        }
        Ok(None)
    }

    async fn check_note(&self, note: Option<Head>) -> Result<Option<Break>, StoreError> {
        let Some(note) = note else { return Ok(None) };
        let entry = self.store.find_audit(note.seq).await?;
        if fits(entry.as_ref(), &note.hash) {
            return Ok(None);
        }
        Ok(broken(note.seq, "the entry that the data directory noted is missing: the end was cut off"))
    }

    /// Takes the present end of the log as the right one; after a backup was restored.
    pub async fn trust_end(&self) -> Result<(), StoreError> {
        let head = self.store.audit_head().await?;
        self.note.put(&Head { seq: head.seq, hash: head.hash }).await;
        Ok(())
    }
}
