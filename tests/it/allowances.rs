//! What accounts themselves may serve: declared and counted, or learned from the provider.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::{Json, Router};
use millpond::ids::AccountId;
use millpond_pool::units::Units;
use serde_json::{Value, json};

use crate::harness::{Harness, both_shapes, eventually, spawn};
use crate::health::{Scene, chat, scene};

both_shapes!(
    a_used_up_allowance_rests_until_its_window_is_over,
    the_scarcest_of_several_bounds_counts,
    many_calls_at_once_don_t_overshoot,
    what_is_used_is_known_everywhere_and_after_a_restart,
    a_providers_headers_are_believed_where_nothing_is_declared,
    googles_refusals_tell_what_is_used_up,
    what_was_served_to_others_is_counted,
);

fn requests(limit: i64) -> Value {
    json!({"models": ["m", "n"], "allowances": [{"models": ["m"], "limit": limit, "unit": "requests", "window": "5h"}]})
}

/// Waits until the shared state has counted what was used: by its time a window begins.
async fn counted(scene: &Scene, is_so: impl Fn(&[i64]) -> bool) {
    let id = AccountId(scene.account.clone());
    eventually("what was used is counted", || async {
        let counters = scene.server.app.core.state.account_counters(&id).await.unwrap();
        let used = counters.windows.values().filter_map(|window| Some(window.used?.amount));
        is_so(&used.collect::<Vec<_>>()).then_some(())
    })
    .await;
}

async fn a_used_up_allowance_rests_until_its_window_is_over(harness: Arc<Harness>) {
    let scene = scene(&harness, requests(3)).await;
    let id = AccountId(scene.account.clone());
    assert_eq!(scene.chat("m").await.0, 200);
    counted(&scene, |used| used == [1]).await;
    harness.pass(Duration::from_secs(3_600));
    assert_eq!(scene.chat("m").await.0, 200);
    let view = scene.server.app.gateway.allowances_of(&id).await.unwrap().remove(0);
    assert_eq!((&*view.model_name, view.quota), ("m", 0.333_333));
    assert_eq!(scene.chat("m").await.0, 200);
    let (status, answer) = scene.chat("m").await;
    assert_eq!(status, 503);
    assert!(answer["error"]["message"].as_str().unwrap().contains("resting until"), "{answer}");
    assert_eq!(scene.chat("n").await.0, 200, "other models have no limit");
    assert_eq!((scene.script.calls("m"), scene.script.calls("n")), (3, 1));
    // The window began with the first call, an hour before the second.
    counted(&scene, |used| used == [3]).await;
    harness.pass(Duration::from_secs(4 * 3_600 - 1));
    assert_eq!(scene.chat("m").await.0, 503);
    harness.pass(Duration::from_secs(1));
    assert_eq!(scene.chat("m").await.0, 200);
    assert_eq!(scene.server.app.gateway.allowances_of(&id).await.unwrap()[0].quota, 0.666_666);
    // What failed is given back.
    scene.script.set("m", 500, &[], json!({}));
    for _ in 0..4 {
        assert_eq!(scene.chat("m").await.0, 502);
    }
    scene.script.heal("m");
    assert_eq!(scene.chat("m").await.0, 200);
    scene.server.stop().await;
}

async fn the_scarcest_of_several_bounds_counts(harness: Arc<Harness>) {
    let bound = |models: &str, limit: i64, unit: &str, window: &str| json!({"models": [models], "limit": limit, "unit": unit, "window": window});
    let bounds =
        [bound("*", 2, "requests", "5h"), bound("*", 3, "requests", "7d"), bound("m", 1_000, "tokens", "1d")];
    let scene = scene(&harness, json!({"models": ["m", "n"], "allowances": bounds})).await;
    let id = AccountId(scene.account.clone());
    let quotas = async || {
        let views = scene.server.app.gateway.allowances_of(&id).await.unwrap();
        views.into_iter().map(|view| (view.model_name, view.quota)).collect::<Vec<_>>()
    };
    assert_eq!(scene.chat("m").await.0, 200);
    assert_eq!(quotas().await, [("*".to_owned(), 0.5), ("m".to_owned(), 0.988)]);
    assert_eq!(scene.chat("n").await.0, 200);
    assert_eq!(scene.chat("n").await.0, 503, "two in five hours");
    counted(&scene, |used| used.len() == 3 && used.iter().all(|amount| *amount >= 2)).await;
    harness.pass(Duration::from_secs(5 * 3_600));
    assert_eq!(scene.chat("m").await.0, 200);
    assert_eq!(quotas().await[0], ("*".to_owned(), 0.0), "three in seven days");
    assert_eq!(scene.chat("n").await.0, 503);
    counted(&scene, |used| used.contains(&3)).await;
    harness.pass(Duration::from_secs(7 * 86_400 - 5 * 3_600));
    assert_eq!(scene.chat("n").await.0, 200);
    scene.server.stop().await;
}

async fn many_calls_at_once_don_t_overshoot(harness: Arc<Harness>) {
    let scene = Arc::new(scene(&harness, requests(10)).await);
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let scene = scene.clone();
            crate::harness::spawn(async move { scene.chat("m").await.0 })
        })
        .collect();
    let mut good = 0;
    for call in calls {
        let status = call.await.unwrap();
        assert!(matches!(status, 200 | 429 | 503), "{status}");
        good += usize::from(status == 200);
    }
    assert_eq!((good, scene.script.calls("m")), (10, 10));
    Arc::into_inner(scene).unwrap().server.stop().await;
}

async fn what_is_used_is_known_everywhere_and_after_a_restart(harness: Arc<Harness>) {
    let scene = scene(&harness, requests(4)).await;
    if scene.server.app.core.state.backend() == "Redis" {
        let other = harness.server_with_clock().await;
        for server in [&scene.server, &other, &scene.server] {
            assert_eq!(chat(server, &scene.key, "m").await.0, 200);
        }
        let id = AccountId(scene.account.clone());
        eventually("both know what both used", || async {
            let seen = [&scene.server, &other].map(|server| server.app.gateway.allowances_of(&id));
            let [one, two] = seen;
            let quotas = (one.await.unwrap()[0].quota, two.await.unwrap()[0].quota);
            (quotas == (0.25, 0.25)).then_some(())
        })
        .await;
        other.stop().await;
    } else {
        for _ in 0..3 {
            assert_eq!(scene.chat("m").await.0, 200);
        }
    }
    scene.server.stop().await;
    let again = harness.server_with_clock().await;
    assert_eq!(chat(&again, &scene.key, "m").await.0, 200);
    assert_eq!(chat(&again, &scene.key, "m").await.0, 503);
    assert_eq!(scene.script.calls("m"), 4);
    again.stop().await;
}

async fn a_providers_headers_are_believed_where_nothing_is_declared(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m", "n"]})).await;
    let id = AccountId(scene.account.clone());
    let good = json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop", "message":
        {"role": "assistant", "content": "hi"}}], "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}});
    let headers = |left| {
        [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", left),
            ("x-ratelimit-reset-requests", "1m30s"),
            ("x-ratelimit-limit-tokens", "1000"),
            ("x-ratelimit-remaining-tokens", "900"),
            ("x-ratelimit-reset-tokens", "6s"),
        ]
    };
    scene.script.set("m", 200, &headers("15"), good.clone());
    assert_eq!(scene.chat("m").await.0, 200);
    let view = scene.server.app.gateway.allowances_of(&id).await.unwrap().remove(0);
    assert_eq!((&*view.model_name, view.quota), ("m", 0.25));
    let now = scene.server.app.core.clock.now().millis();
    assert_eq!(view.reset_time.map(millpond::clock::Timestamp::millis), Some(now + 90_000));
    scene.script.set("m", 200, &headers("0"), good);
    assert_eq!(scene.chat("m").await.0, 200);
    assert_eq!(scene.chat("m").await.0, 503, "nothing is left");
    assert_eq!(scene.chat("n").await.0, 200);
    harness.pass(Duration::from_secs(90));
    assert_eq!(scene.chat("m").await.0, 200);
    scene.server.stop().await;
    // Another instance shows what this one saw.
    let again = harness.server_with_clock().await;
    assert_eq!(&*again.app.gateway.allowances_of(&id).await.unwrap()[0].model_name, "m");
    again.stop().await;
}

async fn googles_refusals_tell_what_is_used_up(harness: Arc<Harness>) {
    let refusal = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota",
        "details": [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [
            {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "10"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "40s"}]}});
    let router = Router::new().fallback(async || (StatusCode::TOO_MANY_REQUESTS, Json(refusal)));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let provider = listener.local_addr().unwrap();
    let serving = spawn(async move { axum::serve(listener, router).await.unwrap() });
    let server = harness.server_with_clock().await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let members =
        json!({"provider": "gemini", "base_url": format!("http://{provider}"), "models": ["gemini-x"]});
    let account = server.account(&access, provider, members).await;
    let body = json!({"contents": [{"parts": [{"text": "hi"}]}]});
    let (status, answer) = server.post("/v1beta/models/gemini-x:generateContent", &access, body).await;
    assert_eq!((status, &answer["error"]["status"]), (429, &json!("RESOURCE_EXHAUSTED")), "{answer}");
    let path = format!("/api/plugin-api/accounts/{}/quotas", account["cookie_id"].as_str().unwrap());
    let row = async || {
        let row = server.get(&path, &access).await.1["data"][0].clone();
        (row["model_name"].clone(), row["quota"].clone(), row["reset_time"].is_string())
    };
    assert_eq!(row().await, (json!("gemini-x"), json!("0.0000"), true));
    harness.pass(Duration::from_secs(40));
    assert_eq!(row().await, (json!("gemini-x"), json!("1.0000"), false));
    server.stop().await;
    serving.abort();
}

async fn what_was_served_to_others_is_counted(harness: Arc<Harness>) {
    let scene = scene(&harness, json!({"models": ["m"], "is_shared": 1})).await;
    let id = AccountId(scene.account.clone());
    assert_eq!(scene.chat("m").await.0, 200);
    let served = |server: &crate::harness::Server| server.app.gateway.served_lately(&id);
    assert_eq!(served(&scene.server), Units::ZERO, "its owner is nobody else");
    scene.server.person("bob").await;
    let (bob, _) = scene.server.sign_in("bob").await;
    let (key, _) = scene.server.key(&bob, json!({})).await;
    for _ in 0..2 {
        assert_eq!(chat(&scene.server, &key, "m").await.0, 200);
    }
    assert_eq!(served(&scene.server), Units(2_000));
    scene.server.stop().await;
    let again = harness.server_with_clock().await;
    assert_eq!(served(&again), Units(2_000));
    harness.pass(Duration::from_secs(10 * 3_600));
    assert_eq!(served(&again), Units::ZERO);
    again.stop().await;
}
