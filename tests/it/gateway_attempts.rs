//! Which account and credential serves a call, what happens when one fails, and who waits for whom.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, eventually, spawn};
use crate::recorder::Recorder;

both_shapes!(
    credentials_take_turns_and_a_refused_one_rests,
    an_outage_adds_a_fifth_of_calls_at_most,
    another_model_stands_in,
    a_busy_account_is_waited_for_in_fair_order,
    a_conversation_stays_with_its_account,
);

struct Scene {
    server: Server,
    provider: Recorder,
    access: String,
    key: String,
}

async fn scene(harness: &Harness, settings: &[(&str, &str)]) -> Scene {
    let (server, provider) = (harness.server_with(settings).await, Recorder::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    Scene { server, provider, access, key }
}

fn question(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

impl Scene {
    async fn account(&self, members: Value) -> Value {
        self.server.account(&self.access, self.provider.address, members).await
    }

    async fn chat(&self, model: &str) -> (u16, Value) {
        self.server.post("/v1/chat/completions", &self.key, question(model, "hello")).await
    }

    async fn rows(&self) -> Vec<Value> {
        self.server.get("/api/usage/logs?limit=1000", &self.access).await.1["data"]
            .as_array()
            .unwrap()
            .clone()
    }

    fn credentials(&self) -> Vec<String> {
        self.provider.seen().iter().map(|seen| seen.header("authorization").replace("Bearer ", "")).collect()
    }
}

async fn credentials_take_turns_and_a_refused_one_rests(harness: Arc<Harness>) {
    let scene = scene(&harness, &[]).await;
    scene.account(json!({"credential": "one\nis-refused\ntwo"})).await;
    for _ in 0..5 {
        assert_eq!(scene.chat("m").await.0, 200);
    }
    let used = scene.credentials();
    assert_eq!(used.iter().filter(|one| *one == "is-refused").count(), 1, "{used:?}");
    assert!(used.iter().filter(|one| *one == "one").count() >= 2, "{used:?}");
    assert!(used.iter().filter(|one| *one == "two").count() >= 2, "{used:?}");
    scene.server.stop().await;
}

async fn an_outage_adds_a_fifth_of_calls_at_most(harness: Arc<Harness>) {
    let scene = scene(&harness, &[]).await;
    let accounts = (0..60).map(|_| scene.account(json!({"models": ["fails"]})));
    join_all(accounts).await;
    for _ in 0..10 {
        let calls = (0..50).map(|_| scene.chat("fails"));
        let failed = join_all(calls).await.into_iter().all(|(status, _)| status == 502 || status == 503);
        assert!(failed);
    }
    let rows = scene.rows().await;
    assert_eq!(rows.len(), 500);
    let attempts: Vec<i64> = rows.iter().map(|row| row["attempts"].as_i64().unwrap()).collect();
    let (sent, first) = (attempts.iter().sum::<i64>(), attempts.iter().filter(|&&made| made > 0).count());
    assert_eq!(scene.provider.seen().len(), usize::try_from(sent).unwrap());
    let retries = usize::try_from(sent).unwrap() - first;
    assert!(retries > 0, "some are retried");
    assert!(attempts.iter().all(|made| *made <= 3));
    // The floor comes back with time, one a second; the test takes far fewer than 30.
    assert!(retries <= first / 5 + 10 + 30, "{retries} retries of {first} calls");
    scene.server.stop().await;
}

async fn another_model_stands_in(harness: Arc<Harness>) {
    let scene = scene(&harness, &[("MODEL_FALLBACKS", "fails=m, absent=m, m=n")]).await;
    scene.account(json!({"models": ["fails", "impossible"]})).await;
    scene.account(json!({"models": ["m"]})).await;
    assert_eq!(scene.chat("fails").await.0, 200);
    let row = scene.rows().await[0].clone();
    assert_eq!((&row["model_name"], &row["upstream_model"]), (&json!("fails"), &json!("m")));
    assert_eq!(row["attempts"], 2);
    assert_eq!(scene.chat("absent").await.0, 200);
    // A key that may not use the other model does not get it this way.
    let (narrow, _) = scene.server.key(&scene.access, json!({"allowed_models": ["absent"]})).await;
    let refused = scene.server.post("/v1/chat/completions", &narrow, question("absent", "a")).await;
    assert_eq!(refused.0, 404, "{}", refused.1);
    scene.server.stop().await;
}

async fn a_busy_account_is_waited_for_in_fair_order(harness: Arc<Harness>) {
    let settings = [("QUEUE_TIMEOUT_SECONDS", "60"), ("QUEUE_SIZE", "4")];
    let scene = Arc::new(scene(&harness, &settings).await);
    scene.account(json!({"models": ["held"], "max_concurrency": 1, "is_shared": 1})).await;
    scene.server.person("bob").await;
    let (bob, _) = scene.server.sign_in("bob").await;
    let (bobs, _) = scene.server.key(&bob, json!({})).await;
    let call = |key: &str, text: &str| {
        let request = scene.server.http.post(scene.server.url("/v1/chat/completions")).bearer_auth(key);
        let request = request.json(&question("held", text));
        spawn(async move { request.send().await.unwrap().status().as_u16() })
    };
    let key = scene.key.clone();
    let mut calls = vec![call(&key, "ada 0")];
    eventually("the first call runs", || async { (scene.provider.held() == 1).then_some(()) }).await;
    // Each stands in line before the next comes.
    for (waiting, (key, text)) in
        [(&key, "ada 1"), (&key, "ada 2"), (&key, "gone"), (&bobs, "bob 1")].into_iter().enumerate()
    {
        calls.push(call(key, text));
        eventually("it waits", || async {
            (scene.server.app.gateway.waiting() == waiting + 1).then_some(())
        })
        .await;
    }
    let full = scene.chat("held").await;
    assert_eq!((full.0, &full.1["error"]["code"]), (429, &json!("no_free_account")), "the line is bounded");
    // Who leaves leaves the line.
    calls.remove(3).abort();
    eventually("it left", || async { (scene.server.app.gateway.waiting() == 3).then_some(()) }).await;
    for done in 1..=4 {
        scene.provider.release(1);
        if done < 4 {
            eventually("the next runs", || async { (scene.provider.held() == done + 1).then_some(()) }).await;
        }
    }
    for status in join_all(calls).await {
        assert_eq!(status.unwrap(), 200);
    }
    let order: Vec<String> = scene
        .provider
        .seen()
        .iter()
        .map(|seen| {
            let body: Value = serde_json::from_slice(&seen.body).unwrap();
            body["messages"][0]["content"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(order, ["ada 0", "ada 1", "bob 1", "ada 2"], "people take turns");
    Arc::into_inner(scene).unwrap().server.stop().await;
}

async fn a_conversation_stays_with_its_account(harness: Arc<Harness>) {
    let scene = scene(&harness, &[]).await;
    for number in 0..8 {
        scene.account(json!({"credential": format!("key{number}")})).await;
    }
    let ask = |body: Value, session: Option<&'static str>| {
        let request = scene
            .server
            .http
            .post(scene.server.url("/v1/chat/completions"))
            .bearer_auth(&scene.key)
            .json(&body);
        let request = session.map_or(request.try_clone().unwrap(), |name| request.header("session_id", name));
        async { assert_eq!(request.send().await.unwrap().status(), 200) }
    };
    for _ in 0..4 {
        ask(question("m", "the same beginning"), None).await;
    }
    let used = scene.credentials();
    assert!(used.iter().all(|one| *one == used[0]), "{used:?}");
    for turn in 0..4 {
        ask(question("m", &format!("turn {turn}")), Some("the same session")).await;
    }
    let used = scene.credentials().split_off(4);
    assert!(used.iter().all(|one| *one == used[0]), "{used:?}");
    for turn in 0..4 {
        let mut body = question("m", &format!("turn {turn}"));
        body["prompt_cache_key"] = json!("the same prefix");
        ask(body, None).await;
    }
    let used = scene.credentials().split_off(8);
    assert!(used.iter().all(|one| *one == used[0]), "{used:?}");
    for turn in 0..16 {
        ask(question("m", &format!("beginning {turn}")), None).await;
    }
    let mut others = scene.credentials().split_off(12);
    others.sort();
    others.dedup();
    assert!(others.len() > 1, "other conversations go elsewhere: {others:?}");
    tokio::time::timeout(Duration::from_secs(20), scene.server.stop()).await.unwrap();
}
