//! What is remembered of callers and accounts: it ends in time, nobody waits for others' changes, and it bridges outages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use millpond::state::Invalidation;
use serde_json::{Value, json};

use crate::database::update_user;
use crate::harness::{Harness, Server, Shape, both_shapes, eventually, read, run};
use crate::provider::Provider;

both_shapes!(
    only_foreign_changes_drop_everything,
    a_change_is_seen_at_once_by_who_made_it,
    an_administrators_change_is_seen_at_once_by_everybody,
);

/// Counts announcements that anything may have changed.
fn count_everything(server: &Server) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counting = count.clone();
    server.app.core.state.bus().listen(move |change| {
        if *change == Invalidation::Everything {
            counting.fetch_add(1, Ordering::SeqCst);
        }
    });
    count
}

async fn only_foreign_changes_drop_everything(harness: Arc<Harness>) {
    let server = harness.server().await;
    eventually("the bus is live", || async { server.app.core.state.bus().is_live().then_some(()) }).await;
    let everything = count_everything(&server);
    server.person("ada").await;
    let (ada, _) = server.sign_in("ada").await;
    for n in 0..20 {
        let (_, id) = server.key(&ada, json!({"name": n.to_string()})).await;
        let gone =
            read(server.http.delete(server.url(&format!("/api/api-keys/{id}"))).bearer_auth(&ada)).await;
        assert_eq!(gone.0, 200);
    }
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(everything.load(Ordering::SeqCst), 0, "own changes are known");
    if !harness.is_clustered() {
        // As a command does that works on the same database.
        server.app.core.store.bump_change_counter().await.unwrap();
        eventually("a command's change is noticed", || async {
            (everything.load(Ordering::SeqCst) == 1).then_some(())
        })
        .await;
    }
    server.stop().await;
}

fn body(model: &str) -> Value {
    json!({"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]})
}

/// Two instances where there can be two.
async fn instances(harness: &Harness) -> Vec<Server> {
    let mut servers = vec![harness.server().await];
    if harness.is_clustered() {
        servers.push(harness.server().await);
    }
    servers
}

async fn a_change_is_seen_at_once_by_who_made_it(harness: Arc<Harness>) {
    let (provider, servers) = (Provider::start().await, instances(&harness).await);
    let here = &servers[0];
    here.person("ada").await;
    let (ada, _) = here.sign_in("ada").await;
    let (key, _) = here.key(&ada, json!({})).await;
    let account = here.account(&ada, provider.address, json!({"models": ["m"]})).await;
    let path = format!("/api/plugin-api/accounts/{}/status", account["cookie_id"].as_str().unwrap());
    for round in 0..10 {
        let on = round % 2;
        assert_eq!(here.put(&path, &ada, json!({"status": on})).await.0, 200);
        let (status, answer) = here.post("/v1/chat/completions", &key, body("m")).await;
        assert_eq!(status == 200, on == 1, "round {round}: {status} {answer}");
        // Other instances hear of it a moment later.
        for server in &servers {
            eventually("the other instance knows", || async {
                let (status, _) = server.post("/v1/chat/completions", &key, body("m")).await;
                ((status == 200) == (on == 1)).then_some(())
            })
            .await;
        }
    }
    for server in servers {
        server.stop().await;
    }
}

async fn an_administrators_change_is_seen_at_once_by_everybody(harness: Arc<Harness>) {
    let (provider, server) = (Provider::start().await, harness.server().await);
    let owner = server.person("ada").await;
    server.person("bob").await;
    let ((ada, _), (bob, _)) = (server.sign_in("ada").await, server.sign_in("bob").await);
    let account = server.account(&ada, provider.address, json!({"models": ["m"], "is_shared": 1})).await;
    assert_eq!(server.post("/v1/chat/completions", &bob, body("m")).await.0, 200);
    for round in 0..10 {
        let shared = round % 2;
        assert_eq!(server.put_shared(&ada, &account, shared).await, 200);
        let status = server.post("/v1/chat/completions", &bob, body("m")).await.0;
        assert_eq!(status == 200, shared == 1, "round {round}: {status}");
    }
    let off = millpond::store::users::UserChanges { is_active: Some(false), ..Default::default() };
    update_user(&server.app, owner, &off).await;
    server.app.core.state.publish(Invalidation::User(owner)).await;
    server.app.gateway.fresh(owner).await;
    assert_ne!(server.post("/v1/chat/completions", &bob, body("m")).await.0, 200, "its owner is out");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_within_a_second_when_the_link_is_silent() {
    run(Shape::Clustered, |harness: Arc<Harness>| async move {
        let (link, redis) = harness.link("REDIS_URL").await;
        let (here, there) = (harness.server().await, harness.server_with(&[redis]).await);
        here.person("ada").await;
        let (ada, _) = here.sign_in("ada").await;
        let (key, id) = here.key(&ada, json!({})).await;
        eventually("the bus is live", || async { there.app.core.state.bus().is_live().then_some(()) }).await;
        assert_eq!(there.get("/v1/models", &key).await.0, 200);
        link.freeze();
        assert_eq!(there.get("/v1/models", &key).await.0, 200);
        let path = format!("/api/api-keys/{id}");
        assert_eq!(here.delete(&path, &ada).await.0, 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!there.app.core.state.bus().is_live());
        assert_eq!(there.get("/v1/models", &key).await.0, 401);
        // And it is heard again afterwards.
        link.thaw();
        eventually("the bus is live", || async { there.app.core.state.bus().is_live().then_some(()) }).await;
        here.stop().await;
        there.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_announced_is_announced_later() {
    run(Shape::Clustered, |harness: Arc<Harness>| async move {
        let (link, redis) = harness.link("REDIS_URL").await;
        let (here, there) = (harness.server_with(&[redis]).await, harness.server().await);
        eventually("the bus is live", || async { there.app.core.state.bus().is_live().then_some(()) }).await;
        let everything = count_everything(&there);
        link.freeze();
        let begun = Instant::now();
        here.app.core.state.publish(Invalidation::Session("x".to_owned())).await;
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "a change does not wait long for others to hear of it"
        );
        link.thaw();
        eventually("others hear of it", || async { (everything.load(Ordering::SeqCst) > 0).then_some(()) })
            .await;
        here.stop().await;
        there.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_known_lately_are_served_while_the_database_is_away() {
    run(Shape::Clustered, |harness: Arc<Harness>| async move {
        let (link, database) = harness.link("DATABASE_URL").await;
        let (here, there) = (harness.server().await, harness.server_with(&[database]).await);
        here.person("ada").await;
        let (ada, _) = here.sign_in("ada").await;
        let (key, _) = here.key(&ada, json!({})).await;
        let (revoked, id) = here.key(&ada, json!({})).await;
        let (unknown, _) = here.key(&ada, json!({})).await;
        for key in [&key, &revoked] {
            assert_eq!(there.get("/v1/models", key).await.0, 200);
        }
        link.freeze();
        assert_eq!(there.get("/healthz", "").await, (200, json!("degraded: database")));
        assert_eq!(there.get("/readyz", "").await.0, 503);
        assert_eq!(there.get("/api/health", "").await.1["components"]["database"]["status"], "unhealthy");
        // Longer than anything is remembered without asking.
        tokio::time::sleep(Duration::from_millis(10_500)).await;
        let calls = (0..20).map(|_| there.get("/v1/models", &key));
        for (status, answer) in futures_util::future::join_all(calls).await {
            assert_eq!(status, 200, "{answer}");
        }
        assert_eq!(there.get("/v1/models", &unknown).await.0, 503, "who was not known can't be told");
        assert_eq!(here.delete(&format!("/api/api-keys/{id}"), &ada).await.0, 200);
        eventually("what is revoked ends", || async {
            (there.get("/v1/models", &revoked).await.0 == 503).then_some(())
        })
        .await;
        link.thaw();
        eventually("all is well again", || async {
            let statuses =
                (there.get("/v1/models", &unknown).await.0, there.get("/v1/models", &revoked).await.0);
            (statuses == (200, 401)).then_some(())
        })
        .await;
        here.stop().await;
        there.stop().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_redis_stops_no_caller_who_needs_none() {
    run(Shape::Clustered, |harness: Arc<Harness>| async move {
        let (link, redis) = harness.link("REDIS_URL").await;
        let server = harness.server_with(&[redis]).await;
        server.person("ada").await;
        let (ada, _) = server.sign_in("ada").await;
        let (key, _) = server.key(&ada, json!({})).await;
        assert_eq!(server.get("/api/auth/me", &ada).await.0, 200);
        link.freeze();
        eventually("the bus is known to be silent", || async {
            (!server.app.core.state.bus().is_live()).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(server.get("/v1/models", &key).await.0, 200);
        assert_eq!(server.get("/api/auth/me", &ada).await.0, 503, "that a session lives only Redis knows");
        assert_eq!(server.get("/healthz", "").await, (200, json!("degraded: cache")));
        link.thaw();
        eventually("sessions are known again", || async {
            (server.get("/api/auth/me", &ada).await.0 == 200).then_some(())
        })
        .await;
        server.stop().await;
    })
    .await;
}
