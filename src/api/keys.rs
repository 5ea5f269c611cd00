//! `/api/api-keys`: one's own keys. What is somebody else's does not exist.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Done;
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::auth::keys::{self, KeyHash};
use crate::clock::Timestamp;
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::{Segment, path_id};
use crate::ids::{KeyId, UserId};
use crate::messages::say;
use crate::state::Invalidation;
use crate::store::api_keys::{ApiKeyRow, NewApiKey};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, delete))
        .routes(routes!(set_status))
        .routes(routes!(rename))
}

/// A key with its secret, as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
struct Key {
    id: KeyId,
    user_id: UserId,
    key: String,
    #[serde(flatten)]
    about: KeyDetails,
}

/// A key in a list.
#[derive(Debug, Serialize, ToSchema)]
struct KeyListItem {
    id: KeyId,
    user_id: UserId,
    #[schema(example = "sk-9NOop...")]
    key_preview: String,
    #[serde(flatten)]
    about: KeyDetails,
}

/// What is known of a key besides its secret.
#[derive(Debug, Serialize, ToSchema)]
struct KeyDetails {
    name: Option<String>,
    description: Option<String>,
    /// Which accounts serve the key: `antigravity` (the native pool) or `kiro`.
    config_type: String,
    is_active: bool,
    /// Models that the key may call; null means all.
    allowed_models: Option<Vec<String>>,
    requests_per_minute: Option<i64>,
    created_at: Timestamp,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
}

impl From<ApiKeyRow> for KeyDetails {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            name: row.name,
            description: row.description,
            config_type: row.config_type,
            is_active: row.is_active,
            allowed_models: row.allowed_models.and_then(|list| serde_json::from_str(&list).ok()),
            requests_per_minute: row.requests_per_minute,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
        }
    }
}

fn view(app: &App, row: ApiKeyRow) -> Result<Json<Key>> {
    let key = keys::reveal(&row, &app.core.vault).map_err(ApiError::internal)?;
    let (id, user_id) = (row.id, row.user_id);
    Ok(Json(Key { id, user_id, key: key.expose_secret().to_owned(), about: row.into() }))
}

/// What the audit log tells of a key.
fn facts(row: &ApiKeyRow) -> Facts {
    Facts::new()
        .with(Field::Active, row.is_active)
        .with(Field::ExpiresAt, row.expires_at)
        .with(Field::RequestsPerMinute, row.requests_per_minute)
        .with(Field::LimitsModels, row.allowed_models.is_some())
}

body! {
    /// What to make a key of. Everything is optional.
    struct CreateKey {
        name: Option<String> = optional_text(100),
        description: Option<String> = optional_text(500),
        /// Which accounts serve the key: `antigravity` (the native pool, and the default) or `kiro`.
        config_type: Option<String> = optional_text(50),
        expires_at: Option<Timestamp> = optional_moment(),
        /// Models that the key may call; absent means all.
        allowed_models: Option<Vec<String>> = optional_texts(256, 1_000),
        requests_per_minute: Option<i64> = optional_integer(1, 1_000_000),
    }
    example {"name": "laptop", "allowed_models": ["gpt-5-mini"], "requests_per_minute": 60}
}

/// Make a key. The answer shows it in full.
#[utoipa::path(post, operation_id = "create_key", path = "/api/api-keys", tag = "keys", request_body = CreateKey, security(("access_token" = [])),
    responses((status = 200, body = Key), (status = 403, body = ErrorBody),
    (status = 409, body = ErrorBody, description = "As many keys as one member may have"), (status = 422, body = ValidationBody)))]
async fn create(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Key>> {
    let wanted = CreateKey::read(body)?;
    let config_type = wanted.config_type.as_deref().unwrap_or("antigravity");
    if config_type == "kiro" && !member.user.is_beta() {
        let message = say("kiro_needs_beta");
        return Err(ApiError::forbidden("beta_required", message));
    }
    let models =
        wanted.allowed_models.as_ref().map(serde_json::to_string).transpose().map_err(ApiError::internal)?;
    let secret = keys::generate();
    let key = NewApiKey {
        user_id: member.user.id,
        hash: &KeyHash::of(secret.expose_secret()).to_hex(),
        encrypted: &app.core.vault.encrypt(secret.expose_secret()),
        preview: &keys::preview(&secret),
        name: wanted.name.as_deref(),
        description: wanted.description.as_deref(),
        config_type,
        allowed_models: models.as_deref(),
        requests_per_minute: wanted.requests_per_minute,
        expires_at: wanted.expires_at,
    };
    let mut tx = app.core.store.begin().await?;
    if tx.count_api_keys(member.user.id).await? >= keys::MOST {
        let message = say("too_many_keys").with("most", keys::MOST);
        return Err(ApiError::new(StatusCode::CONFLICT, "too_many_keys", message));
    }
    let row = tx.create_api_key(&key, app.core.clock.now()).await?;
    let entry = member.does(Action::KeyCreated, &client).on(Target::key(row.id));
    app.core.audit.commit(tx, &entry.after(facts(&row))).await?;
    view(&app, row)
}

/// My keys, newest first.
#[utoipa::path(get, operation_id = "list_keys", path = "/api/api-keys", tag = "keys", security(("access_token" = [])),
    responses((status = 200, body = Vec<KeyListItem>), (status = 401, body = ErrorBody)))]
async fn list(State(app): State<App>, member: Member) -> Result<Json<Vec<KeyListItem>>> {
    let rows = app.core.store.list_api_keys(member.user.id).await?;
    let item = |row: ApiKeyRow| {
        let start = row.key_preview.clone().unwrap_or_else(|| row.key.chars().take(8).collect());
        KeyListItem {
            id: row.id,
            user_id: row.user_id,
            key_preview: format!("{start}..."),
            about: row.into(),
        }
    };
    Ok(Json(rows.into_iter().map(item).collect()))
}

/// One of my keys, in full.
#[utoipa::path(get, operation_id = "find_key", path = "/api/api-keys/{key_id}", tag = "keys", params(("key_id" = i32, Path)),
    security(("access_token" = [])), responses((status = 200, body = Key), (status = 404, body = ErrorBody)))]
async fn get(State(app): State<App>, member: Member, Segment(id): Segment) -> Result<Json<Key>> {
    let id = KeyId(path_id("key_id", &id)?);
    let row = app.core.store.find_api_key(member.user.id, id).await?;
    view(&app, row.ok_or_else(|| ApiError::not_found(say("api_key_gone")))?)
}

body! {
    /// Whether the key works.
    struct KeyStatus {
        is_active: bool = boolean(),
    }
    example {"is_active": false}
}

/// Switch one of my keys on or off. Off is off on every instance within a second.
#[utoipa::path(patch, operation_id = "set_key_status", path = "/api/api-keys/{key_id}/status", tag = "keys", params(("key_id" = i32, Path)),
    request_body = KeyStatus, security(("access_token" = [])),
    responses((status = 200, body = Key), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn set_status(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Key>> {
    let id = KeyId(path_id("key_id", &id)?);
    let KeyStatus { is_active } = KeyStatus::read(body)?;
    let mut tx = app.core.store.begin().await?;
    let row = tx.set_api_key_active(member.user.id, id, is_active).await?;
    let row = row.ok_or_else(|| ApiError::not_found(say("no_such_key")))?;
    let entry = member.does(Action::KeyChanged, &client).on(Target::key(id));
    app.core.audit.commit(tx, &entry.after(Facts::new().with(Field::Active, is_active))).await?;
    forget(&app, member.user.id, id).await?;
    view(&app, row)
}

body! {
    /// The new name.
    struct KeyName {
        name: Option<String> = optional_text(100),
    }
    example {"name": "laptop"}
}

/// Rename one of my keys.
#[utoipa::path(patch, operation_id = "rename_key", path = "/api/api-keys/{key_id}/name", tag = "keys", params(("key_id" = i32, Path)),
    request_body = KeyName, security(("access_token" = [])),
    responses((status = 200, body = Key), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn rename(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Key>> {
    let id = KeyId(path_id("key_id", &id)?);
    let KeyName { name } = KeyName::read(body)?;
    let mut tx = app.core.store.begin().await?;
    let row = tx.rename_api_key(member.user.id, id, name.as_deref()).await?;
    let row = row.ok_or_else(|| ApiError::not_found(say("no_such_key")))?;
    let entry = member.does(Action::KeyChanged, &client).on(Target::key(id));
    app.core.audit.commit(tx, &entry.after(Facts::new().with(Field::Named, row.name.is_some()))).await?;
    view(&app, row)
}

/// Delete one of my keys. It is refused on every instance within a second.
#[utoipa::path(delete, operation_id = "delete_key", path = "/api/api-keys/{key_id}", tag = "keys", params(("key_id" = i32, Path)),
    security(("access_token" = [])), responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
async fn delete(
    State(app): State<App>,
    member: Member,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Done>> {
    let id = KeyId(path_id("key_id", &id)?);
    let mut tx = app.core.store.begin().await?;
    let hash = tx.delete_api_key(member.user.id, id).await?;
    let hash = hash.ok_or_else(|| ApiError::not_found(say("no_such_key_to_delete")))?;
    app.core.audit.commit(tx, &member.does(Action::KeyDeleted, &client).on(Target::key(id))).await?;
    app.core.state.publish(Invalidation::ApiKey(hash)).await;
    Ok(Done::new(say("api_key_deleted")))
}

/// Tells every instance that a key has changed.
async fn forget(app: &App, owner: UserId, id: KeyId) -> Result<()> {
    if let Some(hash) = app.core.store.api_key_hash(owner, id).await? {
        app.core.state.publish(Invalidation::ApiKey(hash)).await;
    }
    Ok(())
}
