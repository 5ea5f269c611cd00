//! Gateway keys. A key is found by its SHA-256; what its owner may see again is Fernet-encrypted beside it.
//!
//! AntiHub's column `key` must be filled and unique: rows made here hold `sha256:` and the hash in it, never the key.

use super::db::{Tx, on_tx, read_db, statements};
use super::{Result, Store};
use crate::clock::Timestamp;
use crate::ids::{KeyId, UserId};

/// One key as stored.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiKeyRow {
    pub id: KeyId,
    pub user_id: UserId,
    /// AntiHub's clear text, or `sha256:` and the hash.
    pub key: String,
    /// Fernet token of the key; absent on AntiHub's rows.
    pub key_encrypted: Option<String>,
    /// The first eight characters.
    pub key_preview: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub config_type: String,
    pub is_active: bool,
    /// JSON array of model names; absent means every model.
    pub allowed_models: Option<String>,
    pub requests_per_minute: Option<i64>,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

/// A key about to be stored.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    pub user_id: UserId,
    /// Lower-case hex SHA-256 of the key.
    pub hash: &'a str,
    pub encrypted: &'a str,
    pub preview: &'a str,
    pub name: Option<&'a str>,
    pub description: Option<&'a str>,
    pub config_type: &'a str,
    pub allowed_models: Option<&'a str>,
    pub requests_per_minute: Option<i64>,
    pub expires_at: Option<Timestamp>,
}

macro_rules! columns {
    () => {
        "id, user_id, key, key_encrypted, key_preview, name, description, config_type, is_active, allowed_models, requests_per_minute, created_at, last_used_at, expires_at"
    };
}

statements! {
    INSERT = concat!("insert into api_keys (user_id, key, key_hash, key_encrypted, key_preview, name, description, config_type, is_active, allowed_models, requests_per_minute, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8, true, $9, $10, $11, $12) returning ", columns!());
    FIND = concat!("select ", columns!(), " from api_keys where id = $1 and user_id = $2");
    FIND_BY_HASH = concat!("select ", columns!(), " from api_keys where key_hash = $1");
    LIST = concat!("select ", columns!(), " from api_keys where user_id = $1 order by created_at desc, id desc limit 1000");
    COUNT = "select cast(count(*) as bigint) from api_keys where user_id = $1";
    SET_ACTIVE = concat!("update api_keys set is_active = $3 where id = $1 and user_id = $2 returning ", columns!());
    RENAME = concat!("update api_keys set name = $3 where id = $1 and user_id = $2 returning ", columns!());
    DELETE = "delete from api_keys where id = $1 and user_id = $2 returning coalesce(key_hash, '')";
    HASH_OF = "select coalesce(key_hash, '') from api_keys where id = $1 and user_id = $2";
}

impl Store {
    /// A person's own key.
    pub async fn find_api_key(&self, owner: UserId, id: KeyId) -> Result<Option<ApiKeyRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND).bind(id).bind(owner).fetch_optional(db).await)?)
    }

    /// The key with this lower-case hex SHA-256, whoever owns it.
    pub async fn find_api_key_by_hash(&self, hash: &str) -> Result<Option<ApiKeyRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(FIND_BY_HASH).bind(hash).fetch_optional(db).await)?)
    }

    /// A person's keys, newest first.
    pub async fn list_api_keys(&self, owner: UserId) -> Result<Vec<ApiKeyRow>> {
        Ok(read_db!(&self.db, db => sqlx::query_as(LIST).bind(owner).fetch_all(db).await)?)
    }

    /// The hash of a person's own key, for telling caches to forget it.
    pub async fn api_key_hash(&self, owner: UserId, id: KeyId) -> Result<Option<String>> {
        Ok(
            read_db!(&self.db, db => sqlx::query_scalar(HASH_OF).bind(id).bind(owner).fetch_optional(db).await)?,
        )
    }
}

impl Tx {
    /// How many keys a person has, to whom nobody else adds one until the transaction ends.
    pub async fn count_api_keys(&mut self, owner: UserId) -> Result<i64> {
        self.hold_user(owner).await?;
        Ok(on_tx!(self, c => sqlx::query_scalar(COUNT).bind(owner).fetch_one(c).await)?)
    }

    /// Stores a key and returns its row.
    pub async fn create_api_key(&mut self, key: &NewApiKey<'_>, now: Timestamp) -> Result<ApiKeyRow> {
        let placeholder = format!("sha256:{}", key.hash);
        Ok(on_tx!(self, c => sqlx::query_as(INSERT)
            .bind(key.user_id)
            .bind(&placeholder)
            .bind(key.hash)
            .bind(key.encrypted)
            .bind(key.preview)
            .bind(key.name)
            .bind(key.description)
            .bind(key.config_type)
            .bind(key.allowed_models)
            .bind(key.requests_per_minute)
            .bind(now)
            .bind(key.expires_at)
            .fetch_one(c).await)?)
    }

    /// Switches a person's own key on or off.
    pub async fn set_api_key_active(
        &mut self,
        owner: UserId,
        id: KeyId,
        active: bool,
    ) -> Result<Option<ApiKeyRow>> {
        Ok(on_tx!(self, c => sqlx::query_as(SET_ACTIVE).bind(id).bind(owner).bind(active)
            .fetch_optional(c).await)?)
    }

    /// Renames a person's own key.
    pub async fn rename_api_key(
        &mut self,
        owner: UserId,
        id: KeyId,
        name: Option<&str>,
    ) -> Result<Option<ApiKeyRow>> {
        Ok(on_tx!(self, c => sqlx::query_as(RENAME).bind(id).bind(owner).bind(name).fetch_optional(c).await)?)
    }

    /// Deletes a person's own key and returns its hash; `None` when there is no such key.
    pub async fn delete_api_key(&mut self, owner: UserId, id: KeyId) -> Result<Option<String>> {
        Ok(on_tx!(self, c => sqlx::query_scalar(DELETE).bind(id).bind(owner).fetch_optional(c).await)?)
    }
}
