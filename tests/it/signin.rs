//! Signing in at Linux.do and GitHub: round trips, states, faults, browsers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::database::update_user;
use crate::harness::{Harness, Server, both_shapes, read, spawn};
use crate::signin_provider::{LEAK, SignInProvider};

both_shapes!(
    linux_do_goes_round,
    github_goes_round,
    a_state_is_used_once_and_not_for_long,
    a_state_belongs_to_its_browser,
    a_browser_ends_at_the_front_end,
    faults_make_nobody_and_tell_nothing,
    one_person_in_many_windows_is_one_person,
    names_that_are_taken_get_a_number,
    newcomers_come_in_where_registration_lets_them,
    refused_people_get_no_tokens,
);

pub(crate) async fn start(harness: &Harness) -> (SignInProvider, Server) {
    let provider = SignInProvider::start().await;
    let server = harness.server_with(&provider.settings()).await;
    (provider, server)
}

/// A state of a new sign-in, as a dashboard gets one.
pub(crate) async fn state(server: &Server, path: &str) -> String {
    let (status, answer) = server.get(path, "").await;
    assert_eq!(status, 200, "{answer}");
    answer["state"].as_str().unwrap().to_owned()
}

pub(crate) async fn linux_do(server: &Server, code: &str) -> (u16, Value) {
    let state = state(server, "/api/auth/sso/initiate").await;
    server.get(&format!("/api/auth/sso/callback?code={code}&state={state}"), "").await
}

pub(crate) async fn github(server: &Server, code: &str) -> (u16, Value) {
    let state = state(server, "/api/auth/github/login").await;
    server.post("/api/auth/github/callback", "", json!({"code": code, "state": state})).await
}

pub(crate) fn access(answer: &(u16, Value)) -> String {
    assert_eq!(answer.0, 200, "{}", answer.1);
    answer.1["access_token"].as_str().unwrap().to_owned()
}

async fn linux_do_goes_round(harness: Arc<Harness>) {
    let (provider, server) = start(&harness).await;
    let (_, begun) = server.get("/api/auth/sso/initiate", "").await;
    let state = begun["state"].as_str().unwrap();
    let expected = format!(
        "http://{}/oauth2/authorize?client_id=linuxdo-client&response_type=code&state={state}\
         &redirect_uri=https%3A%2F%2Ffront.example%2Fapi%2Fauth%2Fcallback",
        provider.address
    );
    assert_eq!(begun["authorization_url"], expected.as_str());
    let answer = linux_do(&server, "ok-71-willow-2").await;
    let (_, me) = server.get("/api/auth/me", &access(&answer)).await;
    assert_eq!((&me["username"], &me["trust_level"]), (&json!("willow"), &json!(2)));
    let (_, again) = linux_do(&server, "ok-71-renamed-3").await;
    assert_eq!(again["user"]["id"], me["id"], "matched by its number");
    assert_eq!(again["user"]["username"], "willow", "the name stays");
    assert_eq!(again["user"]["trust_level"], 3);
    assert_eq!(again["user"]["avatar_url"], "https://avatars.example/71?level=3");
    assert_eq!(server.get("/api/auth/me", &access(&answer)).await.1["trust_level"], 3, "at once");
    assert_eq!(harness.sql("select oauth_id from users").await, ["71"], "as AntiHub writes it");
    server.stop().await;
}

async fn github_goes_round(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let (_, begun) = server.get("/api/auth/github/login", "").await;
    let expected = format!(
        "https://github.com/login/oauth/authorize?client_id=github-client\
         &redirect_uri=https%3A%2F%2Ffront.example%2Fapi%2Fauth%2Fgithub%2Fcallback&state={}\
         &scope=read%3Auser+user%3Aemail",
        begun["state"].as_str().unwrap()
    );
    assert_eq!(begun["authorization_url"], expected.as_str());
    let (_, first) = github(&server, "ok-81-hazel-4").await;
    assert_eq!(first["user"]["trust_level"], 0);
    assert_eq!(first["user"]["avatar_url"], json!(null), "only web addresses");
    assert_eq!(github(&server, "ok-81-hazel-4").await.1["user"]["id"], first["user"]["id"]);
    assert_eq!(harness.sql("select oauth_id from users").await, ["github:81"]);
    server.stop().await;
}

async fn a_state_is_used_once_and_not_for_long(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let callback = |state: &str| {
        let path = format!("/api/auth/sso/callback?code=ok-71-willow-2&state={state}");
        let server = &server;
        async move { server.get(&path, "").await }
    };
    let used = state(&server, "/api/auth/sso/initiate").await;
    assert_eq!(callback(&used).await.0, 200);
    let refused = (400, json!({"detail": "无效的 OAuth state"}));
    assert_eq!(callback(&used).await, refused);
    let github_state = state(&server, "/api/auth/github/login").await;
    for foreign in [github_state.as_str(), "made-up", "", &"A".repeat(43), &"A".repeat(5_000), "%00"] {
        assert_eq!(callback(foreign).await, refused, "{foreign}");
    }
    let failed = state(&server, "/api/auth/sso/initiate").await;
    let path = format!("/api/auth/sso/callback?code=bad&state={failed}");
    assert_eq!(server.get(&path, "").await, (400, json!({"detail": "OAuth 令牌交换失败"})));
    assert_eq!(callback(&failed).await, refused, "a failed exchange used it up, too");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_ends_after_ten_minutes() {
    // In the embedded shape, whose state lives by the test's clock.
    async fn test(harness: Arc<Harness>) {
        let provider = SignInProvider::start().await;
        let server = harness.server_with_clock_and(&provider.settings()).await;
        let late = state(&server, "/api/auth/sso/initiate").await;
        let in_time = state(&server, "/api/auth/sso/initiate").await;
        let path = |state: &str| format!("/api/auth/sso/callback?code=ok-71-willow-2&state={state}");
        harness.pass(Duration::from_secs(599));
        assert_eq!(server.get(&path(&in_time), "").await.0, 200);
        harness.pass(Duration::from_secs(2));
        assert_eq!(server.get(&path(&late), "").await.0, 400);
        server.stop().await;
    }
    crate::harness::run(crate::harness::Shape::Embedded, test).await;
}

/// A sign-in that a browser began: its cookie and its state.
async fn browser_begins(server: &Server, path: &str) -> (String, String) {
    let answer = server.http.get(server.url(path)).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for wanted in ["HttpOnly", "SameSite=Lax", "Secure", "Max-Age=600", "Path=/api"] {
        assert!(cookie.contains(wanted), "{cookie}");
    }
    let body: Value = answer.json().await.unwrap();
    (cookie.split(';').next().unwrap().to_owned(), body["state"].as_str().unwrap().to_owned())
}

async fn a_state_belongs_to_its_browser(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let other = format!("millpond_sign_in={}", "A".repeat(43));
    let come_back = |state: String, cookie: Option<String>, navigates: bool| {
        let path = format!("/api/auth/sso/callback?code=ok-71-willow-2&state={state}");
        let mut request = server.http.get(server.url(&path));
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        if navigates {
            request = request.header("sec-fetch-mode", "navigate").header("accept", "text/html");
        }
        read(request)
    };
    let (cookie, own) = browser_begins(&server, "/api/auth/sso/initiate").await;
    assert_eq!(come_back(own, Some(cookie), false).await.0, 200);
    let (_, stolen) = browser_begins(&server, "/api/auth/sso/initiate").await;
    assert_eq!(come_back(stolen.clone(), Some(other), false).await.0, 400, "another browser");
    assert_eq!(come_back(stolen, None, false).await.0, 400, "and it is used up");
    let (_, planted) = browser_begins(&server, "/api/auth/sso/initiate").await;
    let (status, page) = come_back(planted, None, true).await;
    assert_eq!(status, 400, "a browser that never began it");
    assert!(page.as_str().unwrap().contains("无效的 OAuth state"));
    let (_, by_server) = browser_begins(&server, "/api/auth/sso/initiate").await;
    assert_eq!(come_back(by_server, None, false).await.0, 200, "a dashboard's server has no cookie");
    server.stop().await;
}

async fn a_browser_ends_at_the_front_end(harness: Arc<Harness>) {
    let provider = SignInProvider::start().await;
    let mut settings = provider.settings();
    settings.push(("SIGN_IN_RETURN_URL", "https://front.example/done".to_owned()));
    let server = harness.server_with(&settings).await;
    let plain = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let (cookie, state) = browser_begins(&server, "/api/auth/sso/initiate").await;
    let url = server.url(&format!("/api/auth/sso/callback?code=ok-71-willow-2&state={state}"));
    let request = plain.get(url).header("cookie", &cookie).header("accept", "text/html");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let code = location.strip_prefix("https://front.example/done#handover=").unwrap();
    let redeem = |cookie: Option<&str>| {
        let mut request = plain.post(server.url("/api/auth/handover")).json(&json!({"code": code}));
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        read(request)
    };
    let answer = redeem(Some(&cookie)).await;
    assert_eq!(server.get("/api/auth/me", &access(&answer)).await.1["username"], "willow");
    assert_eq!(redeem(Some(&cookie)).await.0, 400, "once");
    // Another browser can't have it, and a refusal is a page without anything that runs.
    let (cookie, state) = browser_begins(&server, "/api/auth/sso/initiate").await;
    let url = server.url(&format!("/api/auth/sso/callback?error=access_denied&state={state}"));
    let request = plain.get(url).header("cookie", &cookie).header("accept", "text/html");
    let page = request.header("accept-language", "en").send().await.unwrap();
    assert_eq!(page.status(), 400);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    assert!(page.text().await.unwrap().contains("The sign-in was cancelled"));
    drop(plain);
    server.stop().await;
}

async fn faults_make_nobody_and_tell_nothing(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let exchange =
        ["html", "down", "busy", "huge", "list", "tokenless", "odd-token", "elsewhere", "bad", "slow"];
    let profile =
        ["html", "down", "huge", "nobody", "null", "odd", "slow"].map(|what| format!("user-{what}"));
    let codes = exchange.into_iter().map(str::to_owned).chain(profile);
    for code in codes {
        for (answer, path) in
            [(linux_do(&server, &code).await, "linux.do"), (github(&server, &code).await, "github")]
        {
            let (status, body) = answer;
            assert_eq!(status, 400, "{path} {code}: {body}");
            let detail = body["detail"].as_str().unwrap();
            assert!(!detail.contains(LEAK) || code == "busy", "{path} {code}: {detail}");
            let expected = match (path, code.as_str()) {
                ("linux.do", "slow" | "huge") => "OAuth 令牌交换请求失败",
                ("linux.do", "user-slow" | "user-huge") => "获取用户信息请求失败",
                ("linux.do", code) if code.starts_with("user-") => "获取用户信息失败",
                ("linux.do", _) => "OAuth 令牌交换失败",
                (_, "slow" | "huge") => "GitHub OAuth 令牌交换请求失败",
                (_, "user-slow" | "user-huge") => "获取 GitHub 用户信息请求失败",
                (_, "bad") => "GitHub OAuth 错误: The code is <b>old</b>.",
                (_, code) if code.starts_with("user-") => "获取 GitHub 用户信息失败",
                _ => "GitHub OAuth 令牌交换失败",
            };
            assert_eq!(detail, expected, "{path} {code}");
        }
    }
    assert_eq!(harness.sql("select username from users").await, Vec::<String>::new());
    assert_eq!(harness.sql("select subject from user_identities").await, Vec::<String>::new());
    server.stop().await;
}

async fn one_person_in_many_windows_is_one_person(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let mut windows = Vec::new();
    for _ in 0..20 {
        let state = state(&server, "/api/auth/sso/initiate").await;
        let path = format!("/api/auth/sso/callback?code=ok-71-willow-2&state={state}");
        windows.push(spawn(read(server.http.get(server.url(&path)))));
    }
    let mut ids = HashSet::new();
    for window in windows {
        let (status, answer) = window.await.unwrap();
        assert_eq!(status, 200, "{answer}");
        ids.insert(answer["user"]["id"].as_i64().unwrap());
    }
    assert_eq!(ids.len(), 1);
    assert_eq!(harness.sql("select username from users").await, ["willow"]);
    server.stop().await;
}

async fn names_that_are_taken_get_a_number(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let ada = server.person("Ada").await;
    let (_, first) = linux_do(&server, "ok-1-ada-1").await;
    let (_, second) = github(&server, "ok-1-ada-1").await;
    assert_eq!(first["user"]["username"], "ada2", "capitals make no other name");
    assert_eq!(second["user"]["username"], "ada3");
    let ids: HashSet<i64> = [i64::from(ada.0)]
        .into_iter()
        .chain([first, second].map(|a| a["user"]["id"].as_i64().unwrap()))
        .collect();
    assert_eq!(ids.len(), 3, "nobody is matched by a name or a number of another provider");
    server.stop().await;
}

async fn newcomers_come_in_where_registration_lets_them(harness: Arc<Harness>) {
    let provider = SignInProvider::start().await;
    for (registration, status) in [("closed", 403), ("invite", 403), ("sso", 200), ("open", 200)] {
        let mut settings = provider.settings();
        settings.push(("REGISTRATION", registration.to_owned()));
        let server = harness.server_with(&settings).await;
        let code = format!("ok-7{}-{registration}-2", registration.len() + usize::from(status == 200));
        assert_eq!(linux_do(&server, &code).await.0, status, "{registration}");
        server.stop().await;
    }
    assert_eq!(harness.sql("select username from users order by username").await, ["open", "sso"]);
}

async fn refused_people_get_no_tokens(harness: Arc<Harness>) {
    let provider = SignInProvider::start().await;
    let mut settings = provider.settings();
    settings.push(("POLICY_SIGN_IN_LEVEL", "2".to_owned()));
    let server = harness.server_with(&settings).await;
    assert_eq!(linux_do(&server, "ok-70-newcomer-1").await.0, 403);
    assert_eq!(harness.sql("select username from users").await, Vec::<String>::new(), "not half made");
    let (status, answer) = linux_do(&server, "ok-71-willow-2-silenced").await;
    assert_eq!((status, &answer["user"]["is_silenced"]), (200, &json!(true)), "may sign in and read");
    assert_eq!(linux_do(&server, "ok-71-willow-2").await.1["user"]["is_silenced"], false, "lifted there");
    assert_eq!(linux_do(&server, "ok-71-willow-1").await.0, 403, "sunk below the least level");
    let id = millpond::ids::UserId(i32::try_from(answer["user"]["id"].as_i64().unwrap()).unwrap());
    let off = millpond::store::users::UserChanges { is_active: Some(false), ..Default::default() };
    update_user(&server.app, id, &off).await;
    let refused = linux_do(&server, "ok-71-willow-3").await;
    assert_eq!(refused, (403, json!({"detail": "账号已被禁用"})));
    server.stop().await;
}
