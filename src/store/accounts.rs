//! Upstream accounts that members added: the credential encrypted, lists as JSON text.

use super::db::{on_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::{AccountId, UserId};

/// One account as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AccountRow {
    pub id: AccountId,
    pub user_id: UserId,
    pub name: String,
    pub provider: String,
    pub base_url: Option<String>,
    /// Fernet token of the provider's key.
    pub credential: String,
    /// Fernet token of the proxy's address, which may hold a password.
    pub proxy: Option<String>,
    pub is_shared: bool,
    pub is_enabled: bool,
    /// JSON array of model names; absent means whatever the provider has.
    pub models: Option<String>,
    /// JSON object from public to upstream model names.
    pub aliases: Option<String>,
    /// JSON array of allowances.
    pub allowances: Option<String>,
    pub priority: i32,
    pub weight: i32,
    pub max_concurrency: Option<i32>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "id, user_id, name, provider, base_url, credential, proxy, is_shared, is_enabled, models, aliases, allowances, priority, weight, max_concurrency, created_at, updated_at, last_used_at"
    };
}

statements! {
    INSERT = concat!("insert into accounts (", columns!(), ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)");
    FIND = concat!("select ", columns!(), " from accounts where id = $1 and user_id = $2");
    LIST = concat!("select ", columns!(), " from accounts where user_id = $1 order by created_at desc, id desc");
    LIST_ALL = concat!("select ", columns!(), " from accounts where is_enabled and exists (select 1 from users where users.id = accounts.user_id and users.is_active) order by id");
    SET_ENABLED = "update accounts set is_enabled = $3, updated_at = $4 where id = $1 and user_id = $2";
    SET_SHARED = "update accounts set is_shared = $3, updated_at = $4 where id = $1 and user_id = $2";
    RENAME = "update accounts set name = $3, updated_at = $4 where id = $1 and user_id = $2";
    DELETE = "delete from accounts where id = $1 and user_id = $2";
    TOUCH = "update accounts set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $2)";
}

impl Store {
    /// Stores a new account.
    pub async fn create_account(&self, account: &AccountRow) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(INSERT)
            .bind(&account.id)
            .bind(account.user_id)
            .bind(&account.name)
            .bind(&account.provider)
            .bind(&account.base_url)
            .bind(&account.credential)
            .bind(&account.proxy)
            .bind(account.is_shared)
            .bind(account.is_enabled)
            .bind(&account.models)
            .bind(&account.aliases)
            .bind(&account.allowances)
            .bind(account.priority)
            .bind(account.weight)
            .bind(account.max_concurrency)
            .bind(account.created_at)
            .bind(account.updated_at)
            .bind(account.last_used_at)
            .execute(db).await.map(drop))?;
        Ok(())
    }

    /// A person's own account.
    pub async fn find_account(&self, owner: UserId, id: &AccountId) -> Result<Option<AccountRow>> {
        Ok(on_db!(&self.db, db => sqlx::query_as(FIND).bind(id).bind(owner).fetch_optional(db).await)?)
    }

    /// A person's own accounts, newest first.
    pub async fn list_accounts(&self, owner: UserId) -> Result<Vec<AccountRow>> {
        Ok(on_db!(&self.db, db => sqlx::query_as(LIST).bind(owner).fetch_all(db).await)?)
    }

    /// Every account that may serve calls: switched on, of an active owner.
    pub async fn list_serving_accounts(&self) -> Result<Vec<AccountRow>> {
        Ok(on_db!(&self.db, db => sqlx::query_as(LIST_ALL).fetch_all(db).await)?)
    }

    /// Switches a person's own account on or off. False when there is no such account.
    pub async fn set_account_enabled(
        &self,
        owner: UserId,
        id: &AccountId,
        on: bool,
        now: Timestamp,
    ) -> Result<bool> {
        let rows = on_db!(&self.db, db => sqlx::query(SET_ENABLED).bind(id).bind(owner).bind(on).bind(now)
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Puts a person's own account into the shared pool or takes it out.
    pub async fn set_account_shared(
        &self,
        owner: UserId,
        id: &AccountId,
        on: bool,
        now: Timestamp,
    ) -> Result<bool> {
        let rows = on_db!(&self.db, db => sqlx::query(SET_SHARED).bind(id).bind(owner).bind(on).bind(now)
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Renames a person's own account.
    pub async fn rename_account(
        &self,
        owner: UserId,
        id: &AccountId,
        name: &str,
        now: Timestamp,
    ) -> Result<bool> {
        let rows = on_db!(&self.db, db => sqlx::query(RENAME).bind(id).bind(owner).bind(name).bind(now)
            .execute(db).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Deletes a person's own account; its usage rows stay.
    pub async fn delete_account(&self, owner: UserId, id: &AccountId) -> Result<bool> {
        let rows = on_db!(&self.db, db => sqlx::query(DELETE).bind(id).bind(owner).execute(db).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Notes that an account served a call.
    pub async fn touch_account(&self, id: &AccountId, now: Timestamp) -> Result<()> {
        on_db!(&self.db, db => sqlx::query(TOUCH).bind(id).bind(now).execute(db).await.map(drop))?;
        Ok(())
    }
}
