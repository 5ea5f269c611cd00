//! Clients that don't do their part: they stop reading, stop sending, or say nothing at all; and how everybody is told that
//! the server ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::harness::{Harness, Server, both_shapes, eventually, spawn};

both_shapes!(
    a_client_that_takes_nothing_is_cut_off,
    a_stream_of_http2_that_takes_nothing_is_cut_off,
    a_body_that_does_not_come_is_given_up,
    who_says_nothing_is_cut_off,
    strangers_of_one_address_are_bounded,
    at_the_end_streams_say_goodbye,
    new_calls_are_refused_while_old_ones_end,
    two_hosts_are_refused,
    ids_of_requests_come_from_trusted_proxies_only,
);

/// A provider whose streams never end: `flood` sends as fast as it is read, all others one chunk and then nothing.
struct Tireless {
    address: SocketAddr,
    running: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Drop for Tireless {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

impl Tireless {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, running) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = running.clone();
        let serving = spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let count = count.clone();
                spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    tell(stream).await.ok();
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, running, serving }
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

fn event(text: &str) -> String {
    let chunk = json!({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]});
    format!("data: {chunk}\n\n")
}

async fn tell(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = vec![0; 64 << 10];
    let read = stream.read(&mut request).await?;
    let flood = String::from_utf8_lossy(&request[..read]).contains("flood");
    stream.write_all(HEAD.as_bytes()).await?;
    let event = event(&"word ".repeat(if flood { 1_000 } else { 1 }));
    stream.write_all(event.as_bytes()).await?;
    if flood {
        loop {
            stream.write_all(event.as_bytes()).await?;
        }
    }
    // Returns when the gateway closes.
    while stream.read(&mut request).await? > 0 {}
    Ok(())
}

struct Scene {
    server: Server,
    provider: Tireless,
    key: String,
}

async fn scene(harness: &Harness, settings: &[(&str, &str)]) -> Scene {
    let (server, provider) = (harness.server_with(settings).await, Tireless::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    let members = json!({"models": ["flood", "quiet"], "max_concurrency": 1});
    server.account(&access, provider.address, members).await;
    Scene { server, provider, key }
}

fn body(model: &str) -> Value {
    json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "hi"}]})
}

impl Scene {
    /// A call by hand, whose answer nobody reads beyond its first bytes.
    async fn call(&self, model: &str) -> (TcpStream, String) {
        let body = body(model).to_string();
        let (key, length) = (&self.key, body.len());
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        exchange(&self.server, &(head + &body)).await
    }

    async fn stream(&self, model: &str) -> reqwest::Response {
        let request = self.server.http.post(self.server.url("/v1/chat/completions")).bearer_auth(&self.key);
        request.json(&body(model)).send().await.unwrap()
    }

    /// Waits until the call is settled and the provider's stream has ended.
    async fn is_over(&self, harness: &Harness) {
        eventually("the provider's stream ends", || async { (self.provider.running() == 0).then_some(()) })
            .await;
        assert_eq!(outcomes(harness, 1).await, ["client_closed"]);
    }
}

/// How the calls on record ended, when there are as many.
async fn outcomes(harness: &Harness, count: usize) -> Vec<String> {
    eventually("the calls are on record", || async {
        let outcomes = harness.sql("select outcome from usage_logs order by id").await;
        (outcomes.len() == count).then_some(outcomes)
    })
    .await
}

/// Sends bytes and answers the connection with the first that came back.
async fn exchange(server: &Server, bytes: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    answer.truncate(read);
    (stream, String::from_utf8_lossy(&answer).into_owned())
}

/// Waits until the server closes a connection.
async fn is_closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await;
    closed.expect("the server closes the connection").ok();
}

async fn a_client_that_takes_nothing_is_cut_off(harness: Arc<Harness>) {
    let scene = scene(&harness, &[("CLIENT_TIMEOUT_SECONDS", "1")]).await;
    let (stream, head) = scene.call("flood").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    scene.is_over(&harness).await;
    // The only place of the account is free again.
    let (_second, head) = scene.call("flood").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    is_closed(stream).await;
    scene.server.stop().await;
}

async fn a_stream_of_http2_that_takes_nothing_is_cut_off(harness: Arc<Harness>) {
    let scene = scene(&harness, &[("CLIENT_TIMEOUT_SECONDS", "1")]).await;
    let stream = TokioIo::new(TcpStream::connect(scene.server.address).await.unwrap());
    let shaken = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(16_384)
        .handshake::<_, Full<bytes::Bytes>>(stream);
    let (mut calls, connection) = shaken.await.unwrap();
    let connection = spawn(connection);
    let request = |model: &str| {
        hyper::Request::post(scene.server.url("/v1/chat/completions"))
            .header("authorization", format!("Bearer {}", scene.key))
            .header("content-type", "application/json")
            .body(Full::from(body(model).to_string()))
            .unwrap()
    };
    let stuck = calls.send_request(request("flood")).await.unwrap();
    assert_eq!(stuck.status(), 200);
    scene.is_over(&harness).await;
    // Others on the same connection don't suffer for it.
    let mut second = calls.send_request(request("quiet")).await.unwrap();
    assert_eq!(second.status(), 200);
    assert!(second.body_mut().frame().await.unwrap().is_ok());
    drop((stuck, second));
    connection.abort();
    scene.server.stop().await;
}

async fn a_body_that_does_not_come_is_given_up(harness: Arc<Harness>) {
    let scene = scene(&harness, &[("CLIENT_TIMEOUT_SECONDS", "1")]).await;
    let key = &scene.key;
    for (path, word) in
        [("/v1/chat/completions", "\"code\":\"request_timeout\""), ("/api/auth/login", "\"detail\"")]
    {
        let (stream, answer) = exchange(
            &scene.server,
            &format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
                 content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
            ),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains(word), "{answer}");
        is_closed(stream).await;
    }
    scene.server.stop().await;
}

async fn who_says_nothing_is_cut_off(harness: Arc<Harness>) {
    let server = harness.server_with(&[("CLIENT_TIMEOUT_SECONDS", "1")]).await;
    for beginning in ["", "G", "GET /healthz HTTP/1.1\r\nhost: ", "PRI * HT"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        is_closed(stream).await;
    }
    let (stream, answer) = exchange(&server, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Who has asked may be quiet for longer.
    let quiet = tokio::time::timeout(Duration::from_secs(2), is_closed(stream)).await;
    assert!(quiet.is_err(), "a kept-alive connection stays");
    server.stop().await;
}

async fn strangers_of_one_address_are_bounded(harness: Arc<Harness>) {
    let server = harness.server_with(&[("CONNECTIONS_PER_ADDRESS", "2")]).await;
    let ask = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let (_first, _) = exchange(&server, ask).await;
    let (second, _) = exchange(&server, ask).await;
    is_closed(TcpStream::connect(server.address).await.unwrap()).await;
    drop(second);
    eventually("another one is let in", || async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(ask.as_bytes()).await.ok()?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.ok()?;
        (&answer == b"HTTP/1.1 200").then_some(())
    })
    .await;
    server.stop().await;
}

async fn at_the_end_streams_say_goodbye(harness: Arc<Harness>) {
    let scene = scene(&harness, &[("SHUTDOWN_GRACE_SECONDS", "0")]).await;
    let mut stream = scene.stream("quiet").await;
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"data: "), "{first:?}");
    let stopping = spawn(scene.server.stop());
    let rest = stream.text().await.unwrap();
    let last = rest.trim().rsplit("\n\n").find(|event| event.contains("error")).unwrap_or_default();
    assert!(last.starts_with("data: {") && last.contains("\"shutting_down\""), "{rest}");
    stopping.await.unwrap();
    let row = harness.sql("select outcome || ' ' || error_code from usage_logs").await;
    assert_eq!(row, ["client_closed shutting_down"]);
}

async fn new_calls_are_refused_while_old_ones_end(harness: Arc<Harness>) {
    let scene = scene(&harness, &[]).await;
    let (address, key) = (scene.server.address, scene.key.clone());
    let running = scene.call("quiet").await;
    let app = scene.server.app.clone();
    let stopping = spawn(scene.server.stop());
    eventually("it drains", || async { app.core.shutdown.has_begun().then_some(()) }).await;
    let http = reqwest::Client::builder().build().unwrap();
    let url = |path: &str| format!("http://{address}{path}");
    assert_eq!(http.get(url("/healthz")).send().await.unwrap().status(), 200);
    let ready = http.get(url("/readyz")).send().await.unwrap();
    assert_eq!((ready.status().as_u16(), ready.text().await.unwrap()), (503, "draining".to_owned()));
    let call = http.post(url("/v1/chat/completions")).bearer_auth(&key).json(&body("quiet"));
    let refused = call.send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["connection"].to_str().unwrap()),
        (503, "close")
    );
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await.unwrap()["error"]["code"], "shutting_down");
    drop(running);
    stopping.await.unwrap();
}

async fn two_hosts_are_refused(harness: Arc<Harness>) {
    let server = harness.server().await;
    for (path, word) in [("/v1/models", "\"type\":\"invalid_request_error\""), ("/api/health", "\"detail\"")]
    {
        let (_stream, answer) =
            exchange(&server, &format!("GET {path} HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains(word), "{answer}");
    }
    server.stop().await;
}

async fn ids_of_requests_come_from_trusted_proxies_only(harness: Arc<Harness>) {
    let id = async |server: &Server, path: &str| {
        let request = server.http.get(server.url(path)).header("x-request-id", "traced-1");
        request.send().await.unwrap().headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    let server = harness.server().await;
    for path in ["/api/health", "/v1/models"] {
        assert_eq!(id(&server, path).await.len(), 32, "an id of our own");
    }
    server.stop().await;
    let server = harness.server_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    for path in ["/api/health", "/v1/models"] {
        assert_eq!(id(&server, path).await, "traced-1");
    }
    server.stop().await;
}
