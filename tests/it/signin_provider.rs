//! Linux.do and GitHub for one test: what they answer is said by the code.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

pub(crate) const LEAK: &str = "internal host db-7.provider.example";

pub(crate) struct SignInProvider {
    pub address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for SignInProvider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl SignInProvider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/oauth2/token", post(linux_do_token))
            .route("/login/oauth/access_token", post(github_token))
            .route("/api/user", get(linux_do_user))
            .route("/user", get(github_user));
        let serving = crate::harness::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, serving }
    }

    /// The settings of a Millpond that signs people in here.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let at = |path: &str| format!("http://{}{path}", self.address);
        vec![
            ("OAUTH_CLIENT_ID", "linuxdo-client".to_owned()),
            ("OAUTH_CLIENT_SECRET", "linuxdo-secret".to_owned()),
            ("OAUTH_REDIRECT_URI", "https://front.example/api/auth/callback".to_owned()),
            ("OAUTH_AUTHORIZATION_ENDPOINT", at("/oauth2/authorize")),
            ("OAUTH_TOKEN_ENDPOINT", at("/oauth2/token")),
            ("OAUTH_USER_INFO_ENDPOINT", at("/api/user")),
            ("GITHUB_CLIENT_ID", "github-client".to_owned()),
            ("GITHUB_CLIENT_SECRET", "github-secret".to_owned()),
            ("GITHUB_REDIRECT_URI", "https://front.example/api/auth/github/callback".to_owned()),
            ("GITHUB_TOKEN_URL", at("/login/oauth/access_token")),
            ("GITHUB_USER_API_URL", at("/user")),
            ("SIGN_IN_TIMEOUT_SECONDS", "2".to_owned()),
        ]
    }
}

type Members = HashMap<String, String>;

/// What the code says about the token call; `None` when it is a good code.
async fn fault(code: &str) -> Option<Response> {
    let response = match code {
        "html" => ([("content-type", "text/html")], format!("<html>{LEAK}</html>")).into_response(),
        "down" => (StatusCode::BAD_GATEWAY, LEAK).into_response(),
        "busy" => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "60")], Json(json!({"error": LEAK})))
            .into_response(),
        "slow" => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            StatusCode::OK.into_response()
        }
        "huge" => Body::from(vec![b' '; 4_000_000]).into_response(),
        "list" => Json(json!([LEAK])).into_response(),
        "tokenless" => Json(json!({"token": LEAK})).into_response(),
        "odd-token" => Json(json!({"access_token": "a\r\nb"})).into_response(),
        "elsewhere" => Redirect::temporary("/oauth2/token").into_response(),
        _ => return None,
    };
    Some(response)
}

fn tokens(code: &str) -> Response {
    Json(json!({"access_token": format!("at-{code}"), "refresh_token": format!("rt-{code}"),
        "token_type": "bearer", "expires_in": 3600}))
    .into_response()
}

async fn linux_do_token(headers: HeaderMap, body: String) -> Response {
    let form: Members = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let code = &form["code"];
    if let Some(fault) = fault(code).await {
        return fault;
    }
    // linuxdo-client:linuxdo-secret
    let known = headers["authorization"] == "Basic bGludXhkby1jbGllbnQ6bGludXhkby1zZWNyZXQ=";
    let right = form["grant_type"] == "authorization_code"
        && form["redirect_uri"] == "https://front.example/api/auth/callback";
    if !known || !right || code == "bad" {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    tokens(code)
}

async fn github_token(headers: HeaderMap, body: String) -> Response {
    let form: Members = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let code = &form["code"];
    if let Some(fault) = fault(code).await {
        return fault;
    }
    let known = form["client_id"] == "github-client" && form["client_secret"] == "github-secret";
    if !known || headers["accept"] != "application/json" || code == "bad" {
        return Json(
            json!({"error": "bad_verification_code", "error_description": "The code is <b>old</b>."}),
        )
        .into_response();
    }
    tokens(code)
}

/// The members of `at-ok-<id>-<name>-<level>[-silenced]`, or the fault that the code asks for in the second call.
async fn person(headers: &HeaderMap) -> Result<(u64, String, i64, bool), Response> {
    let token = headers["authorization"].to_str().unwrap().strip_prefix("Bearer at-").unwrap_or_default();
    match token {
        "user-html" => return Err(format!("<html>{LEAK}</html>").into_response()),
        "user-down" => return Err((StatusCode::SERVICE_UNAVAILABLE, LEAK).into_response()),
        "user-slow" => tokio::time::sleep(Duration::from_secs(30)).await,
        "user-huge" => return Err(Body::from(vec![b' '; 4_000_000]).into_response()),
        "user-nobody" => return Err(Json(json!({"login": "x", "username": "x"})).into_response()),
        "user-null" => return Err(Json(json!({"id": null, "login": "x", "username": "x"})).into_response()),
        "user-odd" => {
            return Err(Json(json!({"id": "github:1", "login": "x", "username": "x"})).into_response());
        }
        _ => {}
    }
    let parts: Vec<&str> = token.split('-').collect();
    match parts.as_slice() {
        ["ok", id, name, level, rest @ ..] => {
            Ok((id.parse().unwrap(), (*name).to_owned(), level.parse().unwrap(), rest == ["silenced"]))
        }
        _ => Err(StatusCode::UNAUTHORIZED.into_response()),
    }
}

async fn linux_do_user(headers: HeaderMap) -> Response {
    match person(&headers).await {
        Ok((id, name, level, silenced)) => Json(json!({"id": id, "username": name, "trust_level": level,
            "silenced": silenced, "avatar_url": format!("https://avatars.example/{id}?level={level}")}))
        .into_response(),
        Err(fault) => fault,
    }
}

async fn github_user(headers: HeaderMap) -> Response {
    match person(&headers).await {
        Ok((id, name, ..)) => {
            Json(json!({"id": id, "login": name, "avatar_url": "javascript:alert(1)"})).into_response()
        }
        Err(fault) => fault,
    }
}
