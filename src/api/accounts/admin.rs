//! `/api/admin/accounts`: everybody's accounts. Administrators switch, share, name, try and delete them; where an account
//! points and what it is called with stays its owner's, because whoever changes the address gets the credential.

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::actions::{AccountAction, Reach};
use super::view::Account;
use super::{AccountName, AccountStatus, AccountTrial, AccountType};
use crate::api::answer::Answer;
use crate::api::body::MemberOptionalBody;
use crate::app::App;
use crate::auth::extract::{Admin, Auditor, Client, Member};
use crate::edge::error::{ErrorBody, Result};
use crate::edge::input::{Object, QueryMap, Segment, query_invalid};
use crate::gateway::Checked;
use crate::gateway::PauseView;
use crate::ids::{AccountId, UserId};
use crate::store::accounts::AccountFilter;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, delete))
        .routes(routes!(set_status))
        .routes(routes!(rename))
        .routes(routes!(set_type))
        .routes(routes!(check))
        .routes(routes!(pauses))
        .routes(routes!(resume))
}

const DEFAULT_PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 500;

/// One page of accounts, newest first.
#[derive(Serialize, ToSchema)]
struct AccountPage {
    success: bool,
    data: Vec<Account>,
    /// Give it as `cursor` to get the next page; null on the last.
    next_cursor: Option<AccountId>,
}

/// An administrator with a body, which may be absent.
struct AdminBody(Member, Object);

impl FromRequest<App> for AdminBody {
    type Rejection = crate::edge::error::ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let MemberOptionalBody(member, body) = MemberOptionalBody::from_request(request, app).await?;
        let Admin(member) = Admin::of(&app.auth, member)?;
        Ok(Self(member, body))
    }
}

fn flag(query: &QueryMap, name: &str) -> Result<Option<bool>> {
    match query.get(name) {
        None => Ok(None),
        Some("1" | "true") => Ok(Some(true)),
        Some("0" | "false") => Ok(Some(false)),
        Some(_) => Err(query_invalid(name, "bool_parsing", "Input should be 0 or 1")),
    }
}

fn number<T: std::str::FromStr>(query: &QueryMap, name: &str) -> Result<Option<T>> {
    let msg = "Input should be a valid integer, unable to parse string as an integer";
    query.get(name).map(|text| text.parse().map_err(|_| query_invalid(name, "int_parsing", msg))).transpose()
}

/// Everybody's accounts.
#[utoipa::path(get, operation_id = "list_all_accounts", path = "/api/admin/accounts", tag = "admin", security(("access_token" = [])), params(
    ("user_id" = Option<i32>, Query), ("provider" = Option<String>, Query),
    ("is_shared" = Option<i32>, Query, description = "0 or 1"), ("status" = Option<i32>, Query, description = "0 or 1"),
    ("cursor" = Option<String>, Query), ("limit" = Option<i64>, Query, description = "1 to 500, 50 unless told")),
    responses((status = 200, body = AccountPage), (status = 403, body = ErrorBody)))]
async fn list(State(app): State<App>, _: Auditor, query: QueryMap) -> Result<Json<AccountPage>> {
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let filter = AccountFilter {
        owner: number(&query, "user_id")?.map(UserId),
        provider: query.get("provider").map(clean),
        shared: flag(&query, "is_shared")?,
        enabled: flag(&query, "status")?,
    };
    let before = query.get("cursor").map(|text| AccountId(clean(text)));
    let limit = number(&query, "limit")?.unwrap_or(DEFAULT_PAGE).clamp(1, LARGEST_PAGE);
    let mut rows = app.core.store.search_accounts(&filter, before.as_ref(), limit + 1).await?;
    let has_more = i64::try_from(rows.len()).is_ok_and(|count| count > limit);
    if has_more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| has_more).map(|row| row.id.clone());
    let data = rows.into_iter().map(|row| Account::of(&app, row)).collect();
    Ok(Json(AccountPage { success: true, data, next_cursor }))
}

fn any<'a>(app: &'a App, member: &'a Member, client: &'a Client, id: String) -> AccountAction<'a> {
    AccountAction { app, member, client, reach: Reach::All, id: AccountId(id) }
}

/// One account.
#[utoipa::path(get, operation_id = "find_any_account", path = "/api/admin/accounts/{cookie_id}", tag = "admin", params(("cookie_id" = String, Path)),
    security(("access_token" = [])), responses((status = 200, body = Answer<Account>), (status = 404, body = ErrorBody)))]
async fn show(
    State(app): State<App>,
    Auditor(member): Auditor,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Account>>> {
    any(&app, &member, &client, id).show().await
}

/// Delete an account. Its usage rows stay.
#[utoipa::path(delete, operation_id = "delete_any_account", path = "/api/admin/accounts/{cookie_id}", tag = "admin", params(("cookie_id" = String, Path)),
    security(("access_token" = [])), responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody)))]
async fn delete(
    State(app): State<App>,
    Admin(member): Admin,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Value>>> {
    any(&app, &member, &client, id).delete().await
}

/// Switch an account on or off.
#[utoipa::path(put, operation_id = "set_any_account_status", path = "/api/admin/accounts/{cookie_id}/status", tag = "admin", params(("cookie_id" = String, Path)),
    request_body = AccountStatus, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody)))]
async fn set_status(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    AdminBody(member, body): AdminBody,
) -> Result<Json<Answer<Value>>> {
    any(&app, &member, &client, id).set_status(body).await
}

/// Rename an account.
#[utoipa::path(put, operation_id = "rename_any_account", path = "/api/admin/accounts/{cookie_id}/name", tag = "admin", params(("cookie_id" = String, Path)),
    request_body = AccountName, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 404, body = ErrorBody)))]
async fn rename(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    AdminBody(member, body): AdminBody,
) -> Result<Json<Answer<Value>>> {
    any(&app, &member, &client, id).rename(body).await
}

/// Put an account into the shared pool or take it out.
#[utoipa::path(put, operation_id = "set_any_account_type", path = "/api/admin/accounts/{cookie_id}/type", tag = "admin", params(("cookie_id" = String, Path)),
    request_body = AccountType, security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn set_type(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    AdminBody(member, body): AdminBody,
) -> Result<Json<Answer<Value>>> {
    any(&app, &member, &client, id).set_type(body).await
}

/// Make one cheap call on an account and say what the provider said.
#[utoipa::path(post, operation_id = "check_any_account", path = "/api/admin/accounts/{cookie_id}/check", tag = "admin", params(("cookie_id" = String, Path)),
    request_body = Option<AccountTrial>, security(("access_token" = [])),
    responses((status = 200, body = Answer<Checked>), (status = 404, body = ErrorBody)))]
async fn check(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    AdminBody(member, body): AdminBody,
) -> Result<Json<Answer<Checked>>> {
    any(&app, &member, &client, id).check(body).await
}

/// Why and until when an account, or a part of it, serves nobody.
#[utoipa::path(get, operation_id = "list_any_pauses", path = "/api/admin/accounts/{cookie_id}/pauses", tag = "admin", params(("cookie_id" = String, Path)),
    security(("access_token" = [])), responses((status = 200, body = Answer<Vec<PauseView>>), (status = 404, body = ErrorBody)))]
async fn pauses(
    State(app): State<App>,
    Auditor(member): Auditor,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Vec<PauseView>>>> {
    any(&app, &member, &client, id).pauses().await
}

/// End every pause of an account.
#[utoipa::path(post, operation_id = "resume_any_account", path = "/api/admin/accounts/{cookie_id}/resume", tag = "admin", params(("cookie_id" = String, Path)),
    security(("access_token" = [])), responses((status = 200, body = Answer<Vec<PauseView>>), (status = 404, body = ErrorBody)))]
async fn resume(
    State(app): State<App>,
    Admin(member): Admin,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Answer<Vec<PauseView>>>> {
    any(&app, &member, &client, id).resume().await
}
