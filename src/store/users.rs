//! People: the table `users` as AntiHub knows it, with role, token generation and pool preference beside.

use super::db::{Tx, on_db, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::UserId;

/// What a person may do to others' things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Manages own things only.
    Member,
    /// Manages everything.
    Admin,
    /// Reads everything, changes nothing.
    Auditor,
}

impl Role {
    /// The word that the table holds.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "member" => Some(Self::Member),
            "admin" => Some(Self::Admin),
            "auditor" => Some(Self::Auditor),
            _ => None,
        }
    }

    /// A word that this version doesn't know gives no rights.
    fn from_column(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self::Member)
    }
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    pub id: UserId,
    pub username: String,
    pub password_hash: Option<String>,
    pub oauth_id: Option<String>,
    pub avatar_url: Option<String>,
    pub trust_level: i32,
    pub is_active: bool,
    pub is_silenced: bool,
    pub beta: i32,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
    role: String,
    /// Access and refresh tokens of an earlier generation are dead.
    pub token_generation: i64,
    prefer_shared: i32,
    /// Whether a second factor is asked for.
    pub has_totp: bool,
}

impl User {
    /// The person's role.
    pub fn role(&self) -> Role {
        Role::from_column(&self.role)
    }

    /// Whether others' shared accounts are tried before the person's own.
    pub fn prefers_shared(&self) -> bool {
        self.prefer_shared == 1
    }

    /// Whether the person joined the beta programme.
    pub fn is_beta(&self) -> bool {
        self.beta == 1
    }
}

/// What a new person starts with.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub username: String,
    pub password_hash: Option<String>,
    pub oauth_id: Option<String>,
    pub avatar_url: Option<String>,
    pub trust_level: i32,
    pub is_active: bool,
    pub is_silenced: bool,
    pub is_beta: bool,
    pub role: Role,
}

/// Changes to a person; `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct UserChanges {
    pub is_active: Option<bool>,
    pub is_silenced: Option<bool>,
    pub is_beta: Option<bool>,
    pub trust_level: Option<i32>,
    pub role: Option<Role>,
    pub oauth_id: Option<String>,
}

macro_rules! columns {
    () => {
        "id, username, password_hash, oauth_id, avatar_url, trust_level, is_active, is_silenced, beta, created_at, last_login_at, role, token_generation, prefer_shared, has_totp"
    };
}

statements! {
    FIND = concat!("select ", columns!(), " from users where id = $1");
    FIND_BY_NAME = concat!("select ", columns!(), " from users where username = $1 order by id limit 1");
    FIND_BY_OAUTH_ID = concat!("select ", columns!(), " from users where oauth_id = $1 order by id limit 1");
    /// Writes nothing, but takes the row.
    HOLD = concat!("update users set updated_at = updated_at where id = $1 returning ", columns!());
    LIST = concat!("select ", columns!(), " from users where id > $1 order by id limit $2");
    COUNT_ADMINS = "select cast(count(*) as bigint) from users where role = 'admin'";
    INSERT = "insert into users (username, password_hash, oauth_id, avatar_url, trust_level, is_active, is_silenced,
                                 beta, role, created_at, updated_at)
              values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) returning id";
    CLAIM_NAME = "insert into usernames (name, user_id) values ($1, $2) on conflict (name) do nothing";
    UPDATE = "update users set is_active = coalesce($2, is_active), is_silenced = coalesce($3, is_silenced),
                               beta = coalesce($4, beta), trust_level = coalesce($5, trust_level),
                               role = coalesce($6, role), oauth_id = coalesce($7, oauth_id), updated_at = $8
              where id = $1";
    SET_PASSWORD = "update users set password_hash = $2, token_generation = token_generation + 1, updated_at = $3
                    where id = $1";
    REHASH_PASSWORD = "update users set password_hash = $3 where id = $1 and password_hash = $2";
    TOUCH_LOGIN = "update users set last_login_at = $2, updated_at = $2 where id = $1";
    NEXT_GENERATION = "update users set token_generation = token_generation + 1 where id = $1
                       returning token_generation";
    PREFER_SHARED = "update users set prefer_shared = $2, updated_at = $3 where id = $1";
}

impl Store {
    /// The person with this id.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND).bind(id).fetch_optional(db).await)?)
    }

    /// The person who signs in with exactly this name; the oldest where AntiHub let several have it.
    pub async fn find_user_by_name(&self, username: &str) -> Result<Option<User>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND_BY_NAME).bind(username).fetch_optional(db).await)?)
    }

    /// The person whom AntiHub knows by this; the oldest where it let several have it.
    pub async fn find_user_by_oauth_id(&self, oauth_id: &str) -> Result<Option<User>> {
        Ok(
            read_db!(&self.db, db => sqlx::query_as(FIND_BY_OAUTH_ID).bind(oauth_id).fetch_optional(db).await)?,
        )
    }

    /// Up to `limit` people after the id `after`, by id.
    pub async fn list_users(&self, after: UserId, limit: i64) -> Result<Vec<User>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST).bind(after).bind(limit).fetch_all(db).await)?)
    }

    /// Whether anybody can administer this installation.
    pub async fn has_admin(&self) -> Result<bool> {
        let admins: i64 = read_db!(&self.db, db => sqlx::query_scalar(COUNT_ADMINS).fetch_one(db).await)?;
        Ok(admins > 0)
    }

    /// Replaces a hash of the same password by a stronger one; does nothing when it changed meanwhile.
    pub async fn rehash_password(&self, id: UserId, old: &str, new: &str) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(REHASH_PASSWORD).bind(id).bind(old).bind(new).execute(db).await.map(drop))?;
        Ok(())
    }
}

impl Tx {
    /// Adds a person. `None`, after which the transaction must not be committed: the name, or one that looks like it,
    /// belongs to somebody.
    pub async fn create_user(&mut self, user: &NewUser, now: Timestamp) -> Result<Option<UserId>> {
        let known: Option<User> =
            on_tx!(self, c => sqlx::query_as(FIND_BY_NAME).bind(&user.username).fetch_optional(c).await)?;
        if known.is_some() {
            return Ok(None);
        }
        let id: UserId = on_tx!(self, c => sqlx::query_scalar(INSERT)
            .bind(&user.username)
            .bind(&user.password_hash)
            .bind(&user.oauth_id)
            .bind(&user.avatar_url)
            .bind(user.trust_level)
            .bind(user.is_active)
            .bind(user.is_silenced)
            .bind(i32::from(user.is_beta))
            .bind(user.role.as_str())
            .bind(now)
            .fetch_one(c).await)?;
        for name in crate::names::claims(&user.username) {
            let claimed = on_tx!(self, c => sqlx::query(CLAIM_NAME).bind(&name).bind(id).execute(c).await
                .map(|done| done.rows_affected()))?;
            if claimed == 0 {
                return Ok(None);
            }
        }
        Ok(Some(id))
    }

    /// The person with this id, whom nobody else changes, gives keys or accounts to, or removes until the transaction ends.
    pub async fn hold_user(&mut self, id: UserId) -> Result<Option<User>> {
        Ok(on_tx!(self, c => sqlx::query_as(HOLD).bind(id).fetch_optional(c).await)?)
    }

    /// The person with this id as the transaction has made them.
    pub async fn find_user(&mut self, id: UserId) -> Result<Option<User>> {
        Ok(on_tx!(self, c => sqlx::query_as(FIND).bind(id).fetch_optional(c).await)?)
    }

    /// Changes a person. False when there is no such person.
    pub async fn update_user(&mut self, id: UserId, changes: &UserChanges, now: Timestamp) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(UPDATE)
            .bind(id)
            .bind(changes.is_active)
            .bind(changes.is_silenced)
            .bind(changes.is_beta.map(i32::from))
            .bind(changes.trust_level)
            .bind(changes.role.map(Role::as_str))
            .bind(&changes.oauth_id)
            .bind(now)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Sets a password (bcrypt text) and ends every session that began before.
    pub async fn set_password(&mut self, id: UserId, hash: &str, now: Timestamp) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(SET_PASSWORD).bind(id).bind(hash).bind(now).execute(c).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Notes a sign-in.
    pub async fn touch_login(&mut self, id: UserId, now: Timestamp) -> Result<()> {
        on_tx!(self, c => sqlx::query(TOUCH_LOGIN).bind(id).bind(now).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Ends every token issued so far by moving the person to the next generation, which is returned.
    pub async fn next_token_generation(&mut self, id: UserId) -> Result<Option<i64>> {
        Ok(on_tx!(self, c => sqlx::query_scalar(NEXT_GENERATION).bind(id).fetch_optional(c).await)?)
    }

    /// Sets which of own and shared accounts are tried first.
    pub async fn set_prefer_shared(&mut self, id: UserId, prefer_shared: bool, now: Timestamp) -> Result<()> {
        on_tx!(self, c => sqlx::query(PREFER_SHARED).bind(id).bind(i32::from(prefer_shared)).bind(now)
            .execute(c).await.map(drop))?;
        Ok(())
    }
}
