//! Whatever is sent, the answer is an error in the dialect of the path and never a 500.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Harness, both_shapes};

both_shapes!(bad_bodies_are_refused, errors_speak_the_dialect_of_their_path);

fn nested(depth: usize) -> Vec<u8> {
    format!("{{\"model\":\"m\",\"messages\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes()
}

async fn bad_bodies_are_refused(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    let (ada, _) = server.sign_in("ada").await;
    let bodies: Vec<Vec<u8>> = vec![
        b"{".to_vec(),
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"x\"".to_vec(),
        b"{\"username\":\"a\\u0000b\\u0000\",\"password\":\"longenough\",\"name\":\"a\\u0000\",\"model\":\"a\\u0000\",\"messages\":[]}".to_vec(),
        b"{\"username\":\"\\ud800\\ud800\",\"name\":\"\\ud800\",\"model\":\"\\ud800\"}".to_vec(),
        b"{\"name\":\"\xff\xfe\",\"model\":\"\xff\"}".to_vec(),
        b"{\"model\":1e999999,\"name\":1e999999,\"requests_per_minute\":1e308,\"messages\":[]}".to_vec(),
        b"{\"requests_per_minute\":99999999999999999999999999,\"max_tokens\":99999999999999999999999999,\"model\":\"m\",\"messages\":[]}".to_vec(),
        nested(100),
        nested(500_000),
    ];
    for path in [
        "/api/auth/login",
        "/api/auth/refresh",
        "/api/api-keys",
        "/api/plugin-api/accounts",
        "/v1/chat/completions",
    ] {
        for body in &bodies {
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            let request = server
                .http
                .post(server.url(path))
                .bearer_auth(&ada)
                .header("content-type", "application/json");
            let answer = request.body(body.clone()).send().await.unwrap();
            let status = answer.status().as_u16();
            assert!(answer.headers().contains_key("x-request-id"));
            let text = answer.text().await.unwrap();
            // A key may be made of members that nobody reads.
            assert!(status < 500, "{path} {shown}: {status} {text}");
            let answer: Value = serde_json::from_str(&text).unwrap();
            if path.starts_with("/v1") {
                assert!(answer["error"]["message"].is_string(), "{path} {shown}: {answer}");
            }
        }
    }
    server.stop().await;
}

async fn errors_speak_the_dialect_of_their_path(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    let (ada, _) = server.sign_in("ada").await;
    assert_eq!(server.get("/api/nope", &ada).await, (404, json!({"detail": "Not Found"})));
    let (status, answer) = server.get("/v1/nope", &ada).await;
    assert_eq!((status, answer["error"]["type"].clone()), (404, json!("invalid_request_error")));
    let (status, answer) = server.get("/v1/chat/completions", &ada).await;
    assert_eq!((status, answer["error"]["code"].clone()), (405, json!("method_not_allowed")));
    let plain = server
        .http
        .post(server.url("/v1/chat/completions"))
        .bearer_auth(&ada)
        .header("content-type", "text/plain");
    let (status, answer) = crate::harness::read(plain.body("{}")).await;
    assert_eq!((status, answer["error"]["code"].clone()), (415, json!("unsupported_media_type")));
    let (status, answer) = server.post("/v1/chat/completions", &ada, json!({"model": "m"})).await;
    assert_eq!((status, answer["error"]["param"].clone()), (400, json!("messages")));
    let large = json!({"model": "m", "messages": ["x".repeat(2_100_000)]});
    let (status, answer) = server.post("/v1/chat/completions", &ada, large.clone()).await;
    assert_eq!((status, answer["error"]["code"].clone()), (413, json!("body_too_large")));
    let (status, answer) = server.post("/api/api-keys", &ada, large).await;
    assert_eq!(status, 413);
    assert!(answer["detail"].is_string());
    let (status, answer) = server.post("/v1/chat/completions", "sk-wrong", json!({})).await;
    assert_eq!((status, answer["error"]["code"].clone()), (401, json!("invalid_api_key")));
    server.stop().await;
}
