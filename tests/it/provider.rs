//! A provider that does what the model's name says, and counts.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub calls: AtomicUsize,
    /// Streams that the gateway left before their end.
    pub cancelled: AtomicUsize,
    /// Frames of streams of the model `endless`.
    sent: AtomicUsize,
    /// Those streams may end.
    enough: AtomicBool,
}

pub(crate) struct Provider {
    pub address: SocketAddr,
    pub counts: Arc<Counts>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(counts.clone());
        let serving = crate::harness::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, counts, serving }
    }

    pub(crate) fn calls(&self) -> usize {
        self.counts.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn cancelled(&self) -> usize {
        self.counts.cancelled.load(Ordering::SeqCst)
    }

    /// Frames of the model `endless` so far.
    pub(crate) fn sent(&self) -> usize {
        self.counts.sent.load(Ordering::SeqCst)
    }

    /// Lets streams of the model `endless` end.
    pub(crate) fn enough(&self) {
        self.counts.enough.store(true, Ordering::SeqCst);
    }
}

/// Counts a stream that is dropped before it says it is whole.
struct Watch(Arc<Counts>, bool);

impl Watch {
    fn is_whole(&mut self, whole: bool) {
        self.1 |= whole;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

pub(crate) const USAGE: &str = r#"{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12}"#;

/// The frames of a stream, each with something that a careless relay would change.
pub(crate) fn frames(include_usage: bool, count: usize) -> Vec<String> {
    let mut frames: Vec<String> = (0..count)
        .map(|n| format!("data: {{\"id\":\"c\",  \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"wörd{n} \"}}}}]}}\n\n"))
        .collect();
    frames.push(": a comment\r\n\r\n".to_owned());
    frames.push(
        "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
            .to_owned(),
    );
    if include_usage {
        frames.push(format!("data: {{\"id\":\"c\",\"choices\":[],\"usage\":{USAGE}}}\n\n"));
    }
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

async fn answer(
    State(counts): State<Arc<Counts>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    counts.calls.fetch_add(1, Ordering::SeqCst);
    let model = request["model"].as_str().unwrap_or_default().to_owned();
    let refuse =
        |status: StatusCode| (status, Json(json!({"error": {"message": "no", "type": "x"}}))).into_response();
    if headers["authorization"] == "Bearer broken" {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR);
    }
    match model.as_str() {
        "bad-request" => return refuse(StatusCode::BAD_REQUEST),
        "fails" => return refuse(StatusCode::BAD_GATEWAY),
        "fails-politely" => return refuse(StatusCode::OK),
        _ => {}
    }
    if request["stream"] != true {
        if model == "slow" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut body = json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop",
            "message": {"role": "assistant", "content": "three words here"}}]});
        if model != "silent" {
            body["usage"] = serde_json::from_str(USAGE).unwrap();
        }
        return Json(body).into_response();
    }
    let wants_usage = request["stream_options"]["include_usage"] == true && model != "silent";
    if model == "endless" {
        return endless(counts, wants_usage);
    }
    let (count, pace) = if model == "slow" { (2_000, 10) } else { (5, 0) };
    let mut all = frames(wants_usage, count);
    let cut = model == "cut";
    if cut {
        all.truncate(3);
    }
    let last = all.len() - 1;
    let mut watch = Watch(counts, false);
    let body = stream::iter(all.into_iter().enumerate()).then(move |(n, frame)| {
        watch.is_whole(n == last);
        async move {
            tokio::time::sleep(Duration::from_millis(pace)).await;
            Ok::<_, Infallible>(frame)
        }
    });
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}

/// A stream that goes on until the test has enough of it.
fn endless(counts: Arc<Counts>, wants_usage: bool) -> Response {
    let frame = frames(false, 1).swap_remove(0);
    let body = stream::unfold(Some(Watch(counts, false)), move |watch| {
        let frame = frame.clone();
        async move {
            let mut watch = watch?;
            tokio::time::sleep(Duration::from_millis(2)).await;
            watch.0.sent.fetch_add(1, Ordering::SeqCst);
            if watch.0.enough.load(Ordering::SeqCst) {
                watch.is_whole(true);
                return Some((Ok(frames(wants_usage, 0).concat()), None));
            }
            Some((Ok::<_, Infallible>(frame), Some(watch)))
        }
    });
    ([("content-type", "text/event-stream")], Body::from_stream(body)).into_response()
}
