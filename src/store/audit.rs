//! The audit log: rows are added and read, and no statement here changes or removes one. What the seals are is
//! `crate::audit`'s business.

use sqlx::QueryBuilder;

use super::db::{Tx, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;

/// One entry as stored. `state_before` and `state_after` are JSON objects in text.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditRow {
    pub seq: i64,
    pub at: Timestamp,
    pub actor_kind: String,
    pub actor_id: Option<i32>,
    pub action: String,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    pub address: Option<String>,
    pub request_id: Option<String>,
    pub state_before: Option<String>,
    pub state_after: Option<String>,
    pub previous_hash: String,
    pub hash: String,
}

/// The newest entry, as the database remembers it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditHead {
    pub seq: i64,
    pub hash: String,
    pub seal: String,
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub action: Option<String>,
    pub actor_id: Option<i32>,
    pub target_kind: Option<String>,
    pub target_id: Option<String>,
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "seq, at, actor_kind, actor_id, action, target_kind, target_id, address, request_id, state_before, state_after, previous_hash, hash"
    };
}

statements! {
    /// The row lock makes all writers of all instances stand in one line until they commit.
    TAKE_TURN = "update audit_head set seq = seq + 1 where id = 1 returning seq, hash, seal";
    INSERT = concat!("insert into audit_log (", columns!(), ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");
    MOVE_HEAD = "update audit_head set hash = $2, seal = $3 where id = 1 and seq = $1";
    HEAD = "select seq, hash, seal from audit_head where id = 1";
    FIND = concat!("select ", columns!(), " from audit_log where seq = $1");
    AFTER = concat!("select ", columns!(), " from audit_log where seq > $1 order by seq limit $2");
    ABOUT = concat!("select ", columns!(), " from audit_log
            where (actor_id = $1 or (target_kind = 'user' and target_id = $2)) and seq > $3 order by seq limit $4");
}

impl Store {
    /// The newest entry, as the database remembers it.
    pub async fn audit_head(&self) -> Result<AuditHead> {
        Ok(read_db!(&self.db, db => sqlx::query_as(HEAD).fetch_one(db).await)?)
    }

    /// One entry.
    pub async fn find_audit(&self, seq: i64) -> Result<Option<AuditRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND).bind(seq).fetch_optional(db).await)?)
    }

    /// Up to `limit` entries after `seq`, oldest first.
    pub async fn list_audit_after(&self, seq: i64, limit: i64) -> Result<Vec<AuditRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(AFTER).bind(seq).bind(limit).fetch_all(db).await)?)
    }

    /// Up to `limit` entries before the entry `before`, newest first.
    pub async fn list_audit(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditRow>> {
        let before = before.unwrap_or(i64::MAX);
        Ok(read_db!(&self.db, db => {
            let mut query = QueryBuilder::new(concat!("select ", columns!(), " from audit_log where seq < "));
            query.push_bind(before);
            if let Some(action) = &filter.action {
                query.push(" and action = ").push_bind(action);
            }
            if let Some(actor) = filter.actor_id {
                query.push(" and actor_id = ").push_bind(actor);
            }
            if let Some(kind) = &filter.target_kind {
                query.push(" and target_kind = ").push_bind(kind);
            }
            if let Some(id) = &filter.target_id {
                query.push(" and target_id = ").push_bind(id);
            }
            if let Some(from) = filter.from {
                query.push(" and at >= ").push_bind(from);
            }
            if let Some(until) = filter.until {
                query.push(" and at < ").push_bind(until);
            }
            query.push(" order by seq desc limit ").push_bind(limit);
            query.build_query_as().fetch_all(db).await
        })?)
    }

    /// Up to `limit` entries after `seq` that a person made or that are about them, oldest first.
    pub async fn list_audit_about(
        &self,
        person: crate::ids::UserId,
        seq: i64,
        limit: i64,
    ) -> Result<Vec<AuditRow>> {
        Ok(
            read_db!(&self.db, db => sqlx::query_as(ABOUT).bind(person).bind(person.to_string()).bind(seq).bind(limit)
            .fetch_all(db).await)?,
        )
    }
}

impl Tx {
    /// Waits for the turn to write: the number of the new entry and the hash of the one before. The turn lasts until
    /// the transaction ends, so it is taken last.
    pub(crate) async fn take_audit_turn(&mut self) -> Result<AuditHead> {
        Ok(on_tx!(self, c => sqlx::query_as(TAKE_TURN).fetch_one(c).await)?)
    }

    /// Adds the entry whose turn it is.
    pub(crate) async fn append_audit(&mut self, row: &AuditRow, seal: &str) -> Result<()> {
        on_tx!(self, c => sqlx::query(INSERT)
            .bind(row.seq)
            .bind(row.at)
            .bind(&row.actor_kind)
            .bind(row.actor_id)
            .bind(&row.action)
            .bind(&row.target_kind)
            .bind(&row.target_id)
            .bind(&row.address)
            .bind(&row.request_id)
            .bind(&row.state_before)
            .bind(&row.state_after)
            .bind(&row.previous_hash)
            .bind(&row.hash)
            .execute(c).await.map(drop))?;
        on_tx!(self, c => sqlx::query(MOVE_HEAD).bind(row.seq).bind(&row.hash).bind(seal).execute(c).await.map(drop))?;
        Ok(())
    }
}
