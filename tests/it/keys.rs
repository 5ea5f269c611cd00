//! `/api/api-keys`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Harness, Shape, both_shapes, read, run};

both_shapes!(keys_are_their_owners, a_key_ends_at_once);

async fn keys_are_their_owners(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    server.person("bob").await;
    let ((ada, _), (bob, _)) = (server.sign_in("ada").await, server.sign_in("bob").await);
    let (key, id) = server
        .key(&ada, json!({"name": "k", "description": "d", "expires_at": "2099-01-01T00:00:00Z"}))
        .await;
    let path = format!("/api/api-keys/{id}");
    assert_eq!(server.get(&path, &ada).await.1["key"], key, "its owner sees it again");
    assert_eq!(server.get(&path, &bob).await.0, 404, "to others it does not exist");
    let list = server.get("/api/api-keys", &ada).await.1;
    assert!(!list.to_string().contains(&key), "a list shows no secret");
    let renamed =
        server.http.patch(server.url(&format!("{path}/name"))).bearer_auth(&ada).json(&json!({"name": "n"}));
    assert_eq!(read(renamed).await.1["name"], "n");
    let stored = server
        .app
        .core
        .store
        .find_api_key(millpond::ids::UserId(1), millpond::ids::KeyId(id.try_into().unwrap()));
    let stored = format!("{:?}", stored.await.unwrap().unwrap());
    assert!(!stored.contains(&key), "it is not stored in clear");
    server.stop().await;
}

async fn a_key_ends_at_once(harness: Arc<Harness>) {
    let server = harness.server_with_clock().await;
    server.person("ada").await;
    let (ada, _) = server.sign_in("ada").await;
    let (key, id) = server.key(&ada, json!({})).await;
    assert_eq!(server.get("/v1/models", &key).await.0, 200);
    let status = |on: bool| {
        let url = server.url(&format!("/api/api-keys/{id}/status"));
        read(server.http.patch(url).bearer_auth(&ada).json(&json!({"is_active": on})))
    };
    assert_eq!(status(false).await.0, 200);
    assert_eq!(server.get("/v1/models", &key).await.1["error"]["code"], "api_key_disabled");
    status(true).await;
    assert_eq!(server.get("/v1/models", &key).await.0, 200);
    let soon = server.app.core.clock.now().plus(Duration::from_secs(60)).to_string();
    let (short, _) = server.key(&ada, json!({"expires_at": soon})).await;
    assert_eq!(server.get("/v1/models", &short).await.0, 200);
    harness.pass(Duration::from_secs(61));
    assert_eq!(server.get("/v1/models", &short).await.1["error"]["code"], "api_key_expired");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_by_the_other_instance_within_a_second() {
    async fn test(harness: Arc<Harness>) {
        let (here, there) = (harness.server().await, harness.server().await);
        here.person("ada").await;
        let (ada, _) = here.sign_in("ada").await;
        let (key, id) = here.key(&ada, json!({})).await;
        assert_eq!(there.get("/v1/models", &key).await.0, 200);
        let deleted =
            read(here.http.delete(here.url(&format!("/api/api-keys/{id}"))).bearer_auth(&ada)).await;
        assert_eq!(deleted.0, 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(there.get("/v1/models", &key).await.0, 401);
        here.stop().await;
        there.stop().await;
    }
    run(Shape::Clustered, test).await;
}
