//! Limits of people and keys beyond what trust levels give: an administrator's for people, an owner's for their keys.
//! With `until` they are an exception that ends by itself, and counts before what is set for good.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::auth::Done;
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Entry, Facts, Field, Target};
use crate::auth::extract::{Admin, Auditor, Client, Member};
use crate::clock::Timestamp;
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::{Object, QueryMap, Segment, path_id};
use crate::ids::{KeyId, UserId};
use crate::messages::say;
use crate::state::Invalidation;
use crate::state::limits::Subject;
use crate::store::limits::LimitsRow;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(user_limits, set_user_limits, end_user_limits)).routes(routes!(
        key_limits,
        set_key_limits,
        end_key_limits
    ))
}

/// Limits set for one person or key; null is no limit of that kind.
#[derive(Debug, Serialize, ToSchema)]
struct LimitsView {
    /// True for an exception, which ends at `until`.
    is_exception: bool,
    requests_per_minute: Option<i64>,
    tokens_per_minute: Option<i64>,
    concurrent_calls: Option<i64>,
    /// Millionths of a dollar in a calendar month (UTC).
    monthly_micro_usd: Option<i64>,
    until: Option<Timestamp>,
    note: Option<String>,
    updated_at: Timestamp,
}

impl From<LimitsRow> for LimitsView {
    fn from(row: LimitsRow) -> Self {
        Self {
            is_exception: row.is_exception,
            requests_per_minute: row.requests_per_minute,
            tokens_per_minute: row.tokens_per_minute,
            concurrent_calls: row.concurrent_calls,
            monthly_micro_usd: row.monthly_micro_usd,
            until: row.until,
            note: row.note,
            updated_at: row.updated_at,
        }
    }
}

body! {
    /// Limits to set; absent is no limit of that kind.
    struct WantedLimits {
        /// Makes it an exception that ends then.
        until: Option<Timestamp> = optional_moment(),
        requests_per_minute: Option<i64> = optional_integer(0, MOST),
        tokens_per_minute: Option<i64> = optional_integer(0, MOST),
        concurrent_calls: Option<i64> = optional_integer(0, MOST),
        /// Millionths of a dollar in a calendar month (UTC).
        monthly_micro_usd: Option<i64> = optional_integer(0, MOST),
        note: Option<String> = optional_text(200),
    }
    example {"requests_per_minute": 20, "concurrent_calls": 2}
}

const MOST: i64 = 1 << 52;

fn read(body: Object, subject: Subject, now: Timestamp) -> Result<LimitsRow> {
    let wanted = WantedLimits::read(body)?;
    Ok(LimitsRow {
        subject_kind: subject.kind().to_owned(),
        subject_id: subject.number(),
        is_exception: wanted.until.is_some(),
        requests_per_minute: wanted.requests_per_minute,
        tokens_per_minute: wanted.tokens_per_minute,
        concurrent_calls: wanted.concurrent_calls,
        monthly_micro_usd: wanted.monthly_micro_usd,
        until: wanted.until,
        note: wanted.note,
        updated_at: now,
    })
}

async fn list(app: &App, subject: Subject) -> Result<Json<Answer<Vec<LimitsView>>>> {
    let rows = app.core.store.find_limits(subject.kind(), subject.number()).await?;
    Ok(Answer::data(rows.into_iter().map(LimitsView::from).collect()))
}

/// Somebody sets limits, from somewhere.
fn entry(member: &Member, client: &Client, subject: Subject) -> Entry {
    member.does(Action::LimitChanged, client).on(match subject {
        Subject::User(id) => Target::person(id),
        Subject::Key(id) => Target::key(id),
    })
}

async fn set(app: &App, subject: Subject, body: Object, entry: Entry) -> Result<Json<Done>> {
    let row = read(body, subject, app.core.clock.now())?;
    let facts =
        Facts::new().with(Field::RequestsPerMinute, row.requests_per_minute).with(Field::EndsAt, row.until);
    let mut tx = app.core.store.begin().await?;
    tx.save_limits(&row).await?;
    app.core.audit.commit(tx, &entry.after(facts)).await?;
    app.core.state.publish(Invalidation::Limits).await;
    Ok(Done::new(say("limits_set")))
}

async fn end(app: &App, subject: Subject, query: &QueryMap, entry: &Entry) -> Result<Json<Done>> {
    let is_exception = query.given("exception") == Some("true");
    let mut tx = app.core.store.begin().await?;
    if !tx.delete_limits(subject.kind(), subject.number(), is_exception).await? {
        return Err(ApiError::not_found(say("no_such_limits")));
    }
    app.core.audit.commit(tx, entry).await?;
    app.core.state.publish(Invalidation::Limits).await;
    Ok(Done::new(say("limits_ended")))
}

async fn person(app: &App, id: &str) -> Result<Subject> {
    let id = UserId(path_id("user_id", id)?);
    let found = app.core.store.find_user(id).await?;
    found.map(|user| Subject::User(user.id)).ok_or_else(|| ApiError::not_found(say("no_such_user")))
}

async fn own_key(app: &App, member: &Member, id: &str) -> Result<Subject> {
    let id = KeyId(path_id("key_id", id)?);
    let found = app.core.store.find_api_key(member.user.id, id).await?;
    found.map(|key| Subject::Key(key.id)).ok_or_else(|| ApiError::not_found(say("no_such_key")))
}

/// What is set for a person.
#[utoipa::path(get, path = "/api/admin/users/{user_id}/limits", tag = "admin", params(("user_id" = i32, Path)),
    security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<LimitsView>>), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn user_limits(
    State(app): State<App>,
    _: Auditor,
    Segment(id): Segment,
) -> Result<Json<Answer<Vec<LimitsView>>>> {
    list(&app, person(&app, &id).await?).await
}

/// Set a person's limits, for good or until a moment.
#[utoipa::path(put, path = "/api/admin/users/{user_id}/limits", tag = "admin", params(("user_id" = i32, Path)),
    request_body = WantedLimits, security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 422, body = ValidationBody)))]
async fn set_user_limits(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Done>> {
    let Admin(admin) = Admin::of(&app.auth, member)?;
    let subject = person(&app, &id).await?;
    set(&app, subject, body, entry(&admin, &client, subject)).await
}

/// End a person's limits, or with `exception=true` their exception.
#[utoipa::path(delete, path = "/api/admin/users/{user_id}/limits", tag = "admin",
    params(("user_id" = i32, Path), ("exception" = Option<bool>, Query)), security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn end_user_limits(
    State(app): State<App>,
    Admin(admin): Admin,
    client: Client,
    Segment(id): Segment,
    query: QueryMap,
) -> Result<Json<Done>> {
    let subject = person(&app, &id).await?;
    end(&app, subject, &query, &entry(&admin, &client, subject)).await
}

/// What is set for one of my keys.
#[utoipa::path(get, path = "/api/api-keys/{key_id}/limits", tag = "keys", params(("key_id" = i32, Path)),
    security(("access_token" = [])), responses((status = 200, body = Answer<Vec<LimitsView>>), (status = 404, body = ErrorBody)))]
async fn key_limits(
    State(app): State<App>,
    member: Member,
    Segment(id): Segment,
) -> Result<Json<Answer<Vec<LimitsView>>>> {
    list(&app, own_key(&app, &member, &id).await?).await
}

/// Set the limits of one of my keys, for good or until a moment.
#[utoipa::path(put, path = "/api/api-keys/{key_id}/limits", tag = "keys", params(("key_id" = i32, Path)),
    request_body = WantedLimits, security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 404, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn set_key_limits(
    State(app): State<App>,
    client: Client,
    Segment(id): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Done>> {
    let subject = own_key(&app, &member, &id).await?;
    set(&app, subject, body, entry(&member, &client, subject)).await
}

/// End the limits of one of my keys, or with `exception=true` their exception.
#[utoipa::path(delete, path = "/api/api-keys/{key_id}/limits", tag = "keys",
    params(("key_id" = i32, Path), ("exception" = Option<bool>, Query)), security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
async fn end_key_limits(
    State(app): State<App>,
    member: Member,
    client: Client,
    Segment(id): Segment,
    query: QueryMap,
) -> Result<Json<Done>> {
    let subject = own_key(&app, &member, &id).await?;
    end(&app, subject, &query, &entry(&member, &client, subject)).await
}
