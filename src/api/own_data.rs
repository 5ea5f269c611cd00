//! A person's own data: all of it as JSON, and leaving.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use secrecy::SecretString;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admin::audit::AuditEntry;
use super::auth::{Done, UserView};
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Target};
use crate::auth::delete_user::{self, Rows};
use crate::auth::extract::{Client, Member};
use crate::clock::Timestamp;
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::ids::UserId;
use crate::messages::say;
use crate::state::throttle::Subject;
use crate::store::usage::UsageFilter;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export)).routes(routes!(leave))
}

/// Calls read from the database at one time while an export is written.
const ROWS: i64 = 1_000;
/// Entries of the audit log in an export.
const MOST_ENTRIES: usize = 10_000;

/// Everything that is kept of me: profile, keys and accounts without their secrets, sessions, calls.
#[utoipa::path(get, operation_id = "export_my_data", path = "/api/users/me/export", tag = "users", security(("access_token" = [])),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody)))]
async fn export(State(app): State<App>, member: Member, client: Client) -> Result<Response> {
    let entry = member.does(Action::DataExported, &client).on(Target::person(member.user.id));
    app.core.audit.record(&entry).await?;
    app.gateway.settled().await;
    let head = about(&app, &member).await?;
    let mut head = head.to_string();
    // The calls follow as the last member, page by page: there may be millions.
    head.pop();
    head.push_str(",\"calls\":[");
    let begin = Pages { app, user: member.user.id, after: None, head: Some(head), first: true };
    let body = Body::from_stream(stream::try_unfold(Some(begin), |pages| async {
        match pages {
            Some(pages) => pages.next().await.map(Some),
            None => Ok(None),
        }
    }));
    let headers =
        [(CONTENT_TYPE, "application/json"), (CONTENT_DISPOSITION, "attachment; filename=\"millpond.json\"")];
    Ok((headers, body).into_response())
}

async fn about(app: &App, member: &Member) -> Result<serde_json::Value> {
    let id = member.user.id;
    let keys: Vec<_> = app
        .core
        .store
        .list_api_keys(id)
        .await?
        .into_iter()
        .map(|key| {
            json!({"id": key.id, "name": key.name, "is_active": key.is_active, "created_at": key.created_at,
            "last_used_at": key.last_used_at, "expires_at": key.expires_at})
        })
        .collect();
    let accounts: Vec<_> = app.core.store.list_accounts(id).await?.into_iter().map(|account| {
        json!({"id": account.id, "name": account.name, "provider": account.provider, "base_url": account.base_url,
            "is_shared": account.is_shared, "is_enabled": account.is_enabled, "models": account.models,
            "allowances": account.allowances, "created_at": account.created_at})
    }).collect();
    let sessions: Vec<_> = app.core.state.sessions_of(id).await?.into_iter().map(|(sid, record)| {
        json!({"id": sid, "began_at": record.began_at, "address": record.address, "agent": record.agent})
    }).collect();
    Ok(json!({"exported_at": app.core.clock.now(), "profile": UserView::from(&*member.user),
        "oauth_id": member.user.oauth_id, "keys": keys, "accounts": accounts, "sessions": sessions,
        "audit": audit_entries(app, id).await?}))
}

/// What I did, and what was done to me; the newest where there is more than anybody reads.
async fn audit_entries(app: &App, user: UserId) -> Result<Vec<AuditEntry>> {
    let mut entries = std::collections::VecDeque::new();
    let mut seen = 0;
    loop {
        let rows = app.core.store.list_audit_about(user, seen, ROWS).await?;
        let full = i64::try_from(rows.len()).is_ok_and(|count| count == ROWS);
        seen = rows.last().map_or(seen, |row| row.seq);
        entries.extend(rows.into_iter().map(AuditEntry::from));
        let excess = entries.len().saturating_sub(MOST_ENTRIES);
        entries.drain(..excess);
        if !full {
            return Ok(entries.into());
        }
    }
}

/// Where the writing of an export stands.
struct Pages {
    app: App,
    user: UserId,
    after: Option<(Timestamp, i64)>,
    head: Option<String>,
    first: bool,
}

impl Pages {
    async fn next(mut self) -> std::io::Result<(Bytes, Option<Self>)> {
        let rows = self.app.core.store.list_usage(self.user, &UsageFilter::default(), self.after, ROWS).await;
        let rows = rows.map_err(std::io::Error::other)?;
        let mut text = self.head.take().unwrap_or_default();
        for row in &rows {
            if !std::mem::take(&mut self.first) {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(row).map_err(std::io::Error::other)?);
        }
        self.after = rows.last().map(|row| (row.created_at, row.id));
        if i64::try_from(rows.len()).is_ok_and(|count| count == ROWS) {
            return Ok((text.into(), Some(self)));
        }
        text.push_str("]}");
        Ok((text.into(), None))
    }
}

body! {
    /// Shows that it is meant.
    struct Farewell {
        /// Needed by who has a password.
        password: Option<SecretString> = optional_secret(1_000),
        /// My own name, from who has no password.
        username: Option<String> = optional_text(255),
    }
}

/// Remove myself with all that is mine. My calls stay in the totals, under nobody's name.
#[utoipa::path(delete, path = "/api/users/me", tag = "users", request_body = Farewell, security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
    (status = 409, body = ErrorBody, description = "The last administrator"), (status = 422, body = ValidationBody),
    (status = 429, body = ErrorBody)))]
async fn leave(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Done>> {
    let Farewell { password, username } = Farewell::read(body)?;
    let user = &member.user;
    let meant = match user.password_hash.as_deref() {
        Some(hash) => {
            let subject = Subject::Account(&user.username);
            let wait = app.core.state.login_attempt(subject, app.core.clock.now()).await?;
            if !wait.is_zero() {
                return Err(ApiError::too_many("too_many_logins", say("too_many_logins"), wait));
            }
            app.auth.passwords.verify(&password.unwrap_or_default(), Some(hash)).await?
        }
        None => username.as_deref() == Some(&user.username),
    };
    if !meant {
        return Err(ApiError::bad_request("not_confirmed", say("not_confirmed")));
    }
    app.core.state.login_succeeded(Subject::Account(&user.username)).await?;
    let entry = member.does(Action::UserDeleted, &client).on(Target::person(user.id));
    delete_user::remove(&app.auth, user, Rows::Anonymised, &entry).await?;
    Ok(Done::new(say("farewell")))
}
