//! What accounts give is not overshot by what runs on other instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use millpond::clock::Clock;
use millpond::ids::AccountId;
use millpond::state::counters::Admit;
use millpond::state::{Invalidation, State};
use millpond::tasks::Tasks;
use millpond_pool::bucket::LeaseId;
use millpond_pool::counters::{Claim, Limits};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::harness::{self, Harness, Server, Shape, both_shapes, eventually, spawn};

both_shapes!(
    an_allowance_is_exact_over_instances,
    an_account_runs_no_more_calls_than_it_may,
    clients_that_leave_at_any_moment_hold_nothing,
);

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
    tokio::time::sleep(Duration::from_millis(5)).await;
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
            let counters = server.app.core.state.account_counters(&account).await;
            counters.is_ok_and(|counters| counters.permits == 0).then_some(())
        })
        .await;
        assert_eq!(call().await, 200);
        server.stop().await;
    })
    .await;
}

/// Sends a call and goes away after so long.
async fn leave(address: std::net::SocketAddr, key: String, stays: Duration) {
    let body =
        json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(stays).await;
    // Unread bytes make this a reset.
    drop(stream);
}

async fn clients_that_leave_at_any_moment_hold_nothing(harness: Arc<Harness>) {
    let provider = crate::provider::Provider::start().await;
    let settings =
        [("QUEUE_TIMEOUT_SECONDS", "5"), ("POLICY_CONCURRENT_CALLS", "-,8"), ("POLICY_BASE_QUOTA", "100")];
    let server = harness.server_with(&settings).await;
    server.person("owner").await;
    let (owner, _) = server.sign_in("owner").await;
    let allowances = json!([{"models": ["*"], "limit": 1_000_000, "unit": "requests", "window": "5h"}]);
    let members = json!({"max_concurrency": 5, "is_shared": 1, "allowances": allowances});
    let account = server.account(&owner, provider.address, members).await;
    let account = AccountId(account["cookie_id"].as_str().unwrap().to_owned());
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    let body = json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
    let call = async || server.post("/v1/chat/completions", &key, body.clone()).await.0;
    assert_eq!(call().await, 200);
    for round in 0..4_u64 {
        let stays = |n: u64| Duration::from_micros((n * 7 + round) * 131 % 15_000);
        let gone: Vec<_> = (0..100).map(|n| spawn(leave(server.address, key.clone(), stays(n)))).collect();
        for one in gone {
            one.await.unwrap();
        }
    }
    eventually("nothing is held", || async {
        let counters = server.app.core.state.account_counters(&account).await.unwrap();
        let held = counters.windows.values().any(|window| window.held > 0);
        (counters.permits == 0 && !held).then_some(())
    })
    .await;
    eventually("all that may run at one time do", || async {
        let (one, two, three, four, five) = tokio::join!(call(), call(), call(), call(), call());
        ([one, two, three, four, five] == [200; 5]).then_some(())
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_what_runs_elsewhere_asks_seldom_and_not_for_ever() {
    harness::run(Shape::Clustered, |harness| async move { wait_in_vain(&harness).await }).await;
}

async fn wait_in_vain(harness: &Harness) {
    let provider = crate::provider::Provider::start().await;
    let server = harness.server_with(&[("QUEUE_TIMEOUT_SECONDS", "2")]).await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    let account = server.account(&access, provider.address, json!({"max_concurrency": 1})).await;
    let account = AccountId(account["cookie_id"].as_str().unwrap().to_owned());
    let tasks = Tasks::default();
    let elsewhere = State::redis(&harness.config().redis_url.unwrap(), Clock::System, &tasks).await.unwrap();
    let limits = Limits { concurrent_calls: Some(1), ..Limits::default() };
    let claim = Claim {
        id: LeaseId(1),
        life_millis: 600_000,
        limits,
        tokens: None,
        micro_usd: 0,
        month: 0,
        parts: Vec::new(),
    };
    let admit = Admit { callers: &[], account: Some((&account, &claim)) };
    assert_eq!(elsewhere.admit(admit).await.unwrap().verdict, Ok(()));
    let before = elsewhere.account_counters(&account).await.unwrap().version;
    let mut redis = harness.redis().await.unwrap();
    redis::cmd("CONFIG").arg("RESETSTAT").query_async::<()>(&mut redis).await.unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let (status, answer) = server.post("/v1/chat/completions", &key, body.clone()).await;
    assert_eq!((status, &answer["error"]["code"]), (429, &json!("no_free_account")), "{answer}");
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(&mut redis).await.unwrap();
    let asked = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    let asked: u32 = asked.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap());
    assert!(asked < 50, "{asked} steps in two seconds");
    elsewhere.count_account(&account, &[LeaseId(1)], &[]).await.unwrap();
    assert!(elsewhere.account_counters(&account).await.unwrap().version > before);
    elsewhere.announce_account(Invalidation::Allowance(account.clone())).await;
    eventually("the place is free", || async {
        (server.post("/v1/chat/completions", &key, body.clone()).await.0 == 200).then_some(())
    })
    .await;
    server.stop().await;
    assert!(tasks.shutdown(Duration::from_secs(5)).await);
}
