//! Limits of people and keys, on every shape and over several instances.

use std::sync::Arc;

use millpond::store::users::{Role, UserChanges};
use serde_json::{Value, json};

use crate::database::update_user;
use crate::harness::{Harness, both_shapes, eventually, spawn};
use crate::provider::Provider;
use crate::recorder::Recorder;

both_shapes!(
    calls_a_minute_are_exact_over_instances,
    calls_at_one_time_are_exact_over_instances,
    calls_that_run_count_when_redis_has_lost_its_memory,
    tokens_and_money_are_exact,
    an_exception_counts_before_the_rest_and_ends,
    a_budget_needs_a_price,
);

fn call(model: &str) -> Value {
    json!({"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]})
}

async fn calls_a_minute_are_exact_over_instances(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let settings = &[("POLICY_REQUESTS_PER_MINUTE", "-,25")];
    let mut servers = vec![Arc::new(harness.server_with(settings).await)];
    if harness.is_clustered() {
        servers.push(Arc::new(harness.server_with(settings).await));
    }
    servers[0].person("ada").await;
    let (access, _) = servers[0].sign_in("ada").await;
    servers[0].account(&access, provider.address, json!({})).await;
    let calls = (0..100).map(|n| {
        let (server, access) = (servers[n % servers.len()].clone(), access.clone());
        spawn(async move { server.post("/v1/chat/completions", &access, call("m")).await })
    });
    let mut served = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            (200, _) => served += 1,
            (429, answer) => assert_eq!(answer["error"]["code"], "rate_limit_exceeded"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((served, provider.calls()), (25, 25));
    for server in servers {
        Arc::into_inner(server).unwrap().stop().await;
    }
}

async fn calls_at_one_time_are_exact_over_instances(harness: Arc<Harness>) {
    let provider = Recorder::start().await;
    let settings = &[("POLICY_CONCURRENT_CALLS", "-,4")];
    let mut servers = vec![Arc::new(harness.server_with(settings).await)];
    if harness.is_clustered() {
        servers.push(Arc::new(harness.server_with(settings).await));
    }
    servers[0].person("ada").await;
    let (access, _) = servers[0].sign_in("ada").await;
    servers[0].account(&access, provider.address, json!({"models": ["held"]})).await;
    let calls = (0..20).map(|n| {
        let (server, access) = (servers[n % servers.len()].clone(), access.clone());
        spawn(async move { server.post("/v1/chat/completions", &access, call("held")).await.0 })
    });
    let calls: Vec<_> = calls.collect();
    let refused = || calls.iter().filter(|call| call.is_finished()).count();
    eventually("all but four are refused", || async {
        (refused() == 16 && provider.held() == 4).then_some(())
    })
    .await;
    provider.release(4);
    let mut served = 0;
    for call in calls {
        let status = call.await.unwrap();
        assert!(matches!(status, 200 | 429), "{status}");
        served += usize::from(status == 200);
    }
    assert_eq!(served, 4);
    for server in servers {
        Arc::into_inner(server).unwrap().stop().await;
    }
}

async fn calls_that_run_count_when_redis_has_lost_its_memory(harness: Arc<Harness>) {
    let provider = Recorder::start().await;
    let server = Arc::new(harness.server_with(&[("POLICY_CONCURRENT_CALLS", "-,4")]).await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    server.account(&access, provider.address, json!({"models": ["held", "m"]})).await;
    let post = |model: &'static str| {
        let (server, key) = (server.clone(), key.clone());
        spawn(async move { server.post("/v1/chat/completions", &key, call(model)).await.0 })
    };
    let running: Vec<_> = (0..4).map(|_| post("held")).collect();
    eventually("four run", || async { (provider.held() == 4).then_some(()) }).await;
    harness.lose_redis().await;
    for more in (0..6).map(|_| post("m")).collect::<Vec<_>>() {
        assert_eq!(more.await.unwrap(), 429);
    }
    provider.release(4);
    for one in running {
        assert_eq!(one.await.unwrap(), 200);
    }
    eventually("there is a place again", || async { (post("m").await.unwrap() == 200).then_some(()) }).await;
    Arc::into_inner(server).unwrap().stop().await;
}

/// What a call is admitted for is more than it uses, and what it used counts for the next.
async fn tokens_and_money_are_exact(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let server = harness.server_with_clock_and(&[("POLICY_TOKENS_PER_MINUTE", "-,1000")]).await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    server.account(&access, provider.address, json!({"models": ["gpt-4o"]})).await;
    let input = i64::try_from(serde_json::to_vec(&call("gpt-4o")).unwrap().len()).unwrap();
    let served = async |key: &str| {
        let mut served = 0;
        loop {
            match server.post("/v1/chat/completions", key, call("gpt-4o")).await {
                (200, _) => served += 1,
                (429, answer) => return (served, answer["error"]["code"].as_str().unwrap().to_owned()),
                other => panic!("{other:?}"),
            }
        }
    };
    // A token of an answer is allowed; 12 are used by each.
    let (count, code) = served(&access).await;
    assert_eq!((count, &*code), ((1_000 - input - 1) / 12 + 1, "rate_limit_exceeded"));
    harness.pass(std::time::Duration::from_secs(61));
    // 2.50 and 10 dollars a million: 7 and 5 tokens are 67.5 micro-dollars, rounded up.
    let (key, id) = server.key(&access, json!({})).await;
    let budget = json!({"monthly_micro_usd": 1_000});
    assert_eq!(server.put(&format!("/api/api-keys/{id}/limits"), &access, budget).await.0, 200);
    let most = (input * 25 + 100 + 9) / 10;
    let (count, code) = served(&key).await;
    assert_eq!((count, &*code), ((1_000 - most) / 68 + 1, "budget_exceeded"));
    server.stop().await;
}

async fn an_exception_counts_before_the_rest_and_ends(harness: Arc<Harness>) {
    let (server, provider) = (harness.server_with_clock().await, Provider::start().await);
    let ada = server.person("ada").await;
    let root = server.person("root").await;
    let admin = UserChanges { role: Some(Role::Admin), ..UserChanges::default() };
    update_user(&server.app, root, &admin).await;
    let (admin, _) = server.sign_in("root").await;
    let (access, _) = server.sign_in("ada").await;
    server.account(&access, provider.address, json!({})).await;
    let path = format!("/api/admin/users/{ada}/limits");
    let chat = || async { server.post("/v1/chat/completions", &access, call("m")).await };
    assert_eq!(server.put(&path, &access, json!({"requests_per_minute": 5})).await.0, 403);
    assert_eq!(server.put(&path, &admin, json!({"requests_per_minute": 1})).await.0, 200);
    assert_eq!((chat().await.0, chat().await.0), (200, 429));
    let until = (server.app.core.clock.now().plus(std::time::Duration::from_secs(600))).to_string();
    assert_eq!(server.put(&path, &admin, json!({"requests_per_minute": 3, "until": until})).await.0, 200);
    assert_eq!((chat().await.0, chat().await.0, chat().await.0), (200, 200, 429));
    let (_, set) = server.get(&path, &admin).await;
    assert_eq!(set["data"].as_array().unwrap().len(), 2, "{set}");
    harness.pass(std::time::Duration::from_secs(601));
    assert_eq!((chat().await.0, chat().await.0), (200, 429), "the exception is over");
    harness.pass(std::time::Duration::from_secs(61));
    assert_eq!(server.delete(&path, &admin).await.0, 200);
    assert_eq!((chat().await.0, chat().await.0), (200, 200));
    server.stop().await;
}

async fn a_budget_needs_a_price(harness: Arc<Harness>) {
    let (server, provider) = (harness.server().await, Provider::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, id) = server.key(&access, json!({})).await;
    server.account(&access, provider.address, json!({"models": ["nobody-knows-this"]})).await;
    let path = format!("/api/api-keys/{id}/limits");
    assert_eq!(server.put(&path, &access, json!({"monthly_micro_usd": 1_000_000})).await.0, 200);
    let (status, answer) = server.post("/v1/chat/completions", &key, call("nobody-knows-this")).await;
    assert_eq!((status, &answer["error"]["code"]), (403, &json!("price_unknown")), "{answer}");
    server.person("bob").await;
    let (bob, _) = server.sign_in("bob").await;
    assert_eq!(server.get(&path, &bob).await.0, 404, "a foreign key");
    server.stop().await;
}
