//! `/api/plugin-api/preference`: which of own and shared accounts are tried first.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::Answer;
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::edge::body::body;
use crate::edge::error::{ApiError, Result, ValidationBody};
use crate::messages::say;
use crate::state::Invalidation;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(preference, set_preference))
}

/// Which of the two sources of accounts is tried first.
#[utoipa::path(get, operation_id = "show_preference", path = "/api/plugin-api/preference", tag = "accounts", security(("access_token" = [])),
    responses((status = 200, body = Answer<Value>)))]
async fn preference(State(app): State<App>, member: Member) -> Result<Json<Answer<Value>>> {
    let user = app
        .core
        .store
        .find_user(member.user.id)
        .await?
        .ok_or_else(|| ApiError::not_found(say("no_such_user")))?;
    Ok(Answer::data(json!({
        "user_id": user.id.to_string(),
        "name": user.username,
        "prefer_shared": i32::from(user.prefers_shared()),
        "status": i32::from(user.is_active),
        "created_at": user.created_at,
        "updated_at": user.created_at,
    })))
}

body! {
    /// 1: the shared pool first, 0: my own accounts first.
    struct Preference {
        prefer_shared: i64 = integer(0, 1),
    }
    example {"prefer_shared": 1}
}

/// Choose which source of accounts is tried first.
#[utoipa::path(put, path = "/api/plugin-api/preference", tag = "accounts", request_body = Preference,
    security(("access_token" = [])), responses((status = 200, body = Answer<Value>), (status = 422, body = ValidationBody)))]
async fn set_preference(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Answer<Value>>> {
    let Preference { prefer_shared } = Preference::read(body)?;
    let id = member.user.id;
    let entry = member.does(Action::UserChanged, &client).on(Target::person(id));
    let entry = entry.after(Facts::new().with(Field::PrefersShared, prefer_shared == 1));
    let mut tx = app.core.store.begin().await?;
    tx.set_prefer_shared(id, prefer_shared == 1, app.core.clock.now()).await?;
    app.core.audit.commit(tx, &entry).await?;
    app.core.state.publish(Invalidation::User(id)).await;
    let message = say(if prefer_shared == 1 { "shared_first" } else { "own_first" });
    Ok(Answer::changed(message, json!({"user_id": id.to_string(), "prefer_shared": prefer_shared})))
}
