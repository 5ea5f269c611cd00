//! What administrators tell everybody.

use super::db::{Tx, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::{AnnouncementId, UserId};

/// One announcement.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AnnouncementRow {
    pub id: AnnouncementId,
    pub text_zh: Option<String>,
    pub text_en: Option<String>,
    pub starts_at: Timestamp,
    pub ends_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// An announcement to be made, or what becomes of one.
#[derive(Clone, Debug)]
pub struct NewAnnouncement {
    pub text_zh: Option<String>,
    pub text_en: Option<String>,
    pub starts_at: Timestamp,
    pub ends_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "cast(id as bigint) as id, text_zh, text_en, starts_at, ends_at, created_at"
    };
}

statements! {
    INSERT = concat!("insert into announcements (text_zh, text_en, starts_at, ends_at, created_by, created_at)
              values ($1, $2, $3, $4, $5, $6) returning ", columns!());
    UPDATE = "update announcements set text_zh = $2, text_en = $3, starts_at = $4, ends_at = $5 where id = $1";
    LIST = concat!("select ", columns!(), " from announcements order by id desc limit $1");
    CURRENT = concat!("select ", columns!(), " from announcements
              where starts_at <= $1 and (ends_at > $1 or ends_at is null) order by starts_at desc, id desc limit $2");
    DELETE = "delete from announcements where id = $1";
}

impl Store {
    /// The newest announcements, whether or not they are shown now.
    pub async fn list_announcements(&self, limit: i64) -> Result<Vec<AnnouncementRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST).bind(limit).fetch_all(db).await)?)
    }

    /// The announcements that are shown at `now`.
    pub async fn current_announcements(&self, now: Timestamp, limit: i64) -> Result<Vec<AnnouncementRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(CURRENT).bind(now).bind(limit).fetch_all(db).await)?)
    }
}

impl Tx {
    /// Stores an announcement.
    pub async fn create_announcement(
        &mut self,
        new: &NewAnnouncement,
        by: UserId,
        now: Timestamp,
    ) -> Result<AnnouncementRow> {
        Ok(on_tx!(self, c => sqlx::query_as(INSERT).bind(&new.text_zh).bind(&new.text_en).bind(new.starts_at)
            .bind(new.ends_at).bind(by).bind(now).fetch_one(c).await)?)
    }

    /// Replaces what an announcement says. False when there is none of this id.
    pub async fn update_announcement(&mut self, id: AnnouncementId, new: &NewAnnouncement) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(UPDATE).bind(id).bind(&new.text_zh).bind(&new.text_en)
            .bind(new.starts_at).bind(new.ends_at).execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Removes an announcement. False when there is none of this id.
    pub async fn delete_announcement(&mut self, id: AnnouncementId) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(DELETE).bind(id).execute(c).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }
}
