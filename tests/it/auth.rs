//! `/api/auth`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Harness, PASSWORD, Shape, both_shapes, read, run, spawn};

both_shapes!(
    a_session_lives_and_dies,
    a_hundred_refreshes_of_one_client_give_one_pair,
    a_hundred_refreshes_of_many_clients_have_one_winner,
    a_reused_token_ends_its_family,
    failures_are_slowed_down_and_sessions_left_alone,
    forged_tokens_are_refused,
    a_clock_that_steps_ends_no_session,
);

async fn a_session_lives_and_dies(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    let (access, refresh) = server.sign_in("ada").await;
    assert_eq!(server.get("/api/auth/me", &access).await.1["username"], "ada");
    assert_eq!(server.get("/api/auth/me", &refresh).await.0, 401, "a refresh token opens nothing");
    assert_eq!(server.post("/api/auth/logout", &access, json!({})).await.0, 200);
    assert_eq!(server.get("/api/auth/me", &access).await.0, 401);
    assert_eq!(server.post("/api/auth/refresh", "", json!({"refresh_token": refresh})).await.0, 401);
    // One session's end is not another's; everything's end is.
    let (first, _) = server.sign_in("ada").await;
    let (second, refresh) = server.sign_in("ada").await;
    assert_eq!(server.post("/api/auth/logout-all", &first, json!({})).await.0, 200);
    assert_eq!(server.get("/api/auth/me", &second).await.0, 401);
    assert_eq!(server.post("/api/auth/refresh", "", json!({"refresh_token": refresh})).await.0, 401);
    server.stop().await;
}

/// Sends one refresh token a hundred times at once; answers the statuses and the different access tokens.
async fn refresh_a_hundred_times(
    harness: &Harness,
    agent: fn(usize) -> String,
) -> (Vec<u16>, HashSet<String>) {
    let server = harness.server().await;
    server.person("ada").await;
    let (_, refresh) = server.sign_in("ada").await;
    let calls: Vec<_> = (0..100)
        .map(|n| {
            let request = server.http.post(server.url("/api/auth/refresh")).header("user-agent", agent(n));
            spawn(read(request.json(&json!({"refresh_token": refresh}))))
        })
        .collect();
    let (mut statuses, mut pairs) = (Vec::new(), HashSet::new());
    for call in calls {
        let (status, answer) = call.await.unwrap();
        statuses.push(status);
        pairs.extend(answer["access_token"].as_str().map(str::to_owned));
    }
    server.stop().await;
    (statuses, pairs)
}

async fn a_hundred_refreshes_of_one_client_give_one_pair(harness: Arc<Harness>) {
    let (statuses, pairs) = refresh_a_hundred_times(&harness, |_| "one browser".to_owned()).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(pairs.len(), 1);
}

async fn a_hundred_refreshes_of_many_clients_have_one_winner(harness: Arc<Harness>) {
    let (statuses, pairs) = refresh_a_hundred_times(&harness, |n| format!("client {n}")).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 401)), "{statuses:?}");
    assert_eq!(pairs.len(), 1);
}

async fn a_reused_token_ends_its_family(harness: Arc<Harness>) {
    let server = harness.server_with_clock().await;
    server.person("ada").await;
    let (_, first) = server.sign_in("ada").await;
    let refresh = |token: String| server.post("/api/auth/refresh", "", json!({"refresh_token": token}));
    let (status, answer) = refresh(first.clone()).await;
    assert_eq!(status, 200);
    let (access, second) =
        (answer["access_token"].as_str().unwrap(), answer["refresh_token"].as_str().unwrap());
    harness.pass(Duration::from_secs(9));
    assert_eq!(
        refresh(first.clone()).await.1["refresh_token"],
        second,
        "two tabs at once get the same answer"
    );
    harness.pass(Duration::from_secs(2));
    assert_eq!(refresh(first).await.0, 401, "later it is theft");
    assert_eq!(refresh(second.to_owned()).await.0, 401, "and ends the whole family");
    assert_eq!(server.get("/api/auth/me", access).await.0, 401);
    server.stop().await;
}

async fn failures_are_slowed_down_and_sessions_left_alone(harness: Arc<Harness>) {
    let server = harness.server_with_clock().await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let attempt = |password: &'static str| {
        let body = json!({"username": "ada", "password": password});
        server.http.post(server.url("/api/auth/login")).json(&body).send()
    };
    for _ in 0..5 {
        assert_eq!(attempt("not this one").await.unwrap().status(), 401);
        harness.pass(Duration::from_millis(1));
    }
    let slowed = attempt(PASSWORD).await.unwrap();
    assert_eq!(slowed.status(), 429);
    let wait: u64 = slowed.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(wait >= 1);
    assert_eq!(server.get("/api/auth/me", &access).await.0, 200, "who is in stays in");
    server.stop().await;
    // It survives a restart, and ends.
    let server = harness.server_with_clock().await;
    let login = json!({"username": "ada", "password": PASSWORD});
    assert_eq!(server.post("/api/auth/login", "", login.clone()).await.0, 429);
    harness.pass(Duration::from_secs(wait + 1));
    assert_eq!(server.post("/api/auth/login", "", login).await.0, 200);
    server.stop().await;
}

async fn forged_tokens_are_refused(harness: Arc<Harness>) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let server = harness.server().await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let parts: Vec<&str> = access.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let other_person = URL_SAFE_NO_PAD.encode(claims.replace("\"sub\":\"1\"", "\"sub\":\"2\""));
    for forged in [
        format!("{none}.{}.", parts[1]),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{}.{other_person}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], "A".repeat(43)),
        "a.b.c".to_owned(),
    ] {
        assert_eq!(server.get("/api/auth/me", &forged).await.0, 401, "{forged}");
    }
    server.stop().await;
}

async fn a_clock_that_steps_ends_no_session(harness: Arc<Harness>) {
    let hour = Duration::from_secs(3_600);
    let server = harness.server_with_clock().await;
    server.person("ada").await;
    let (access, refresh) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    harness.set_back(hour);
    assert_eq!(server.get("/api/auth/me", &access).await.0, 200, "issued an hour from now");
    assert_eq!(server.get("/v1/models", &key).await.0, 200);
    let (status, pair) = server.post("/api/auth/refresh", "", json!({"refresh_token": refresh})).await;
    assert_eq!(status, 200, "{pair}");
    harness.pass(2 * hour);
    let (access, refresh) = (pair["access_token"].as_str().unwrap(), pair["refresh_token"].as_str().unwrap());
    assert_eq!(server.get("/api/auth/me", access).await.0, 200);
    assert_eq!(server.get("/v1/models", &key).await.0, 200);
    assert_eq!(server.post("/api/auth/refresh", "", json!({"refresh_token": refresh})).await.0, 200);
    // Instances whose clocks differ agree on when a token ends, by a minute.
    let (access, _) = server.sign_in("ada").await;
    harness.pass(24 * hour + Duration::from_secs(59));
    assert_eq!(server.get("/api/auth/me", &access).await.0, 200);
    harness.pass(Duration::from_secs(2));
    assert_eq!(server.get("/v1/models", &access).await.1["error"]["code"], "token_expired");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn log_out_everywhere_reaches_the_other_instance() {
    async fn test(harness: Arc<Harness>) {
        let (here, there) = (harness.server().await, harness.server().await);
        here.person("ada").await;
        let (access, _) = here.sign_in("ada").await;
        let (single, _) = here.sign_in("ada").await;
        assert_eq!(there.get("/api/auth/me", &access).await.0, 200);
        assert_eq!(there.get("/api/auth/me", &single).await.0, 200);
        here.post("/api/auth/logout", &single, json!({})).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(there.get("/api/auth/me", &single).await.0, 401);
        here.post("/api/auth/logout-all", &access, json!({})).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(there.get("/api/auth/me", &access).await.0, 401);
        here.stop().await;
        there.stop().await;
    }
    run(Shape::Clustered, test).await;
}
