//! Second factors: an encrypted secret a person, and hashed recovery codes.

use super::db::{Tx, on_db, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::UserId;

statements! {
    FIND = "select secret from second_factors where user_id = $1 and is_confirmed = $2";
    BEGIN = "insert into second_factors (user_id, secret, is_confirmed, created_at) values ($1, $2, $3, $4)
             on conflict (user_id) do update set secret = excluded.secret, created_at = excluded.created_at
             where not second_factors.is_confirmed";
    CONFIRM = "update second_factors set is_confirmed = $3 where user_id = $1 and secret = $2 and not is_confirmed";
    REMOVE = "delete from second_factors where user_id = $1";
    MARK = "update users set has_totp = $2 where id = $1";
    ADD_CODE = "insert into recovery_codes (user_id, code_hash) values ($1, $2)";
    FORGET_CODES = "delete from recovery_codes where user_id = $1";
    USE_CODE = "delete from recovery_codes where user_id = $1 and code_hash = $2";
    COUNT_CODES = "select cast(count(*) as bigint) from recovery_codes where user_id = $1";
}

impl Store {
    /// The encrypted secret of a person's confirmed (or of a not yet confirmed) second factor.
    pub async fn find_second_factor(&self, user: UserId, confirmed: bool) -> Result<Option<String>> {
        Ok(
            read_db!(&self.db, db => sqlx::query_scalar(FIND).bind(user).bind(confirmed).fetch_optional(db).await)?,
        )
    }

    /// Stores a secret to be confirmed. False when the person has a confirmed one.
    pub async fn begin_second_factor(&self, user: UserId, secret: &str, now: Timestamp) -> Result<bool> {
        let rows = on_db!(&self.db, db => sqlx::query(BEGIN).bind(user).bind(secret).bind(false).bind(now)
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// How many recovery codes are left.
    pub async fn count_recovery_codes(&self, user: UserId) -> Result<i64> {
        Ok(read_db!(&self.db, db => sqlx::query_scalar(COUNT_CODES).bind(user).fetch_one(db).await)?)
    }
}

impl Tx {
    /// Confirms a secret and stores its recovery codes. False when it is no longer the one to be confirmed.
    pub async fn confirm_second_factor(
        &mut self,
        user: UserId,
        secret: &str,
        code_hashes: &[String],
    ) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(CONFIRM).bind(user).bind(secret).bind(true).execute(c).await
            .map(|done| done.rows_affected()))?;
        if rows == 0 {
            return Ok(false);
        }
        on_tx!(self, c => sqlx::query(FORGET_CODES).bind(user).execute(c).await.map(drop))?;
        for hash in code_hashes {
            on_tx!(self, c => sqlx::query(ADD_CODE).bind(user).bind(hash).execute(c).await.map(drop))?;
        }
        on_tx!(self, c => sqlx::query(MARK).bind(user).bind(true).execute(c).await.map(drop))?;
        Ok(true)
    }

    /// Removes a person's second factor with its recovery codes.
    pub async fn remove_second_factor(&mut self, user: UserId) -> Result<()> {
        on_tx!(self, c => sqlx::query(REMOVE).bind(user).execute(c).await.map(drop))?;
        on_tx!(self, c => sqlx::query(FORGET_CODES).bind(user).execute(c).await.map(drop))?;
        on_tx!(self, c => sqlx::query(MARK).bind(user).bind(false).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Uses a recovery code up. False when there is no such code any more.
    pub async fn use_recovery_code(&mut self, user: UserId, hash: &str) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(USE_CODE).bind(user).bind(hash).execute(c).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }
}
