//! Upstream accounts that members added: the credential encrypted, lists as JSON text.

use std::collections::HashMap;
use std::time::Duration;

use super::db::{Tx, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::{AccountId, UserId};

/// One account as stored.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
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
    /// Fernet token of a JSON object of headers to add to calls.
    pub headers: Option<String>,
    /// How much of an answer is read on when its client has gone; absent means that the call is cancelled.
    pub drain_bytes: Option<i64>,
    /// JSON array of public model names that its owner switched off.
    pub disabled_models: Option<String>,
    /// Where its credential was linked from, if its owner didn't type it.
    pub oauth_source: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

impl AccountRow {
    /// A switched-on dedicated account with nothing special about it.
    pub fn new(owner: UserId, provider: &str, credential: String, now: Timestamp) -> Self {
        Self {
            id: AccountId::generate(),
            user_id: owner,
            name: String::new(),
            provider: provider.to_owned(),
            base_url: None,
            credential,
            proxy: None,
            is_shared: false,
            is_enabled: true,
            models: None,
            aliases: None,
            allowances: None,
            priority: 0,
            weight: 1,
            max_concurrency: None,
            headers: None,
            drain_bytes: None,
            disabled_models: None,
            oauth_source: None,
            created_at: now,
            updated_at: now,
            last_used_at: None,
        }
    }

    /// The moment of a change made now. Two changes never share one, because that is how a change is noticed.
    pub fn changed_at(&self, now: Timestamp) -> Timestamp {
        now.max(self.updated_at.plus(Duration::from_micros(1)))
    }
}

/// Which accounts an administrator wants to see; absent is any.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    pub owner: Option<UserId>,
    pub provider: Option<String>,
    pub shared: Option<bool>,
    pub enabled: Option<bool>,
}

macro_rules! columns {
    () => {
        "id, user_id, name, provider, base_url, credential, proxy, is_shared, is_enabled, models, aliases, allowances, \
         priority, weight, max_concurrency, headers, drain_bytes, disabled_models, oauth_source, created_at, updated_at, \
         last_used_at"
    };
}

statements! {
    INSERT = concat!("insert into accounts (", columns!(), ") values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
        $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)");
    FIND = concat!("select ", columns!(), " from accounts where id = $1 and user_id = $2");
    FIND_ANY = concat!("select ", columns!(), " from accounts where id = $1");
    LIST = concat!("select ", columns!(), " from accounts where user_id = $1 order by created_at desc, id desc");
    LIST_ACTIVE = concat!("select ", columns!(), " from accounts where exists (select 1 from users where users.id = accounts.user_id and users.is_active) order by id");
    FIND_ACTIVE = concat!("select ", columns!(), " from accounts where id = $1
        and exists (select 1 from users where users.id = accounts.user_id and users.is_active)");
    LIST_ACTIVE_OF = concat!("select ", columns!(), " from accounts where user_id = $1
        and exists (select 1 from users where users.id = accounts.user_id and users.is_active)");
    VERSIONS = "select id, updated_at from accounts
        where exists (select 1 from users where users.id = accounts.user_id and users.is_active)";
    SEARCH = concat!("select ", columns!(), " from accounts
        where (id < $1 or $1 is null) and (user_id = $2 or $2 is null) and (provider = $3 or $3 is null)
          and (is_shared = $4 or $4 is null) and (is_enabled = $5 or $5 is null) order by id desc limit $6");
    COUNT = "select cast(count(*) as bigint) from accounts where user_id = $1";
    /// One look at the end of an index an account, however much it served.
    LAST_SERVED = "select id, (select max(created_at) from usage_logs where account_id = accounts.id) as served_at
        from accounts where user_id = $1";
    UPDATE = "update accounts set name = $3, base_url = $4, credential = $5, proxy = $6, is_shared = $7, is_enabled = $8,
        models = $9, aliases = $10, allowances = $11, priority = $12, weight = $13, max_concurrency = $14, headers = $15,
        drain_bytes = $16, disabled_models = $17, updated_at = $18 where id = $1 and updated_at = $2";
    DELETE = "delete from accounts where id = $1 and user_id = $2";
}

impl Store {
    /// A person's own account.
    pub async fn find_account(&self, owner: UserId, id: &AccountId) -> Result<Option<AccountRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND).bind(id).bind(owner).fetch_optional(db).await)?)
    }

    /// Anybody's account, for administrators.
    pub async fn find_any_account(&self, id: &AccountId) -> Result<Option<AccountRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND_ANY).bind(id).fetch_optional(db).await)?)
    }

    /// A person's own accounts, newest first. How many one person may have is bounded when they are made.
    pub async fn list_accounts(&self, owner: UserId) -> Result<Vec<AccountRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST).bind(owner).fetch_all(db).await)?)
    }

    /// Every account of an active owner, switched on or off.
    pub async fn list_active_accounts(&self) -> Result<Vec<AccountRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST_ACTIVE).fetch_all(db).await)?)
    }

    /// An account, if its owner is active.
    pub async fn find_active_account(&self, id: &AccountId) -> Result<Option<AccountRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND_ACTIVE).bind(id).fetch_optional(db).await)?)
    }

    /// All accounts of a person, if they are active.
    pub async fn list_active_accounts_of(&self, owner: UserId) -> Result<Vec<AccountRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST_ACTIVE_OF).bind(owner).fetch_all(db).await)?)
    }

    /// When every account of an active owner was changed last, which names its version.
    pub async fn list_account_versions(&self) -> Result<Vec<(AccountId, Timestamp)>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(VERSIONS).fetch_all(db).await)?)
    }

    /// Up to `limit` accounts of everybody before the id `before`, newest first.
    pub async fn search_accounts(
        &self,
        filter: &AccountFilter,
        before: Option<&AccountId>,
        limit: i64,
    ) -> Result<Vec<AccountRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(SEARCH)
            .bind(before)
            .bind(filter.owner)
            .bind(&filter.provider)
            .bind(filter.shared)
            .bind(filter.enabled)
            .bind(limit)
            .fetch_all(db).await)?)
    }

    /// How many accounts a person has.
    pub async fn count_accounts(&self, owner: UserId) -> Result<i64> {
        Ok(read_db!(&self.db, db => sqlx::query_scalar(COUNT).bind(owner).fetch_one(db).await)?)
    }

    /// When each of a person's accounts last served anybody.
    pub async fn last_served(&self, owner: UserId) -> Result<HashMap<AccountId, Timestamp>> {
        let rows: Vec<(AccountId, Option<Timestamp>)> =
            read_db!(&self.db, db => sqlx::query_as(LAST_SERVED).bind(owner).fetch_all(db).await)?;
        Ok(rows.into_iter().filter_map(|(id, served_at)| Some((id, served_at?))).collect())
    }
}

impl Tx {
    /// How many accounts a person has, to whom nobody else adds one until the transaction ends.
    pub async fn count_accounts(&mut self, owner: UserId) -> Result<i64> {
        self.hold_user(owner).await?;
        Ok(on_tx!(self, c => sqlx::query_scalar(COUNT).bind(owner).fetch_one(c).await)?)
    }

    /// Stores a new account.
    pub async fn create_account(&mut self, account: &AccountRow) -> Result<()> {
        on_tx!(self, c => sqlx::query(INSERT)
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
            .bind(&account.headers)
            .bind(account.drain_bytes)
            .bind(&account.disabled_models)
            .bind(&account.oauth_source)
            .bind(account.created_at)
            .bind(account.updated_at)
            .bind(account.last_used_at)
            .execute(c).await.map(drop))?;
        Ok(())
    }

    /// Stores what may change of an account, unless somebody changed it since it was read (`read_at` is its `updated_at`
    /// of then): false.
    pub async fn update_account(&mut self, account: &AccountRow, read_at: Timestamp) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(UPDATE)
            .bind(&account.id)
            .bind(read_at)
            .bind(&account.name)
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
            .bind(&account.headers)
            .bind(account.drain_bytes)
            .bind(&account.disabled_models)
            .bind(account.updated_at)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Deletes a person's own account; its usage rows stay.
    pub async fn delete_account(&mut self, owner: UserId, id: &AccountId) -> Result<bool> {
        let rows = on_tx!(self, c => sqlx::query(DELETE).bind(id).bind(owner).execute(c).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }
}
