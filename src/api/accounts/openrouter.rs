//! Linking an account at OpenRouter by its public flow (OAuth with PKCE) instead of typing a key. What comes back from
//! there is brought by the member who began: the page for browsers only says how, because an address alone must not put
//! one person's key into another's hands.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::view::Account;
use super::{MOST_ACCOUNTS, fields, store, too_many_accounts};
use crate::api::answer::Answer;
use crate::api::body::{MemberBody, MemberOptionalBody};
use crate::api::browser::escape;
use crate::app::App;
use crate::auth::extract::Client;
use crate::auth::one_time;
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, Result, ValidationBody};
use crate::edge::input::QueryMap;
use crate::ids::UserId;
use crate::messages::{Language, say};
use crate::store::accounts::AccountRow;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(authorize)).routes(routes!(land, finish))
}

/// How long a person may take at OpenRouter.
const LIFE: Duration = Duration::from_secs(600);
const SOURCE: &str = "openrouter";

/// What is kept until the person comes back.
#[derive(Serialize, Deserialize)]
struct Pending {
    user: UserId,
    /// Ending all sessions ends this.
    generation: i64,
    /// The PKCE verifier as a Fernet token.
    verifier: String,
    shared: bool,
}

fn key(state: &str) -> String {
    format!("millpond:account_link:{}", one_time::hash(state))
}

body! {
    /// 1 puts the account that comes of it into the shared pool.
    struct AccountLink {
        is_shared: Option<i64> = optional_integer(0, 1),
    }
}

/// Where to send a person who wants to link an account.
#[derive(Serialize, ToSchema)]
struct AccountLinkBegun {
    auth_url: String,
    state: String,
    expires_in: u64,
}

/// Begin to link an account at OpenRouter.
#[utoipa::path(post, operation_id = "begin_account_link", path = "/api/plugin-api/oauth/authorize", tag = "accounts", request_body = Option<AccountLink>,
    security(("access_token" = [])),
    responses((status = 200, body = Answer<AccountLinkBegun>), (status = 422, body = ValidationBody)))]
async fn authorize(
    State(app): State<App>,
    MemberOptionalBody(member, body): MemberOptionalBody,
) -> Result<Json<Answer<AccountLinkBegun>>> {
    let shared = AccountLink::read(body)?.is_shared == Some(1);
    has_room(&app, member.user.id).await?;
    let (state, verifier) = (one_time::secret(), one_time::secret());
    let pending = Pending {
        user: member.user.id,
        generation: member.user.token_generation,
        verifier: app.core.vault.encrypt(verifier.expose_secret()),
        shared,
    };
    let text = serde_json::to_string(&pending).map_err(ApiError::internal)?;
    app.core.state.put(&key(state.expose_secret()), &text, LIFE).await?;
    let config = &app.core.config.openrouter;
    let mut callback = Url::parse(&config.callback_url).map_err(ApiError::internal)?;
    callback.query_pairs_mut().append_pair("state", state.expose_secret());
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()));
    let mut address = Url::parse(&format!("{}/auth", config.base_url)).map_err(ApiError::internal)?;
    address
        .query_pairs_mut()
        .append_pair("callback_url", callback.as_str())
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    let (auth_url, state) = (address.to_string(), state.expose_secret().to_owned());
    Ok(Answer::data(AccountLinkBegun { auth_url, state, expires_in: LIFE.as_secs() }))
}

body! {
    /// The address that the browser came back to, whole.
    struct AccountLinkReturn {
        callback_url: String = text(1, 4_096),
    }
}

/// Asked before anybody is sent away; what decides is asked again when the account is stored.
async fn has_room(app: &App, owner: UserId) -> Result<()> {
    if app.core.store.count_accounts(owner).await? < MOST_ACCOUNTS {
        Ok(())
    } else {
        Err(too_many_accounts())
    }
}

fn refused(code: &'static str) -> ApiError {
    ApiError::bad_request(code, say(code)).nested()
}

/// Finish linking an account: the address with which the browser came back becomes an account of mine.
#[utoipa::path(post, operation_id = "finish_account_link", path = "/api/plugin-api/oauth/callback", tag = "accounts", request_body = AccountLinkReturn,
    security(("access_token" = [])),
    responses((status = 200, body = Answer<Account>), (status = 400, body = ErrorBody), (status = 502, body = ErrorBody)))]
async fn finish(
    State(app): State<App>,
    client: Client,
    MemberBody(member, body): MemberBody,
) -> Result<Json<Answer<Account>>> {
    let AccountLinkReturn { callback_url } = AccountLinkReturn::read(body)?;
    let address = Url::parse(callback_url.trim()).map_err(|_| refused("link_no_address"))?;
    let query: HashMap<String, String> = address.query_pairs().into_owned().collect();
    if query.contains_key("error") {
        return Err(refused("link_declined"));
    }
    let (Some(code), Some(state)) = (query.get("code"), query.get("state")) else {
        return Err(refused("link_incomplete"));
    };
    let expired = || refused("link_expired");
    let held = app.core.state.get(&key(state)).await?.ok_or_else(expired)?;
    let pending: Pending = serde_json::from_str(&held).map_err(|_| expired())?;
    // Somebody else's is left for its owner.
    if pending.user != member.user.id || pending.generation != member.user.token_generation {
        return Err(expired());
    }
    // Of several who bring it at once, one has it.
    app.core.state.take(&key(state)).await?.ok_or_else(expired)?;
    let mut row = AccountRow::new(member.user.id, "openai", String::new(), app.core.clock.now());
    row.base_url = Some(format!("{}/api/v1", app.core.config.openrouter.base_url));
    row.oauth_source = Some(SOURCE.to_owned());
    "OpenRouter".clone_into(&mut row.name);
    row.is_shared = pending.shared;
    if row.is_shared {
        fields::check_shareable(&app, &member.user, &row)?;
    }
    has_room(&app, member.user.id).await?;
    let verifier = app.core.vault.decrypt(&pending.verifier).map_err(ApiError::internal)?;
    let credential = exchange(&app, code, verifier.expose_secret()).await?;
    row.credential = app.core.vault.encrypt(credential.expose_secret());
    store(&app, &member, &client, &row).await?;
    Ok(Answer::changed(say("account_linked"), Account::of(&app, row)))
}

async fn exchange(app: &App, code: &str, verifier: &str) -> Result<SecretString> {
    let unreachable = || ApiError::new(StatusCode::BAD_GATEWAY, "link_unreachable", say("link_unreachable"));
    let http = app.auth.signin.http();
    let address = format!("{}/api/v1/auth/keys", app.core.config.openrouter.base_url);
    let body = json!({"code": code, "code_verifier": verifier, "code_challenge_method": "S256"});
    let answer = http.send(http.post(&address).json(&body)).await;
    let answer = answer.map_err(|error| unreachable().because(error))?;
    if answer.status.is_server_error() {
        return Err(unreachable());
    }
    let read: Option<Value> = serde_json::from_slice(&answer.body).ok();
    let given = read.as_ref().and_then(|value| value.get("key")).and_then(Value::as_str);
    let sound =
        |text: &&str| text.len() <= 4_096 && !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    match given.filter(|_| answer.status.is_success()).filter(sound) {
        Some(text) => Ok(SecretString::from(text.to_owned())),
        None => Err(refused("link_refused")),
    }
}

/// What a browser sees that comes back from OpenRouter by itself: words only.
#[utoipa::path(get, operation_id = "account_link_page", path = "/api/plugin-api/oauth/callback", tag = "accounts", params(
    ("code" = Option<String>, Query), ("state" = Option<String>, Query), ("error" = Option<String>, Query)),
    responses((status = 200, description = "A page that says how to go on"), (status = 400, description = "A page that says why not")))]
async fn land(query: QueryMap) -> Response {
    let error = query.get("error");
    let whole = query.get("code").is_some() && query.get("state").is_some();
    let (status, words) = match error {
        Some(_) => (StatusCode::BAD_REQUEST, say("link_declined")),
        None if whole => (StatusCode::OK, say("link_bring_address")),
        None => (StatusCode::BAD_REQUEST, say("link_incomplete")),
    };
    let language = Language::of_this_answer();
    let tag = if language == Language::English { "en" } else { "zh" };
    let said: String = error.unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect();
    let html = format!(
        "<!doctype html>\n<html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>Millpond</title></head>\n\
         <body><main><p>{}</p><p><code>{}</code></p></main></body></html>\n",
        escape(&words.written_in(language)),
        escape(&said),
    );
    let policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy)];
    (status, headers, html).into_response()
}
