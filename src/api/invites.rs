//! `/api/admin/invites`: codes with which people may register.

use axum::Json;
use axum::extract::State;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Done;
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Admin, Auditor, Client};
use crate::auth::one_time;
use crate::clock::Timestamp;
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::{QueryMap, Segment, path_id};
use crate::ids::{InviteId, UserId};
use crate::messages::say;
use crate::store::invites::{self, InviteRow, InviteUse};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// Who registered with an invite.
#[derive(Debug, Serialize, ToSchema)]
struct InviteUseView {
    user_id: UserId,
    username: String,
    used_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
struct InviteView {
    id: InviteId,
    uses_left: i32,
    expires_at: Option<Timestamp>,
    note: Option<String>,
    created_by: Option<UserId>,
    created_at: Timestamp,
    is_revoked: bool,
    used_by: Vec<InviteUseView>,
    /// Only in the answer that makes the invite.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl InviteView {
    fn new(row: InviteRow, uses: Vec<InviteUse>, code: Option<String>) -> Self {
        let used = |one: InviteUse| InviteUseView {
            user_id: one.user_id,
            username: one.username,
            used_at: one.used_at,
        };
        Self {
            id: row.id,
            uses_left: row.uses_left,
            expires_at: row.expires_at,
            note: row.note,
            created_by: row.created_by,
            created_at: row.created_at,
            is_revoked: row.is_revoked,
            used_by: uses.into_iter().map(used).collect(),
            code,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct InviteList {
    success: bool,
    data: Vec<InviteView>,
    /// To be sent as `before` for the next page.
    next: Option<InviteId>,
}

const PAGE: i64 = 50;

/// Invites, newest first, with who used them.
#[utoipa::path(get, operation_id = "list_invites", path = "/api/admin/invites", tag = "admin", params(("before" = Option<i64>, Query)),
    security(("access_token" = [])), responses((status = 200, body = InviteList), (status = 403, body = ErrorBody)))]
async fn list(State(app): State<App>, _: Auditor, query: QueryMap) -> Result<Json<InviteList>> {
    let before = query.given("before").and_then(|id| id.parse().ok()).unwrap_or(i64::MAX);
    let rows = app.core.store.list_invites(InviteId(before), PAGE).await?;
    let next = rows.last().map(|row| row.id).filter(|_| rows.len() as i64 == PAGE);
    let mut data = Vec::with_capacity(rows.len());
    for row in rows {
        let uses = app.core.store.list_invite_uses(row.id).await?;
        data.push(InviteView::new(row, uses, None));
    }
    Ok(Json(InviteList { success: true, data, next }))
}

body! {
    /// What to make an invite of.
    struct NewInvite {
        /// How many people may use it; 1 when absent.
        uses: Option<i64> = optional_integer(1, 100_000),
        expires_at: Option<Timestamp> = optional_moment(),
        note: Option<String> = optional_text(200),
    }
    example {"uses": 3, "note": "for the reading circle"}
}

/// Make an invite. The answer shows its code, never again.
#[utoipa::path(post, operation_id = "create_invite", path = "/api/admin/invites", tag = "admin", request_body = NewInvite,
    security(("access_token" = [])), responses((status = 200, body = InviteView), (status = 403, body = ErrorBody),
    (status = 422, body = ValidationBody)))]
async fn create(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<InviteView>> {
    let Admin(admin) = Admin::of(&app.auth, member)?;
    let NewInvite { uses, expires_at, note } = NewInvite::read(body)?;
    let code = one_time::secret();
    let hash = one_time::hash(code.expose_secret());
    let uses = uses.and_then(|uses| i32::try_from(uses).ok()).unwrap_or(1);
    let invite = invites::NewInvite {
        code_hash: &hash,
        uses,
        expires_at,
        note: note.as_deref(),
        created_by: admin.user.id,
    };
    let mut tx = app.core.store.begin().await?;
    let row = tx.create_invite(&invite, app.core.clock.now()).await?;
    let facts = Facts::new().with(Field::Uses, uses).with(Field::ExpiresAt, expires_at);
    let entry = admin.does(Action::InviteCreated, &client).on(Target::invite(row.id.0));
    app.core.audit.commit(tx, &entry.after(facts)).await?;
    Ok(Json(InviteView::new(row, Vec::new(), Some(code.expose_secret().to_owned()))))
}

/// End an invite. Who has used it stays.
#[utoipa::path(delete, operation_id = "revoke_invite", path = "/api/admin/invites/{invite_id}", tag = "admin", params(("invite_id" = i64, Path)),
    security(("access_token" = [])), responses((status = 200, body = Done), (status = 403, body = ErrorBody),
    (status = 404, body = ErrorBody)))]
async fn revoke(
    State(app): State<App>,
    Admin(admin): Admin,
    client: Client,
    Segment(id): Segment,
) -> Result<Json<Done>> {
    let id = InviteId(i64::from(path_id("invite_id", &id)?));
    let mut tx = app.core.store.begin().await?;
    if !tx.revoke_invite(id).await? {
        return Err(ApiError::not_found(say("no_such_invite")));
    }
    app.core.audit.commit(tx, &admin.does(Action::InviteDeleted, &client).on(Target::invite(id.0))).await?;
    Ok(Done::new(say("invite_ended")))
}
