//! Accounts whose answers are read on when their client has gone, so that the provider's own counts are on record.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, eventually};
use crate::provider::Provider;

both_shapes!(
    an_abandoned_stream_is_read_to_its_end,
    an_abandoned_stream_is_left_at_the_bound,
    without_a_bound_an_abandoned_stream_is_left_at_once,
    the_end_of_the_process_ends_reading_on,
);

/// Somebody has begun to read an endless answer, and gone.
async fn abandoned(harness: &Harness, members: Value) -> (Server, Provider, String) {
    let (server, provider) = (harness.server().await, Provider::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let mut account = json!({"models": ["endless"]});
    account.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.account(&access, provider.address, account).await;
    let question =
        json!({"model": "endless", "stream": true, "messages": [{"role": "user", "content": "go on"}]});
    let request = server.http.post(server.url("/v1/chat/completions")).bearer_auth(&access).json(&question);
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.chunk().await.unwrap().unwrap();
    drop(answer);
    (server, provider, access)
}

/// The row of the one call.
async fn row(server: &Server, access: &str) -> Value {
    eventually("the row is there", || async {
        server.get("/api/usage/logs", access).await.1["data"].as_array().unwrap().first().cloned()
    })
    .await
}

async fn an_abandoned_stream_is_read_to_its_end(harness: Arc<Harness>) {
    let (server, provider, access) = abandoned(&harness, json!({"drain_bytes": 64 << 20})).await;
    // Far more than fits into a connection that nobody reads: it is the gateway that takes it.
    let left_at = provider.sent();
    eventually("it is read on", || async { (provider.sent() > left_at + 200).then_some(()) }).await;
    assert_eq!(provider.cancelled(), 0);
    let none_yet = server.get("/api/usage/logs", &access).await.1;
    assert_eq!(none_yet["data"], json!([]), "it is not over");
    provider.enough();
    let row = row(&server, &access).await;
    assert_eq!(
        (&row["outcome"], &row["tokens_estimated"]),
        (&json!("client_closed"), &json!(false)),
        "{row}"
    );
    assert_eq!(
        (&row["input_tokens"], &row["output_tokens"]),
        (&json!(7), &json!(5)),
        "the provider's counts"
    );
    assert_eq!((provider.cancelled(), provider.calls()), (0, 1));
    server.stop().await;
}

async fn an_abandoned_stream_is_left_at_the_bound(harness: Arc<Harness>) {
    let (server, provider, access) = abandoned(&harness, json!({"drain_bytes": 10_000})).await;
    eventually("the provider's stream is cancelled", || async { (provider.cancelled() == 1).then_some(()) })
        .await;
    let row = row(&server, &access).await;
    assert_eq!((&row["outcome"], &row["tokens_estimated"]), (&json!("client_closed"), &json!(true)), "{row}");
    // More than a hundred frames of two tokens and more stand in so many bytes; one of them was read by the client.
    assert!(row["output_tokens"].as_i64().unwrap() > 200, "up to the bound, not at once: {row}");
    server.stop().await;
}

async fn without_a_bound_an_abandoned_stream_is_left_at_once(harness: Arc<Harness>) {
    // Zero and absent are the same.
    let (server, provider, access) = abandoned(&harness, json!({"drain_bytes": 0})).await;
    eventually("the provider's stream is cancelled", || async { (provider.cancelled() == 1).then_some(()) })
        .await;
    let row = row(&server, &access).await;
    assert_eq!((&row["outcome"], &row["tokens_estimated"]), (&json!("client_closed"), &json!(true)), "{row}");
    for wrong in [json!(-1), json!((64 << 20) + 1), json!("much")] {
        let body = json!({"name": "a", "provider": "openai", "credential": "c", "drain_bytes": wrong});
        let (status, answer) = server.post("/api/plugin-api/accounts", &access, body).await;
        assert_eq!((status, &answer["details"][0]["loc"]), (422, &json!(["body", "drain_bytes"])), "{wrong}");
    }
    server.stop().await;
}

async fn the_end_of_the_process_ends_reading_on(harness: Arc<Harness>) {
    let (server, provider, _) = abandoned(&harness, json!({"drain_bytes": 64 << 20})).await;
    let left_at = provider.sent();
    eventually("it is read on", || async { (provider.sent() > left_at + 200).then_some(()) }).await;
    server.stop().await;
    assert_eq!(
        harness.sql("select outcome from usage_logs").await,
        ["client_closed"],
        "what was read is on record"
    );
    eventually("the provider's stream is cancelled", || async { (provider.cancelled() == 1).then_some(()) })
        .await;
}
