//! `/api/users/me/totp` and the second half of signing in.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Done, SignInAnswer, signed_in};
use crate::api::body::MemberBody;
use crate::app::App;
use crate::audit::{Action, Target};
use crate::auth::extract::{Client, Member};
use crate::auth::one_time::{self, Door};
use crate::auth::second_factor::{self, Proof};
use crate::auth::sessions;
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, FieldError, Result, ValidationBody};
use crate::edge::input::Body;
use crate::messages::say;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status, begin, remove))
        .routes(routes!(confirm))
        .routes(routes!(second_half))
}

/// Whether I have a second factor.
#[derive(Debug, Serialize, ToSchema)]
struct TotpStatus {
    enabled: bool,
    recovery_codes_left: i64,
}

/// Whether I have a second factor, and how many recovery codes are left.
#[utoipa::path(get, operation_id = "totp_status", path = "/api/users/me/totp", tag = "users", security(("access_token" = [])),
    responses((status = 200, body = TotpStatus), (status = 401, body = ErrorBody)))]
async fn status(State(app): State<App>, member: Member) -> Result<Json<TotpStatus>> {
    let recovery_codes_left = app.core.store.count_recovery_codes(member.user.id).await?;
    Ok(Json(TotpStatus { enabled: member.user.has_totp, recovery_codes_left }))
}

/// For an authenticator app.
#[derive(Debug, Serialize, ToSchema)]
struct TotpSetup {
    otpauth_uri: String,
    /// The same as a picture.
    qr_svg: String,
}

/// Begin to set a second factor up. Nothing changes until it is confirmed.
#[utoipa::path(post, operation_id = "begin_totp", path = "/api/users/me/totp", tag = "users", security(("access_token" = [])),
    responses((status = 200, body = TotpSetup), (status = 401, body = ErrorBody), (status = 409, body = ErrorBody)))]
async fn begin(State(app): State<App>, member: Member) -> Result<Json<TotpSetup>> {
    let setup = second_factor::begin(&app.auth, &member.user).await?;
    Ok(Json(TotpSetup {
        otpauth_uri: setup.uri.expose_secret().to_owned(),
        qr_svg: setup.qr_svg.expose_secret().to_owned(),
    }))
}

body! {
    /// A code of the authenticator app.
    struct TotpCode {
        code: SecretString = secret(1, 20),
    }
    example {"code": "123456"}
}

/// Codes for who loses the device. They are shown once; each is good once.
#[derive(Debug, Serialize, ToSchema)]
struct RecoveryCodes {
    success: bool,
    recovery_codes: Vec<String>,
}

/// Confirm the second factor with a first code. The answer has the recovery codes.
#[utoipa::path(post, operation_id = "confirm_totp", path = "/api/users/me/totp/confirm", tag = "users", request_body = TotpCode,
    security(("access_token" = [])), responses((status = 200, body = RecoveryCodes), (status = 400, body = ErrorBody),
    (status = 401, body = ErrorBody), (status = 422, body = ValidationBody), (status = 429, body = ErrorBody)))]
async fn confirm(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<RecoveryCodes>> {
    let TotpCode { code } = TotpCode::read(body)?;
    let entry = member.does(Action::SecondFactorEnabled, &client).on(Target::person(member.user.id));
    let codes = second_factor::confirm(&app.auth, &member.user, &code, &entry).await?;
    let recovery_codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    Ok(Json(RecoveryCodes { success: true, recovery_codes }))
}

body! {
    /// A code of the authenticator app, or a recovery code.
    struct TotpProof {
        recovery_code: Option<SecretString> = optional_secret(100),
        code: Option<SecretString> = optional_secret(20),
    }
    example {"code": "123456"}
}

fn missing_code() -> ApiError {
    let loc = vec!["body".into(), "code".into()];
    ApiError::validation(vec![FieldError { kind: "missing", loc, msg: "Field required".to_owned() }])
}

/// Remove my second factor, showing it once more.
#[utoipa::path(delete, operation_id = "remove_totp", path = "/api/users/me/totp", tag = "users", request_body = TotpProof,
    security(("access_token" = [])), responses((status = 200, body = Done), (status = 401, body = ErrorBody),
    (status = 422, body = ValidationBody), (status = 429, body = ErrorBody)))]
async fn remove(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Done>> {
    let TotpProof { recovery_code, code } = TotpProof::read(body)?;
    let proof = Proof::of(code, recovery_code).ok_or_else(missing_code)?;
    second_factor::verify(&app.auth, &member.user, &proof, &client).await?;
    let entry = member.does(Action::SecondFactorDisabled, &client).on(Target::person(member.user.id));
    second_factor::remove(&app.auth, &member.user, &entry).await?;
    Ok(Done::new(say("totp_removed")))
}

body! {
    /// The second half of a sign-in.
    struct SecondHalf {
        /// The `totp_challenge` of the first half's answer.
        challenge: String = text(1, 100),
        recovery_code: Option<SecretString> = optional_secret(100),
        code: Option<SecretString> = optional_secret(20),
    }
}

/// Finish a sign-in that asked for the second factor.
#[utoipa::path(post, operation_id = "finish_sign_in", path = "/api/auth/totp", tag = "auth", request_body = SecondHalf, responses(
    (status = 200, body = SignInAnswer), (status = 401, body = ErrorBody), (status = 422, body = ValidationBody),
    (status = 429, body = ErrorBody)))]
async fn second_half(State(app): State<App>, client: Client, Body(body): Body) -> Result<Response> {
    let SecondHalf { challenge, recovery_code, code } = SecondHalf::read(body)?;
    let proof = Proof::of(code, recovery_code).ok_or_else(missing_code)?;
    let over = || ApiError::new(StatusCode::UNAUTHORIZED, "challenge_over", say("challenge_over"));
    let user = one_time::look(&app.auth, Door::SecondFactor, &challenge).await?.ok_or_else(over)?;
    second_factor::verify(&app.auth, &user, &proof, &client).await?;
    let user = one_time::take(&app.auth, Door::SecondFactor, &challenge).await?.ok_or_else(over)?;
    let entered = sessions::enter_proven(&app.auth, user, "second factor", &client).await?;
    Ok(signed_in(&app, entered, StatusCode::OK))
}
