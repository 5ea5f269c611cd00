//! `/api/plugin-api` and `/api/usage` as dashboards read them, answered natively.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Harness, both_shapes, read};
use crate::provider::Provider;

both_shapes!(dashboards_read_live_numbers, accounts_are_checked_imported_and_given_new_credentials);

async fn dashboards_read_live_numbers(harness: Arc<Harness>) {
    let (server, provider) = (harness.server().await, Provider::start().await);
    for name in ["owner", "ada"] {
        server.person(name).await;
    }
    let (owner, _) = server.sign_in("owner").await;
    let (ada, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&ada, json!({})).await;
    let shared = server.account(&owner, provider.address, json!({"is_shared": 1})).await;
    let messages = json!([{"role": "user", "content": "hi"}]);
    let call = json!({"model": "m", "stream": false, "messages": messages});
    assert_eq!(server.post("/v1/chat/completions", &key, call).await.0, 200);

    // The Plug-in API's own default is a stream.
    let request = server.http.post(server.url("/api/plugin-api/chat/completions")).bearer_auth(&key);
    let answer = request.json(&json!({"model": "m", "messages": messages})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    assert!(answer.text().await.unwrap().contains("[DONE]"));

    let get = async |path: &str| {
        let (status, answer) = server.get(path, &ada).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    };
    let consumed = get("/api/plugin-api/quotas/consumption").await["data"].clone();
    assert_eq!(consumed.as_array().unwrap().len(), 2, "{consumed}");
    assert_eq!((&consumed[0]["model_name"], &consumed[0]["is_shared"]), (&json!("m"), &json!(1)));
    assert_eq!(consumed[0]["cookie_id"], shared["cookie_id"]);
    let quotas = get("/api/plugin-api/quotas/user").await["data"].clone();
    let below = |row: &Value| {
        let number = |name: &str| row[name].as_str().unwrap().parse::<f64>().unwrap();
        number("quota") < number("max_quota")
    };
    assert!(quotas.as_array().unwrap().iter().any(below), "the calls took something: {quotas}");
    let pool = get("/api/plugin-api/quotas/shared-pool").await;
    assert_eq!(pool["data"]["user_consumption"]["total_requests"], 2, "{pool}");
    let stats = get("/api/plugin-api/quotas/consumption/stats/m").await;
    assert_eq!(stats["data"]["total_requests"], "2", "{stats}");
    for path in ["quotas", "consumption", "accounts", "summary", "shared-pool/stats"] {
        get(&format!("/api/usage/{path}")).await;
    }
    // What is gone is not lost: the account's calls stay when it is deleted.
    let path = format!("/api/plugin-api/accounts/{}", shared["cookie_id"].as_str().unwrap());
    assert_eq!(server.delete(&path, &owner).await.0, 200);
    assert_eq!(get("/api/plugin-api/quotas/consumption").await["data"].as_array().unwrap().len(), 2);
    server.stop().await;
}

async fn accounts_are_checked_imported_and_given_new_credentials(harness: Arc<Harness>) {
    let (server, provider) = (harness.server().await, Provider::start().await);
    server.person("ada").await;
    let (ada, _) = server.sign_in("ada").await;
    let account = server.account(&ada, provider.address, json!({"credential": "broken"})).await;
    let path = format!("/api/plugin-api/accounts/{}", account["cookie_id"].as_str().unwrap());
    let (status, checked) = server.post(&format!("{path}/check"), &ada, json!({})).await;
    assert_eq!(status, 200, "{checked}");
    assert!(!checked.to_string().contains("Bearer broken"), "{checked}");
    let rotated = server.put(&format!("{path}/credential"), &ada, json!({"credential": "good"})).await;
    assert_eq!(rotated.0, 200, "{}", rotated.1);
    let call = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(server.post("/v1/chat/completions", &ada, call).await.0, 200);
    let request = server.http.get(server.url("/api/plugin-api/accounts/export")).bearer_auth(&ada);
    let (status, exported) = read(request).await;
    assert_eq!(status, 200, "{exported}");
    assert!(!exported.to_string().contains("good\""), "credentials only go in");
    server.stop().await;
}
