//! People as administrators see them: searched, counted, and removed without losing what they used from the totals.

use super::db::{Tx, on_tx, read_db, statements};
use super::users::User;
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::UserId;

/// Which people are wanted; absent is any.
#[derive(Clone, Debug, Default)]
pub struct PeopleFilter {
    /// A part of the name.
    pub search: Option<String>,
    pub role: Option<String>,
    pub active: Option<bool>,
    pub silenced: Option<bool>,
    pub trust_level: Option<i32>,
}

/// How much somebody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Holdings {
    pub keys: i64,
    pub accounts: i64,
    pub shared_accounts: i64,
    pub calls: i64,
}

/// Who holds the calls of people who are gone. Nobody can sign in as them.
pub(super) const NOBODY: &str = "(deleted members)";

/// Calls that change hands in one statement, which is to end in time.
const GIVEN_AT_ONCE: i64 = 10_000;

macro_rules! columns {
    () => {
        "id, username, password_hash, oauth_id, avatar_url, trust_level, is_active, is_silenced, beta, created_at, last_login_at, role, token_generation, prefer_shared, has_totp"
    };
}

statements! {
    SEARCH = concat!("select ", columns!(), " from users
              where id > $1 and (lower(username) like $2 escape '!' or $2 is null) and (role = $3 or $3 is null)
                and (is_active = $4 or $4 is null) and (is_silenced = $5 or $5 is null)
                and (trust_level = $6 or $6 is null) order by id limit $7");
    HOLDINGS = "select (select cast(count(*) as bigint) from api_keys where user_id = $1) as keys,
                (select cast(count(*) as bigint) from accounts where user_id = $1) as accounts,
                (select cast(count(*) as bigint) from accounts where user_id = $1 and is_shared) as shared_accounts,
                (select cast(count(*) as bigint) from usage_logs where user_id = $1) as calls";
    ACTIVE_ADMINS = "select id from users where role = 'admin' and is_active order by id";
    OTHER_ADMINS = "select cast(count(*) as bigint) from users where role = 'admin' and is_active and id <> $1";
    FIND_NOBODY = "select id from users where username = $1";
    MAKE_NOBODY = "insert into users (username, trust_level, is_active, is_silenced, beta, role, created_at, updated_at)
                   values ($1, 0, $2, $3, 0, 'member', $4, $4) returning id";
    GIVE_AWAY = "update usage_logs set user_id = $2, api_key_id = null, request_id = null
                 where id in (select id from usage_logs where user_id = $1 limit $3)";
    DELETE = "delete from users where id = $1";
    STRIP = "update users set username = $2, password_hash = null, oauth_id = null, avatar_url = null, is_active = $3,
             role = 'member', has_totp = $3, token_generation = token_generation + 1, updated_at = $4 where id = $1";
    FORGET_NAME = "delete from usernames where user_id = $1";
    FORGET_KEYS = "delete from api_keys where user_id = $1";
    FORGET_ACCOUNTS = "delete from accounts where user_id = $1";
    FORGET_TOKENS = "delete from oauth_tokens where user_id = $1";
    FORGET_FACTOR = "delete from second_factors where user_id = $1";
    FORGET_CODES = "delete from recovery_codes where user_id = $1";
    FORGET_IDENTITIES = "delete from user_identities where user_id = $1";
    FORGET_PLUGIN_KEY = "delete from plugin_api_keys where user_id = $1";
}

/// A part of a name as a pattern; what the pattern language knows is taken literally.
fn pattern(search: &str) -> String {
    let mut pattern = String::from("%");
    for letter in search.to_lowercase().chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

impl Store {
    /// Up to `limit` people after the id `after`, by id.
    pub async fn search_users(&self, filter: &PeopleFilter, after: UserId, limit: i64) -> Result<Vec<User>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(SEARCH)
            .bind(after)
            .bind(filter.search.as_deref().map(pattern))
            .bind(&filter.role)
            .bind(filter.active)
            .bind(filter.silenced)
            .bind(filter.trust_level)
            .bind(limit)
            .fetch_all(db).await)?)
    }

    /// What a person has.
    pub async fn holdings(&self, user: UserId) -> Result<Holdings> {
        Ok(read_db!(&self.db, db => sqlx::query_as(HOLDINGS).bind(user).fetch_one(db).await)?)
    }
}

impl Tx {
    /// Whether somebody else could administer the installation. All who could are held, in the order of their ids: of
    /// administrators who remove each other at once one comes second, and is told.
    pub async fn has_other_admin(&mut self, user: UserId) -> Result<bool> {
        let admins: Vec<UserId> = on_tx!(self, c => sqlx::query_scalar(ACTIVE_ADMINS).fetch_all(c).await)?;
        for admin in admins {
            self.hold_user(admin).await?;
        }
        let others: i64 = on_tx!(self, c => sqlx::query_scalar(OTHER_ADMINS).bind(user).fetch_one(c).await)?;
        Ok(others > 0)
    }

    /// Removes a person with all that is theirs. Their calls stay in the totals, under nobody's name.
    pub async fn delete_user(&mut self, user: UserId, now: Timestamp) -> Result<bool> {
        let known: Option<UserId> =
            on_tx!(self, c => sqlx::query_scalar(FIND_NOBODY).bind(NOBODY).fetch_optional(c).await)?;
        let nobody = match known {
            Some(id) => id,
            None => {
                on_tx!(self, c => sqlx::query_scalar(MAKE_NOBODY).bind(NOBODY).bind(false).bind(true).bind(now)
                .fetch_one(c).await)?
            }
        };
        let mut given = GIVEN_AT_ONCE;
        while given == GIVEN_AT_ONCE {
            given = on_tx!(self, c => sqlx::query(GIVE_AWAY).bind(user).bind(nobody).bind(GIVEN_AT_ONCE).execute(c).await
                .map(|done| done.rows_affected().cast_signed()))?;
        }
        let rows = on_tx!(self, c => sqlx::query(DELETE).bind(user).execute(c).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Removes all that names a person and all that is theirs, but keeps their calls together under a number.
    pub async fn strip_user(&mut self, user: UserId, now: Timestamp) -> Result<bool> {
        let name = format!("(deleted {user})");
        let rows = on_tx!(self, c => sqlx::query(STRIP).bind(user).bind(&name).bind(false).bind(now).execute(c).await
            .map(|done| done.rows_affected()))?;
        for statement in [
            FORGET_NAME,
            FORGET_KEYS,
            FORGET_ACCOUNTS,
            FORGET_TOKENS,
            FORGET_FACTOR,
            FORGET_CODES,
            FORGET_IDENTITIES,
            FORGET_PLUGIN_KEY,
        ] {
            on_tx!(self, c => sqlx::query(statement).bind(user).execute(c).await.map(drop))?;
        }
        Ok(rows == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_literal() {
        assert_eq!(pattern("A_50%!"), "%a!_50!%!!%");
    }
}
