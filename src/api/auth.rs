//! `/api/auth`: signing in and out, and who I am. Shapes and words of AntiHub's routes.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::body::MemberOptionalBody;
use crate::app::App;
use crate::audit::{Action, Facts, Field, Target};
use crate::auth::extract::{Client, Member};
use crate::auth::second_factor::Proof;
use crate::auth::sessions::{self, Entered};
use crate::clock::Timestamp;
use crate::edge::body::body;
use crate::edge::error::{ApiError, ERROR_CODE, ErrorBody, Result, ValidationBody};
use crate::edge::input::{Body, QueryMap, query_missing};
use crate::ids::UserId;
use crate::messages::{Text, say};
use crate::state::Invalidation;
use crate::store::users::{Role, User, UserChanges};

/// AntiHub takes 100 characters; new passwords may have 128.
const LONGEST_PASSWORD: usize = crate::auth::passwords::LONGEST;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(logout_all))
        .routes(routes!(me))
        .routes(routes!(check_username))
        .routes(routes!(join_beta))
        .routes(routes!(beta_status))
}

/// A person as they see themselves.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    id: UserId,
    username: String,
    avatar_url: Option<String>,
    trust_level: i32,
    is_active: bool,
    is_silenced: bool,
    beta: i32,
    role: Role,
    created_at: Timestamp,
    last_login_at: Option<Timestamp>,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            id: user.id,
            username: user.username.clone(),
            avatar_url: user.avatar_url.clone(),
            trust_level: user.trust_level,
            is_active: user.is_active,
            is_silenced: user.is_silenced,
            beta: user.beta,
            role: user.role(),
            created_at: user.created_at,
            last_login_at: user.last_login_at,
        }
    }
}

/// A pair of tokens.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenAnswer {
    access_token: String,
    refresh_token: String,
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Seconds that the access token lives.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserView>,
}

impl TokenAnswer {
    pub(super) fn new(app: &App, pair: sessions::Pair, user: Option<&User>) -> Self {
        Self {
            access_token: pair.access,
            refresh_token: pair.refresh,
            token_type: "bearer",
            expires_in: app.auth.tokens.access_life().as_secs(),
            user: user.map(UserView::from),
        }
    }
}

/// What a sign-in answers: tokens, or with 401 and the code `totp_required` a challenge to be shown with the second factor.
pub(super) type SignInAnswer = TokenAnswer;

/// Who is not signed in yet. With the code `totp_required` in `x-error-code` there is a challenge, to be shown with the second
/// factor at `POST /api/auth/totp`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotSignedIn {
    #[schema(value_type = String)]
    detail: Text,
    #[schema(value_type = Option<String>)]
    totp_challenge: String,
}

/// The answer to who has proven who they are, or half of it.
pub(super) fn signed_in(app: &App, entered: Entered, status: StatusCode) -> Response {
    match entered {
        Entered::Session(pair, user) => {
            (status, Json(TokenAnswer::new(app, pair, Some(&user)))).into_response()
        }
        Entered::SecondFactor(challenge) => {
            let code = [(ERROR_CODE, HeaderValue::from_static("totp_required"))];
            let totp_challenge = challenge.expose_secret().to_owned();
            let body = NotSignedIn { detail: say("totp_required"), totp_challenge };
            (StatusCode::UNAUTHORIZED, code, Json(body)).into_response()
        }
    }
}

body! {
    /// What to sign in with.
    struct Login {
        username: String = text(3, 50),
        password: SecretString = secret(6, LONGEST_PASSWORD),
        recovery_code: Option<SecretString> = optional_secret(100),
        /// For who has a second factor; without it the answer is 401 with a challenge.
        totp_code: Option<SecretString> = optional_secret(20),
    }
    example {"username": "ada", "password": "correct horse battery"}
}

/// Sign in with a name and a password.
#[utoipa::path(post, path = "/api/auth/login", tag = "auth", request_body = Login, responses(
    (status = 200, body = TokenAnswer), (status = 401, body = NotSignedIn), (status = 403, body = ErrorBody),
    (status = 422, body = ValidationBody), (status = 429, body = ErrorBody, description = "Too many failures; see Retry-After")))]
async fn login(State(app): State<App>, client: Client, Body(body): Body) -> Result<Response> {
    let Login { username, password, recovery_code, totp_code } = Login::read(body)?;
    let proof = Proof::of(totp_code, recovery_code);
    let entered = sessions::sign_in(&app.auth, &username, &password, proof.as_ref(), &client).await?;
    Ok(signed_in(&app, entered, StatusCode::OK))
}

body! {
    /// What to refresh with.
    struct Refresh {
        refresh_token: String = text(0, LONGEST_TOKEN),
    }
}

body! {
    /// What to end besides the session of the access token; all of it may be absent.
    struct Logout {
        refresh_token: Option<String> = optional_text(LONGEST_TOKEN),
    }
}

const LONGEST_TOKEN: usize = 4_096;

/// Exchange a refresh token for a new pair. A token works once; using it again later ends the session.
#[utoipa::path(post, path = "/api/auth/refresh", tag = "auth", request_body = Refresh, responses(
    (status = 200, body = TokenAnswer), (status = 401, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn refresh(State(app): State<App>, client: Client, Body(body): Body) -> Result<Json<TokenAnswer>> {
    let Refresh { refresh_token } = Refresh::read(body)?;
    let pair = sessions::refresh(&app.auth, &refresh_token, &client).await?;
    Ok(Json(TokenAnswer::new(&app, pair, None)))
}

/// Done, and what was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct Done {
    #[schema(value_type = String)]
    message: Text,
    success: bool,
}

impl Done {
    pub(super) fn new(message: impl Into<Text>) -> Json<Self> {
        Json(Self { message: message.into(), success: true })
    }
}

/// End this session: its access tokens and its refresh token.
#[utoipa::path(post, path = "/api/auth/logout", tag = "auth", request_body = Option<Logout>, security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 401, body = ErrorBody)))]
async fn logout(State(app): State<App>, input: MemberOptionalBody) -> Result<Json<Done>> {
    let MemberOptionalBody(member, body) = input;
    let Logout { refresh_token } = Logout::read(body)?;
    sessions::sign_out(&app.auth, &member, refresh_token.as_deref()).await?;
    Ok(Done::new(say("signed_out")))
}

/// End all sessions of this person, everywhere and at once.
#[utoipa::path(post, path = "/api/auth/logout-all", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = Done), (status = 401, body = ErrorBody)))]
async fn logout_all(State(app): State<App>, member: Member, client: Client) -> Result<Json<Done>> {
    let entry = member.does(Action::SignedOutEverywhere, &client).on(Target::person(member.user.id));
    sessions::sign_out_everywhere(&app.auth, &member.user, &entry).await?;
    Ok(Done::new(say("signed_out_everywhere")))
}

/// Who am I?
#[utoipa::path(get, operation_id = "who_am_i", path = "/api/auth/me", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = UserView), (status = 401, body = ErrorBody)))]
async fn me(member: Member) -> Json<UserView> {
    Json(UserView::from(&*member.user))
}

/// Whether a name is taken.
#[derive(Debug, Serialize, ToSchema)]
struct NameAnswer {
    exists: bool,
    #[schema(value_type = String)]
    message: Text,
    username: String,
}

/// Is this name taken?
#[utoipa::path(get, path = "/api/auth/check-username", tag = "auth", params(("username" = String, Query)),
    responses((status = 200, body = NameAnswer), (status = 422, body = ValidationBody),
    (status = 429, body = ErrorBody, description = "Too many questions; see Retry-After")))]
async fn check_username(State(app): State<App>, client: Client, query: QueryMap) -> Result<Json<NameAnswer>> {
    let username = query.given("username").ok_or_else(|| query_missing("username"))?.to_owned();
    limit_questions(&app, &client).await?;
    // No name has a NUL, and PostgreSQL refuses to look for one.
    let exists = !username.contains('\0') && app.core.store.find_user_by_name(&username).await?.is_some();
    let message = if exists { say("username_exists") } else { say("username_free") };
    Ok(Json(NameAnswer { exists, message, username }))
}

/// A form asks some times; whoever asks more often walks through names.
async fn limit_questions(app: &App, client: &Client) -> Result<()> {
    const PER_MINUTE: u64 = 60;
    let minute = std::time::Duration::from_secs(60);
    let asked = app.core.state.count(&format!("check_username:{}", client.address), minute).await?;
    if asked > PER_MINUTE {
        return Err(ApiError::too_many("too_many_requests", say("too_many_requests"), minute));
    }
    Ok(())
}

/// The state of the beta programme for this person.
#[derive(Debug, Serialize, ToSchema)]
struct Beta {
    success: bool,
    #[schema(value_type = String)]
    message: Text,
    beta: i32,
}

/// Join the beta programme.
#[utoipa::path(post, path = "/api/auth/join-beta", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = Beta), (status = 401, body = ErrorBody)))]
async fn join_beta(State(app): State<App>, member: Member, client: Client) -> Result<Json<Beta>> {
    if fresh(&app, member.user.id).await?.is_beta() {
        return Ok(Json(Beta { success: true, message: say("beta_joined_before"), beta: 1 }));
    }
    let beta = |joined: bool| Facts::new().with(Field::Beta, joined);
    let entry = member.does(Action::UserChanged, &client).on(Target::person(member.user.id));
    let changes = UserChanges { is_beta: Some(true), ..UserChanges::default() };
    let mut tx = app.core.store.begin().await?;
    tx.update_user(member.user.id, &changes, app.core.clock.now()).await?;
    app.core.audit.commit(tx, &entry.changed(beta(false), beta(true))).await?;
    app.core.state.publish(Invalidation::User(member.user.id)).await;
    Ok(Json(Beta { success: true, message: say("beta_joined"), beta: 1 }))
}

/// Have I joined the beta programme?
#[utoipa::path(get, path = "/api/auth/beta-status", tag = "auth", security(("access_token" = [])),
    responses((status = 200, body = Beta), (status = 401, body = ErrorBody)))]
async fn beta_status(State(app): State<App>, member: Member) -> Result<Json<Beta>> {
    let user = fresh(&app, member.user.id).await?;
    let message = if user.is_beta() { say("beta_in") } else { say("beta_out") };
    Ok(Json(Beta { success: true, message, beta: user.beta }))
}

/// The person as stored now.
async fn fresh(app: &App, id: UserId) -> Result<User> {
    app.core.store.find_user(id).await?.ok_or_else(|| ApiError::not_found(say("no_such_user")))
}
