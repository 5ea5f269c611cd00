//! Invites: codes with which people may register, and who used them.

use super::db::{Tx, on_tx, read_db, statements};
use super::users::NewUser;
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::{InviteId, UserId};

/// One invite; its code is not stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct InviteRow {
    pub id: InviteId,
    pub uses_left: i32,
    pub expires_at: Option<Timestamp>,
    pub note: Option<String>,
    pub created_by: Option<UserId>,
    pub created_at: Timestamp,
    pub is_revoked: bool,
}

/// An invite to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewInvite<'a> {
    pub code_hash: &'a str,
    pub uses: i32,
    pub expires_at: Option<Timestamp>,
    pub note: Option<&'a str>,
    pub created_by: UserId,
}

/// Who used an invite.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct InviteUse {
    pub invite_id: InviteId,
    pub user_id: UserId,
    pub username: String,
    pub used_at: Timestamp,
}

/// What became of a registration with an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invited {
    Created(UserId),
    /// The name belongs to somebody; the invite was not used.
    NameTaken,
    /// No such invite, or it is used up, expired or revoked.
    NotInvited,
}

macro_rules! columns {
    () => {
        "cast(id as bigint) as id, uses_left, expires_at, note, created_by, created_at, is_revoked"
    };
}

statements! {
    INSERT = concat!("insert into invites (code_hash, uses_left, expires_at, note, created_by, created_at, is_revoked)
              values ($1, $2, $3, $4, $5, $6, $7) returning ", columns!());
    LIST = concat!("select ", columns!(), " from invites where id < $1 order by id desc limit $2");
    USES = "select u.invite_id, u.user_id, p.username, u.used_at from invite_uses u join users p on p.id = u.user_id
            where u.invite_id = $1 order by u.used_at";
    REVOKE = "update invites set is_revoked = $2 where id = $1";
    CLAIM = "update invites set uses_left = uses_left - 1
             where code_hash = $1 and uses_left > 0 and not is_revoked and (expires_at > $2 or expires_at is null)
             returning cast(id as bigint)";
    USE = "insert into invite_uses (invite_id, user_id, used_at) values ($1, $2, $3)";
}

impl Store {
    /// Up to `limit` invites before the id `before`, newest first.
    pub async fn list_invites(&self, before: InviteId, limit: i64) -> Result<Vec<InviteRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST).bind(before).bind(limit).fetch_all(db).await)?)
    }

    /// Who used an invite, first to last.
    pub async fn list_invite_uses(&self, invite: InviteId) -> Result<Vec<InviteUse>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(USES).bind(invite).fetch_all(db).await)?)
    }
}

impl Tx {
    /// Stores a new invite.
    pub async fn create_invite(&mut self, invite: &NewInvite<'_>, now: Timestamp) -> Result<InviteRow> {
        Ok(on_tx!(self, c => sqlx::query_as(INSERT)
            .bind(invite.code_hash)
            .bind(invite.uses)
            .bind(invite.expires_at)
            .bind(invite.note)
            .bind(invite.created_by)
            .bind(now)
            .bind(false)
            .fetch_one(c).await)?)
    }

    /// Ends an invite. False when there is no such invite.
    pub async fn revoke_invite(&mut self, invite: InviteId) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(REVOKE).bind(invite).bind(true).execute(c).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Makes a person and uses their invite, or neither.
    pub async fn create_invited_user(
        &mut self,
        user: &NewUser,
        code_hash: &str,
        now: Timestamp,
    ) -> Result<Invited> {
        let invite: Option<InviteId> =
            on_tx!(self, c => sqlx::query_scalar(CLAIM).bind(code_hash).bind(now).fetch_optional(c).await)?;
        let Some(invite) = invite else { return Ok(Invited::NotInvited) };
        let Some(id) = self.create_user(user, now).await? else { return Ok(Invited::NameTaken) };
        on_tx!(self, c => sqlx::query(USE).bind(invite).bind(id).bind(now).execute(c).await.map(drop))?;
        Ok(Invited::Created(id))
    }
}
