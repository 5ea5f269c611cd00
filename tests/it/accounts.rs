//! What owners say of their accounts: headers to add, models switched off, priority, weight and aliases.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, read};
use crate::recorder::Recorder;

both_shapes!(
    headers_of_an_account_are_added_and_can_not_be_overridden,
    headers_that_would_smuggle_are_refused_on_every_way_in,
    a_model_switched_off_is_served_by_another_account,
    a_model_is_switched_off_by_its_public_name,
    only_models_of_the_account_are_switched,
    the_highest_priority_serves_until_it_fails_or_rests,
    weight_draws_calls,
    aliases_are_public_names_for_upstream_ones,
);

pub(crate) struct Scene {
    pub(crate) server: Server,
    pub(crate) provider: Recorder,
    /// Of ada, who owns the accounts.
    pub(crate) access: String,
    pub(crate) key: String,
}

pub(crate) async fn scene(harness: &Harness) -> Scene {
    let (server, provider) = (harness.server().await, Recorder::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    Scene { server, provider, access, key }
}

pub(crate) fn question(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "one two three"}]})
}

pub(crate) fn path(account: &Value) -> String {
    format!("/api/plugin-api/accounts/{}", account["cookie_id"].as_str().unwrap())
}

impl Scene {
    pub(crate) async fn account(&self, members: Value) -> Value {
        self.server.account(&self.access, self.provider.address, members).await
    }

    pub(crate) async fn chat(&self, model: &str) -> u16 {
        self.server.post("/v1/chat/completions", &self.key, question(model)).await.0
    }

    /// Makes a call that succeeds and answers which credential served it.
    pub(crate) async fn served_by(&self, model: &str) -> String {
        assert_eq!(self.chat(model).await, 200, "{model}");
        self.provider.last().header("authorization").replace("Bearer ", "")
    }

    async fn switch(&self, account: &Value, model: &str, status: Value) -> (u16, Value) {
        let path = format!("{}/quotas/{model}/status", path(account));
        self.server.put(&path, &self.access, json!({"status": status})).await
    }

    async fn models(&self) -> Vec<String> {
        let (status, list) = self.server.get("/v1/models", &self.key).await;
        assert_eq!(status, 200, "{list}");
        let id = |model: &Value| model["id"].as_str().unwrap().to_owned();
        list["data"].as_array().unwrap().iter().map(id).collect()
    }
}

async fn headers_of_an_account_are_added_and_can_not_be_overridden(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let headers = json!({"X-Title": "the pond", "x-gateway-token": "Secret-of-ada"});
    let account = scene.account(json!({"headers": headers})).await;
    assert_eq!(account["header_names"], json!(["X-Title", "x-gateway-token"]), "names only");
    let request = scene.server.http.post(scene.server.url("/v1/chat/completions")).bearer_auth(&scene.key);
    let forged =
        [("x-title", "theirs"), ("x-gateway-token", "theirs"), ("x-api-key", "theirs"), ("cookie", "a=b")];
    let request = forged.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (status, answer) = read(request.json(&question("m"))).await;
    assert_eq!(status, 200, "{answer}");
    let seen = scene.provider.last();
    assert_eq!((seen.header("x-title"), seen.header("x-gateway-token")), ("the pond", "Secret-of-ada"));
    assert_eq!(seen.header("authorization"), "Bearer good");
    assert_eq!(seen.header("host"), scene.provider.address.to_string());
    assert_eq!(
        (seen.header("x-api-key"), seen.header("cookie")),
        ("", ""),
        "nothing of the client's goes on"
    );
    assert_eq!(seen.headers.get_all("x-title").iter().count(), 1);

    // Where the credential has a header of its own, the client's key stands in the same one and stays here.
    let claude = json!({"provider": "anthropic", "models": ["claude"], "headers": {"x-title": "claude's"},
        "base_url": format!("http://{}", scene.provider.address), "credential": "sk-ant"});
    let claude = scene.account(claude).await;
    let request = scene.server.http.post(scene.server.url("/v1/messages")).header("x-api-key", &scene.key);
    let mut asked = question("claude");
    asked["max_tokens"] = json!(5);
    let (status, answer) = read(request.json(&asked)).await;
    assert_eq!(status, 200, "{answer}");
    let seen = scene.provider.last();
    assert_eq!((seen.header("x-api-key"), seen.header("x-title")), ("sk-ant", "claude's"));
    assert_eq!(seen.header("authorization"), "");

    for place in [path(&account), "/api/plugin-api/accounts".to_owned(), "/api/usage/accounts".to_owned()] {
        let (status, shown) = scene.server.get(&place, &scene.access).await;
        assert_eq!(status, 200, "{shown}");
        assert!(!shown.to_string().contains("Secret-of-ada"), "{place}: {shown}");
    }
    let stored = harness.sql("select headers from accounts").await.concat();
    assert!(!stored.is_empty() && !stored.contains("Secret-of-ada"), "not in clear at rest either");
    let request = scene.server.http.patch(scene.server.url(&path(&claude))).bearer_auth(&scene.access);
    let (status, changed) = read(request.json(&json!({"headers": null}))).await;
    assert_eq!((status, &changed["data"]["header_names"]), (200, &json!([])));
    scene.server.stop().await;
}

async fn headers_that_would_smuggle_are_refused_on_every_way_in(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let account = scene.account(json!({})).await;
    let names = "host content-length transfer-encoding Authorization connection X-Api-Key x-goog-api-key cookie te \
        upgrade expect trailer keep-alive proxy-authorization Proxy-Connection x-forwarded-for X-Forwarded-Host forwarded \
        via accept-encoding content-type content-encoding user-agent";
    let mut refused: Vec<Value> = names.split_whitespace().map(|name| json!({name: "x"})).collect();
    refused.extend([
        json!({"": "x"}),
        json!({"a b": "x"}),
        json!({"x:y": "x"}),
        json!({":authority": "x"}),
        json!({"x-title": "a\r\nauthorization: Bearer theirs"}),
        json!({"x-title": "a\nb"}),
        json!({"x-title": "a\u{0}b"}),
        json!({"x-title": 1}),
        json!(["x-title"]),
        json!("x-title: a"),
        json!({"x-title": "a".repeat(8_192)}),
        Value::Object((0..33).map(|n| (format!("x-{n}"), json!("a"))).collect()),
    ]);
    for headers in refused {
        let shown = headers.to_string();
        let shown = &shown[..shown.len().min(60)];
        let body = json!({"name": "a", "provider": "openai", "credential": "c", "headers": headers});
        let (status, answer) =
            scene.server.post("/api/plugin-api/accounts", &scene.access, body.clone()).await;
        assert_eq!(
            (status, &answer["details"][0]["loc"]),
            (422, &json!(["body", "headers"])),
            "{shown}: {answer}"
        );
        let request = scene.server.http.patch(scene.server.url(&path(&account))).bearer_auth(&scene.access);
        assert_eq!(read(request.json(&json!({"headers": headers}))).await.0, 422, "{shown}");
        let (status, answer) =
            scene.server.post("/api/plugin-api/accounts/import", &scene.access, json!([body])).await;
        assert_eq!((status, &answer["created"]), (422, &json!([])), "{shown}: {answer}");
    }
    let (_, mine) = scene.server.get("/api/plugin-api/accounts", &scene.access).await;
    assert_eq!(mine["data"].as_array().unwrap().len(), 1);
    assert_eq!(mine["data"][0]["header_names"], json!([]));
    scene.server.stop().await;
}

async fn a_model_switched_off_is_served_by_another_account(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let first = scene.account(json!({"credential": "one", "models": ["m", "n"], "priority": 5})).await;
    let second = scene.account(json!({"credential": "two", "models": ["m"]})).await;
    assert_eq!(scene.served_by("m").await, "one");
    let (status, answer) = scene.switch(&first, "m", json!(0)).await;
    let told = json!({"cookie_id": first["cookie_id"], "model_name": "m", "status": 0});
    assert_eq!((status, &answer["success"], &answer["data"]), (200, &json!(true), &told));
    assert_eq!(scene.served_by("m").await, "two");
    assert_eq!(scene.served_by("n").await, "one", "the others go on");
    assert_eq!(scene.models().await, ["m", "n"]);
    assert_eq!(scene.switch(&second, "m", json!(0)).await.0, 200);
    let (status, answer) = scene.server.post("/v1/chat/completions", &scene.key, question("m")).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("no_account_available")));
    assert_eq!(scene.models().await, ["n"], "what nobody serves is not offered");
    let (_, quotas) = scene.server.get(&format!("{}/quotas", path(&first)), &scene.access).await;
    let status_of = |model: &str| {
        let rows = quotas["data"].as_array().unwrap();
        rows.iter().find(|row| row["model_name"] == model).unwrap()["status"].clone()
    };
    assert_eq!(
        (status_of("m"), status_of("n")),
        (json!(0), json!(1)),
        "its owner sees it, to switch it on again"
    );
    assert_eq!(scene.switch(&first, "m", json!(1)).await.0, 200);
    assert_eq!(scene.switch(&first, "m", json!(1)).await.0, 200, "twice is once");
    assert_eq!(scene.served_by("m").await, "one");
    scene.server.stop().await;
}

async fn a_model_is_switched_off_by_its_public_name(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let members = json!({"models": ["m", "wild-*"], "aliases": {"fast": "m"}});
    let account = scene.account(members).await;
    assert_eq!(scene.switch(&account, "fast", json!(0)).await.0, 200);
    assert_eq!(
        (scene.chat("fast").await, scene.chat("m").await),
        (503, 200),
        "one name, not what it stands for"
    );
    assert_eq!(scene.switch(&account, "fast", json!(1)).await.0, 200);
    assert_eq!(scene.switch(&account, "m", json!(0)).await.0, 200);
    assert_eq!((scene.chat("fast").await, scene.chat("m").await), (200, 503));
    // Where only a pattern is known of its models, the pattern is what can be switched.
    assert_eq!(scene.switch(&account, "wild-*", json!(0)).await.0, 200);
    assert_eq!(scene.chat("wild-goose").await, 503);
    assert_eq!(scene.switch(&account, "wild-*", json!(1)).await.0, 200);
    assert_eq!(scene.switch(&account, "wild-duck", json!(0)).await.0, 200);
    assert_eq!((scene.chat("wild-goose").await, scene.chat("wild-duck").await), (200, 503));
    scene.server.stop().await;
}

async fn only_models_of_the_account_are_switched(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let account = scene.account(json!({"models": ["m"], "aliases": {"fast": "m"}})).await;
    let (status, answer) = scene.switch(&account, "unheard-of", json!(0)).await;
    assert_eq!(status, 404, "{answer}");
    for wrong in [json!(2), json!(-1), json!("off"), json!(null), json!([0]), json!(0.5)] {
        let (status, answer) = scene.switch(&account, "m", wrong.clone()).await;
        assert_eq!(
            (status, &answer["details"][0]["loc"]),
            (422, &json!(["body", "status"])),
            "{wrong}: {answer}"
        );
    }
    let target = format!("{}/quotas/m/status", path(&account));
    assert_eq!(scene.server.put(&target, &scene.access, json!({})).await.0, 422);
    assert_eq!(scene.switch(&account, &"m".repeat(201), json!(0)).await.0, 404);
    scene.server.person("eve").await;
    let (eve, _) = scene.server.sign_in("eve").await;
    assert_eq!(scene.server.put(&target, &eve, json!({"status": 0})).await.0, 404);
    assert_eq!(scene.chat("m").await, 200, "nothing of that changed anything");
    // What was switched off while it was served can be switched on when it no longer is.
    assert_eq!(scene.switch(&account, "fast", json!(0)).await.0, 200);
    let request = scene.server.http.patch(scene.server.url(&path(&account))).bearer_auth(&scene.access);
    assert_eq!(read(request.json(&json!({"aliases": {}}))).await.0, 200);
    assert_eq!(scene.switch(&account, "fast", json!(1)).await.0, 200);
    // An account that serves whatever its provider has may be told any name.
    let open = scene.account(json!({"models": null})).await;
    assert_eq!(scene.switch(&open, "anything", json!(0)).await.0, 200);
    assert_eq!((scene.chat("anything").await, scene.chat("something").await), (503, 200));
    scene.server.stop().await;
}

async fn the_highest_priority_serves_until_it_fails_or_rests(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let top = scene.account(json!({"credential": "top", "priority": 10})).await;
    scene.account(json!({"credential": "middle", "priority": 0})).await;
    scene.account(json!({"credential": "low", "priority": -10})).await;
    for _ in 0..5 {
        assert_eq!(scene.served_by("m").await, "top");
    }
    // A refused credential fails over within the call, then rests, so that the next call doesn't meet it at all.
    let target = format!("{}/credential", path(&top));
    let refused = json!({"credential": "top-refused"});
    assert_eq!(scene.server.put(&target, &scene.access, refused).await.0, 200);
    let before = scene.provider.seen().len();
    assert_eq!(scene.served_by("m").await, "middle");
    assert_eq!(scene.provider.seen().len(), before + 2);
    assert_eq!(scene.served_by("m").await, "middle");
    assert_eq!(scene.provider.seen().len(), before + 3, "what rests is not asked");
    let again = json!({"credential": "top-again"});
    assert_eq!(scene.server.put(&target, &scene.access, again).await.0, 200);
    assert_eq!(scene.served_by("m").await, "top-again");
    assert_eq!(
        scene.server.put(&format!("{}/status", path(&top)), &scene.access, json!({"status": 0})).await.0,
        200
    );
    assert_eq!(scene.served_by("m").await, "middle");
    let request = scene.server.http.patch(scene.server.url(&path(&top))).bearer_auth(&scene.access);
    assert_eq!(read(request.json(&json!({"priority": -20}))).await.0, 200);
    assert_eq!(
        scene.server.put(&format!("{}/status", path(&top)), &scene.access, json!({"status": 1})).await.0,
        200
    );
    assert_eq!(scene.served_by("m").await, "middle");
    scene.server.stop().await;
}

async fn weight_draws_calls(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    scene.account(json!({"credential": "heavy", "weight": 1000})).await;
    scene.account(json!({"credential": "light", "weight": 1})).await;
    for turn in 0..40 {
        let mut body = question("m");
        body["messages"][0]["content"] = json!(format!("conversation {turn}"));
        assert_eq!(scene.server.post("/v1/chat/completions", &scene.key, body).await.0, 200);
    }
    let heavy =
        scene.provider.seen().iter().filter(|seen| seen.header("authorization") == "Bearer heavy").count();
    // A thousand to one: that the light one gets even five of forty does not happen by chance.
    assert!(heavy >= 36, "{heavy} of 40");
    scene.server.stop().await;
}

async fn aliases_are_public_names_for_upstream_ones(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    scene.account(json!({"models": ["m"], "aliases": {"house-model": "vendor/m-2024"}})).await;
    assert_eq!(scene.models().await, ["house-model", "m"]);
    assert_eq!(scene.server.get("/v1/models/house-model", &scene.key).await.1["id"], "house-model");
    assert_eq!(scene.server.get("/v1/models/vendor/m-2024", &scene.key).await.0, 404);
    for (public, upstream) in [("house-model", "vendor/m-2024"), ("m", "m")] {
        assert_eq!(scene.chat(public).await, 200);
        let sent: Value = serde_json::from_slice(&scene.provider.last().body).unwrap();
        assert_eq!(sent["model"], upstream);
        let row = scene.server.get("/api/usage/logs?limit=1", &scene.access).await.1["data"][0].clone();
        assert_eq!((&row["model_name"], &row["upstream_model"]), (&json!(public), &json!(upstream)));
    }
    assert_eq!(scene.chat("vendor/m-2024").await, 404, "the upstream name is not served");
    // In Google's dialect the name stands in the path.
    let gemini = json!({"provider": "gemini", "models": [], "aliases": {"house-gemini": "gemini-x"},
        "base_url": format!("http://{}", scene.provider.address)});
    scene.account(gemini).await;
    let content = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let (status, answer) =
        scene.server.post("/v1beta/models/house-gemini:generateContent", &scene.key, content).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(scene.provider.last().path, "/v1beta/models/gemini-x:generateContent");
    let (_, list) = scene.server.get("/v1beta/models", &scene.key).await;
    assert_eq!(list["models"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["models"][0]["name"], "models/house-gemini");
    scene.server.stop().await;
}
