//! `/api/plugin-api` beside accounts and preference: quotas, consumption, and model calls with the defaults that the
//! Plug-in API had. Answered natively, from memory and the usage record; field names and types are the contract's.

mod calls;
pub(super) mod quotas;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::extract::Member;
use crate::clock::Timestamp;
use crate::edge::error::Result;
use crate::ids::UserId;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(identity)).merge(quotas::routes()).merge(calls::routes())
}

/// Who a person is to the pool.
#[derive(Serialize, ToSchema)]
struct Identity {
    id: i32,
    user_id: UserId,
    plugin_user_id: Option<String>,
    is_active: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

/// Who I am to the pool. The native pool needs no key of its own: everybody is in it under their own number, and only what
/// a former external Plug-in API left behind is told instead.
#[utoipa::path(get, operation_id = "pool_identity", path = "/api/plugin-api/key", tag = "quotas", security(("access_token" = [])),
    responses((status = 200, body = Identity)))]
async fn identity(State(app): State<App>, member: Member) -> Result<Json<Identity>> {
    let user = &member.user;
    let identity = match app.core.store.find_plugin_key(user.id).await? {
        Some(row) => Identity {
            id: row.id,
            user_id: user.id,
            plugin_user_id: row.plugin_user_id,
            is_active: row.is_active,
            created_at: row.created_at,
            updated_at: row.updated_at,
            last_used_at: row.last_used_at,
        },
        None => Identity {
            id: user.id.0,
            user_id: user.id,
            plugin_user_id: Some(user.id.to_string()),
            is_active: user.is_active,
            created_at: user.created_at,
            updated_at: user.created_at,
            last_used_at: None,
        },
    };
    Ok(Json(identity))
}
