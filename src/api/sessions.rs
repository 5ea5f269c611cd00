//! A person's own sessions and password.

use axum::Json;
use axum::extract::State;
use secrecy::SecretString;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use super::auth::{Done, TokenAnswer};
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::auth::{passwords, sessions};
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::Segment;
use crate::messages::say;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, end_others))
        .routes(routes!(end))
        .routes(routes!(change_password))
}

/// One of my sessions. Moments are null for sessions that began in AntiHub.
#[derive(Debug, Serialize, ToSchema)]
struct SessionView {
    id: String,
    created_at: Option<String>,
    last_used_at: String,
    address: Option<String>,
    agent: Option<String>,
    current: bool,
}

/// My sessions, newest first.
#[utoipa::path(get, operation_id = "list_sessions", path = "/api/auth/sessions", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = Answer<Vec<SessionView>>), (status = 401, body = ErrorBody)))]
async fn list(State(app): State<App>, member: Member) -> Result<Json<Answer<Vec<SessionView>>>> {
    let mut data = Vec::new();
    for (id, record) in app.core.state.sessions_of(member.user.id).await? {
        let current = member.claims.sid.as_deref() == Some(id.as_str());
        let last_used_at = format!("{}Z", record.created_at);
        data.push(SessionView {
            id,
            created_at: record.began_at,
            last_used_at,
            address: record.address,
            agent: record.agent,
            current,
        });
    }
    data.sort_by(|one, other| other.last_used_at.cmp(&one.last_used_at));
    Ok(Answer::data(data))
}

/// End one of my sessions, everywhere and at once.
#[utoipa::path(delete, operation_id = "end_session", path = "/api/auth/sessions/{session_id}", tag = "auth", params(("session_id" = String, Path)),
    security(("access_token" = [])), responses((status = 200, body = Done), (status = 404, body = ErrorBody)))]
async fn end(
    State(app): State<App>,
    member: Member,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Done>> {
    let mine = app.core.state.sessions_of(member.user.id).await?;
    if !mine.iter().any(|(sid, _)| *sid == id) {
        return Err(ApiError::not_found(say("no_such_session")));
    }
    // Recorded first: who is told that it failed asks again, and nothing ends unrecorded.
    let entry = member.does(Action::SessionEnded, &client).on(Target::person(member.user.id));
    app.core.audit.record(&entry.after(Facts::new().typed(Field::Session, &id))).await?;
    app.core.state.end_session(&id, app.auth.tokens.refresh_life()).await?;
    Ok(Done::new(say("session_ended")))
}

/// End all my sessions but this one.
#[utoipa::path(delete, operation_id = "end_other_sessions", path = "/api/auth/sessions", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 401, body = ErrorBody)))]
async fn end_others(State(app): State<App>, member: Member, client: Client) -> Result<Json<Done>> {
    let mut others = app.core.state.sessions_of(member.user.id).await?;
    others.retain(|(sid, _)| member.claims.sid.as_deref() != Some(sid.as_str()));
    let entry = member.does(Action::SessionEnded, &client).on(Target::person(member.user.id));
    let count = i64::try_from(others.len()).unwrap_or(i64::MAX);
    app.core.audit.record(&entry.after(Facts::new().with(Field::Count, count))).await?;
    for (sid, _) in others {
        app.core.state.end_session(&sid, app.auth.tokens.refresh_life()).await?;
    }
    Ok(Done::new(say("other_sessions_ended")))
}

body! {
    /// A new password in place of the present one.
    struct PasswordChange {
        /// Needed by who has a password.
        current_password: Option<SecretString> = optional_secret(1_000),
        new_password: SecretString = secret(passwords::SHORTEST, passwords::LONGEST),
    }
}

/// Change my password. All sessions end but this one, which goes on with the tokens of the answer.
#[utoipa::path(put, path = "/api/users/me/password", tag = "users", request_body = PasswordChange,
    security(("access_token" = [])), responses((status = 200, body = TokenAnswer), (status = 400, body = ErrorBody),
    (status = 401, body = ErrorBody), (status = 422, body = ValidationBody), (status = 429, body = ErrorBody)))]
async fn change_password(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<TokenAnswer>> {
    let PasswordChange { current_password, new_password } = PasswordChange::read(body)?;
    let current = current_password.as_ref();
    let pair = sessions::change_password(&app.auth, &member, current, &new_password, &client).await?;
    Ok(Json(TokenAnswer::new(&app, pair, None)))
}
