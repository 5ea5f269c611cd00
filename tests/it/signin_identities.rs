//! Identities: AntiHub's, linked ones, unlinked ones; and providers' tokens at rest.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, eventually, read};
use crate::signin::{access, github, linux_do, start};

both_shapes!(
    antihubs_people_are_found_by_their_column,
    tokens_are_encrypted_and_clear_ones_rewritten,
    identities_are_linked_and_unlinked,
    an_identity_belongs_to_one_person,
    linking_needs_the_browser_that_asked,
    the_last_way_to_sign_in_stays,
);

async fn antihubs_people_are_found_by_their_column(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let ada = server.person("ada").await;
    harness.sql("update users set oauth_id = 'github:990' returning username").await;
    let (_, answer) = github(&server, "ok-990-somebody-0").await;
    assert_eq!(answer["user"]["id"], ada.0);
    let (_, stranger) = linux_do(&server, "ok-990-somebody-0").await;
    assert_ne!(stranger["user"]["id"], ada.0, "the same number at another provider");
    let found = harness.sql("select provider || ' ' || subject from user_identities order by provider").await;
    assert_eq!(found, ["github 990", "linuxdo 990"]);
    server.stop().await;
}

async fn tokens_are_encrypted_and_clear_ones_rewritten(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    access(&linux_do(&server, "ok-71-willow-2").await);
    let all = "select access_token || ' ' || refresh_token from oauth_tokens
               union all select access_token || ' ' || refresh_token from user_identities";
    let tokens = harness.sql(all).await;
    assert_eq!(tokens.len(), 2);
    for pair in tokens {
        let read: Vec<String> = pair
            .split(' ')
            .map(|token| {
                use secrecy::ExposeSecret as _;
                server.app.core.vault.decrypt(token).unwrap().expose_secret().to_owned()
            })
            .collect();
        assert_eq!(read, ["at-ok-71-willow-2", "rt-ok-71-willow-2"]);
    }
    // As AntiHub wrote it: a sign-in rewrites it, and so does a start.
    let clear = "update oauth_tokens set access_token = 'clear', refresh_token = null returning access_token";
    let is_clear = "select access_token from oauth_tokens where access_token = 'clear'";
    harness.sql(clear).await;
    access(&linux_do(&server, "ok-71-willow-2").await);
    assert!(harness.sql(is_clear).await.is_empty());
    harness.sql(clear).await;
    server.stop().await;
    let server = harness.server().await;
    eventually("encrypting clear tokens", || async { harness.sql(is_clear).await.is_empty().then_some(()) })
        .await;
    server.stop().await;
}

/// Asks to link; answers the browser's cookie and the state.
async fn ask_to_link(server: &Server, access: &str, provider: &str) -> (String, String) {
    let url = server.url(&format!("/api/users/me/identities/{provider}/link"));
    let answer = server.http.post(url).bearer_auth(access).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    (cookie, body["state"].as_str().unwrap().to_owned())
}

async fn link_github(server: &Server, access: &str, code: &str) -> (u16, Value) {
    let (cookie, state) = ask_to_link(server, access, "github").await;
    let request = server.http.post(server.url("/api/auth/github/callback")).header("cookie", cookie);
    read(request.json(&json!({"code": code, "state": state}))).await
}

async fn identities_are_linked_and_unlinked(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (status, answer) = link_github(&server, &access, "ok-81-hazel-0").await;
    assert_eq!((status, &answer["success"]), (200, &json!(true)), "{answer}");
    assert_eq!(answer.get("access_token"), None);
    assert_eq!(link_github(&server, &access, "ok-81-hazel-0").await.0, 200, "again is no mistake");
    let (_, list) = server.get("/api/users/me/identities", &access).await;
    let identity = &list["data"][0];
    assert_eq!((&identity["provider"], &identity["username"]), (&json!("github"), &json!("hazel")));
    assert_eq!(list["has_password"], true);
    assert_eq!(github(&server, "ok-81-hazel-0").await.1["user"]["id"], ada.0);
    assert_eq!(link_github(&server, &access, "ok-82-other-0").await.0, 409, "one at each provider");
    let unlink =
        || read(server.http.delete(server.url("/api/users/me/identities/github")).bearer_auth(&access));
    assert_eq!(unlink().await.0, 200);
    assert_eq!(unlink().await.0, 404);
    let (_, list) = server.get("/api/users/me/identities", &access).await;
    assert_eq!(list["data"], json!([]), "nor is it found again in AntiHub's column");
    assert_ne!(github(&server, "ok-81-hazel-0").await.1["user"]["id"], ada.0);
    server.stop().await;
}

async fn an_identity_belongs_to_one_person(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    server.person("ada").await;
    let (ada, _) = server.sign_in("ada").await;
    access(&github(&server, "ok-81-hazel-0").await);
    assert_eq!(link_github(&server, &ada, "ok-81-hazel-0").await.0, 409);
    // Somebody of AntiHub's who has not been here yet keeps theirs, too.
    server.person("bob").await;
    harness.sql("update users set oauth_id = 'github:83' where username = 'bob' returning username").await;
    assert_eq!(link_github(&server, &ada, "ok-83-bob-0").await.0, 409);
    server.stop().await;
}

async fn linking_needs_the_browser_that_asked(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (_, state) = ask_to_link(&server, &access, "github").await;
    let body = json!({"code": "ok-81-hazel-0", "state": state});
    assert_eq!(server.post("/api/auth/github/callback", "", body).await.0, 400, "no cookie");
    // Ending all sessions ends a linking under way.
    let (cookie, state) = ask_to_link(&server, &access, "github").await;
    server.post("/api/auth/logout-all", &access, json!({})).await;
    let request = server.http.post(server.url("/api/auth/github/callback")).header("cookie", cookie);
    assert_eq!(read(request.json(&json!({"code": "ok-81-hazel-0", "state": state}))).await.0, 400);
    assert!(harness.sql("select subject from user_identities").await.is_empty());
    let url = server.url("/api/users/me/identities/github/link");
    assert_eq!(read(server.http.post(url)).await.0, 403, "nobody");
    let (access, _) = server.sign_in("ada").await;
    assert_eq!(server.post("/api/users/me/identities/nowhere/link", &access, json!({})).await.0, 404);
    server.stop().await;
}

async fn the_last_way_to_sign_in_stays(harness: Arc<Harness>) {
    let (_provider, server) = start(&harness).await;
    let access = access(&linux_do(&server, "ok-71-willow-2").await);
    let unlink = |name: &'static str| {
        let url = server.url(&format!("/api/users/me/identities/{name}"));
        read(server.http.delete(url).bearer_auth(&access))
    };
    assert_eq!(unlink("linuxdo").await.0, 409);
    assert_eq!(link_github(&server, &access, "ok-81-hazel-0").await.0, 200);
    // Both at once: one stays.
    let (one, other) = tokio::join!(unlink("linuxdo"), unlink("github"));
    let mut statuses = [one.0, other.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(harness.sql("select subject from user_identities").await.len(), 1);
    server.stop().await;
}
