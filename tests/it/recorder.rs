//! A provider of all dialects that writes down what it is sent and answers with fixed bytes, each with something that a
//! careless relay would change.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub path: String,
    pub headers: axum::http::HeaderMap,
    pub body: Bytes,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) struct Recorder {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    serving: tokio::task::JoinHandle<()>,
}

struct Inner {
    seen: Mutex<Vec<Seen>>,
    /// Calls of the model `held`, or with a credential that ends in `slow`, wait for a permit.
    gate: Semaphore,
    held: AtomicUsize,
}

impl Inner {
    async fn wait(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner =
            Arc::new(Inner { seen: Mutex::default(), gate: Semaphore::new(0), held: AtomicUsize::new(0) });
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let serving = crate::harness::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, inner, serving }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }

    /// How many calls wait at the gate, or went through it.
    pub(crate) fn held(&self) -> usize {
        self.inner.held.load(Ordering::SeqCst)
    }

    /// Lets so many of them go on.
    pub(crate) fn release(&self, count: usize) {
        self.inner.gate.add_permits(count);
    }
}

pub(crate) const CHAT: &str = "{\"id\":\"c\",  \"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\
    \"assistant\",\"content\":\"wörd\"}}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n";

pub(crate) const MESSAGE: &str = "{\"id\":\"msg_1\",  \"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":\
    [{\"type\":\"text\",\"text\":\"wörd\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":3,\
    \"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":40,\"output_tokens\":12}}\n";

pub(crate) const EVENTS: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":\
    {\"input_tokens\":3,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":40,\"output_tokens\":1}}}\n\n\
    event: ping\ndata: {\"type\": \"ping\"}\n\n\
    event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"wörd\"}}\r\n\r\n\
    event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":12}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

pub(crate) const CONTENT: &str = "{\n  \"candidates\": [{\"content\": {\"role\": \"model\", \"parts\": [{\"text\": \"wörd\"}]}, \
    \"finishReason\": \"STOP\"}],\n  \"usageMetadata\": {\"promptTokenCount\": 5, \"candidatesTokenCount\": 7, \
    \"thoughtsTokenCount\": 20, \"cachedContentTokenCount\": 2, \"totalTokenCount\": 32}\n}\n";

const PART: &str =
    "{\"candidates\": [{\"content\": {\"role\": \"model\", \"parts\": [{\"text\": \"wö} ]\"}]}}]}";
const LAST_PART: &str = "{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"rd\"}]}, \"finishReason\": \"STOP\"}], \
    \"usageMetadata\": {\"promptTokenCount\": 5, \"candidatesTokenCount\": 7, \"thoughtsTokenCount\": 20, \
    \"cachedContentTokenCount\": 2, \"totalTokenCount\": 32}}";

pub(crate) fn content_events() -> String {
    format!("data: {PART}\r\n\r\ndata: {LAST_PART}\r\n\r\n")
}

pub(crate) fn content_array() -> String {
    format!("[{PART}\n,\r\n{LAST_PART}\n]\n")
}

fn sent(content_type: &str, text: String) -> Response {
    // Cut where a frame of the wire may be cut: anywhere.
    let pieces: Vec<_> = text.into_bytes().chunks(37).map(Bytes::copy_from_slice).collect();
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, std::convert::Infallible>)));
    Response::builder().header("content-type", content_type).body(body).unwrap()
}

fn refused(status: u16, message: &str) -> Response {
    let body = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message, "code": status}});
    let text = format!("{body} ");
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(text))
        .unwrap()
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().to_string();
    let seen = Seen { path: path.clone(), headers: parts.headers, body: body.clone() };
    inner.seen.lock().unwrap().push(seen.clone());
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let credential =
        [seen.header("x-api-key"), seen.header("x-goog-api-key"), seen.header("authorization")].concat();
    if credential.ends_with("refused") {
        return refused(401, "no such key");
    }
    let named = json["model"].as_str().map(str::to_owned);
    if credential.ends_with("slow") {
        inner.wait().await;
        if credential.contains("refused") {
            return refused(401, "no such key");
        }
    }
    let model = named
        .unwrap_or_else(|| path.rsplit('/').next().unwrap_or_default().split(':').next().unwrap().to_owned());
    match model.as_str() {
        "fails" => return refused(500, "out of order"),
        "impossible" => return refused(400, "that is impossible"),
        "held" => inner.wait().await,
        _ => {}
    }
    let (json_type, events) = ("application/json", "text/event-stream");
    let stream = json["stream"] == true;
    match path.split('?').next().unwrap() {
        "/v1/messages/count_tokens" => sent(json_type, r#"{"input_tokens": 42}"#.to_owned()),
        "/v1/messages" if stream => sent(events, EVENTS.to_owned()),
        "/v1/messages" => sent(json_type, MESSAGE.to_owned()),
        "/v1/models" => sent(json_type, json!({"data": [{"type": "model", "id": "claude-x"}]}).to_string()),
        "/v1beta/models" => sent(json_type, json!({"models": [{"name": "models/gemini-x"}]}).to_string()),
        path if path.ends_with(":countTokens") => sent(json_type, r#"{"totalTokens": 42}"#.to_owned()),
        path if path.ends_with(":generateContent") => sent(json_type, CONTENT.to_owned()),
        path if path.ends_with(":streamGenerateContent") => match seen.path.ends_with("?alt=sse") {
            true => sent(events, content_events()),
            false => sent(json_type, content_array()),
        },
        "/v1/chat/completions" => sent(json_type, CHAT.to_owned()),
        _ => refused(404, "no such path"),
    }
}
