//! Streams that end early, in every dialect: what the client can read of them, and what they are charged for.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, eventually};
use crate::recorder::{EVENTS, content_array, content_events};

both_shapes!(
    a_stream_cut_anywhere_ends_with_an_error_that_can_be_read,
    what_was_delivered_is_charged_when_the_rest_does_not_come,
    an_event_too_large_to_hold_back_passes_and_breaks_with_its_provider,
    nothing_follows_the_end_of_a_stream,
);

const CHAT: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"wörd\"},\"finish_reason\":\"\"}]}\n\n",
    ": a comment\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\n",
    "data: [DONE]\n\n",
);

/// What the provider sends, and how that ends.
#[derive(Clone, Default)]
struct Script {
    bytes: Vec<u8>,
    ending: Ending,
}

#[derive(Clone, Copy, Default)]
enum Ending {
    #[default]
    Clean,
    /// The connection breaks.
    Cut,
    /// It says no more.
    Silent,
}

struct Provider {
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Provider {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let router = Router::new().fallback(play).with_state(script.clone());
        let serving = crate::harness::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, script, serving }
    }

    fn plays(&self, bytes: &[u8], ending: Ending) {
        *self.script.lock().unwrap() = Script { bytes: bytes.to_vec(), ending };
    }
}

async fn play(State(script): State<Arc<Mutex<Script>>>) -> Response {
    let Script { bytes, ending } = script.lock().unwrap().clone();
    let array = bytes.starts_with(b"[");
    let pieces: Vec<Bytes> = bytes.chunks(4_099).map(Bytes::copy_from_slice).collect();
    let sent = stream::iter(pieces).map(Ok::<_, std::io::Error>);
    let body = match ending {
        Ending::Clean => Body::from_stream(sent),
        Ending::Silent => Body::from_stream(sent.chain(stream::pending())),
        Ending::Cut => Body::from_stream(sent.chain(stream::once(async {
            // What was sent must be on its way before the connection goes.
            tokio::time::sleep(Duration::from_millis(50)).await;
            Err(std::io::Error::other("cut"))
        }))),
    };
    let content_type = if array { "application/json" } else { "text/event-stream" };
    Response::builder().header("content-type", content_type).body(body).unwrap()
}

struct Scene {
    server: Server,
    provider: Provider,
    access: String,
    key: String,
    /// One of each provider.
    accounts: Vec<String>,
}

async fn scene(harness: &Harness) -> Scene {
    let (server, provider) = (harness.server().await, Provider::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    let mut accounts = Vec::new();
    for kind in ["openai", "anthropic", "gemini"] {
        let prefix = if kind == "openai" { "/v1" } else { "" };
        let members = json!({"provider": kind, "base_url": format!("http://{}{prefix}", provider.address), "models": ["m"]});
        let account = server.account(&access, provider.address, members).await;
        accounts.push(account["cookie_id"].as_str().unwrap().to_owned());
    }
    Scene { server, provider, access, key, accounts }
}

/// A stream of one dialect.
#[derive(Clone)]
struct Kind {
    path: &'static str,
    body: Value,
    array: bool,
}

fn kinds() -> [Kind; 4] {
    let messages = json!([{"role": "user", "content": "one two three"}]);
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "one two three"}]}]});
    let kind = |path, body, array| Kind { path, body, array };
    let include_usage = json!({"include_usage": true});
    [
        kind(
            "/v1/chat/completions",
            json!({"model": "m", "stream": true, "messages": messages, "stream_options": include_usage}),
            false,
        ),
        kind(
            "/v1/messages",
            json!({"model": "m", "stream": true, "max_tokens": 500, "messages": messages}),
            false,
        ),
        kind("/v1beta/models/m:streamGenerateContent?alt=sse", contents.clone(), false),
        kind("/v1beta/models/m:streamGenerateContent", contents, true),
    ]
}

impl Scene {
    async fn call(&self, kind: &Kind) -> reqwest::Response {
        let request = self.server.http.post(self.server.url(kind.path)).bearer_auth(&self.key);
        request.json(&kind.body).send().await.unwrap()
    }

    /// Lets an account that broke off too often go on.
    async fn resume(&self, account: &str) {
        let path = format!("/api/plugin-api/accounts/{account}/resume");
        assert_eq!(self.server.post(&path, &self.access, json!({})).await.0, 200);
    }

    async fn row(&self, calls: usize) -> Value {
        eventually("the row is there", || async {
            let rows = self.server.get("/api/usage/logs?limit=1000", &self.access).await.1;
            let rows = rows["data"].as_array().unwrap().clone();
            (rows.len() == calls).then(|| rows[0].clone())
        })
        .await
    }
}

/// The data of all events, or the elements of an array; panics on what is broken.
fn read(kind: &Kind, text: &str) -> Vec<Value> {
    if kind.array {
        return serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
    let events = text.replace('\r', "");
    let data =
        events.split("\n\n").filter_map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")));
    let data = data.filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

async fn a_stream_cut_anywhere_ends_with_an_error_that_can_be_read(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let streams = [CHAT.to_owned(), EVENTS.to_owned(), content_events(), content_array()];
    for (number, (kind, stream)) in kinds().iter().zip(&streams).enumerate() {
        let whole = read(kind, stream);
        for (step, cut) in (1..stream.len()).step_by(stream.len() / 14).enumerate() {
            let ending = if step % 7 == 3 { Ending::Cut } else { Ending::Clean };
            scene.provider.plays(&stream.as_bytes()[..cut], ending);
            let text = scene.call(kind).await.text().await.unwrap();
            let mut got = read(kind, &text);
            // Where the reason why it finished is out, a clean end is one.
            if got.last().is_none_or(|last| last.get("error").is_some()) {
                got.pop();
            } else {
                assert!(matches!(ending, Ending::Clean), "{} cut at {cut}: {text}", kind.path);
            }
            assert!(whole.starts_with(&got), "{} cut at {cut}: {text}", kind.path);
            scene.resume(&scene.accounts[number.min(2)]).await;
        }
        scene.provider.plays(stream.as_bytes(), Ending::Clean);
        assert_eq!(&scene.call(kind).await.text().await.unwrap(), stream);
    }
    scene.server.stop().await;
}

/// The beginning of a stream of sixty words, which reports what its provider reports at the beginning.
fn sixty_words(kind: usize) -> String {
    let word = |n: usize| ["pond", "lily", "rain", "grey"][n % 4];
    let event = |n: usize| match kind {
        0 => {
            json!({"choices": [{"index": 0, "delta": {"content": format!("{} ", word(n))}, "finish_reason": null}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 1, "total_tokens": 901}})
        }
        1 => {
            json!({"type": "content_block_delta", "delta": {"type": "text_delta", "text": format!("{} ", word(n))}})
        }
        _ => json!({"candidates": [{"content": {"parts": [{"text": format!("{} ", word(n))}]}}],
            "usageMetadata": {"promptTokenCount": 900, "totalTokenCount": 900}}),
    };
    let start =
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 900, "output_tokens": 1}}});
    let start = if kind == 1 { format!("event: message_start\ndata: {start}\n\n") } else { String::new() };
    let events: Vec<String> = (0..60).map(|n| event(n).to_string()).collect();
    if kind == 3 {
        return format!("[{}", events.join(",\n"));
    }
    start + &events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>()
}

async fn what_was_delivered_is_charged_when_the_rest_does_not_come(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let mut calls = 0;
    for (number, kind) in kinds().iter().enumerate() {
        for ending in [Ending::Cut, Ending::Silent] {
            scene.provider.plays(sixty_words(number).as_bytes(), ending);
            let mut answer = scene.call(kind).await;
            calls += 1;
            let mut text = Vec::new();
            while let Ok(Some(chunk)) = answer.chunk().await {
                text.extend_from_slice(&chunk);
                let words = String::from_utf8_lossy(&text).matches("grey").count();
                if words == 15 && matches!(ending, Ending::Silent) {
                    break;
                }
            }
            drop(answer);
            let row = scene.row(calls).await;
            let outcome = if matches!(ending, Ending::Cut) { "upstream_error" } else { "client_closed" };
            assert_eq!(row["outcome"], outcome, "{row}");
            assert!((50..=130).contains(&row["output_tokens"].as_i64().unwrap()), "{row}");
            assert_eq!(
                (&row["input_tokens"], &row["tokens_estimated"]),
                (&json!(900), &json!(true)),
                "{row}"
            );
        }
    }
    // Input that the provider says was nothing is estimated, although the rest is counted.
    let zero = EVENTS.replace("\"input_tokens\":3", "\"input_tokens\":0");
    let zero = zero.replace("100", "0").replace("40", "0");
    scene.provider.plays(zero.as_bytes(), Ending::Clean);
    scene.call(&kinds()[1]).await.text().await.unwrap();
    let row = scene.row(calls + 1).await;
    assert!(row["input_tokens"].as_i64().unwrap() > 0, "{row}");
    assert_eq!((&row["output_tokens"], &row["tokens_estimated"]), (&json!(12), &json!(true)), "{row}");
    scene.server.stop().await;
}

async fn an_event_too_large_to_hold_back_passes_and_breaks_with_its_provider(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let kind = &kinds()[2];
    let data = "iVBORw0KGgo".repeat(100_000);
    let event = json!({"candidates": [{"content": {"parts": [{"text": "a pond"},
        {"inlineData": {"mimeType": "image/png", "data": data}}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 1290, "totalTokenCount": 1301}});
    let stream = format!("data: {event}\r\n\r\n");
    scene.provider.plays(stream.as_bytes(), Ending::Clean);
    assert!(scene.call(kind).await.text().await.unwrap() == stream, "it passes untouched");
    let row = scene.row(1).await;
    assert_eq!((&row["input_tokens"], &row["output_tokens"]), (&json!(11), &json!(1290)), "{row}");
    // What follows a part of an event can't be read, so the connection says that something is wrong.
    scene.provider.plays(&stream.as_bytes()[..500_000], Ending::Clean);
    assert!(scene.call(kind).await.text().await.is_err());
    let row = scene.row(2).await;
    assert_eq!(row["outcome"], "upstream_error");
    assert!(row["output_tokens"].as_i64().unwrap() < 100, "a picture is no text: {row}");
    scene.server.stop().await;
}

async fn nothing_follows_the_end_of_a_stream(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let more = format!("{CHAT}data: {{\"more\":1}}\n\n");
    scene.provider.plays(more.as_bytes(), Ending::Clean);
    assert_eq!(scene.call(&kinds()[0]).await.text().await.unwrap(), CHAT);
    scene.server.stop().await;
}
