//! People, as administrators manage and auditors read them.

use axum::Json;
use axum::extract::State;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Done, UserView};
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::delete_user::{self, Rows};
use crate::auth::extract::{Admin, Auditor, Client};
use crate::auth::one_time::{self, Door};
use crate::auth::{second_factor, sessions};
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::{Object, QueryMap, Segment, path_id};
use crate::ids::UserId;
use crate::messages::say;
use crate::state::Invalidation;
use crate::store::people::PeopleFilter;
use crate::store::users::{Role, User, UserChanges};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(find, change, remove))
        .routes(routes!(reset_link))
        .routes(routes!(end_sessions))
        .routes(routes!(remove_totp))
}

const DEFAULT_PAGE: i64 = 50;
const LARGEST_PAGE: i64 = 500;

/// One page of people, by id.
#[derive(Debug, Serialize, ToSchema)]
struct People {
    success: bool,
    data: Vec<PersonView>,
    /// Give it as `cursor` to get the next page; null on the last.
    next_cursor: Option<UserId>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PersonView {
    #[serde(flatten)]
    user: UserView,
    has_password: bool,
    has_totp: bool,
    oauth_id: Option<String>,
}

impl From<&User> for PersonView {
    fn from(user: &User) -> Self {
        Self {
            user: UserView::from(user),
            has_password: user.password_hash.is_some(),
            has_totp: user.has_totp,
            oauth_id: user.oauth_id.clone(),
        }
    }
}

fn truth(query: &QueryMap, name: &str) -> Option<bool> {
    query.given(name).map(|text| text == "true" || text == "1")
}

/// Search people.
#[utoipa::path(get, operation_id = "list_people", path = "/api/admin/users", tag = "admin", security(("access_token" = [])), params(
    ("search" = Option<String>, Query, description = "a part of the name"), ("role" = Option<Role>, Query),
    ("active" = Option<bool>, Query), ("silenced" = Option<bool>, Query), ("trust_level" = Option<i32>, Query),
    ("cursor" = Option<i32>, Query), ("limit" = Option<i64>, Query)),
    responses((status = 200, body = People), (status = 403, body = ErrorBody)))]
async fn list(State(app): State<App>, _: Auditor, query: QueryMap) -> Result<Json<People>> {
    let filter = PeopleFilter {
        search: query.given("search").map(|text| text.replace('\0', "\u{fffd}")),
        role: query.given("role").map(|text| text.replace('\0', "\u{fffd}")),
        active: truth(&query, "active"),
        silenced: truth(&query, "silenced"),
        trust_level: query.given("trust_level").and_then(|text| text.parse().ok()),
    };
    let after = query.given("cursor").and_then(|text| text.parse().ok()).unwrap_or(0);
    let limit = query.given("limit").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_PAGE);
    let limit = limit.clamp(1, LARGEST_PAGE);
    let mut people = app.core.store.search_users(&filter, UserId(after), limit + 1).await?;
    let has_more = i64::try_from(people.len()).is_ok_and(|count| count > limit);
    if has_more {
        people.pop();
    }
    let next_cursor = people.last().map(|user| user.id).filter(|_| has_more);
    Ok(Json(People { success: true, data: people.iter().map(PersonView::from).collect(), next_cursor }))
}

/// A person with what they have.
#[derive(Debug, Serialize, ToSchema)]
struct PersonDetail {
    success: bool,
    data: PersonView,
    keys: i64,
    accounts: i64,
    shared_accounts: i64,
    calls: i64,
    sessions: usize,
}

async fn person(app: &App, id: &str) -> Result<User> {
    let id = UserId(path_id("user_id", id)?);
    app.core.store.find_user(id).await?.ok_or_else(|| ApiError::not_found(say("no_such_user")))
}

/// One person.
#[utoipa::path(get, operation_id = "find_person", path = "/api/admin/users/{user_id}", tag = "admin", params(("user_id" = i32, Path)),
    security(("access_token" = [])),
    responses((status = 200, body = PersonDetail), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn find(State(app): State<App>, _: Auditor, Segment(id): Segment) -> Result<Json<PersonDetail>> {
    let user = person(&app, &id).await?;
    app.gateway.settled().await;
    let holds = app.core.store.holdings(user.id).await?;
    let sessions = app.core.state.sessions_of(user.id).await?.len();
    Ok(Json(PersonDetail {
        success: true,
        data: PersonView::from(&user),
        keys: holds.keys,
        accounts: holds.accounts,
        shared_accounts: holds.shared_accounts,
        calls: holds.calls,
        sessions,
    }))
}

body! {
    /// What to change of a person; absent stays.
    struct PersonChange {
        /// `member`, `admin` or `auditor`.
        role: Option<String> = optional_text(20),
        is_active: Option<bool> = optional_boolean(),
        is_silenced: Option<bool> = optional_boolean(),
        beta: Option<bool> = optional_boolean(),
        trust_level: Option<i64> = optional_integer(0, 100),
    }
    example {"trust_level": 2, "role": "auditor"}
}

fn read(body: Object) -> Result<UserChanges> {
    let PersonChange { role, is_active, is_silenced, beta, trust_level } = PersonChange::read(body)?;
    let bad_role = || ApiError::bad_request("bad_role", say("bad_role"));
    Ok(UserChanges {
        is_active,
        is_silenced,
        is_beta: beta,
        trust_level: trust_level.and_then(|level| i32::try_from(level).ok()),
        role: role.map(|role| Role::parse(&role).ok_or_else(bad_role)).transpose()?,
        oauth_id: None,
    })
}

/// Change a person. Every instance knows within a second.
#[utoipa::path(patch, operation_id = "change_person", path = "/api/admin/users/{user_id}", tag = "admin", params(("user_id" = i32, Path)),
    request_body = PersonChange, security(("access_token" = [])), responses((status = 200, body = PersonView),
    (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 409, body = ErrorBody, description = "The last administrator"), (status = 422, body = ValidationBody)))]
async fn change(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<PersonView>> {
    let Admin(admin) = Admin::of(&app.auth, member)?;
    let before = person(&app, &id).await?;
    let changes = read(body)?;
    let loses_power =
        changes.is_active == Some(false) || changes.role.is_some_and(|role| role != Role::Admin);
    let gone = || ApiError::not_found(say("no_such_user"));
    let mut tx = app.core.store.begin().await?;
    if loses_power {
        delete_user::spare_last_admin(&mut tx, &before).await?;
    }
    let before = tx.hold_user(before.id).await?.ok_or_else(gone)?;
    tx.update_user(before.id, &changes, app.core.clock.now()).await?;
    let after = tx.find_user(before.id).await?.ok_or_else(gone)?;
    let entry = admin.does(Action::UserChanged, &client).on(Target::person(after.id));
    app.core.audit.commit(tx, &entry.changed(&before, &after)).await?;
    app.core.state.publish(Invalidation::User(after.id)).await;
    app.gateway.fresh(after.id).await;
    Ok(Json(PersonView::from(&after)))
}

/// Remove a person with all that is theirs. Their calls stay in the totals.
#[utoipa::path(delete, operation_id = "remove_person", path = "/api/admin/users/{user_id}", tag = "admin", params(("user_id" = i32, Path),
    ("usage" = Option<String>, Query, description = "`anonymise` (under nobody's name, the default) or `keep` (together, under a number)")),
    security(("access_token" = [])), responses((status = 200, body = Done), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
async fn remove(
    State(app): State<App>,
    Admin(admin): Admin,
    client: Client,
    Segment(id): Segment,
    query: QueryMap,
) -> Result<Json<Done>> {
    let user = person(&app, &id).await?;
    let rows = match query.given("usage") {
        None | Some("anonymise") => Rows::Anonymised,
        Some("keep") => Rows::Kept,
        Some(_) => return Err(ApiError::bad_request("bad_usage_choice", say("bad_usage_choice"))),
    };
    let kept = if rows == Rows::Kept { "kept" } else { "anonymised" };
    let entry = admin.does(Action::UserDeleted, &client).on(Target::person(user.id)).before(&user);
    let entry = entry.after(Facts::new().with(Field::UsageRows, kept));
    delete_user::remove(&app.auth, &user, rows, &entry).await?;
    Ok(Done::new(say("user_removed")))
}

/// A secret with which a person can set a new password.
#[derive(Debug, Serialize, ToSchema)]
struct ResetLink {
    success: bool,
    /// For `POST /api/auth/reset-password`; good once.
    token: String,
    /// Seconds.
    expires_in: u64,
}

/// Make a link with which a person can set a new password, once and within an hour.
#[utoipa::path(post, operation_id = "make_reset_link", path = "/api/admin/users/{user_id}/reset-link", tag = "admin", params(("user_id" = i32, Path)),
    security(("access_token" = [])), responses((status = 200, body = ResetLink), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody)))]
async fn reset_link(
    State(app): State<App>,
    Admin(admin): Admin,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<ResetLink>> {
    let user = person(&app, &id).await?;
    // Recorded first: no link without its entry.
    app.core.audit.record(&admin.does(Action::ResetLinkMade, &client).on(Target::person(user.id))).await?;
    let token = one_time::give(&app.auth, Door::PasswordReset, &user).await?;
    let expires_in = Door::PasswordReset.life().as_secs();
    Ok(Json(ResetLink { success: true, token: token.expose_secret().to_owned(), expires_in }))
}

/// End all sessions of a person, everywhere and at once.
#[utoipa::path(delete, operation_id = "end_sessions_of_person", path = "/api/admin/users/{user_id}/sessions", tag = "admin", params(("user_id" = i32, Path)),
    security(("access_token" = [])), responses((status = 200, body = Done), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody)))]
async fn end_sessions(
    State(app): State<App>,
    Admin(admin): Admin,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Done>> {
    let user = person(&app, &id).await?;
    let entry = admin.does(Action::SignedOutEverywhere, &client).on(Target::person(user.id));
    sessions::sign_out_everywhere(&app.auth, &user, &entry).await?;
    Ok(Done::new(say("sessions_ended")))
}

/// Remove the second factor of a person who lost it.
#[utoipa::path(delete, operation_id = "remove_totp_of_person", path = "/api/admin/users/{user_id}/totp", tag = "admin", params(("user_id" = i32, Path)),
    security(("access_token" = [])), responses((status = 200, body = Done), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody)))]
async fn remove_totp(
    State(app): State<App>,
    Admin(admin): Admin,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Done>> {
    let user = person(&app, &id).await?;
    let entry = admin.does(Action::SecondFactorDisabled, &client).on(Target::person(user.id));
    second_factor::remove(&app.auth, &user, &entry).await?;
    Ok(Done::new(say("totp_removed")))
}
