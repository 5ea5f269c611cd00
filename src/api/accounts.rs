//! `/api/plugin-api/accounts`: the upstream accounts that a member owns. A credential
//! goes in and never comes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use millpond_pool::units::{LimitUnit, Window};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{MemberBody, Object, Segment};
use crate::app::App;
use crate::audit::{self, Action, Entry, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::clock::Timestamp;
use crate::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::ids::{AccountId, UserId};
use crate::messages::{Text, say};
use crate::providers;
use crate::state::Invalidation;
use crate::store::accounts::AccountRow;

pub(super) fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, delete))
        .routes(routes!(set_status))
        .routes(routes!(rename))
        .routes(routes!(set_type))
}

/// How much of some models an account gives in a window.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Allowance {
    /// Model names; `*` at the end stands for anything.
    models: Vec<String>,
    #[schema(minimum = 1)]
    limit: i64,
    /// `requests`, `tokens` or `micro_usd`.
    #[schema(value_type = String)]
    unit: LimitUnit,
    /// `5h`, `1d`, `7d` or `30d`.
    #[schema(value_type = String)]
    window: Window,
}

/// An upstream account as its owner sees it: the contract's members, then Millpond's own.
#[derive(Debug, Serialize, ToSchema)]
struct Account {
    cookie_id: AccountId,
    user_id: String,
    name: String,
    is_shared: i32,
    /// 1: switched on.
    status: i32,
    need_refresh: bool,
    expires_at: Option<String>,
    project_id_0: Option<String>,
    is_restricted: bool,
    paid_tier: bool,
    ineligible: bool,
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    provider: String,
    base_url: Option<String>,
    models: Option<Vec<String>>,
    aliases: BTreeMap<String, String>,
    allowances: Vec<Allowance>,
    priority: i32,
    weight: i32,
    max_concurrency: Option<i32>,
}

/// Reads a column that holds JSON which this program wrote.
fn stored<T: serde::de::DeserializeOwned + Default>(text: Option<&str>) -> T {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            cookie_id: row.id,
            user_id: row.user_id.to_string(),
            name: row.name,
            is_shared: i32::from(row.is_shared),
            status: i32::from(row.is_enabled),
            need_refresh: false,
            expires_at: None,
            project_id_0: None,
            is_restricted: false,
            paid_tier: false,
            ineligible: false,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            provider: row.provider,
            base_url: row.base_url,
            models: stored(row.models.as_deref()),
            aliases: stored(row.aliases.as_deref()),
            allowances: stored(row.allowances.as_deref()),
            priority: row.priority,
            weight: row.weight,
            max_concurrency: row.max_concurrency,
        }
    }
}

/// What to make an account of.
#[derive(ToSchema)]
#[schema(as = CreateAccount)]
struct Wanted {
    #[schema(max_length = 100)]
    name: String,
    #[schema(example = "openai")]
    provider: String,
    /// The prefix before `/chat/completions`; null is the provider's public address.
    base_url: Option<String>,
    /// The provider's key. It is stored encrypted and never returned.
    #[schema(value_type = String, format = Password)]
    credential: SecretString,
    /// 1 puts the account into the shared pool.
    #[schema(value_type = i32)]
    is_shared: bool,
    /// Models that it serves; null is whatever the provider has.
    models: Option<Vec<String>>,
    /// Public model names and what they are called upstream.
    aliases: BTreeMap<String, String>,
    allowances: Vec<Allowance>,
    /// Higher is used first.
    priority: i64,
    /// How often it is drawn among its equals, 1 to 1000.
    weight: i64,
    max_concurrency: Option<i64>,
}

/// Reads a member by its type; a value that doesn't fit is a problem of that member.
fn structured<T: serde::de::DeserializeOwned + Default>(body: &mut Object, name: &str, expected: &str) -> T {
    let Some(value) = body.any(name) else { return T::default() };
    serde_json::from_value(value).unwrap_or_else(|_| {
        body.reject(name, format!("Value error, expected {expected}"));
        T::default()
    })
}

impl Wanted {
    fn read(mut body: Object) -> Result<Self> {
        let wanted = Self {
            name: body.text("name", 1, 100),
            provider: body.text("provider", 1, 20),
            base_url: body.optional_text("base_url", 500),
            credential: body.secret("credential", 1, 4_096),
            is_shared: body.optional_integer("is_shared", 0, 1) == Some(1),
            models: body.optional_texts("models", 200, 1_000),
            aliases: structured(&mut body, "aliases", "an object from public to upstream model names"),
            allowances: structured(&mut body, "allowances", "a list of {models, limit, unit, window}"),
            priority: body.optional_integer("priority", -1_000, 1_000).unwrap_or(0),
            weight: body.optional_integer("weight", 1, 1_000).unwrap_or(1),
            max_concurrency: body.optional_integer("max_concurrency", 1, 100_000),
        };
        wanted.check(&mut body);
        body.finish()?;
        Ok(wanted)
    }

    fn check(&self, body: &mut Object) {
        if !self.provider.is_empty() && providers::public_address(&self.provider).is_none() {
            body.reject("provider", "Value error, expected 'openai', 'anthropic' or 'gemini'");
        }
        if body.any("proxy").is_some() {
            body.reject("proxy", "Value error, this version has no outbound proxies");
        }
        if let Some(Err(error)) = self.base_url.as_deref().map(providers::parse_base_url) {
            body.reject("base_url", format!("Value error, {error}"));
        }
        if !self.credential.expose_secret().bytes().all(|byte| byte.is_ascii_graphic() || byte == b'\n') {
            body.reject(
                "credential",
                "Value error, a key has no spaces or non-ASCII characters; several stand one a line",
            );
        }
        let has_nul = |text: &str| text.contains('\0');
        if self.aliases.iter().any(|(public, upstream)| has_nul(public) || has_nul(upstream)) {
            body.reject("aliases", "Value error, NUL characters are not allowed");
        }
        if self.aliases.len() > 1_000 {
            body.reject("aliases", "Value error, at most 1000 aliases");
        }
        let sound = |allowance: &Allowance| allowance.limit > 0 && !allowance.models.is_empty();
        if self.allowances.len() > 100 || !self.allowances.iter().all(sound) {
            body.reject("allowances", "Value error, each needs models and a limit above zero; at most 100");
        }
    }

    fn into_row(self, app: &App, owner: UserId) -> Result<AccountRow> {
        let now = app.clock.now();
        let url = providers::base_url(&self.provider, self.base_url.as_deref());
        let url = url.map_err(ApiError::internal)?;
        if self.is_shared {
            check_shareable(app, &url)?;
        }
        let text = |value: Value| if value.is_null() { None } else { Some(value.to_string()) };
        let small = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
        Ok(AccountRow {
            id: AccountId::generate(),
            user_id: owner,
            name: self.name,
            provider: self.provider,
            base_url: self.base_url.map(|_| url.to_string()),
            credential: app.vault.encrypt(self.credential.expose_secret()),
            proxy: None,
            is_shared: self.is_shared,
            is_enabled: true,
            models: text(json!(self.models)),
            aliases: text(json!(self.aliases)),
            allowances: text(json!(self.allowances)),
            priority: small(self.priority),
            weight: small(self.weight),
            max_concurrency: self.max_concurrency.map(small),
            created_at: now,
            updated_at: now,
            last_used_at: None,
        })
    }
}

fn check_shareable(app: &App, url: &url::Url) -> Result<()> {
    if providers::may_be_shared(url, &app.config.upstream) {
        return Ok(());
    }
    let message = say("host_not_shareable");
    Err(ApiError::bad_request("host_not_shareable", message))
}

/// Whether the person may share at all: not silenced, and of the level that the policy asks for.
fn check_may_share(app: &App, member: &Member) -> Result<()> {
    let user = &member.user;
    if !user.is_silenced && app.config.policy.of(user.trust_level).may_share {
        return Ok(());
    }
    Err(ApiError::forbidden("may_not_share", say("may_not_share")))
}

fn gone() -> ApiError {
    ApiError::not_found(say("no_such_account"))
}

/// What the contract wraps around every answer here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer<T: ToSchema> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    message: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

impl<T: ToSchema> Answer<T> {
    pub(super) fn data(data: T) -> Json<Self> {
        Json(Self { success: true, message: None, data: Some(data) })
    }

    pub(super) fn changed(message: Text, data: T) -> Json<Self> {
        Json(Self { success: true, message: Some(message), data: Some(data) })
    }
}

/// Add an upstream account.
#[utoipa::path(post, path = "/api/plugin-api/accounts", tag = "accounts", request_body = Wanted,
    security(("access_token" = [])),
    responses((status = 201, body = Answer<Account>), (status = 400, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn create(
    State(app): State<Arc<App>>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<(StatusCode, Json<Answer<Account>>)> {
    let row = Wanted::read(body)?.into_row(&app, member.user.id)?;
    if row.is_shared {
        check_may_share(&app, &member)?;
    }
    app.store.create_account(&row).await?;
    app.state.publish(Invalidation::Accounts).await;
    let facts = Facts::new().typed(Field::Provider, &row.provider).with(Field::Shared, row.is_shared);
    record(&app, member.does(Action::AccountCreated, &client), &row.id, facts).await?;
    Ok((StatusCode::CREATED, Answer::changed(say("account_created"), row.into())))
}

/// My upstream accounts, newest first.
#[utoipa::path(get, path = "/api/plugin-api/accounts", tag = "accounts", security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<Account>>)))]
async fn list(State(app): State<Arc<App>>, member: Member) -> Result<Json<Answer<Vec<Account>>>> {
    let rows = app.store.list_accounts(member.user.id).await?;
    Ok(Answer::data(rows.into_iter().map(Account::from).collect()))
}

/// One of my upstream accounts.
#[utoipa::path(get, path = "/api/plugin-api/accounts/{cookie_id}", tag = "accounts", params(("cookie_id" = String, Path)),
    security(("access_token" = [])), responses((status = 200, body = Answer<Account>), (status = 404, body = ErrorBody)))]
async fn get(
    State(app): State<Arc<App>>,
    member: Member,
    Segment(id): Segment,
) -> Result<Json<Answer<Account>>> {
    let row = app.store.find_account(member.user.id, &AccountId(id)).await?;
    Ok(Answer::data(row.ok_or_else(gone)?.into()))
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `MemberBody` reads member by member")]
struct AccountStatus {
    status: i32,
}

/// Switch one of my accounts on or off.
#[utoipa::path(put, path = "/api/plugin-api/accounts/{cookie_id}/status", tag = "accounts",
    params(("cookie_id" = String, Path)), request_body = AccountStatus, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn set_status(
    State(app): State<Arc<App>>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, mut body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    let status = body.integer("status", 0, 1);
    body.finish()?;
    let id = AccountId(id);
    let found = app.store.set_account_enabled(member.user.id, &id, status == 1, app.clock.now()).await?;
    changed(&app, found).await?;
    let facts = Facts::new().with(Field::Enabled, status == 1);
    record(&app, member.does(Action::AccountChanged, &client), &id, facts).await?;
    let message = say(if status == 1 { "account_enabled_now" } else { "account_disabled_now" });
    Ok(Answer::changed(message, json!({"cookie_id": id, "status": status})))
}

/// The new name; it may be empty.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `MemberBody` reads member by member")]
struct AccountName {
    #[schema(max_length = 100)]
    name: String,
}

/// Rename one of my accounts.
#[utoipa::path(put, path = "/api/plugin-api/accounts/{cookie_id}/name", tag = "accounts",
    params(("cookie_id" = String, Path)), request_body = AccountName, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn rename(
    State(app): State<Arc<App>>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, mut body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    let name = body.text("name", 0, 100);
    body.finish()?;
    let id = AccountId(id);
    if !app.store.rename_account(member.user.id, &id, &name, app.clock.now()).await? {
        return Err(gone());
    }
    let facts = Facts::new().with(Field::Named, !name.is_empty());
    record(&app, member.does(Action::AccountChanged, &client), &id, facts).await?;
    Ok(Answer::changed(say("account_renamed"), json!({"cookie_id": id, "name": name})))
}

/// 1: in the shared pool, 0: dedicated to its owner.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body that `MemberBody` reads member by member")]
struct AccountType {
    is_shared: i32,
}

/// Put one of my accounts into the shared pool or take it out.
#[utoipa::path(put, path = "/api/plugin-api/accounts/{cookie_id}/type", tag = "accounts",
    params(("cookie_id" = String, Path)), request_body = AccountType, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn set_type(
    State(app): State<Arc<App>>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, mut body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    let shared = body.integer("is_shared", 0, 1);
    body.finish()?;
    let id = AccountId(id);
    let row = app.store.find_account(member.user.id, &id).await?.ok_or_else(gone)?;
    if shared == 1 {
        check_may_share(&app, &member)?;
        let url = providers::base_url(&row.provider, row.base_url.as_deref());
        check_shareable(&app, &url.map_err(ApiError::internal)?)?;
    }
    let found = app.store.set_account_shared(member.user.id, &id, shared == 1, app.clock.now()).await?;
    changed(&app, found).await?;
    let action = if shared == 1 { Action::AccountShared } else { Action::AccountUnshared };
    record(&app, member.does(action, &client), &id, Facts::new()).await?;
    let message = say(if shared == 1 { "account_shared" } else { "account_dedicated" });
    Ok(Answer::changed(message, json!({"cookie_id": id, "is_shared": shared})))
}

/// Delete one of my accounts. Its usage rows stay.
#[utoipa::path(delete, path = "/api/plugin-api/accounts/{cookie_id}", tag = "accounts",
    params(("cookie_id" = String, Path)), security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody)))]
async fn delete(
    State(app): State<Arc<App>>,
    member: Member,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Value>>> {
    let id = AccountId(id);
    let found = app.store.delete_account(member.user.id, &id).await?;
    changed(&app, found).await?;
    record(&app, member.does(Action::AccountDeleted, &client), &id, Facts::new()).await?;
    Ok(Json(Answer { success: true, message: Some(say("account_deleted")), data: None }))
}

/// Puts what happened to an account on record.
async fn record(app: &App, entry: Entry, id: &AccountId, facts: Facts) -> Result<()> {
    audit::record(app, entry.on(Target::account(id)).after(facts)).await
}

/// Tells every instance that accounts have changed, if one has.
async fn changed(app: &App, found: bool) -> Result<()> {
    if !found {
        return Err(gone());
    }
    app.state.publish(Invalidation::Accounts).await;
    Ok(())
}
