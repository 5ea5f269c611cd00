//! `/api/auth`: signing in at Linux.do, GitHub and OpenID Connect providers. The first two with AntiHub's shapes and words.
//!
//! A dashboard's server, or a script, gets JSON. A browser that comes back from a provider by itself is sent on to the
//! front end with a one-time code, which that exchanges for tokens at `handover`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Done, NotSignedIn, TokenAnswer, signed_in};
use super::browser::{Browser, error_page, see_other, to_front_end, with_cookie, without_cookie};
use crate::app::App;
use crate::auth::extract::Client;
use crate::auth::sessions;
use crate::auth::signin::pending::{self, Bringer, Link, Pending};
use crate::auth::signin::{self, Returned, Way, people};
use crate::edge::body::body;
use crate::edge::error::{ApiError, ErrorBody, FieldError, Result, ValidationBody};
use crate::edge::input::{Body, QueryMap, Segment, query_invalid};
use crate::edge::openapi::one_of;
use crate::messages::say;
use crate::store::users::User;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(providers))
        .routes(routes!(linux_do_initiate))
        .routes(routes!(linux_do_callback))
        .routes(routes!(github_login))
        .routes(routes!(github_callback, github_return))
        .routes(routes!(oidc_login))
        .routes(routes!(oidc_callback, oidc_return))
        .routes(routes!(handover))
}

one_of!(provider_kind: "linuxdo", "github", "oidc");

/// One way to sign in elsewhere.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderView {
    /// What stands in paths.
    name: String,
    /// What people read.
    label: String,
    #[schema(schema_with = provider_kind)]
    kind: &'static str,
    /// Where a sign-in begins.
    login_path: String,
}

/// Every way to sign in elsewhere.
#[derive(Debug, Serialize, ToSchema)]
struct ProviderList {
    data: Vec<ProviderView>,
}

/// The ways to sign in elsewhere, for the sign-in page.
#[utoipa::path(get, operation_id = "list_sign_in_providers", path = "/api/auth/providers", tag = "auth", responses((status = 200, body = ProviderList)))]
async fn providers(State(app): State<App>) -> Json<ProviderList> {
    let view = |way: &Way<'_>| ProviderView {
        name: way.name().to_owned(),
        label: way.label().to_owned(),
        kind: way.kind(),
        login_path: match way {
            Way::LinuxDo(_) => "/api/auth/sso/initiate".to_owned(),
            Way::GitHub(_) => "/api/auth/github/login".to_owned(),
            Way::Oidc(_) => format!("/api/auth/oidc/{}/login", way.name()),
        },
    };
    Json(ProviderList { data: Way::all(&app.auth).iter().map(view).collect() })
}

/// Where to send the browser.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignInBegun {
    authorization_url: String,
    state: String,
}

/// A page asks now and then; whoever asks more often fills our memory.
async fn limit_beginnings(app: &App, client: &Client) -> Result<()> {
    const PER_MINUTE: u64 = 300;
    let minute = std::time::Duration::from_secs(60);
    let begun = app.core.state.count(&format!("sign_in_begun:{}", client.address), minute).await?;
    if begun > PER_MINUTE {
        return Err(ApiError::too_many("too_many_requests", say("sign_in_too_many"), minute));
    }
    Ok(())
}

/// Begins a sign-in, or the linking of an identity, for this browser.
pub(super) async fn begin(
    app: &App,
    way: &Way<'_>,
    client: &Client,
    browser: &Browser,
    link: Option<Link>,
    redirects: bool,
) -> Result<Response> {
    limit_beginnings(app, client).await?;
    let cookie = browser.cookie_or_new();
    let pending = Pending { browser: Some(pending::fingerprint(&cookie)), link, proof: None };
    let (authorization_url, state) = signin::begin(&app.auth, way, pending).await?;
    let response = if redirects && browser.0.navigates {
        see_other(&authorization_url)?
    } else {
        Json(SignInBegun { authorization_url, state }).into_response()
    };
    Ok(with_cookie(response, &cookie, way.is_secure()))
}

enum Outcome {
    SignedIn(User),
    Linked,
}

/// Uses the state up, takes the code to the provider, and finds out whose it is.
async fn complete(
    app: &App,
    way: &Way<'_>,
    returned: &Returned,
    bringer: &Bringer,
    client: &Client,
) -> Result<Outcome> {
    let pending = pending::take(&app.auth, way, &returned.state, bringer).await?;
    let profile = signin::fetch(&app.auth, way, returned, &pending).await?;
    match &pending.link {
        None => Ok(Outcome::SignedIn(people::sign_in(&app.auth, way, &profile, client).await?)),
        Some(link) => {
            people::link(&app.auth, way, &profile, link, client).await?;
            Ok(Outcome::Linked)
        }
    }
}

/// Answers a program: tokens at once.
async fn answer(
    app: &App,
    way: &Way<'_>,
    returned: &Returned,
    client: &Client,
    browser: &Browser,
) -> Result<Response> {
    let response = match complete(app, way, returned, &browser.0, client).await? {
        Outcome::SignedIn(user) => {
            signed_in(app, sessions::enter(&app.auth, user, "provider", None, client).await?, StatusCode::OK)
        }
        Outcome::Linked => Done::new(say("sign_in_linked")).into_response(),
    };
    Ok(without_cookie(response, way.is_secure()))
}

/// Answers a browser: the way to the front end, or a page that says what went wrong.
async fn answer_browser(
    app: &App,
    way: &Way<'_>,
    query: &QueryMap,
    client: &Client,
    browser: &Browser,
) -> Result<Response> {
    let outcome = match returned(app, way, query, browser).await {
        Ok(returned) => complete(app, way, &returned, &browser.0, client).await,
        Err(error) => Err(error),
    };
    match (outcome, &browser.0.cookie) {
        (Ok(Outcome::SignedIn(user)), Some(cookie)) => {
            let code = pending::offer(&app.auth, user.id, user.token_generation, cookie).await?;
            to_front_end(app, &format!("handover={code}"))
        }
        (Ok(Outcome::SignedIn(_)), None) => Ok(error_page(app, &way.invalid_state())),
        (Ok(Outcome::Linked), _) => {
            Ok(without_cookie(to_front_end(app, &format!("linked={}", way.name()))?, way.is_secure()))
        }
        (Err(error), _) => Ok(error_page(app, &error)),
    }
}

async fn answer_return(
    app: &App,
    way: &Way<'_>,
    query: &QueryMap,
    client: &Client,
    browser: &Browser,
) -> Result<Response> {
    if browser.0.navigates {
        return answer_browser(app, way, query, client, browser).await;
    }
    let returned = returned(app, way, query, browser).await?;
    answer(app, way, &returned, client, browser).await
}

const LONGEST_CODE: usize = 4_096;

/// What the provider put into the address. A refusal there uses the state up, too.
async fn returned(app: &App, way: &Way<'_>, query: &QueryMap, browser: &Browser) -> Result<Returned> {
    let (code, state) = (query.given("code"), query.given("state"));
    if query.get("error").is_some() && code.is_none() {
        pending::take(&app.auth, way, state.unwrap_or_default(), &browser.0).await?;
        return Err(ApiError::bad_request("sign_in_declined", say("sign_in_declined")));
    }
    let missing = |name: &str| FieldError {
        kind: "missing",
        loc: vec![json!("query"), json!(name)],
        msg: "Field required".to_owned(),
    };
    match (code, state) {
        (Some(code), Some(_)) if code.len() > LONGEST_CODE => {
            let message = format!("String should have at most {LONGEST_CODE} characters");
            Err(query_invalid("code", "string_too_long", &message))
        }
        (Some(code), Some(state)) => Ok(Returned { code: code.to_owned(), state: state.to_owned() }),
        (code, state) => {
            let problems = [(code, "code"), (state, "state")];
            let problems =
                problems.iter().filter(|(value, _)| value.is_none()).map(|(_, name)| missing(name));
            Err(ApiError::validation(problems.collect()))
        }
    }
}

body! {
    /// What a dashboard's server brings.
    struct CallbackBody {
        code: String = text(0, LONGEST_CODE),
        state: String = text(0, LONGEST_CODE),
    }
}

fn returned_body(Body(body): Body) -> Result<Returned> {
    let CallbackBody { code, state } = CallbackBody::read(body)?;
    Ok(Returned { code, state })
}

/// Begin to sign in at Linux.do.
#[utoipa::path(get, path = "/api/auth/sso/initiate", tag = "auth", responses(
    (status = 200, body = SignInBegun), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
async fn linux_do_initiate(State(app): State<App>, client: Client, browser: Browser) -> Result<Response> {
    begin(&app, &Way::named(&app.auth, "linuxdo")?, &client, &browser, None, false).await
}

/// Come back from Linux.do. A browser that navigates here is sent on to the front end.
#[utoipa::path(get, path = "/api/auth/sso/callback", tag = "auth",
    params(("code" = String, Query), ("state" = String, Query)), responses(
    (status = 200, body = TokenAnswer), (status = 303, description = "To the front end, for a browser"),
    (status = 401, body = NotSignedIn), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn linux_do_callback(
    State(app): State<App>,
    client: Client,
    browser: Browser,
    query: QueryMap,
) -> Result<Response> {
    answer_return(&app, &Way::named(&app.auth, "linuxdo")?, &query, &client, &browser).await
}

/// Begin to sign in at GitHub.
#[utoipa::path(get, path = "/api/auth/github/login", tag = "auth", responses(
    (status = 200, body = SignInBegun), (status = 404, body = ErrorBody), (status = 429, body = ErrorBody)))]
async fn github_login(State(app): State<App>, client: Client, browser: Browser) -> Result<Response> {
    begin(&app, &Way::named(&app.auth, "github")?, &client, &browser, None, false).await
}

/// Come back from GitHub through a dashboard.
#[utoipa::path(post, path = "/api/auth/github/callback", tag = "auth", request_body = CallbackBody, responses(
    (status = 200, body = TokenAnswer), (status = 400, body = ErrorBody), (status = 401, body = NotSignedIn),
    (status = 403, body = ErrorBody),
    (status = 422, body = ValidationBody)))]
async fn github_callback(
    State(app): State<App>,
    client: Client,
    browser: Browser,
    body: Body,
) -> Result<Response> {
    let returned = returned_body(body)?;
    answer(&app, &Way::named(&app.auth, "github")?, &returned, &client, &browser).await
}

/// Come back from GitHub directly.
#[utoipa::path(get, path = "/api/auth/github/callback", tag = "auth",
    params(("code" = String, Query), ("state" = String, Query)), responses(
    (status = 200, body = TokenAnswer), (status = 303, description = "To the front end, for a browser"),
    (status = 401, body = NotSignedIn), (status = 400, body = ErrorBody), (status = 422, body = ValidationBody)))]
async fn github_return(
    State(app): State<App>,
    client: Client,
    browser: Browser,
    query: QueryMap,
) -> Result<Response> {
    answer_return(&app, &Way::named(&app.auth, "github")?, &query, &client, &browser).await
}

/// The OpenID Connect provider of a path; the other two have paths of their own.
fn oidc<'a>(app: &'a App, name: &str) -> Result<Way<'a>> {
    match Way::named(&app.auth, name)? {
        way @ Way::Oidc(_) => Ok(way),
        Way::LinuxDo(_) | Way::GitHub(_) => Err(ApiError::not_found("Not Found")),
    }
}

/// Begin to sign in at an OpenID Connect provider. A browser that navigates here is sent there.
#[utoipa::path(get, path = "/api/auth/oidc/{name}/login", tag = "auth", params(("name" = String, Path)), responses(
    (status = 200, body = SignInBegun), (status = 303, description = "To the provider, for a browser"),
    (status = 404, body = ErrorBody), (status = 429, body = ErrorBody), (status = 502, body = ErrorBody)))]
async fn oidc_login(
    State(app): State<App>,
    Segment(name): Segment,
    client: Client,
    browser: Browser,
) -> Result<Response> {
    let way = oidc(&app, &name)?;
    match begin(&app, &way, &client, &browser, None, true).await {
        Err(error) if browser.0.navigates => Ok(error_page(&app, &error)),
        begun => begun,
    }
}

/// Come back from an OpenID Connect provider through a script of the same browser.
#[utoipa::path(post, path = "/api/auth/oidc/{name}/callback", tag = "auth", params(("name" = String, Path)),
    request_body = CallbackBody, responses(
    (status = 200, body = TokenAnswer), (status = 400, body = ErrorBody), (status = 401, body = NotSignedIn),
    (status = 403, body = ErrorBody),
    (status = 422, body = ValidationBody), (status = 502, body = ErrorBody)))]
async fn oidc_callback(
    State(app): State<App>,
    Segment(name): Segment,
    client: Client,
    browser: Browser,
    body: Body,
) -> Result<Response> {
    let way = oidc(&app, &name)?;
    let returned = returned_body(body)?;
    answer(&app, &way, &returned, &client, &browser).await
}

/// Come back from an OpenID Connect provider directly.
#[utoipa::path(get, path = "/api/auth/oidc/{name}/callback", tag = "auth",
    params(("name" = String, Path), ("code" = String, Query), ("state" = String, Query)), responses(
    (status = 200, body = TokenAnswer), (status = 303, description = "To the front end, for a browser"),
    (status = 401, body = NotSignedIn), (status = 400, body = ErrorBody), (status = 422, body = ValidationBody), (status = 502, body = ErrorBody)))]
async fn oidc_return(
    State(app): State<App>,
    Segment(name): Segment,
    client: Client,
    browser: Browser,
    query: QueryMap,
) -> Result<Response> {
    answer_return(&app, &oidc(&app, &name)?, &query, &client, &browser).await
}

body! {
    /// The one-time code that a browser was sent to the front end with.
    struct HandoverBody {
        code: String = text(0, LONGEST_CODE),
    }
}

/// Exchange the code of a finished sign-in for tokens: once, and only the browser that signed in.
#[utoipa::path(post, path = "/api/auth/handover", tag = "auth", request_body = HandoverBody, responses(
    (status = 200, body = TokenAnswer), (status = 400, body = ErrorBody),
    (status = 401, body = NotSignedIn, description = "The second factor is still to be shown"),
    (status = 422, body = ValidationBody)))]
async fn handover(
    State(app): State<App>,
    client: Client,
    browser: Browser,
    Body(body): Body,
) -> Result<Response> {
    let HandoverBody { code } = HandoverBody::read(body)?;
    let invalid = || ApiError::bad_request("invalid_handover", say("sign_in_handover_invalid"));
    let redeemed = pending::redeem(&app.auth, &code, browser.0.cookie.as_deref()).await?;
    let (id, generation) = redeemed.ok_or_else(invalid)?;
    let user = app.core.store.find_user(id).await?;
    let user = user.filter(|user| user.is_active && user.token_generation == generation);
    let entered = sessions::enter(&app.auth, user.ok_or_else(invalid)?, "provider", None, &client).await?;
    Ok(signed_in(&app, entered, StatusCode::OK))
}
