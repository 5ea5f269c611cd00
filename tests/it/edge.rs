//! What browsers are told with every answer.

use std::sync::Arc;

use crate::harness::{Harness, both_shapes};

both_shapes!(answers_tell_browsers_to_be_careful, only_listed_origins_call_with_credentials);

async fn answers_tell_browsers_to_be_careful(harness: Arc<Harness>) {
    let server = harness.server_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    for path in
        ["/", "/api/health", "/api/auth/me", "/v1/models", "/api/nothing", "/api/redoc", "/api/openapi.json"]
    {
        let answer = server.http.get(server.url(path)).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options").as_deref(), Some("DENY"), "{path}");
        assert_eq!(header("referrer-policy").as_deref(), Some("no-referrer"), "{path}");
        let policy = header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(
            !policy.contains("script-src 'unsafe-inline'") && !policy.contains("unsafe-eval"),
            "{path}: {policy}"
        );
        if !path.starts_with("/api/redoc") {
            assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
            assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{path}");
        }
        assert_eq!(header("strict-transport-security"), None, "{path} came in clear");
    }
    let request = server.http.get(server.url("/")).header("x-forwarded-proto", "https");
    let answer = request.send().await.unwrap();
    assert!(answer.headers().contains_key("strict-transport-security"), "a trusted proxy says TLS");
    server.stop().await;
}

async fn only_listed_origins_call_with_credentials(harness: Arc<Harness>) {
    let server = harness.server_with(&[("CORS_ORIGINS", "https://console.example")]).await;
    let ask = async |origin: &str| {
        let answer =
            server.http.get(server.url("/api/health")).header("origin", origin).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        (header("access-control-allow-origin"), header("access-control-allow-credentials"))
    };
    let listed = (Some("https://console.example".to_owned()), Some("true".to_owned()));
    assert_eq!(ask("https://console.example").await, listed);
    for origin in ["https://evil.example", "https://console.example.evil", "null"] {
        assert_eq!(ask(origin).await.0, None, "{origin}");
    }
    server.stop().await;
}
