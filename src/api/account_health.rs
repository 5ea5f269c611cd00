//! How an account of mine is: why and until when it rests, and ending that by hand.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::extract::Member;
use crate::edge::error::{ApiError, ErrorBody, Result};
use crate::edge::input::Segment;
use crate::gateway::PauseView;
use crate::ids::{AccountId, UserId};
use crate::messages::{Text, say};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(pauses)).routes(routes!(resume))
}

/// What rests of an account.
#[derive(Serialize, ToSchema)]
struct Pauses {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    message: Option<Text>,
    data: Vec<PauseView>,
}

async fn own(app: &App, user: UserId, id: &AccountId) -> Result<()> {
    let found = app.core.store.find_account(user, id).await?;
    found.map(drop).ok_or_else(|| ApiError::not_found(say("no_such_account")))
}

/// Why and until when one of my accounts, or a part of it, serves nobody.
#[utoipa::path(get, path = "/api/plugin-api/accounts/{cookie_id}/pauses", tag = "accounts",
    params(("cookie_id" = String, Path)), security(("access_token" = [])),
    responses((status = 200, body = Pauses), (status = 404, body = ErrorBody)))]
async fn pauses(State(app): State<App>, member: Member, Segment(id): Segment) -> Result<Json<Pauses>> {
    let id = AccountId(id);
    own(&app, member.user.id, &id).await?;
    Ok(Json(Pauses { success: true, message: None, data: app.gateway.pauses_of(&id) }))
}

/// End every pause of one of my accounts.
#[utoipa::path(post, path = "/api/plugin-api/accounts/{cookie_id}/resume", tag = "accounts",
    params(("cookie_id" = String, Path)), security(("access_token" = [])),
    responses((status = 200, body = Pauses), (status = 404, body = ErrorBody)))]
async fn resume(State(app): State<App>, member: Member, Segment(id): Segment) -> Result<Json<Pauses>> {
    let id = AccountId(id);
    own(&app, member.user.id, &id).await?;
    app.gateway.resume(&id).await?;
    let message = Some(say("account_resumed"));
    Ok(Json(Pauses { success: true, message, data: app.gateway.pauses_of(&id) }))
}
