//! Becoming a member: registering, setting the installation up, and a new password by a link from an administrator.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Done, SignInAnswer, signed_in};
use crate::app::App;
use crate::audit::{Action, Actor, Entry, Target};
use crate::auth::extract::Client;
use crate::auth::one_time::{self, Door};
use crate::auth::{passwords, registration, sessions};
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::Body;
use crate::messages::say;
use crate::state::throttle::Subject;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(set_up)).routes(routes!(reset_password))
}

body! {
    /// Who to become.
    struct Registration {
        username: String = text(3, 50),
        password: SecretString = secret(passwords::SHORTEST, passwords::LONGEST),
        /// Needed where registration is by invite.
        invite: Option<String> = optional_text(100),
    }
    example {"username": "ada", "password": "correct horse battery"}
}

/// Every attempt counts: names can't be walked, and invites can't be guessed.
async fn throttle(app: &App, client: &Client) -> Result<()> {
    let address = format!("registration:{}", client.address);
    let wait = app.core.state.login_attempt(Subject::Address(&address), app.core.clock.now()).await?;
    if wait.is_zero() {
        return Ok(());
    }
    Err(ApiError::too_many("too_many_requests", say("too_many_requests"), wait))
}

/// Register with a name and a password.
#[utoipa::path(post, path = "/api/auth/register", tag = "auth", request_body = Registration, responses(
    (status = 201, body = SignInAnswer), (status = 400, body = ErrorBody, description = "The name or the password can't be used"),
    (status = 403, body = ErrorBody, description = "Registration is closed, or the invite is not good"),
    (status = 409, body = ErrorBody, description = "The name is taken"),
    (status = 422, body = ValidationBody), (status = 429, body = ErrorBody)))]
async fn register(State(app): State<App>, client: Client, Body(body): Body) -> Result<Response> {
    let Registration { username, password, invite } = Registration::read(body)?;
    throttle(&app, &client).await?;
    let user = registration::register(&app.auth, &username, &password, invite.as_deref(), &client).await?;
    let entered = sessions::enter(&app.auth, user, "registration", None, &client).await?;
    Ok(signed_in(&app, entered, StatusCode::CREATED))
}

body! {
    /// The first administrator.
    struct FirstAdmin {
        /// From the link that the server shows at its first start.
        token: String = text(1, 100),
        username: String = text(3, 50),
        password: SecretString = secret(passwords::SHORTEST, passwords::LONGEST),
    }
}

/// Make the first administrator, with the link that the server shows at its first start.
#[utoipa::path(post, path = "/api/auth/setup", tag = "auth", request_body = FirstAdmin, responses(
    (status = 201, body = SignInAnswer), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 422, body = ValidationBody), (status = 429, body = ErrorBody)))]
async fn set_up(State(app): State<App>, client: Client, Body(body): Body) -> Result<Response> {
    let FirstAdmin { token, username, password } = FirstAdmin::read(body)?;
    throttle(&app, &client).await?;
    let user = registration::set_up(&app.auth, &token, &username, &password, &client).await?;
    let entered = sessions::enter(&app.auth, user, "registration", None, &client).await?;
    Ok(signed_in(&app, entered, StatusCode::CREATED))
}

body! {
    /// A new password.
    struct NewPassword {
        /// From the link that an administrator made.
        token: String = text(1, 100),
        password: SecretString = secret(passwords::SHORTEST, passwords::LONGEST),
    }
}

/// Set a new password with a link from an administrator. It ends all sessions.
#[utoipa::path(post, path = "/api/auth/reset-password", tag = "auth", request_body = NewPassword, responses(
    (status = 200, body = Done), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody),
    (status = 422, body = ValidationBody), (status = 429, body = ErrorBody)))]
async fn reset_password(State(app): State<App>, client: Client, Body(body): Body) -> Result<Json<Done>> {
    let NewPassword { token, password } = NewPassword::read(body)?;
    throttle(&app, &client).await?;
    let refused = || ApiError::forbidden("reset_refused", say("reset_refused"));
    let user = one_time::look(&app.auth, Door::PasswordReset, &token).await?.ok_or_else(refused)?;
    passwords::check(&password, &user.username).await?;
    // The link is used up by a good password only, and by one of many uses at once.
    let user = one_time::take(&app.auth, Door::PasswordReset, &token).await?.ok_or_else(refused)?;
    let entry = Entry::new(Action::PasswordReset, Actor::Person(user.id), &client);
    sessions::replace_password(&app.auth, &user, &password, &entry.on(Target::person(user.id))).await?;
    Ok(Done::new(say("password_changed")))
}
