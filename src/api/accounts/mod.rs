//! `/api/plugin-api/accounts`: the upstream accounts that a member owns. A credential goes in and never comes out.
//!
//! The handlers here say who and what; how is in `actions` (one account), `fields` (what clients write), `view` (what they
//! read), `transfer` (many at once), `openrouter` (linked instead of typed), and `admin` (everybody's).

mod actions;
mod admin;
mod fields;
mod openrouter;
mod transfer;
mod view;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use crate::api::body::{MemberBody, MemberOptionalBody};
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::{Object, Segment, Segments};
use crate::gateway::{Checked, PauseView};
use crate::ids::{AccountId, UserId};
use crate::messages::say;
use crate::state::Invalidation;
use crate::store::accounts::AccountRow;
use actions::{AccountAction, Reach};
use fields::Mode;
pub(super) use view::Account;
use view::Allowance;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, change, delete))
        .routes(routes!(set_status))
        .routes(routes!(rename))
        .routes(routes!(set_type))
        .routes(routes!(rotate))
        .routes(routes!(check))
        .routes(routes!(set_model))
        .routes(routes!(pauses))
        .routes(routes!(resume))
        .merge(transfer::routes())
        .merge(openrouter::routes())
        .merge(admin::routes())
}

/// So many accounts one member may have, which bounds every list and every sum over them.
const MOST_ACCOUNTS: i64 = 1_000;

/// What to make an account of.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `fields` reads by rules of its own")]
struct CreateAccount {
    #[schema(max_length = 100)]
    name: Option<String>,
    /// `openai` (or compatible), `anthropic` or `gemini`.
    #[schema(example = "openai")]
    provider: String,
    /// The prefix before `/chat/completions`, `/v1/messages` or `/v1beta/`; null is the provider's public address.
    base_url: Option<String>,
    /// The provider's key, or several, one a line. Stored encrypted and never returned.
    #[schema(format = Password)]
    credential: Option<String>,
    /// Instead of `credential`.
    credentials: Option<Vec<String>>,
    /// 1 puts the account into the shared pool.
    is_shared: Option<i32>,
    /// 0 adds it switched off.
    status: Option<i32>,
    /// Models that it serves; null is whatever the provider has.
    models: Option<Vec<String>>,
    /// Public model names and what they are called upstream.
    aliases: Option<Value>,
    allowances: Option<Vec<Allowance>>,
    /// Higher is used first.
    priority: Option<i64>,
    /// How often it is drawn among its equals, 1 to 1000.
    weight: Option<i64>,
    max_concurrency: Option<i64>,
    /// `http://` or `socks5://`, with a password if it needs one.
    proxy: Option<String>,
    /// Headers to add to every call.
    headers: Option<Value>,
    /// How much of a streamed answer is read on, and metered, when its client has gone; absent cancels the call.
    drain_bytes: Option<i64>,
    disabled_models: Option<Vec<String>>,
}

/// Makes an account of what a member wrote.
fn make(app: &App, member: &Member, mut body: Object) -> Result<AccountRow> {
    let mut row = AccountRow::new(member.user.id, "", String::new(), app.core.clock.now());
    fields::read(app, &mut body, &mut row, Mode::New);
    body.finish()?;
    if row.is_shared {
        fields::check_shareable(app, &member.user, &row)?;
    }
    Ok(row)
}

fn too_many_accounts() -> ApiError {
    let message = say("too_many_accounts").with("most", MOST_ACCOUNTS);
    ApiError::new(StatusCode::CONFLICT, "too_many_accounts", message)
}

/// Stores a new account, puts it on record, and tells every instance.
async fn store(app: &App, member: &Member, client: &Client, row: &AccountRow) -> Result<()> {
    let facts = Facts::new().typed(Field::Provider, &row.provider).with(Field::Shared, row.is_shared);
    let entry = member.does(Action::AccountCreated, client).on(Target::account(&row.id));
    let mut tx = app.core.store.begin().await?;
    if tx.count_accounts(row.user_id).await? >= MOST_ACCOUNTS {
        return Err(too_many_accounts());
    }
    tx.create_account(row).await?;
    app.core.audit.commit(tx, &entry.after(facts)).await?;
    app.core.state.publish(Invalidation::Account(row.id.clone(), row.user_id)).await;
    app.gateway.fresh(row.user_id).await;
    Ok(())
}

/// Add an upstream account.
#[utoipa::path(post, operation_id = "create_account", path = "/api/plugin-api/accounts", tag = "accounts", request_body = CreateAccount,
    security(("access_token" = [])),
    responses((status = 201, body = Answer<Account>), (status = 400, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn create(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<(StatusCode, Json<Answer<Account>>)> {
    let row = make(&app, &member, body)?;
    store(&app, &member, &client, &row).await?;
    Ok((StatusCode::CREATED, Answer::changed(say("account_created"), Account::of(&app, row))))
}

/// All accounts of a person as they see them.
pub(super) async fn accounts_of(app: &App, owner: UserId) -> Result<Vec<Account>> {
    app.gateway.settled().await;
    let mut served = app.core.store.last_served(owner).await?;
    let rows = app.core.store.list_accounts(owner).await?;
    let view = |mut row: AccountRow| {
        row.last_used_at = served.remove(&row.id).or(row.last_used_at);
        Account::of(app, row)
    };
    Ok(rows.into_iter().map(view).collect())
}

/// My upstream accounts, newest first.
#[utoipa::path(get, operation_id = "list_accounts", path = "/api/plugin-api/accounts", tag = "accounts", security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<Account>>)))]
async fn list(State(app): State<App>, member: Member) -> Result<Json<Answer<Vec<Account>>>> {
    Ok(Answer::data(accounts_of(&app, member.user.id).await?))
}

fn mine<'a>(app: &'a App, member: &'a Member, client: &'a Client, id: String) -> AccountAction<'a> {
    AccountAction { app, member, client, reach: Reach::Own, id: AccountId(id) }
}

/// One of my upstream accounts.
#[utoipa::path(get, operation_id = "find_account", path = "/api/plugin-api/accounts/{cookie_id}", tag = "accounts", params(("cookie_id" = String, Path)),
    security(("access_token" = [])), responses((status = 200, body = Answer<Account>), (status = 404, body = ErrorBody)))]
async fn get(
    State(app): State<App>,
    member: Member,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Account>>> {
    mine(&app, &member, &client, id).show().await
}

/// Change what is given of one of my accounts; what is absent stays.
#[utoipa::path(patch, operation_id = "change_account", path = "/api/plugin-api/accounts/{cookie_id}", tag = "accounts", params(("cookie_id" = String, Path)),
    request_body = CreateAccount, security(("access_token" = [])),
    responses((status = 200, body = Answer<Account>), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn change(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Answer<Account>>> {
    mine(&app, &member, &client, id).change(body).await
}

/// Delete one of my accounts. Its usage rows stay.
#[utoipa::path(delete, operation_id = "delete_account", path = "/api/plugin-api/accounts/{cookie_id}", tag = "accounts",
    params(("cookie_id" = String, Path)), security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody)))]
async fn delete(
    State(app): State<App>,
    member: Member,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Value>>> {
    mine(&app, &member, &client, id).delete().await
}

body! {
    /// 0 or 1.
    pub(super) struct AccountStatus {
        status: i64 = integer(0, 1),
    }
    example {"status": 0}
}

/// Switch one of my accounts on or off.
#[utoipa::path(put, operation_id = "set_account_status", path = "/api/plugin-api/accounts/{cookie_id}/status", tag = "accounts",
    params(("cookie_id" = String, Path)), request_body = AccountStatus, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn set_status(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    mine(&app, &member, &client, id).set_status(body).await
}

body! {
    /// The new name; it may be empty.
    pub(super) struct AccountName {
        name: String = text(0, 100),
    }
    example {"name": "my own well"}
}

/// Rename one of my accounts.
#[utoipa::path(put, operation_id = "rename_account", path = "/api/plugin-api/accounts/{cookie_id}/name", tag = "accounts",
    params(("cookie_id" = String, Path)), request_body = AccountName, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn rename(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    mine(&app, &member, &client, id).rename(body).await
}

body! {
    /// 1: in the shared pool, 0: dedicated to its owner.
    pub(super) struct AccountType {
        is_shared: i64 = integer(i64::MIN, i64::MAX),
    }
    example {"is_shared": 1}
}

/// Put one of my accounts into the shared pool or take it out.
#[utoipa::path(put, operation_id = "set_account_type", path = "/api/plugin-api/accounts/{cookie_id}/type", tag = "accounts",
    params(("cookie_id" = String, Path)), request_body = AccountType, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn set_type(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    mine(&app, &member, &client, id).set_type(body).await
}

/// One credential, several one a line, or a list of them.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `fields` reads by rules of its own")]
struct NewCredential {
    #[schema(format = Password)]
    credential: Option<String>,
    credentials: Option<Vec<String>>,
}

/// Give one of my accounts other credentials. Its pauses end with the old ones.
#[utoipa::path(put, operation_id = "rotate_credential", path = "/api/plugin-api/accounts/{cookie_id}/credential", tag = "accounts",
    params(("cookie_id" = String, Path)), request_body = NewCredential, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn rotate(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    mine(&app, &member, &client, id).rotate(body).await
}

body! {
    /// What to try; all of it may be absent.
    pub(super) struct AccountTrial {
        /// Calls this model for one token; without it the provider's list of models is asked for.
        model: Option<String> = optional_text(200),
        /// Which credential, from 0.
        credential: Option<i64> = optional_integer(0, 99),
    }
    example {"model": "gpt-5-mini"}
}

/// Make one cheap call on one of my accounts and say what the provider said.
#[utoipa::path(post, operation_id = "check_account", path = "/api/plugin-api/accounts/{cookie_id}/check", tag = "accounts",
    params(("cookie_id" = String, Path)), request_body = Option<AccountTrial>, security(("access_token" = [])),
    responses((status = 200, body = Answer<Checked>), (status = 404, body = ErrorBody)))]
async fn check(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberOptionalBody(member, body): MemberOptionalBody,
) -> Result<Json<Answer<Checked>>> {
    mine(&app, &member, &client, id).check(body).await
}

/// Switch one model of one of my accounts on or off.
#[utoipa::path(put, operation_id = "set_model_status", path = "/api/plugin-api/accounts/{cookie_id}/quotas/{model_name}/status", tag = "accounts",
    params(("cookie_id" = String, Path), ("model_name" = String, Path)), request_body = AccountStatus,
    security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn set_model(
    State(app): State<App>,
    client: Client,
    Segments(path): Segments<2>,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    let [id, model] = path;
    mine(&app, &member, &client, id).set_model(&model, body).await
}

/// Why and until when one of my accounts, or a part of it, serves nobody.
#[utoipa::path(get, operation_id = "list_pauses", path = "/api/plugin-api/accounts/{cookie_id}/pauses", tag = "accounts",
    params(("cookie_id" = String, Path)), security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<PauseView>>), (status = 404, body = ErrorBody)))]
async fn pauses(
    State(app): State<App>,
    member: Member,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Vec<PauseView>>>> {
    mine(&app, &member, &client, id).pauses().await
}

/// End every pause of one of my accounts.
#[utoipa::path(post, operation_id = "resume_account", path = "/api/plugin-api/accounts/{cookie_id}/resume", tag = "accounts",
    params(("cookie_id" = String, Path)), security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<PauseView>>), (status = 404, body = ErrorBody)))]
async fn resume(
    State(app): State<App>,
    member: Member,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Vec<PauseView>>>> {
    mine(&app, &member, &client, id).resume().await
}
