//! What is tried against sign-in and tokens, and what it gets.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::database::update_user;
use crate::harness::{Harness, Server, both_shapes};

both_shapes!(
    tokens_can_not_be_made_or_bent,
    who_exists_is_not_told_by_the_way_of_refusing,
    headers_can_not_be_smuggled_in,
);

fn claims_of(token: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    changed[name] = value;
    changed
}

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

async fn tokens_can_not_be_made_or_bent(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    server.person("bob").await;
    let (access, refresh) = server.sign_in("ada").await;
    let (claims, signature) = (claims_of(&access), access.split('.').nth(2).unwrap());
    let tokens = &server.app.core.config.tokens;
    let key = |secret: &str| EncodingKey::from_secret(secret.as_bytes());
    let ours = key(tokens.access_secret.expose_secret());
    let signed = |header: &Header, claims: &Value, key: &EncodingKey| {
        jsonwebtoken::encode(header, claims, key).unwrap()
    };
    let plain = Header::new(Algorithm::HS256);
    let good = signed(&plain, &claims, &ours);
    assert_eq!(server.get("/api/auth/me", &good).await.0, 200, "the forger's tools work");

    let now = server.app.core.clock.now().seconds();
    let kid = |kid: &str| Header { kid: Some(kid.to_owned()), ..plain.clone() };
    let mut forged = vec![
        ("signed with another secret", signed(&plain, &claims, &key("another secret of enough length"))),
        ("signed with no secret", signed(&plain, &claims, &key(""))),
        ("a kid that names an empty file", signed(&kid("../../../../dev/null"), &claims, &key(""))),
        ("a kid with SQL", signed(&kid("x' union select 'k"), &claims, &key("k"))),
        ("another algorithm of ours", signed(&Header::new(Algorithm::HS384), &claims, &ours)),
        ("issued tomorrow", signed(&plain, &with(&claims, "iat", json!(now + 86_400)), &ours)),
        ("expired", signed(&plain, &with(&claims, "exp", json!(now - 61)), &ours)),
        ("called a refresh token", signed(&plain, &with(&claims, "type", json!("refresh")), &ours)),
        ("of no type", signed(&plain, &with(&claims, "type", Value::Null), &ours)),
        ("of no person", signed(&plain, &with(&claims, "sub", json!("1 or 1=1")), &ours)),
        ("without an end", signed(&plain, &with(&claims, "exp", Value::Null), &ours)),
        ("of a later generation", signed(&plain, &with(&claims, "gen", json!(9)), &ours)),
        ("the refresh token itself", refresh.clone()),
        (
            "somebody else's number under our signature",
            unsigned(&json!({"alg": "HS256", "typ": "JWT"}), &with(&claims, "sub", json!("2")), signature),
        ),
        ("huge", format!("{access}{}", "A".repeat(60_000))),
    ];
    for algorithm in ["none", "None", "NONE", "RS256", "ES256", "EdDSA", "PS256"] {
        let header = json!({"alg": algorithm, "typ": "JWT"});
        forged.push(("algorithm without signature", unsigned(&header, &claims, "")));
        forged.push(("algorithm with an old signature", unsigned(&header, &claims, signature)));
    }
    let embedded =
        json!({"alg": "HS256", "typ": "JWT", "jwk": {"kty": "oct", "k": "AA"}, "jku": "http://127.0.0.1:1/"});
    forged.push(("a key of its own", unsigned(&embedded, &claims, signature)));
    for (what, token) in &forged {
        let (status, answer) = server.get("/api/auth/me", token).await;
        assert!(matches!(status, 401 | 431), "{what}: {status} {answer}");
    }
    let (status, _) = server.post("/api/auth/refresh", "", json!({"refresh_token": access})).await;
    assert_eq!(status, 401, "an access token refreshes nothing");
    server.stop().await;
}

async fn login(server: &Server, name: &str) -> (u16, Value) {
    server.post("/api/auth/login", "", json!({"username": name, "password": "not the password"})).await
}

async fn who_exists_is_not_told_by_the_way_of_refusing(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    let disabled = server.person("disabled").await;
    let off = millpond::store::users::UserChanges { is_active: Some(false), ..Default::default() };
    update_user(&server.app, disabled, &off).await;
    let work = || server.app.auth.passwords.verifications();
    let before = work();
    let known = login(&server, "ada").await;
    let for_known = work() - before;
    assert_eq!((known.0, for_known), (401, 1));
    assert_eq!(known, login(&server, "nobody").await);
    assert_eq!(work() - before, 2 * for_known, "nobody's password costs the same work");
    assert_eq!(
        known,
        login(&server, "disabled").await,
        "that it is disabled is told to who knows the password"
    );
    // That the stand-in hash costs as much is held by the tests of `passwords`.
    server.stop().await;
}

async fn headers_can_not_be_smuggled_in(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let smuggled = "x\r\nSet-Cookie: a=b\r\n\r\n<script>";
    let (status, made) = server.post("/api/api-keys", &access, json!({"name": smuggled})).await;
    assert_eq!((status, &made["name"]), (200, &json!(smuggled)), "text is text");
    for path in [
        "/api/auth/check-username?username=x%0d%0aSet-Cookie:%20a=b",
        "/api/nothing%0d%0aSet-Cookie:%20a=b",
        "//evil.example/",
        "/api//evil.example/..%2f",
    ] {
        let answer = server.http.get(server.url(path)).send().await.unwrap();
        assert!(answer.headers().get("set-cookie").is_none(), "{path}");
    }
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    for path in ["/api/%2f%2fevil.example/", "/api/\\evil.example/", "/v1//evil.example/"] {
        let answer = client.get(server.url(path)).send().await.unwrap();
        if let Some(place) = answer.headers().get("location") {
            let place = place.to_str().unwrap();
            assert!(place.starts_with("/api/") || place.starts_with("/v1"), "{path} leads to {place}");
        }
    }
    drop(client);
    server.stop().await;
}
