//! Anthropic's and Google's endpoints: what passes, what is metered, who is let in, what an error looks like.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, read};
use crate::recorder::{CONTENT, EVENTS, MESSAGE, Recorder, content_array, content_events};

both_shapes!(
    messages_pass_and_are_metered,
    contents_pass_and_are_metered,
    credentials_come_in_every_form_of_the_dialect,
    errors_are_in_the_dialect,
    an_account_serves_its_own_dialect_only,
    counting_tokens_costs_nothing,
    models_are_listed_as_google_does,
);

struct Scene {
    server: Server,
    provider: Recorder,
    access: String,
    key: String,
}

async fn scene(harness: &Harness) -> Scene {
    let (server, provider) = (harness.server().await, Recorder::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    let scene = Scene { server, provider, access, key };
    scene
        .account(
            "anthropic",
            json!(["claude-sonnet-4-5", "impossible", "fails"]),
            json!({"public": "claude-sonnet-4-5"}),
        )
        .await;
    scene
        .account(
            "gemini",
            json!(["gemini-2.5-flash", "impossible", "fails"]),
            json!({"public": "gemini-2.5-flash"}),
        )
        .await;
    scene
}

impl Scene {
    async fn account(&self, provider: &str, models: Value, aliases: Value) {
        let members = json!({"provider": provider, "base_url": format!("http://{}", self.provider.address),
            "credential": "good", "models": models, "aliases": aliases});
        self.server.account(&self.access, self.provider.address, members).await;
    }

    fn post(&self, path: &str, body: &str) -> reqwest::RequestBuilder {
        let request = self.server.http.post(self.server.url(path)).header("content-type", "application/json");
        request.body(body.to_owned())
    }

    async fn text(&self, path: &str, body: &str) -> (String, String) {
        let answer = self.post(path, body).bearer_auth(&self.key).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (content_type, answer.text().await.unwrap())
    }

    async fn row(&self) -> Value {
        self.server.get("/api/usage/logs", &self.access).await.1["data"][0].clone()
    }
}

fn message(model: &str, stream: bool) -> String {
    format!(
        r#"{{"model": "{model}",  "max_tokens": 64, "stream": {stream}, "messages": [{{"role": "user", "content": "hé"}}]}}"#
    )
}

const QUESTION: &str = r#"{"contents": [{"role": "user",  "parts": [{"text": "hé"}]}]}"#;

async fn messages_pass_and_are_metered(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    for (stream, expected) in [(false, MESSAGE), (true, EVENTS)] {
        let sent = message("claude-sonnet-4-5", stream);
        let (content_type, text) = scene.text("/v1/messages?beta=true&x=y", &sent).await;
        assert_eq!(text, expected);
        assert_eq!(content_type.starts_with("text/event-stream"), stream);
        let seen = scene.provider.last();
        assert_eq!(seen.body, sent.as_bytes(), "the request passes untouched");
        assert_eq!(seen.path, "/v1/messages?beta=true");
        assert_eq!((seen.header("x-api-key"), seen.header("authorization")), ("good", ""));
        assert_eq!(seen.header("anthropic-version"), "2023-06-01");
        let row = scene.row().await;
        assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(143), &json!(12)));
        assert_eq!((&row["cached_tokens"], &row["tokens_estimated"]), (&json!(40), &json!(false)));
        // 3 x 3 + 40 x 0.3 + 100 x 3.75 + 12 x 15 micro-dollars
        assert_eq!(row["cost_micro_usd"], 576);
        assert_eq!((&row["endpoint"], &row["stream"]), (&json!("/v1/messages"), &json!(stream)));
    }
    let with_headers = scene.post("/v1/messages", &message("public", false)).bearer_auth(&scene.key);
    let with_headers = with_headers.header("anthropic-version", "2024-01-01").header("anthropic-beta", "a,b");
    assert_eq!(with_headers.header("cookie", "x=y").send().await.unwrap().status(), 200);
    let seen = scene.provider.last();
    assert_eq!((seen.header("anthropic-version"), seen.header("anthropic-beta")), ("2024-01-01", "a,b"));
    assert_eq!(seen.header("cookie"), "", "only listed headers pass");
    assert_eq!(seen.body, message("claude-sonnet-4-5", false).as_bytes(), "only the model's name changes");
    scene.server.stop().await;
}

async fn contents_pass_and_are_metered(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    for (path, upstream, expected) in [
        ("public:generateContent", "gemini-2.5-flash:generateContent", CONTENT.to_owned()),
        (
            "public:streamGenerateContent?alt=sse",
            "gemini-2.5-flash:streamGenerateContent?alt=sse",
            content_events(),
        ),
        ("public:streamGenerateContent", "gemini-2.5-flash:streamGenerateContent", content_array()),
    ] {
        let (content_type, text) = scene.text(&format!("/v1beta/models/{path}"), QUESTION).await;
        assert_eq!(text, expected);
        assert_eq!(content_type.starts_with("text/event-stream"), path.ends_with("sse"));
        let seen = scene.provider.last();
        assert_eq!(seen.path, format!("/v1beta/models/{upstream}"));
        assert_eq!((seen.header("x-goog-api-key"), seen.header("authorization")), ("good", ""));
        assert_eq!(seen.body, QUESTION.as_bytes());
        let row = scene.row().await;
        assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(5), &json!(27)));
        assert_eq!((&row["cached_tokens"], &row["reasoning_tokens"]), (&json!(2), &json!(20)));
        assert_eq!((&row["outcome"], &row["tokens_estimated"]), (&json!("ok"), &json!(false)), "{path}");
        // (3 x 0.3 + 2 x 0.03 + 27 x 2.5) micro-dollars, rounded up once
        assert_eq!(row["cost_micro_usd"], 69);
        assert_eq!(row["stream"], path.contains("stream"));
        assert_eq!(row["model_name"], "public");
    }
    scene.server.stop().await;
}

async fn credentials_come_in_every_form_of_the_dialect(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let key = &*scene.key;
    let messages = || scene.post("/v1/messages", &message("claude-sonnet-4-5", false));
    let contents = |query: &str| {
        scene.post(&format!("/v1beta/models/gemini-2.5-flash:generateContent{query}"), QUESTION)
    };
    for (request, status) in [
        (messages().header("x-api-key", key), 200),
        (messages().bearer_auth(key), 200),
        (messages().bearer_auth(&scene.access), 200),
        // The contract: the header decides alone.
        (messages().header("x-api-key", "wrong").bearer_auth(key), 401),
        (messages().header("x-api-key", &*scene.access), 401),
        (messages().header("x-api-key", "").bearer_auth(key), 200),
        (messages().header("x-goog-api-key", key), 401),
        (messages(), 401),
        (contents("").header("x-goog-api-key", key), 200),
        (
            scene.post("/v1/models/gemini-2.5-flash:generateContent", QUESTION).header("x-goog-api-key", key),
            200,
        ),
        (scene.post("/v1/models/gemini-2.5-flash", QUESTION).bearer_auth(key), 404),
        (contents("").bearer_auth(key), 200),
        (contents(&format!("?key={key}")), 200),
        (contents("?key=wrong"), 401),
        (contents("?key=wrong").bearer_auth(key), 200),
        (contents(&format!("?key={key}")).header("x-goog-api-key", "wrong"), 401),
        (contents("").header("x-api-key", key), 401),
        (contents(""), 401),
    ] {
        let described = format!("{request:?}");
        assert_eq!(request.send().await.unwrap().status(), status, "{described}");
    }
    assert!(scene.provider.seen().iter().all(|seen| !seen.path.contains("key=")), "a key goes nowhere");
    scene.server.stop().await;
}

async fn errors_are_in_the_dialect(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    // What the provider says of the request itself passes as it is.
    let answer = scene.post("/v1/messages", &message("impossible", false)).bearer_auth(&scene.key);
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    let text = answer.text().await.unwrap();
    assert!(text.contains("that is impossible") && text.ends_with("} "), "{text}");
    assert_eq!(scene.row().await["attempts"], 1);
    let messages = |body: String| read(scene.post("/v1/messages", &body).bearer_auth(&scene.key));
    let contents = |target: &'static str, body: &'static str| {
        read(scene.post(&format!("/v1beta/models/{target}"), body).bearer_auth(&scene.key))
    };
    for (answer, status, kind) in [
        (messages("{}".to_owned()).await, 400, "invalid_request_error"),
        (messages(message("unheard-of", false)).await, 404, "not_found_error"),
        (messages(message("fails", false)).await, 502, "api_error"),
        (read(scene.post("/v1/messages", "{}")).await, 401, "authentication_error"),
    ] {
        assert_eq!(answer.0, status, "{}", answer.1);
        assert_eq!(
            (&answer.1["type"], &answer.1["error"]["type"]),
            (&json!("error"), &json!(kind)),
            "{}",
            answer.1
        );
    }
    for (answer, status, kind) in [
        (contents("gemini-2.5-flash:generateContent", "{}").await, 400, "INVALID_ARGUMENT"),
        (contents("unheard-of:generateContent", QUESTION).await, 404, "NOT_FOUND"),
        (contents("gemini-2.5-flash:explain", QUESTION).await, 404, "NOT_FOUND"),
        (contents("fails:streamGenerateContent", QUESTION).await, 502, "UNAVAILABLE"),
        (read(scene.post("/v1beta/models/x:generateContent", "{}")).await, 401, "UNAUTHENTICATED"),
    ] {
        assert_eq!(answer.0, status, "{}", answer.1);
        assert_eq!(
            (&answer.1["error"]["code"], &answer.1["error"]["status"]),
            (&json!(status), &json!(kind))
        );
    }
    scene.server.stop().await;
}

async fn an_account_serves_its_own_dialect_only(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let chat = json!({"model": "claude-sonnet-4-5", "messages": [{"role": "user", "content": "a"}]});
    let (status, answer) = scene.server.post("/v1/chat/completions", &scene.key, chat).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("model_not_found")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("another provider"), "{answer}");
    let (status, answer) =
        read(scene.post("/v1/messages", &message("gemini-2.5-flash", false)).bearer_auth(&scene.key)).await;
    assert_eq!((status, &answer["error"]["type"]), (404, &json!("not_found_error")));
    assert!(scene.provider.seen().is_empty());
    scene.server.stop().await;
}

async fn counting_tokens_costs_nothing(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let (_, text) = scene.text("/v1/messages/count_tokens", r#"{"model":"public","messages":[]}"#).await;
    assert_eq!(text, r#"{"input_tokens": 42}"#);
    let row = scene.row().await;
    assert_eq!((&row["input_tokens"], &row["cost_micro_usd"]), (&json!(0), &json!(0)), "{row}");
    assert_eq!((&row["outcome"], &row["endpoint"]), (&json!("ok"), &json!("/v1/messages/count_tokens")));
    let (_, text) = scene.text("/v1beta/models/public:countTokens", QUESTION).await;
    assert_eq!(text, r#"{"totalTokens": 42}"#);
    scene.server.stop().await;
}

async fn models_are_listed_as_google_does(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    scene.account("gemini", Value::Null, json!({})).await;
    scene.account("anthropic", Value::Null, json!({})).await;
    let (status, answer) = scene.server.get("/v1beta/models", &scene.key).await;
    let named = |list: &Value, name: &str| -> Vec<String> {
        list.as_array().unwrap().iter().map(|model| model[name].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(status, 200);
    let names = named(&answer["models"], "name");
    assert!(
        names.contains(&"models/gemini-2.5-flash".to_owned())
            && names.contains(&"models/gemini-x".to_owned())
    );
    assert!(!names.iter().any(|name| name.contains("claude")), "{names:?}");
    let (status, model) = scene.server.get("/v1beta/models/gemini-x", &scene.key).await;
    assert_eq!((status, &model["name"]), (200, &json!("models/gemini-x")));
    assert_eq!(scene.server.get("/v1beta/models/claude-x", &scene.key).await.0, 404);
    let all = named(&scene.server.get("/v1/models", &scene.key).await.1["data"], "id");
    assert!(all.contains(&"claude-x".to_owned()) && all.contains(&"gemini-x".to_owned()), "{all:?}");
    scene.server.stop().await;
}
