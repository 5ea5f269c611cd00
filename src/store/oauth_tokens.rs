//! Providers' tokens in AntiHub's table `oauth_tokens`: one row a person, that of the latest sign-in. AntiHub wrote them in
//! clear; everything written here is a Fernet token.

use super::db::{on_db, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::UserId;

/// Tokens to keep, encrypted.
#[derive(Clone, Debug)]
pub struct OauthTokens<'a> {
    pub access_token: &'a str,
    pub refresh_token: Option<&'a str>,
    pub token_type: &'a str,
    pub expires_at: Timestamp,
}

/// A row that AntiHub may have written.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OauthTokenRow {
    pub id: i32,
    pub access_token: String,
    pub refresh_token: Option<String>,
}

statements! {
    PUT = "insert into oauth_tokens (user_id, access_token, refresh_token, token_type, expires_at, created_at, updated_at)
           values ($1, $2, $3, $4, $5, $6, $6)
           on conflict (user_id) do update set access_token = excluded.access_token,
               refresh_token = excluded.refresh_token, token_type = excluded.token_type,
               expires_at = excluded.expires_at, updated_at = excluded.updated_at";
    // Every Fernet token begins with the version 0x80 and a time whose first bytes are zero.
    LIST_CLEAR = "select id, access_token, refresh_token from oauth_tokens
                  where id > $1 and (access_token not like 'gAAAAA%' or refresh_token not like 'gAAAAA%')
                  order by id limit $2";
    REWRITE = "update oauth_tokens set access_token = $3, refresh_token = $4 where id = $1 and access_token = $2";
}

impl Store {
    /// Keeps the tokens of a person's latest sign-in.
    pub async fn put_oauth_tokens(
        &self,
        user: UserId,
        tokens: &OauthTokens<'_>,
        now: Timestamp,
    ) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(PUT)
            .bind(user)
            .bind(tokens.access_token)
            .bind(tokens.refresh_token)
            .bind(tokens.token_type)
            .bind(tokens.expires_at)
            .bind(now)
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// Up to `limit` rows after the id `after` that hold a token in clear, by id.
    pub async fn list_clear_oauth_tokens(&self, after: i32, limit: i64) -> Result<Vec<OauthTokenRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST_CLEAR).bind(after).bind(limit).fetch_all(db).await)?)
    }

    /// Replaces a row's tokens by their encrypted form; does nothing when they changed meanwhile.
    pub async fn rewrite_oauth_tokens(
        &self,
        row: &OauthTokenRow,
        access: &str,
        refresh: Option<&str>,
    ) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(REWRITE).bind(row.id).bind(&row.access_token).bind(access).bind(refresh)
            .execute(db).await.map(drop))?;
        Ok(())
    }
}
