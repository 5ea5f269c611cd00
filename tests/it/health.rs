//! What a provider's answers do to an account, over both shapes and, where it matters, over two instances.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::database::replace_account;
use crate::harness::{Harness, Server, both_shapes, eventually, read};

both_shapes!(
    a_refused_credential_rests_until_another_is_given,
    a_rate_limit_rests_one_model_exactly_as_long_as_the_provider_says,
    a_clock_that_is_set_back_makes_no_rest_longer,
    a_request_that_is_too_long_harms_nobody,
    a_circuit_opens_lets_one_probe_through_and_closes,
    a_pause_is_ended_by_hand,
    an_empty_provider_rests_long,
    rests_survive_a_restart,
    a_callers_error_says_why_accounts_rest,
);

type Answer = (u16, Vec<(&'static str, String)>, Value);

/// A provider that answers each model as it was told, and counts.
#[derive(Default)]
pub(crate) struct Script {
    answers: Mutex<HashMap<String, Answer>>,
    calls: Mutex<HashMap<String, usize>>,
    /// Held while an answer must not come yet.
    gate: tokio::sync::Mutex<()>,
}

impl Script {
    pub(crate) fn set(&self, model: &str, status: u16, headers: &[(&'static str, &str)], body: Value) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.answers.lock().unwrap().insert(model.to_owned(), (status, headers, body));
    }

    pub(crate) fn heal(&self, model: &str) {
        self.answers.lock().unwrap().remove(model);
    }

    /// Calls of a model so far; `model` alone or `credential/model`.
    pub(crate) fn calls(&self, model: &str) -> usize {
        self.calls.lock().unwrap().get(model).copied().unwrap_or(0)
    }
}

async fn answer(
    State(script): State<Arc<Script>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let model = request["model"].as_str().unwrap().to_owned();
    let credential = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ").to_owned();
    for name in [model.clone(), format!("{credential}/{model}")] {
        *script.calls.lock().unwrap().entry(name).or_default() += 1;
    }
    if model == "gated" {
        drop(script.gate.lock().await);
    }
    let told = script.answers.lock().unwrap().get(&format!("{credential}/{model}")).cloned();
    let told = told.or_else(|| script.answers.lock().unwrap().get(&model).cloned());
    let good = || {
        let body = json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop", "message":
            {"role": "assistant", "content": "hi"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}});
        (200, Vec::new(), body)
    };
    let (status, more, body) = told.unwrap_or_else(good);
    let mut response = (axum::http::StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    for (name, value) in more {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) script: Arc<Script>,
    provider: SocketAddr,
    access: String,
    pub(crate) key: String,
    pub(crate) account: String,
}

pub(crate) async fn scene(harness: &Harness, members: Value) -> Scene {
    let script = Arc::new(Script::default());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let provider = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(script.clone());
    drop(crate::harness::spawn(async move { axum::serve(listener, router).await.unwrap() }));
    let server = harness.server_with_clock().await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    let made = server.account(&access, provider, members).await;
    let account = made["cookie_id"].as_str().unwrap().to_owned();
    Scene { server, script, provider, access, key, account }
}

impl Scene {
    pub(crate) async fn chat(&self, model: &str) -> (u16, Value) {
        chat(&self.server, &self.key, model).await
    }

    async fn pauses(&self) -> Vec<Value> {
        pauses(&self.server, &self.access, &self.account).await
    }

    async fn resume(&self) {
        let path = format!("/api/plugin-api/accounts/{}/resume", self.account);
        let (status, answer) = self.server.post(&path, &self.access, json!({})).await;
        assert_eq!((status, answer["data"].clone()), (200, json!([])), "{answer}");
    }
}

pub(crate) async fn chat(server: &Server, key: &str, model: &str) -> (u16, Value) {
    let question = json!({"model": model, "messages": [{"role": "user", "content": "one two three"}]});
    server.post("/v1/chat/completions", key, question).await
}

async fn pauses(server: &Server, access: &str, account: &str) -> Vec<Value> {
    let (status, answer) = server.get(&format!("/api/plugin-api/accounts/{account}/pauses"), access).await;
    assert_eq!(status, 200, "{answer}");
    answer["data"].as_array().unwrap().clone()
}

fn error(message: &str, code: &str) -> Value {
    json!({"error": {"message": message, "type": "invalid_request_error", "param": null, "code": code}})
}

async fn a_refused_credential_rests_until_another_is_given(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m"], "credential": "first-Secret"})).await;
    scene.script.set(
        "first-Secret/m",
        401,
        &[],
        error("Incorrect API key provided: first-Secret.", "invalid_api_key"),
    );
    assert_eq!(scene.chat("m").await.0, 502);
    assert_eq!(scene.chat("m").await.0, 503, "it is not sent again");
    assert_eq!(scene.script.calls("m"), 1);
    harness.pass(Duration::from_secs(80_000));
    assert_eq!(scene.chat("m").await.0, 503, "time doesn't heal it");
    let (access, _) = scene.server.sign_in("ada").await;
    let shown = pauses(&scene.server, &access, &scene.account).await;
    assert_eq!(shown.len(), 1);
    assert_eq!(
        (&shown[0]["scope"], &shown[0]["cause"]),
        (&json!("credential"), &json!("credential_refused"))
    );
    assert_eq!((&shown[0]["status"], &shown[0]["until"]), (&json!(401), &Value::Null));
    assert_eq!(shown[0]["words"], "Incorrect API key provided: ***.");
    scene.server.person("eve").await;
    let (eve, _) = scene.server.sign_in("eve").await;
    let path = format!("/api/plugin-api/accounts/{}", scene.account);
    assert_eq!(scene.server.get(&format!("{path}/pauses"), &eve).await.0, 404);
    assert_eq!(scene.server.post(&format!("{path}/resume"), &eve, json!({})).await.0, 404);
    // Another credential is a new beginning, for it alone.
    let (id, app) = (millpond::ids::AccountId(scene.account.clone()), &scene.server.app);
    let owner = app.core.store.find_user_by_name("ada").await.unwrap().unwrap().id;
    let mut row = app.core.store.find_account(owner, &id).await.unwrap().unwrap();
    row.credential = app.core.vault.encrypt("second-Secret");
    row.updated_at = row.updated_at.plus(Duration::from_secs(1));
    replace_account(app, &id, &row).await;
    scene.server.app.core.state.publish(millpond::state::Invalidation::AccountsOf(owner)).await;
    assert_eq!(scene.chat("m").await.0, 200);
    assert_eq!(scene.script.calls("second-Secret/m"), 1);
    assert!(scene.server.app.gateway.pauses_of(&id).is_empty());
    scene.server.stop().await;
}

async fn a_rate_limit_rests_one_model_exactly_as_long_as_the_provider_says(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m", "n"]})).await;
    scene.script.set(
        "m",
        429,
        &[("retry-after", "120"), ("retry-after-ms", "90500")],
        error("slow down", "rate_limit_exceeded"),
    );
    let (status, answer) = scene.chat("m").await;
    assert_eq!((status, answer["error"]["code"].clone()), (429, json!("rate_limit_exceeded")));
    scene.script.heal("m");
    assert_eq!(scene.chat("n").await.0, 200, "other models go on");
    harness.pass(Duration::from_millis(90_499));
    let answer = scene
        .server
        .http
        .post(scene.server.url("/v1/chat/completions"))
        .bearer_auth(&scene.key)
        .json(&json!({"model": "m", "messages": []}))
        .send()
        .await
        .unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    assert_eq!(scene.script.calls("m"), 1);
    let shown = scene.pauses().await;
    assert_eq!(
        (&shown[0]["scope"], &shown[0]["model"], &shown[0]["cause"]),
        (&json!("model"), &json!("m"), &json!("rate_limited"))
    );
    harness.pass(Duration::from_millis(1));
    assert_eq!(scene.chat("m").await.0, 200);
    assert!(scene.pauses().await.is_empty());
    scene.server.stop().await;
}

async fn a_clock_that_is_set_back_makes_no_rest_longer(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m"]})).await;
    scene.script.set("m", 429, &[("retry-after", "5")], error("slow down", "rate_limit_exceeded"));
    assert_eq!(scene.chat("m").await.0, 429);
    scene.script.heal("m");
    harness.set_back(Duration::from_secs(3_600));
    assert_eq!(scene.chat("m").await.0, 503);
    harness.pass(Duration::from_secs(5));
    assert_eq!(scene.chat("m").await.0, 200);
    scene.server.stop().await;
}

async fn a_request_that_is_too_long_harms_nobody(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m"]})).await;
    scene.server.account(&scene.access, scene.provider, json!({"models": ["m"]})).await;
    let body = error("This model's maximum context length is 128000 tokens.", "context_length_exceeded");
    scene.script.set("m", 400, &[], body.clone());
    for calls in 1..=8 {
        assert_eq!(scene.chat("m").await, (400, body.clone()), "the provider's own words");
        assert_eq!(scene.script.calls("m"), calls, "no other account is tried");
    }
    assert!(scene.pauses().await.is_empty());
    scene.script.heal("m");
    assert_eq!(scene.chat("m").await.0, 200);
    scene.server.stop().await;
}

async fn a_callers_error_says_why_accounts_rest(harness: Arc<Harness>) {
    let members = json!({"models": ["m", "n"],
        "allowances": [{"models": ["n"], "limit": 1, "unit": "requests", "window": "5h"}]});
    let scene = scene(&harness, members).await;
    scene.script.set("m", 429, &[("retry-after", "60")], error("Slow down, ada.", "rate_limit_exceeded"));
    assert_eq!(scene.chat("m").await.0, 429);
    assert_eq!(scene.chat("n").await.0, 200);
    let says = async |model: &str| {
        let (status, answer) = scene.chat(model).await;
        assert_eq!(status, 503, "{answer}");
        answer["error"]["message"].as_str().unwrap().to_owned()
    };
    // The provider's words are for the account's owner, who finds them among its pauses.
    let limited = says("m").await;
    assert!(limited.contains("until") && limited.ends_with("(rate_limited, status 429)."), "{limited}");
    assert_eq!(scene.pauses().await[0]["words"], "Slow down, ada.");
    let spent = says("n").await;
    assert!(spent.contains("until") && spent.ends_with(": its allowance is used up."), "{spent}");
    scene.server.stop().await;
}

async fn a_circuit_opens_lets_one_probe_through_and_closes(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["gated", "n"]})).await;
    let clustered = scene.server.app.core.state.backend() == "Redis";
    let other = if clustered { Some(harness.server_with_clock().await) } else { None };
    let second = other.as_ref().unwrap_or(&scene.server);
    scene.script.set("gated", 500, &[], json!({"error": {"message": "oops"}}));
    for _ in 0..5 {
        assert_eq!(scene.chat("gated").await.0, 502);
    }
    assert_eq!(scene.chat("gated").await.0, 503, "it is open");
    assert_eq!(scene.script.calls("gated"), 5);
    assert_eq!(scene.chat("n").await.0, 200);
    eventually("the other instance knows", || async {
        (pauses(second, &scene.access, &scene.account).await.first()?["circuit"] == "open").then_some(())
    })
    .await;
    assert_eq!(chat(second, &scene.key, "gated").await.0, 503);
    assert_eq!(scene.script.calls("gated"), 5);
    // The wait is over: of many calls on both instances one gets through.
    harness.pass(Duration::from_secs(5));
    scene.script.heal("gated");
    let gate = scene.script.gate.lock().await;
    let calls: Vec<_> = (0..6)
        .map(|n| {
            let (url, key) = (
                if n % 2 == 0 { &scene.server } else { second }.url("/v1/chat/completions"),
                scene.key.clone(),
            );
            let request = scene.server.http.post(url).bearer_auth(key);
            let question = json!({"model": "gated", "messages": [{"role": "user", "content": "x"}]});
            crate::harness::spawn(read(request.json(&question)))
        })
        .collect();
    eventually("the probe arrives", || async { (scene.script.calls("gated") == 6).then_some(()) }).await;
    eventually("the others are refused", || async {
        (calls.iter().filter(|call| call.is_finished()).count() == 5).then_some(())
    })
    .await;
    drop(gate);
    let mut statuses = Vec::new();
    for call in calls {
        statuses.push(call.await.unwrap().0);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503, 503, 503, 503, 503]);
    assert_eq!(scene.script.calls("gated"), 6);
    eventually("it is closed everywhere", || async {
        pauses(second, &scene.access, &scene.account).await.is_empty().then_some(())
    })
    .await;
    assert_eq!(chat(second, &scene.key, "gated").await.0, 200);
    if let Some(other) = other {
        other.stop().await;
    }
    scene.server.stop().await;
}

async fn a_pause_is_ended_by_hand(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m"]})).await;
    scene.script.set("m", 429, &[("retry-after", "3600")], error("slow down", "rate_limit_exceeded"));
    assert_eq!(scene.chat("m").await.0, 429);
    assert_eq!(scene.chat("m").await.0, 503);
    scene.script.heal("m");
    scene.resume().await;
    assert_eq!(scene.chat("m").await.0, 200);
    scene.server.stop().await;
}

async fn an_empty_provider_rests_long(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m", "n"]})).await;
    let body = error(
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
    );
    scene.script.set("m", 429, &[("retry-after", "1")], body);
    assert_eq!(scene.chat("m").await.0, 429);
    harness.pass(Duration::from_secs(3_000));
    assert_eq!(scene.chat("n").await.0, 503, "the whole account rests");
    assert_eq!(scene.pauses().await[0]["cause"], "credit_used_up");
    harness.pass(Duration::from_secs(600));
    assert_eq!(scene.chat("n").await.0, 200);
    scene.server.stop().await;
}

async fn rests_survive_a_restart(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m"]})).await;
    scene.script.set("m", 401, &[], error("no", "invalid_api_key"));
    assert_eq!(scene.chat("m").await.0, 502);
    scene.server.stop().await;
    let again = harness.server_with_clock().await;
    assert_eq!(chat(&again, &scene.key, "m").await.0, 503);
    assert_eq!(scene.script.calls("m"), 1);
    assert_eq!(pauses(&again, &scene.access, &scene.account).await.len(), 1);
    again.stop().await;
}
