//! Who a person is at sign-in providers: `user_identities`, with AntiHub's `users.oauth_id` beside it.

use super::db::{Tx, on_db, on_tx, read_db, statements};
use super::users::NewUser;
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::UserId;

/// One identity of one person.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct IdentityRow {
    pub user_id: UserId,
    pub provider: String,
    pub subject: String,
    pub username: Option<String>,
    /// The person is silenced because the provider says so.
    pub silenced_there: bool,
    pub linked_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

/// An identity to be kept. The tokens are Fernet tokens.
#[derive(Clone, Debug)]
pub struct NewIdentity<'a> {
    pub provider: &'a str,
    pub subject: &'a str,
    pub username: Option<&'a str>,
    pub access_token: Option<&'a str>,
    pub refresh_token: Option<&'a str>,
    pub silenced_there: bool,
    /// What AntiHub would keep in `users.oauth_id`.
    pub oauth_id: Option<&'a str>,
}

/// What became of a new person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    Made(UserId),
    NameTaken,
    /// Somebody else was faster with the same identity.
    IdentityTaken,
}

/// What became of a wish to unlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinking {
    Done,
    Unknown,
    /// It is the last way to sign in.
    Last,
}

macro_rules! columns {
    () => {
        "user_id, provider, subject, username, silenced_there, linked_at, last_used_at"
    };
}

statements! {
    FIND = concat!("select ", columns!(), " from user_identities where provider = $1 and subject = $2");
    LIST = concat!("select ", columns!(), " from user_identities where user_id = $1 order by linked_at, id");
    ADD = "insert into user_identities (user_id, provider, subject, username, access_token, refresh_token, silenced_there,
                                        linked_at, last_used_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict do nothing";
    // The identity that AntiHub keeps in its own column.
    ADOPT = "insert into user_identities (user_id, provider, subject, silenced_there, linked_at)
             select id, $2, $3, false, created_at from users where id = $1 and oauth_id = $4 on conflict do nothing";
    USE = "update user_identities set username = $3, access_token = $4, refresh_token = $5, silenced_there = $6,
                  last_used_at = $7
           where provider = $1 and subject = $2";
    REMOVE = "delete from user_identities where user_id = $1 and provider = $2";
    // Takes the person's row until the end of the transaction, so that two ways can't be removed at once.
    HOLD = "update users set updated_at = $2 where id = $1 returning coalesce(password_hash, '')";
    SET_OAUTH_ID = "update users set oauth_id = $2 where id = $1 and oauth_id is null";
    CLEAR_OAUTH_ID = "update users set oauth_id = null where id = $1 and oauth_id = $2";
    REFRESH = "update users set avatar_url = coalesce($2, avatar_url), trust_level = coalesce($3, trust_level),
                      is_silenced = coalesce($4, is_silenced), updated_at = $5
               where id = $1";
}

impl Store {
    /// The identity of this subject at this provider.
    pub async fn find_identity(&self, provider: &str, subject: &str) -> Result<Option<IdentityRow>> {
        Ok(
            read_db!(&self.db, db => sqlx::query_as(FIND).bind(provider).bind(subject).fetch_optional(db).await)?,
        )
    }

    /// A person's identities, oldest first.
    pub async fn list_identities(&self, user: UserId) -> Result<Vec<IdentityRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST).bind(user).fetch_all(db).await)?)
    }

    /// Gives the identity that AntiHub keeps with a person a row of its own, if it still keeps it.
    pub async fn adopt_identity(
        &self,
        user: UserId,
        (provider, subject): (&str, &str),
        oauth_id: &str,
        now: Timestamp,
    ) -> Result<()> {
        let mut tx = self.db.begin().await?;
        // Somebody may be unlinking it right now.
        on_tx!(&mut tx, c => sqlx::query(HOLD).bind(user).bind(now).execute(c).await.map(drop))?;
        on_tx!(&mut tx, c => sqlx::query(ADOPT).bind(user).bind(provider).bind(subject).bind(oauth_id)
            .execute(c).await.map(drop))?;
        tx.commit().await?;
        Ok(())
    }

    /// Notes a sign-in with an identity, and what the provider told of the person.
    pub async fn use_identity(&self, identity: &NewIdentity<'_>, now: Timestamp) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(USE)
            .bind(identity.provider)
            .bind(identity.subject)
            .bind(identity.username)
            .bind(identity.access_token)
            .bind(identity.refresh_token)
            .bind(identity.silenced_there)
            .bind(now)
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Takes over what a provider says of a person; `None` leaves as it is.
    pub async fn refresh_user(
        &self,
        user: UserId,
        avatar_url: Option<&str>,
        trust_level: Option<i32>,
        is_silenced: Option<bool>,
        now: Timestamp,
    ) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(REFRESH).bind(user).bind(avatar_url).bind(trust_level).bind(is_silenced)
            .bind(now).execute(db).await.map(drop))?;
        Ok(())
    }
}

impl Tx {
    /// Adds a person together with the identity that they came with, or nothing at all.
    pub async fn create_user_with_identity(
        &mut self,
        user: &NewUser,
        identity: &NewIdentity<'_>,
        now: Timestamp,
    ) -> Result<Creation> {
        let Some(id) = self.create_user(user, now).await? else {
            return Ok(Creation::NameTaken);
        };
        if !add(self, id, identity, now, Some(now)).await? {
            return Ok(Creation::IdentityTaken);
        }
        Ok(Creation::Made(id))
    }

    /// Adds an identity to a person. False when it is somebody's already, or the person has another one there.
    pub async fn link_identity(
        &mut self,
        user: UserId,
        identity: &NewIdentity<'_>,
        now: Timestamp,
        last_used_at: Option<Timestamp>,
    ) -> Result<bool> {
        let added = add(self, user, identity, now, last_used_at).await?;
        if added && let Some(oauth_id) = identity.oauth_id {
            on_tx!(self, c => sqlx::query(SET_OAUTH_ID).bind(user).bind(oauth_id).execute(c).await.map(drop))?;
        }
        Ok(added)
    }

    /// Removes a person's identity at a provider, unless no way to sign in would be left: a password, or another identity
    /// at a provider of `usable`.
    pub async fn unlink_identity(
        &mut self,
        user: UserId,
        provider: &str,
        oauth_id: impl Fn(&IdentityRow) -> Option<String>,
        usable: &[&str],
        now: Timestamp,
    ) -> Result<Unlinking> {
        let password: Option<String> =
            on_tx!(self, c => sqlx::query_scalar(HOLD).bind(user).bind(now).fetch_optional(c).await)?;
        let all: Vec<IdentityRow> = on_tx!(self, c => sqlx::query_as(LIST).bind(user).fetch_all(c).await)?;
        let Some(identity) = all.iter().find(|row| row.provider == provider) else {
            return Ok(Unlinking::Unknown);
        };
        let others =
            all.iter().any(|row| row.provider != provider && usable.contains(&row.provider.as_str()));
        if !others && password.is_none_or(|hash| hash.is_empty()) {
            return Ok(Unlinking::Last);
        }
        on_tx!(self, c => sqlx::query(REMOVE).bind(user).bind(provider).execute(c).await.map(drop))?;
        if let Some(oauth_id) = oauth_id(identity) {
            on_tx!(self, c => sqlx::query(CLEAR_OAUTH_ID).bind(user).bind(oauth_id).execute(c).await.map(drop))?;
        }
        Ok(Unlinking::Done)
    }
}

async fn add(
    tx: &mut Tx,
    user: UserId,
    identity: &NewIdentity<'_>,
    now: Timestamp,
    last_used_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = on_tx!(tx, c => sqlx::query(ADD)
        .bind(user)
        .bind(identity.provider)
        .bind(identity.subject)
        .bind(identity.username)
        .bind(identity.access_token)
        .bind(identity.refresh_token)
        .bind(identity.silenced_there)
        .bind(now)
        .bind(last_used_at)
        .execute(c).await.map(|done| done.rows_affected()))?;
    Ok(rows == 1)
}
