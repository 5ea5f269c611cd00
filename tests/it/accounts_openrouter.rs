//! Linking an account at OpenRouter: round trips, states, faults, and the page for browsers.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::accounts::{path, question};
use crate::harness::{Harness, Server, both_shapes, spawn};

both_shapes!(
    openrouter_goes_round,
    a_shared_account_is_linked_when_it_is_asked_for,
    a_state_is_good_once,
    a_state_belongs_to_who_began,
    a_declined_or_incomplete_return_links_nothing,
    a_provider_that_fails_links_nothing_and_tells_nothing,
    the_page_for_browsers_runs_and_links_nothing,
);

const LEAK: &str = "internal host db-7.openrouter.example";
const CALLBACK: &str = "https://console.example/accounts/linked?from=openrouter";

/// OpenRouter for one test: what it does is said by the code.
#[derive(Default)]
struct Inner {
    /// The challenge that each code was given for.
    codes: Mutex<HashMap<String, String>>,
    keys: Mutex<HashSet<String>>,
    /// Paths that were asked for with a good key.
    asked: Mutex<Vec<String>>,
}

struct OpenRouter {
    address: SocketAddr,
    inner: Arc<Inner>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for OpenRouter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl OpenRouter {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, inner) = (listener.local_addr().unwrap(), Arc::new(Inner::default()));
        let router = Router::new()
            .route("/api/v1/auth/keys", post(exchange))
            .route("/api/v1/chat/completions", post(serve))
            .route("/api/v1/key", get(serve))
            .with_state(inner.clone());
        let serving = spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner, serving }
    }

    fn settings(&self) -> [(&'static str, String); 3] {
        [
            ("OPENROUTER_BASE_URL", format!("http://{}", self.address)),
            ("OPENROUTER_CALLBACK_URL", CALLBACK.to_owned()),
            ("SIGN_IN_TIMEOUT_SECONDS", "2".to_owned()),
        ]
    }

    /// A person agrees on its page; answers the address that the browser is sent back to.
    fn agree(&self, auth_url: &str, code: &str) -> String {
        let asked: HashMap<String, String> =
            Url::parse(auth_url).unwrap().query_pairs().into_owned().collect();
        assert_eq!(asked["code_challenge_method"], "S256");
        self.inner.codes.lock().unwrap().insert(code.to_owned(), asked["code_challenge"].clone());
        let mut back = Url::parse(&asked["callback_url"]).unwrap();
        back.query_pairs_mut().append_pair("code", code);
        back.to_string()
    }
}

async fn exchange(State(inner): State<Arc<Inner>>, Json(body): Json<Value>) -> Response {
    let code = body["code"].as_str().unwrap();
    match code {
        "down" => return (StatusCode::BAD_GATEWAY, LEAK).into_response(),
        "html" => return ([("content-type", "text/html")], format!("<html>{LEAK}</html>")).into_response(),
        "huge" => return vec![b' '; 4_000_000].into_response(),
        "slow" => tokio::time::sleep(Duration::from_secs(30)).await,
        "elsewhere" => return Redirect::temporary("/api/v1/auth/keys").into_response(),
        "keyless" => return Json(json!({"token": LEAK})).into_response(),
        "number" => return Json(json!({"key": 7})).into_response(),
        "empty" => return Json(json!({"key": ""})).into_response(),
        "control" => return Json(json!({"key": "sk-or-a\r\nx-admin: 1"})).into_response(),
        "two" => return Json(json!({"key": "sk-or-a\nsk-or-b"})).into_response(),
        "letters" => return Json(json!({"key": "sk-or-wörd"})).into_response(),
        "long" => return Json(json!({"key": "k".repeat(5_000)})).into_response(),
        _ => {}
    }
    let verifier = body["code_verifier"].as_str().unwrap();
    let expected = inner.codes.lock().unwrap().remove(code);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    if body["code_challenge_method"] != "S256" || expected != Some(challenge) {
        return (StatusCode::FORBIDDEN, Json(json!({"error": {"message": LEAK}}))).into_response();
    }
    let key = format!("sk-or-v1-{code}");
    inner.keys.lock().unwrap().insert(key.clone());
    Json(json!({"key": key, "user_id": "somebody"})).into_response()
}

async fn serve(State(inner): State<Arc<Inner>>, headers: HeaderMap, request: Request) -> Response {
    let key = headers["authorization"].to_str().unwrap().replace("Bearer ", "");
    if !inner.keys.lock().unwrap().contains(&key) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    inner.asked.lock().unwrap().push(request.uri().path().to_owned());
    let body = json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop", "message":
        {"role": "assistant", "content": "hi"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}});
    Json(body).into_response()
}

struct Scene {
    server: Server,
    openrouter: OpenRouter,
    access: String,
}

async fn scene(harness: &Harness) -> Scene {
    let openrouter = OpenRouter::start().await;
    let server = harness.server_with(&openrouter.settings()).await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    Scene { server, openrouter, access }
}

impl Scene {
    async fn begin(&self, body: Value) -> String {
        let (status, begun) = self.server.post("/api/plugin-api/oauth/authorize", &self.access, body).await;
        assert_eq!(status, 200, "{begun}");
        begun["data"]["auth_url"].as_str().unwrap().to_owned()
    }

    /// The address that a browser brings back with this code.
    async fn agreed(&self, code: &str) -> String {
        self.openrouter.agree(&self.begin(json!({})).await, code)
    }

    async fn finish(&self, access: &str, address: &str) -> (u16, Value) {
        let body = json!({"callback_url": address});
        self.server.post("/api/plugin-api/oauth/callback", access, body).await
    }

    /// Finishes in vain and answers the stable code of the error.
    async fn refused(&self, access: &str, address: &str) -> (u16, String) {
        let request =
            self.server.http.post(self.server.url("/api/plugin-api/oauth/callback")).bearer_auth(access);
        let answer = request.json(&json!({"callback_url": address})).send().await.unwrap();
        let code = answer.headers()["x-error-code"].to_str().unwrap().to_owned();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert!(!text.contains(LEAK) && !text.contains("sk-or-"), "{text}");
        (status, code)
    }

    async fn accounts(&self, access: &str) -> Vec<Value> {
        self.server.get("/api/plugin-api/accounts", access).await.1["data"].as_array().unwrap().clone()
    }
}

async fn openrouter_goes_round(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let (_, begun) = scene.server.post("/api/plugin-api/oauth/authorize", &scene.access, json!({})).await;
    let (auth_url, state) =
        (begun["data"]["auth_url"].as_str().unwrap(), begun["data"]["state"].as_str().unwrap());
    assert_eq!(begun["data"]["expires_in"], 600);
    assert!(
        auth_url.starts_with(&format!("http://{}/auth?callback_url=", scene.openrouter.address)),
        "{auth_url}"
    );
    let back = scene.openrouter.agree(auth_url, "first");
    assert_eq!(
        back,
        format!("{CALLBACK}&state={state}&code=first"),
        "a callback address keeps its own query"
    );
    let (status, linked) = scene.finish(&scene.access, &back).await;
    assert_eq!((status, &linked["success"]), (200, &json!(true)), "{linked}");
    let account = &linked["data"];
    assert_eq!((&account["provider"], &account["oauth_source"]), (&json!("openai"), &json!("openrouter")));
    assert_eq!((&account["is_shared"], &account["status"]), (&json!(0), &json!(1)));
    assert!(!linked.to_string().contains("sk-or-v1-first"), "{linked}");
    // The key that came back is what calls are made with, and what a check asks about.
    let (status, answer) =
        scene.server.post("/v1/chat/completions", &scene.access, question("any/model")).await;
    assert_eq!(status, 200, "{answer}");
    let (_, checked) = scene.server.post(&format!("{}/check", path(account)), &scene.access, json!({})).await;
    assert_eq!(checked["data"]["outcome"], "ok", "{checked}");
    assert_eq!(*scene.openrouter.inner.asked.lock().unwrap(), ["/api/v1/chat/completions", "/api/v1/key"]);
    let stored = harness.sql("select credential from accounts").await;
    assert!(stored.len() == 1 && !stored[0].contains("sk-or-"), "not in clear at rest");
    let created = harness.sql("select action from audit_log order by seq desc limit 1").await;
    assert_eq!(created, ["account.created"]);
    scene.server.stop().await;
}

async fn a_shared_account_is_linked_when_it_is_asked_for(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let back = scene.openrouter.agree(&scene.begin(json!({"is_shared": 1})).await, "shared");
    let (status, linked) = scene.finish(&scene.access, &back).await;
    assert_eq!((status, &linked["data"]["is_shared"]), (200, &json!(1)), "{linked}");
    scene.server.person("bob").await;
    let (bob, _) = scene.server.sign_in("bob").await;
    assert_eq!(scene.server.post("/v1/chat/completions", &bob, question("m")).await.0, 200);
    for wrong in [json!(2), json!(-1), json!("x")] {
        let body = json!({"is_shared": wrong});
        assert_eq!(
            scene.server.post("/api/plugin-api/oauth/authorize", &scene.access, body).await.0,
            422,
            "{wrong}"
        );
    }
    scene.server.stop().await;
}

async fn a_state_is_good_once(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let back = scene.agreed("once").await;
    // Many windows at once: one of them has it.
    let tries = (0..8).map(|_| scene.finish(&scene.access, &back));
    let answers = futures_util::future::join_all(tries).await;
    let mut statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
    assert_eq!(scene.refused(&scene.access, &back).await, (400, "link_expired".into()));
    assert_eq!(scene.accounts(&scene.access).await.len(), 1);
    // A failed exchange has used it up, too: its code may be in other hands by now.
    let failed = scene.agreed("down").await;
    assert_eq!(scene.refused(&scene.access, &failed).await.0, 502);
    let other_code = failed.replace("code=down", "code=once");
    assert_eq!(scene.refused(&scene.access, &other_code).await, (400, "link_expired".into()));
    for made_up in ["A".repeat(43), String::new(), "%00".to_owned(), "x".repeat(3_000)] {
        let address = format!("https://console.example/?code=once&state={made_up}");
        assert_eq!(scene.refused(&scene.access, &address).await, (400, "link_expired".into()), "{made_up}");
    }
    scene.server.stop().await;
}

async fn a_state_belongs_to_who_began(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    scene.server.person("eve").await;
    let (eve, _) = scene.server.sign_in("eve").await;
    let back = scene.agreed("adas").await;
    assert_eq!(scene.refused(&eve, &back).await, (400, "link_expired".into()), "as if there were none");
    assert_eq!(scene.accounts(&eve).await, [] as [Value; 0]);
    assert_eq!(scene.finish(&scene.access, &back).await.0, 200, "and it is left for its owner");
    // Ending all sessions ends what was begun in them.
    let begun_before = scene.agreed("before").await;
    assert_eq!(scene.server.post("/api/auth/logout-all", &scene.access, json!({})).await.0, 200);
    let (again, _) = scene.server.sign_in("ada").await;
    assert_eq!(scene.refused(&again, &begun_before).await, (400, "link_expired".into()));
    assert_eq!(scene.accounts(&again).await.len(), 1);
    scene.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_ends_after_ten_minutes() {
    // In the embedded shape, whose state lives by the test's clock.
    async fn test(harness: Arc<Harness>) {
        let openrouter = OpenRouter::start().await;
        let server = harness.server_with_clock_and(&openrouter.settings()).await;
        server.person("ada").await;
        let (access, _) = server.sign_in("ada").await;
        let scene = Scene { server, openrouter, access };
        let (in_time, late) = (scene.agreed("in-time").await, scene.agreed("late").await);
        harness.pass(Duration::from_secs(599));
        assert_eq!(scene.finish(&scene.access, &in_time).await.0, 200);
        harness.pass(Duration::from_secs(2));
        assert_eq!(scene.refused(&scene.access, &late).await, (400, "link_expired".into()));
        assert_eq!(scene.accounts(&scene.access).await.len(), 1);
        scene.server.stop().await;
    }
    crate::harness::run(crate::harness::Shape::Embedded, test).await;
}

async fn a_declined_or_incomplete_return_links_nothing(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let back = scene.agreed("later").await;
    for (address, code) in [
        (format!("{back}&error=access_denied"), "link_declined"),
        ("https://console.example/?error=%3Cscript%3E".to_owned(), "link_declined"),
        (back.replace("code=later", "nothing=1"), "link_incomplete"),
        ("https://console.example/?code=later".to_owned(), "link_incomplete"),
        ("https://console.example/".to_owned(), "link_incomplete"),
        ("code=later".to_owned(), "link_no_address"),
    ] {
        assert_eq!(scene.refused(&scene.access, &address).await, (400, code.into()), "{address}");
    }
    let (status, answer) = scene.finish(&scene.access, "nonsense").await;
    assert_eq!(
        (status, answer["detail"]["error"].is_string()),
        (400, true),
        "the contract's shape: {answer}"
    );
    for body in [
        json!({}),
        json!({"callback_url": 7}),
        json!({"callback_url": ""}),
        json!({"callback_url": "x".repeat(5_000)}),
    ] {
        assert_eq!(scene.server.post("/api/plugin-api/oauth/callback", &scene.access, body).await.0, 422);
    }
    assert_eq!(scene.accounts(&scene.access).await, [] as [Value; 0]);
    assert_eq!(scene.finish(&scene.access, &format!(" {back}\n")).await.0, 200, "none of that used it up");
    scene.server.stop().await;
}

async fn a_provider_that_fails_links_nothing_and_tells_nothing(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let refused = (400, "link_refused".to_owned());
    let unreachable = (502, "link_unreachable".to_owned());
    for (code, expected) in [
        ("down", &unreachable),
        ("slow", &unreachable),
        ("huge", &unreachable),
        ("html", &refused),
        ("elsewhere", &refused),
        ("keyless", &refused),
        ("number", &refused),
        ("empty", &refused),
        ("control", &refused),
        ("two", &refused),
        ("letters", &refused),
        ("long", &refused),
    ] {
        let back = scene.agreed(code).await;
        assert_eq!(&scene.refused(&scene.access, &back).await, expected, "{code}");
    }
    // A code that was given for another challenge is worth nothing.
    let (mine, theirs) = (scene.agreed("mine").await, scene.agreed("theirs").await);
    let mixed = mine.replace("code=mine", "code=theirs");
    assert_eq!(scene.refused(&scene.access, &mixed).await, refused);
    assert_eq!(scene.refused(&scene.access, &theirs).await, refused, "its code is used up");
    assert_eq!(scene.accounts(&scene.access).await, [] as [Value; 0]);
    scene.server.stop().await;
}

async fn the_page_for_browsers_runs_and_links_nothing(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let page = async |query: &str| {
        let url = scene.server.url(&format!("/api/plugin-api/oauth/callback{query}"));
        let answer = scene.server.http.get(url).header("accept", "text/html").send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(
            answer.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let script = "?error=%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%26%00%0d%0a";
    let (status, html) = page(script).await;
    assert_eq!(status, 400);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;</code>"), "{html}");
    assert!(!html.contains("<script"), "{html}");
    let (status, html) = page(&format!("?error={}", "%3Cb%3E".repeat(500))).await;
    assert!(status == 400 && !html.contains("<b>") && html.len() < 2_000, "{html}");
    assert_eq!(page("").await.0, 400);
    assert_eq!(page("?code=only").await.0, 400);
    // A good code on a good state is shown how to go on; an address alone puts nothing into anybody's hands.
    let back = scene.agreed("good").await;
    let query = Url::parse(&back).unwrap().query().unwrap().to_owned();
    let (status, html) = page(&format!("?{query}")).await;
    assert!(status == 200 && !html.contains("good"), "{html}");
    assert_eq!(scene.accounts(&scene.access).await, [] as [Value; 0]);
    assert_eq!(scene.finish(&scene.access, &back).await.0, 200, "it is still good for who began");
    scene.server.stop().await;
}
