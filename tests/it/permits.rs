//! What accounts give is not overshot by what runs on other instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::post;
use axum::{Json, Router};
use millpond::ids::AccountId;
use serde_json::{Value, json};

use crate::harness::{self, Harness, Server, Shape, both_shapes, eventually, spawn};

both_shapes!(an_allowance_is_exact_over_instances, an_account_runs_no_more_calls_than_it_may);

/// A provider that takes a moment, and remembers how many calls it had and the most at one time.
#[derive(Default)]
struct Busy {
    calls: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

async fn answer(busy: Arc<Busy>) -> Json<Value> {
    busy.calls.fetch_add(1, Ordering::SeqCst);
    let running = busy.running.fetch_add(1, Ordering::SeqCst) + 1;
    busy.most.fetch_max(running, Ordering::SeqCst);
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    busy.running.fetch_sub(1, Ordering::SeqCst);
    Json(json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop", "message":
        {"role": "assistant", "content": "hi"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 5}}))
}

/// Three instances where there can be several, one account on them, and `calls` made at once; answers how each ended.
async fn call_at_once(harness: &Harness, account: Value, calls: usize) -> (Arc<Busy>, Vec<u16>) {
    let busy = Arc::new(Busy::default());
    let provider = busy.clone();
    let router = Router::new().route("/v1/chat/completions", post(move || answer(provider.clone())));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = spawn(async move { axum::serve(listener, router).await.unwrap() });
    let settings = [("QUEUE_TIMEOUT_SECONDS", "60"), ("QUEUE_SIZE", "10000")];
    let mut servers: Vec<Arc<Server>> = Vec::new();
    for _ in 0..if harness.is_clustered() { 3 } else { 1 } {
        servers.push(Arc::new(harness.server_with(&settings).await));
    }
    servers[0].person("ada").await;
    let (access, _) = servers[0].sign_in("ada").await;
    let (key, _) = servers[0].key(&access, json!({})).await;
    servers[0].account(&access, address, account).await;
    let call = |n: usize| {
        let (server, key) = (servers[n % servers.len()].clone(), key.clone());
        // Different openings, so that nothing is one conversation.
        let body =
            json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": n.to_string()}]});
        spawn(async move { server.post("/v1/chat/completions", &key, body).await.0 })
    };
    let mut statuses = Vec::new();
    for call in (0..calls).map(call).collect::<Vec<_>>() {
        statuses.push(call.await.unwrap());
    }
    for server in servers {
        Arc::into_inner(server).unwrap().stop().await;
    }
    serving.abort();
    (busy, statuses)
}

async fn an_allowance_is_exact_over_instances(harness: Arc<Harness>) {
    let allowance = json!([{"models": ["m"], "limit": 100, "unit": "requests", "window": "30d"}]);
    let (busy, statuses) = call_at_once(&harness, json!({"allowances": allowance}), 600).await;
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((served, busy.calls.load(Ordering::SeqCst)), (100, 100));
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429 | 503)), "{statuses:?}");
}

async fn an_account_runs_no_more_calls_than_it_may(harness: Arc<Harness>) {
    let (busy, statuses) = call_at_once(&harness, json!({"max_concurrency": 3}), 150).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(busy.calls.load(Ordering::SeqCst), 150);
    let most = busy.most.load(Ordering::SeqCst);
    assert!(most <= 3, "{most} ran at one time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_holds_no_call_up_and_nothing_for_ever() {
    harness::run(Shape::Clustered, |harness| async move {
        let provider = crate::provider::Provider::start().await;
        let server = harness.server().await;
        server.person("ada").await;
        let (access, _) = server.sign_in("ada").await;
        let (key, _) = server.key(&access, json!({})).await;
        let account = server.account(&access, provider.address, json!({"max_concurrency": 5})).await;
        let account = AccountId(account["cookie_id"].as_str().unwrap().to_owned());
        let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        let call = async || server.post("/v1/chat/completions", &key, body.clone()).await.0;
        assert_eq!(call().await, 200);
        harness.hang_redis(true);
        let (one, two) = tokio::join!(call(), call());
        harness.hang_redis(false);
        assert_eq!((one, two), (200, 200), "this instance knows its own calls");
        eventually("all that was held is given back", || async {
            (server.app.core.state.account_counters(&account).await.unwrap().permits == 0).then_some(())
        })
        .await;
        assert_eq!(call().await, 200);
        server.stop().await;
    })
    .await;
}
