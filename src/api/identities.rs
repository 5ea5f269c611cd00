//! `/api/users/me/identities`: a person's ways to sign in elsewhere.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::Done;
use super::browser::Browser;
use super::sso::SignInBegun;
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::auth::signin::pending::Link;
use crate::auth::signin::{Way, people};
use crate::clock::Timestamp;
use crate::edge::error::{ApiError, ErrorBody, Result};
use crate::edge::input::Segment;
use crate::messages::say;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(link)).routes(routes!(unlink))
}

/// One linked identity.
#[derive(Debug, Serialize, ToSchema)]
struct IdentityView {
    /// The provider's name in paths; its issuer when it is configured no longer.
    provider: String,
    label: String,
    /// The person's identifier there.
    subject: String,
    /// The person's name there.
    username: Option<String>,
    /// Whether signing in this way works today.
    is_configured: bool,
    linked_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

/// A person's ways to sign in.
#[derive(Debug, Serialize, ToSchema)]
struct IdentityList {
    data: Vec<IdentityView>,
    has_password: bool,
}

/// The person as stored now: what signing in rests on is not taken from a cache.
async fn fresh(app: &App, member: &Member) -> Result<crate::store::users::User> {
    app.core.store.find_user(member.user.id).await?.ok_or_else(|| ApiError::not_found(say("no_such_user")))
}

/// My ways to sign in.
#[utoipa::path(get, operation_id = "list_identities", path = "/api/users/me/identities", tag = "users", security(("access_token" = [])),
    responses((status = 200, body = IdentityList), (status = 401, body = ErrorBody)))]
async fn list(State(app): State<App>, member: Member) -> Result<Json<IdentityList>> {
    let user = fresh(&app, &member).await?;
    let ways = Way::all(&app.auth);
    let rows = people::list(&app.auth, &user).await?;
    let data = rows.into_iter().map(|row| {
        let way = ways.iter().find(|way| way.provider() == row.provider);
        IdentityView {
            provider: way.map_or(row.provider.as_str(), Way::name).to_owned(),
            label: way.map_or(row.provider.as_str(), Way::label).to_owned(),
            subject: row.subject,
            username: row.username,
            is_configured: way.is_some(),
            linked_at: row.linked_at,
            last_used_at: row.last_used_at,
        }
    });
    Ok(Json(IdentityList { data: data.collect(), has_password: user.password_hash.is_some() }))
}

/// Begin to link an identity. The provider's callback completes it, in the same browser only.
#[utoipa::path(post, operation_id = "link_identity", path = "/api/users/me/identities/{provider}/link", tag = "users",
    security(("access_token" = [])), params(("provider" = String, Path)), responses(
    (status = 200, body = SignInBegun), (status = 401, body = ErrorBody),
    (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
async fn link(
    State(app): State<App>,
    Segment(provider): Segment,
    member: Member,
    client: Client,
    browser: Browser,
) -> Result<Response> {
    let way = Way::named(&app.auth, &provider)?;
    let link = Link { user: member.user.id, generation: member.user.token_generation };
    super::sso::begin(&app, &way, &client, &browser, Some(link), false).await
}

/// Unlink an identity. The last way to sign in stays.
#[utoipa::path(delete, operation_id = "unlink_identity", path = "/api/users/me/identities/{provider}", tag = "users",
    security(("access_token" = [])), params(("provider" = String, Path)), responses(
    (status = 200, body = Done), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody),
    (status = 409, body = ErrorBody, description = "It is the last way to sign in")))]
async fn unlink(
    State(app): State<App>,
    Segment(provider): Segment,
    member: Member,
    client: Client,
) -> Result<Json<Done>> {
    let user = fresh(&app, &member).await?;
    let entry = member.does(Action::IdentityUnlinked, &client).on(Target::person(user.id));
    let entry = entry.after(Facts::new().typed(Field::Provider, &provider));
    people::unlink(&app.auth, &user, &provider, &entry).await?;
    Ok(Done::new(say("sign_in_unlinked")))
}
