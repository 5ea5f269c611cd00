//! `/v1/chat/completions` and what it leaves on record.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, eventually};
use crate::provider::{Provider, frames};

both_shapes!(
    an_answer_passes_and_is_on_record,
    a_stream_passes_untouched,
    usage_that_nobody_gave_is_estimated,
    another_account_is_tried_before_the_first_byte,
    nothing_is_retried_after_the_first_byte,
    an_error_that_comes_as_200_is_an_error,
    a_client_that_leaves_is_metered_and_the_provider_stopped,
    keys_have_rules,
    others_accounts_cost_quota_and_own_ones_do_not,
    accounts_are_switched_at_once,
    private_addresses_are_refused,
);

struct Scene {
    server: Server,
    provider: Provider,
    access: String,
    key: String,
}

async fn scene(harness: &Harness, models: Value) -> Scene {
    let (server, provider) = (harness.server().await, Provider::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    server.account(&access, provider.address, json!({"models": models})).await;
    Scene { server, provider, access, key }
}

fn question(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "one two three"}]})
}

impl Scene {
    async fn chat(&self, model: &str) -> (u16, Value) {
        self.server.post("/v1/chat/completions", &self.key, question(model, false)).await
    }

    async fn stream(&self, body: Value) -> reqwest::Response {
        let request = self.server.http.post(self.server.url("/v1/chat/completions")).bearer_auth(&self.key);
        request.json(&body).send().await.unwrap()
    }

    async fn logs(&self) -> Vec<Value> {
        self.server.get("/api/usage/logs", &self.access).await.1["data"].as_array().unwrap().clone()
    }
}

async fn an_answer_passes_and_is_on_record(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["m"])).await;
    let (status, answer) = scene.chat("m").await;
    assert_eq!((status, answer["usage"]["total_tokens"].clone()), (200, json!(12)));
    // No waiting: what the client has is on record.
    let row = scene.logs().await[0].clone();
    assert_eq!((row["input_tokens"].clone(), row["output_tokens"].clone()), (json!(7), json!(5)));
    assert_eq!(row["outcome"], "ok");
    assert_eq!(row["tokens_estimated"], false);
    assert_eq!(row["attempts"], 1);
    let stats = scene.server.get("/api/usage/stats", &scene.access).await.1;
    assert_eq!(stats["data"]["total"]["calls"], 1);
    assert_eq!(stats["data"]["by_model"][0]["model_name"], "m");
    assert_eq!(stats["data"]["total"]["cost_micro_usd"], Value::Null, "unknown is not zero");
    let (status, refused) = scene.chat("unheard-of").await;
    assert_eq!((status, refused["error"]["code"].clone()), (404, json!("model_not_found")));
    // Pages: two rows, one at a time.
    let page = scene.server.get("/api/usage/logs?limit=1", &scene.access).await.1;
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = scene.server.get(&format!("/api/usage/logs?limit=1&cursor={cursor}"), &scene.access).await.1;
    assert_eq!(next["data"][0]["outcome"], "ok");
    assert_eq!(next["next_cursor"], Value::Null);
    assert_eq!(
        scene.server.get("/api/usage/logs?model=m", &scene.access).await.1["data"].as_array().unwrap().len(),
        1
    );
    scene.server.stop().await;
}

async fn a_stream_passes_untouched(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["m"])).await;
    let answer = scene.stream(question("m", true)).await;
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    assert_eq!(
        answer.text().await.unwrap(),
        frames(false, 5).concat(),
        "usage that the client didn't ask for is hidden"
    );
    let mut asked = question("m", true);
    asked["stream_options"] = json!({"include_usage": true});
    assert_eq!(scene.stream(asked).await.text().await.unwrap(), frames(true, 5).concat());
    for row in scene.logs().await {
        assert_eq!((row["input_tokens"].clone(), row["output_tokens"].clone()), (json!(7), json!(5)));
        assert_eq!((row["stream"].clone(), row["outcome"].clone()), (json!(true), json!("ok")));
        assert!(row["ttft_ms"].is_i64());
    }
    scene.server.stop().await;
}

async fn usage_that_nobody_gave_is_estimated(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["silent"])).await;
    scene.chat("silent").await;
    scene.stream(question("silent", true)).await.text().await.unwrap();
    let rows = scene.logs().await;
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row["tokens_estimated"], true);
        assert!(row["input_tokens"].as_i64().unwrap() >= 3, "{row}");
        assert!((3..60).contains(&row["output_tokens"].as_i64().unwrap()), "{row}");
    }
    scene.server.stop().await;
}

async fn another_account_is_tried_before_the_first_byte(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["m"])).await;
    let broken = json!({"credential": "broken", "priority": 10});
    scene.server.account(&scene.access, scene.provider.address, broken).await;
    assert_eq!(scene.chat("m").await.0, 200);
    assert_eq!(scene.logs().await[0]["attempts"], 2);
    assert_eq!(scene.provider.calls(), 2);
    scene.server.stop().await;
}

async fn nothing_is_retried_after_the_first_byte(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["cut", "bad-request"])).await;
    scene
        .server
        .account(&scene.access, scene.provider.address, json!({"models": ["cut", "bad-request"]}))
        .await;
    let text = scene.stream(question("cut", true)).await.text().await.unwrap();
    assert!(text.starts_with(&frames(false, 5)[..3].concat()));
    assert!(text.contains("upstream_error"), "{text}");
    assert!(!text.contains("[DONE]"));
    assert_eq!(scene.provider.calls(), 1);
    let row = scene.logs().await[0].clone();
    assert_eq!((row["outcome"].clone(), row["attempts"].clone()), (json!("upstream_error"), json!(1)));
    assert!(row["output_tokens"].as_i64().unwrap() > 0, "what came is metered: {row}");
    // The client's own mistake is not retried either.
    assert_eq!(scene.chat("bad-request").await.0, 400);
    assert_eq!(scene.provider.calls(), 2);
    scene.server.stop().await;
}

async fn an_error_that_comes_as_200_is_an_error(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["fails-politely"])).await;
    let (status, answer) = scene.chat("fails-politely").await;
    assert_eq!((status, &answer["error"]["message"]), (502, &json!("no")), "{answer}");
    let row = scene.logs().await[0].clone();
    assert_eq!((&row["outcome"], &row["status_code"]), (&json!("upstream_error"), &json!(502)), "{row}");
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(0), &json!(0)), "{row}");
    scene.server.stop().await;
}

async fn a_client_that_leaves_is_metered_and_the_provider_stopped(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["slow"])).await;
    let mut stream = scene.stream(question("slow", true)).await;
    for _ in 0..5 {
        stream.chunk().await.unwrap().unwrap();
    }
    drop(stream);
    eventually("the provider's stream is cancelled", || async {
        (scene.provider.cancelled() == 1).then_some(())
    })
    .await;
    let row = eventually("the row is there", || async { scene.logs().await.pop() }).await;
    assert_eq!(row["outcome"], "client_closed");
    let tokens = row["output_tokens"].as_i64().unwrap();
    assert!((1..1_000).contains(&tokens), "neither nothing nor everything: {row}");
    assert!(row["input_tokens"].as_i64().unwrap() > 0);
    scene.server.stop().await;
}

async fn keys_have_rules(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["m", "n"])).await;
    let (narrow, _) =
        scene.server.key(&scene.access, json!({"allowed_models": ["m"], "requests_per_minute": 2})).await;
    let call = |model| scene.server.post("/v1/chat/completions", &narrow, question(model, false));
    assert_eq!(call("n").await.0, 403);
    assert_eq!(call("m").await.0, 200);
    assert_eq!(call("m").await.0, 200);
    let (status, answer) = call("m").await;
    assert_eq!((status, answer["error"]["code"].clone()), (429, json!("rate_limit_exceeded")));
    let models = scene.server.get("/v1/models", &narrow).await.1;
    assert_eq!(models["data"].as_array().unwrap().len(), 1);
    assert_eq!(scene.server.get("/v1/models/m", &narrow).await.1["id"], "m");
    assert_eq!(scene.server.get("/v1/models/n", &narrow).await.0, 404);
    scene.server.stop().await;
}

async fn others_accounts_cost_quota_and_own_ones_do_not(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["own"])).await;
    scene.server.person("bob").await;
    let (bob, _) = scene.server.sign_in("bob").await;
    let shared = json!({"models": ["shared"], "is_shared": 1, "aliases": {"public": "shared"}, "allowances":
        [{"models": ["*"], "limit": 100, "unit": "requests", "window": "5h"}]});
    scene.server.account(&bob, scene.provider.address, shared).await;
    scene.server.account(&bob, scene.provider.address, json!({"models": ["private"]})).await;
    assert_eq!(scene.chat("own").await.0, 200);
    assert_eq!(scene.logs().await[0]["quota_consumed"], 0.0);
    assert_eq!(scene.chat("public").await.0, 200);
    let row = scene.logs().await[0].clone();
    assert_eq!((row["quota_consumed"].clone(), row["is_shared"].clone()), (json!(0.001), json!(true)));
    assert_eq!(
        (row["model_name"].clone(), row["upstream_model"].clone()),
        (json!("public"), json!("shared"))
    );
    assert_eq!(scene.chat("private").await.0, 404, "what is dedicated serves its owner only");
    scene.server.stop().await;
}

async fn accounts_are_switched_at_once(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["m"])).await;
    let id =
        scene.server.get("/api/plugin-api/accounts", &scene.access).await.1["data"][0]["cookie_id"].clone();
    let path = format!("/api/plugin-api/accounts/{}", id.as_str().unwrap());
    let put = |on: i32| {
        let url = scene.server.url(&format!("{path}/status"));
        crate::harness::read(
            scene.server.http.put(url).bearer_auth(&scene.access).json(&json!({"status": on})),
        )
    };
    assert_eq!(put(0).await.0, 200);
    assert_eq!(scene.chat("m").await.0, 503);
    assert_eq!(put(1).await.0, 200);
    assert_eq!(scene.chat("m").await.0, 200);
    scene.server.person("eve").await;
    let (eve, _) = scene.server.sign_in("eve").await;
    assert_eq!(scene.server.get(&path, &eve).await.0, 404);
    let answer = scene.server.get(&path, &scene.access).await.1.to_string();
    assert!(!answer.contains("good"), "a credential never comes out: {answer}");
    let delete = scene.server.http.delete(scene.server.url(&path)).bearer_auth(&scene.access);
    assert_eq!(crate::harness::read(delete).await.0, 200);
    assert_eq!(scene.chat("m").await.0, 404);
    scene.server.stop().await;
}

async fn private_addresses_are_refused(harness: Arc<Harness>) {
    let scene = scene(&harness, json!(["m"])).await;
    // 127.0.0.1 is allowed here, another loopback address is not, by number or by disguise.
    let port = scene.provider.address.port();
    for host in ["127.0.0.2", "0x7f000002", "[::ffff:127.0.0.2]"] {
        let account = json!({"base_url": format!("http://{host}:{port}/v1"), "models": ["inside"]});
        let made = scene.server.account(&scene.access, SocketAddr::from(([127, 0, 0, 1], 1)), account).await;
        let (status, answer) = scene.chat("inside").await;
        assert_eq!((status, answer["error"]["code"].clone()), (502, json!("upstream_unreachable")), "{host}");
        let path = format!("/api/plugin-api/accounts/{}", made["cookie_id"].as_str().unwrap());
        crate::harness::read(scene.server.http.delete(scene.server.url(&path)).bearer_auth(&scene.access))
            .await;
    }
    assert_eq!(scene.provider.calls(), 0);
    let shared = json!({"name": "a", "provider": "openai", "credential": "c", "is_shared": 1, "base_url": "https://my.example/v1"});
    assert_eq!(scene.server.post("/api/plugin-api/accounts", &scene.access, shared).await.0, 400);
    tokio::time::sleep(Duration::from_millis(1)).await;
    scene.server.stop().await;
}
