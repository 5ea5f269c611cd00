//! Announcements: made by administrators, read by every member.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::answer::Answer;
use crate::api::auth::Done;
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Admin, Auditor, Client, Member};
use crate::clock::Timestamp;
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::{Object, Segment, path_id};
use crate::ids::AnnouncementId;
use crate::messages::{Language, say};
use crate::store::announcements::{AnnouncementRow, NewAnnouncement};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(change, remove))
        .routes(routes!(current))
}

const MOST: i64 = 100;
const LONGEST: usize = 4_000;

#[derive(Debug, Serialize, ToSchema)]
struct AnnouncementView {
    id: AnnouncementId,
    text_zh: Option<String>,
    text_en: Option<String>,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    created_at: Timestamp,
}

impl From<AnnouncementRow> for AnnouncementView {
    fn from(row: AnnouncementRow) -> Self {
        Self {
            id: row.id,
            text_zh: row.text_zh,
            text_en: row.text_en,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            created_at: row.created_at,
        }
    }
}

body! {
    /// What to tell everybody, in one language or both.
    struct WantedAnnouncement {
        text_zh: Option<String> = optional_text(LONGEST),
        text_en: Option<String> = optional_text(LONGEST),
        /// Now when absent.
        starts_at: Option<Timestamp> = optional_moment(),
        /// Until it is removed when absent.
        ends_at: Option<Timestamp> = optional_moment(),
    }
    example {"text_en": "The pool is closed on Sunday.", "ends_at": "2030-01-01T00:00:00Z"}
}

fn read(body: Object, now: Timestamp) -> Result<NewAnnouncement> {
    let WantedAnnouncement { text_zh, text_en, starts_at, ends_at } = WantedAnnouncement::read(body)?;
    let new = NewAnnouncement { text_zh, text_en, starts_at: starts_at.unwrap_or(now), ends_at };
    if new.text_zh.is_none() && new.text_en.is_none() {
        return Err(ApiError::bad_request("announcement_empty", say("announcement_empty")));
    }
    Ok(new)
}

/// The newest announcements, shown or not.
#[utoipa::path(get, operation_id = "list_announcements", path = "/api/admin/announcements", tag = "admin", security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<AnnouncementView>>), (status = 403, body = ErrorBody)))]
async fn list(State(app): State<App>, _: Auditor) -> Result<Json<Answer<Vec<AnnouncementView>>>> {
    let rows = app.core.store.list_announcements(MOST).await?;
    Ok(Answer::data(rows.into_iter().map(Into::into).collect()))
}

/// Tell everybody something.
#[utoipa::path(post, operation_id = "create_announcement", path = "/api/admin/announcements", tag = "admin", request_body = WantedAnnouncement,
    security(("access_token" = [])), responses((status = 200, body = AnnouncementView),
    (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn create(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<AnnouncementView>> {
    let Admin(admin) = Admin::of(&app.auth, member)?;
    let now = app.core.clock.now();
    let new = read(body, now)?;
    let mut tx = app.core.store.begin().await?;
    let row = tx.create_announcement(&new, admin.user.id, now).await?;
    let entry = admin.does(Action::AnnouncementCreated, &client).on(Target::announcement(row.id.0));
    app.core.audit.commit(tx, &entry.after(facts(&new))).await?;
    Ok(Json(row.into()))
}

fn facts(new: &NewAnnouncement) -> Facts {
    Facts::new().with(Field::StartsAt, new.starts_at).with(Field::EndsAt, new.ends_at)
}

fn no_such() -> ApiError {
    ApiError::not_found(say("no_such_announcement"))
}

fn id(text: &str) -> Result<AnnouncementId> {
    Ok(AnnouncementId(i64::from(path_id("announcement_id", text)?)))
}

/// Change an announcement.
#[utoipa::path(put, operation_id = "change_announcement", path = "/api/admin/announcements/{announcement_id}", tag = "admin",
    params(("announcement_id" = i64, Path)), request_body = WantedAnnouncement, security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 422, body = ValidationBody)))]
async fn change(
    State(app): State<App>,
    client: Client,
    Segment(text): Segment,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Done>> {
    let Admin(admin) = Admin::of(&app.auth, member)?;
    let id = id(&text)?;
    let new = read(body, app.core.clock.now())?;
    let mut tx = app.core.store.begin().await?;
    if !tx.update_announcement(id, &new).await? {
        return Err(no_such());
    }
    let entry = admin.does(Action::AnnouncementChanged, &client).on(Target::announcement(id.0));
    app.core.audit.commit(tx, &entry.after(facts(&new))).await?;
    Ok(Done::new(say("announcement_changed")))
}

/// Remove an announcement.
#[utoipa::path(delete, operation_id = "remove_announcement", path = "/api/admin/announcements/{announcement_id}", tag = "admin",
    params(("announcement_id" = i64, Path)), security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
async fn remove(
    State(app): State<App>,
    Admin(admin): Admin,
    client: Client,
    Segment(text): Segment,
) -> Result<Json<Done>> {
    let id = id(&text)?;
    let mut tx = app.core.store.begin().await?;
    if !tx.delete_announcement(id).await? {
        return Err(no_such());
    }
    let entry = admin.does(Action::AnnouncementDeleted, &client).on(Target::announcement(id.0));
    app.core.audit.commit(tx, &entry).await?;
    Ok(Done::new(say("announcement_removed")))
}

/// An announcement as members read it.
#[derive(Debug, Serialize, ToSchema)]
struct CurrentAnnouncement {
    id: AnnouncementId,
    /// In the language that the client asks for, where there is one.
    text: String,
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
}

/// What administrators tell everybody now.
#[utoipa::path(get, operation_id = "current_announcements", path = "/api/announcements", tag = "users", security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<CurrentAnnouncement>>), (status = 401, body = ErrorBody)))]
async fn current(State(app): State<App>, _: Member) -> Result<Json<Answer<Vec<CurrentAnnouncement>>>> {
    let told = |row: AnnouncementRow| {
        let text = match Language::of_this_answer() {
            Language::Chinese => row.text_zh.or(row.text_en),
            Language::English => row.text_en.or(row.text_zh),
        };
        CurrentAnnouncement {
            id: row.id,
            text: text.unwrap_or_default(),
            starts_at: row.starts_at,
            ends_at: row.ends_at,
        }
    };
    let rows = app.core.store.current_announcements(app.core.clock.now(), MOST).await?;
    Ok(Answer::data(rows.into_iter().map(told).collect()))
}
