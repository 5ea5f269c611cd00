//! Coming in: registration, invites, the first administrator, passwords, the second factor, and one's own sessions.

use std::sync::Arc;
use std::time::Duration;

use millpond::auth::one_time::{self, Door};
use millpond::auth::registration;
use millpond::store::users::{Role, UserChanges};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::database::{end_tokens, update_user};
use crate::harness::{Harness, PASSWORD, Server, both_shapes, read, spawn};

both_shapes!(
    registration_has_rules,
    an_invite_is_used_as_often_as_it_says,
    the_first_administrator_is_made_once,
    a_changed_password_ends_the_other_sessions,
    a_reset_link_works_once,
    a_second_factor_is_asked_for,
    administrators_may_need_a_second_factor,
    sessions_are_seen_and_ended,
    many_guesses_at_once_are_many_failures,
    the_language_is_the_clients,
);

const GOOD: &str = "a mill beside the pond";

fn new_person(name: &str, password: &str) -> Value {
    json!({"username": name, "password": password})
}

async fn admin(server: &Server) -> String {
    let root = server.person("root").await;
    let admin = UserChanges { role: Some(Role::Admin), ..UserChanges::default() };
    update_user(&server.app, root, &admin).await;
    server.sign_in("root").await.0
}

async fn registration_has_rules(harness: Arc<Harness>) {
    let server = harness.server().await;
    let (status, _) = server.post("/api/auth/register", "", new_person("ada", GOOD)).await;
    assert_eq!(status, 403, "as AntiHub: through providers only");
    server.stop().await;
    let server = harness.server_with(&[("REGISTRATION", "closed")]).await;
    assert_eq!(server.post("/api/auth/register", "", new_person("ada", GOOD)).await.0, 403);
    server.stop().await;
    let server = harness.server_with(&[("REGISTRATION", "open")]).await;
    let register = |name, password| server.post("/api/auth/register", "", new_person(name, password));
    assert_eq!(register("ada", "password").await.0, 400, "among the most common");
    assert_eq!(register("ada", "short").await.0, 422);
    assert_eq!(register("a b", GOOD).await.0, 400);
    assert_eq!(register("adalovelace", "adalovelace1").await.0, 400, "the own name");
    let (status, answer) = register("ada", GOOD).await;
    assert_eq!(status, 201, "{answer}");
    let me = server.get("/api/auth/me", answer["access_token"].as_str().unwrap()).await;
    assert_eq!((me.0, &me.1["role"]), (200, &json!("member")));
    assert_eq!(register("ADA", GOOD).await.0, 409, "a name is one whatever its capitals");
    assert_eq!(register("pаypal", GOOD).await.0, 400, "a Cyrillic letter among Latin ones");
    assert_eq!(register("cop", GOOD).await.0, 201);
    assert_eq!(register("сор", GOOD).await.0, 409, "all Cyrillic, and looks like somebody else");
    assert_eq!(register("ａｄａ", GOOD).await.0, 409, "full-width letters are letters");
    assert_eq!(server.post("/api/auth/login", "", new_person("ａｄａ", GOOD)).await.0, 200);
    let long: String = (0..30).map(|n| format!("磨{n}坊")).collect();
    assert_eq!(register("李雷雷", &long).await.0, 201);
    let login =
        |password: String| server.post("/api/auth/login", "", new_person("李雷雷", &password).clone());
    assert_eq!(login(long.clone()).await.0, 200);
    let other_end = format!("{}水", long.strip_suffix('坊').unwrap());
    assert_eq!(login(other_end).await.0, 401, "a long password counts whole");
    server.stop().await;
}

async fn an_invite_is_used_as_often_as_it_says(harness: Arc<Harness>) {
    let server = Arc::new(harness.server_with(&[("REGISTRATION", "invite")]).await);
    let admin = admin(&server).await;
    let (status, invite) =
        server.post("/api/admin/invites", &admin, json!({"uses": 3, "note": "friends"})).await;
    assert_eq!(status, 200, "{invite}");
    let code = invite["code"].as_str().unwrap().to_owned();
    assert_eq!(server.post("/api/auth/register", "", new_person("nobody", GOOD)).await.0, 403);
    let tries = (0..12).map(|n| {
        let (server, code) = (server.clone(), code.clone());
        spawn(async move {
            let mut body = new_person(&format!("friend{n}"), GOOD);
            body["invite"] = json!(code);
            server.post("/api/auth/register", "", body).await.0
        })
    });
    let mut made = 0;
    for one in tries.collect::<Vec<_>>() {
        match one.await.unwrap() {
            201 => made += 1,
            status => assert_eq!(status, 403),
        }
    }
    assert_eq!(made, 3);
    let (_, list) = server.get("/api/admin/invites", &admin).await;
    assert_eq!(
        (&list["data"][0]["uses_left"], list["data"][0]["used_by"].as_array().unwrap().len()),
        (&json!(0), 3)
    );
    assert!(list["data"][0]["code"].is_null(), "a code is shown once");
    let (_, second) = server.post("/api/admin/invites", &admin, json!({})).await;
    let path = format!("/api/admin/invites/{}", second["id"]);
    assert_eq!(server.delete(&path, &admin).await.0, 200);
    let mut body = new_person("late", GOOD);
    body["invite"] = second["code"].clone();
    assert_eq!(server.post("/api/auth/register", "", body).await.0, 403, "revoked");
    let member = server.person("member").await;
    assert!(member.0 > 0);
    let (access, _) = server.sign_in("member").await;
    assert_eq!(server.get("/api/admin/invites", &access).await.0, 403);
    Arc::into_inner(server).unwrap().stop().await;
}

async fn the_first_administrator_is_made_once(harness: Arc<Harness>) {
    let server = Arc::new(harness.server().await);
    let secret = registration::setup_secret(&server.app.auth).await.unwrap().unwrap();
    let again = registration::setup_secret(&server.app.auth).await.unwrap().unwrap();
    assert_eq!(secret.expose_secret(), again.expose_secret(), "every instance shows the same");
    let wrong = json!({"token": "wrong", "username": "root", "password": GOOD});
    assert_eq!(server.post("/api/auth/setup", "", wrong).await.0, 403);
    let tries = (0..5).map(|n| {
        let (server, token) = (server.clone(), secret.expose_secret().to_owned());
        let body = json!({"token": token, "username": format!("root{n}"), "password": GOOD});
        spawn(async move { server.post("/api/auth/setup", "", body).await })
    });
    let mut made = Vec::new();
    for one in tries.collect::<Vec<_>>() {
        let (status, answer) = one.await.unwrap();
        if status == 201 {
            made.push(answer);
        } else {
            assert_eq!(status, 403, "{answer}");
        }
    }
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["user"]["role"], "admin");
    assert!(registration::setup_secret(&server.app.auth).await.unwrap().is_none());
    Arc::into_inner(server).unwrap().stop().await;
}

async fn a_changed_password_ends_the_other_sessions(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    let (here, _) = server.sign_in("ada").await;
    let (there, there_refresh) = server.sign_in("ada").await;
    let path = "/api/users/me/password";
    let change = |current: &str| json!({"current_password": current, "new_password": GOOD});
    assert_eq!(server.put(path, &here, change("not it")).await.0, 400);
    let common = json!({"current_password": PASSWORD, "new_password": "password123"});
    assert_eq!(server.put(path, &here, common).await.0, 400);
    let (status, answer) = server.put(path, &here, change(PASSWORD)).await;
    assert_eq!(status, 200, "{answer}");
    let new = answer["access_token"].as_str().unwrap();
    assert_eq!(server.get("/api/auth/me", new).await.0, 200, "this session goes on");
    assert_eq!(server.get("/api/auth/me", &there).await.0, 401);
    assert_eq!(server.post("/api/auth/refresh", "", json!({"refresh_token": there_refresh})).await.0, 401);
    let refresh = json!({"refresh_token": answer["refresh_token"]});
    assert_eq!(server.post("/api/auth/refresh", "", refresh).await.0, 200);
    assert_eq!(server.post("/api/auth/login", "", new_person("ada", PASSWORD)).await.0, 401);
    assert_eq!(server.post("/api/auth/login", "", new_person("ada", GOOD)).await.0, 200);
    server.stop().await;
}

async fn a_reset_link_works_once(harness: Arc<Harness>) {
    let server = harness.server_with_clock().await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let give = || async {
        let user = server.app.core.store.find_user(ada).await.unwrap().unwrap();
        one_time::give(&server.app.auth, Door::PasswordReset, &user).await
    };
    let other = one_time_text(&give().await.unwrap());
    let token = one_time_text(&give().await.unwrap());
    let reset = |token: &str, password: &str| {
        server.post("/api/auth/reset-password", "", json!({"token": token, "password": password}))
    };
    assert_eq!(reset("wrong", GOOD).await.0, 403);
    assert_eq!(reset(&token, "12345678").await.0, 400, "a bad password doesn't use the link up");
    assert_eq!(reset(&token, GOOD).await.0, 200);
    assert_eq!(reset(&token, GOOD).await.0, 403);
    assert_eq!(reset(&other, GOOD).await.0, 403, "a password was set meanwhile");
    assert_eq!(server.get("/api/auth/me", &access).await.0, 401);
    assert_eq!(server.post("/api/auth/login", "", new_person("ada", GOOD)).await.0, 200);
    if !harness.is_clustered() {
        // Redis has a clock of its own.
        let late = one_time_text(&give().await.unwrap());
        harness.pass(Duration::from_secs(3_601));
        assert_eq!(reset(&late, GOOD).await.0, 403);
    }
    server.stop().await;
}

fn one_time_text(secret: &secrecy::SecretString) -> String {
    secret.expose_secret().to_owned()
}

fn app_of(uri: &str) -> Totp {
    let uri = url::Url::parse(uri).unwrap();
    let secret = uri.query_pairs().find(|(name, _)| name == "secret").unwrap().1.into_owned();
    Builder::new().with_secret(Secret::try_from_base32(secret).unwrap()).build().unwrap()
}

async fn a_second_factor_is_asked_for(harness: Arc<Harness>) {
    let server = harness.server_with_clock().await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (_, setup) = server.post("/api/users/me/totp", &access, json!({})).await;
    assert!(setup["qr_svg"].as_str().unwrap().contains("<svg"));
    let totp = app_of(setup["otpauth_uri"].as_str().unwrap());
    let code = || {
        let now = u64::try_from(server.app.core.clock.now().seconds()).unwrap();
        totp.generate(now).to_string()
    };
    let confirm = |code: String| server.post("/api/users/me/totp/confirm", &access, json!({"code": code}));
    assert_eq!(confirm("000000".into()).await.0, 401);
    assert_eq!(
        server.post("/api/auth/login", "", new_person("ada", PASSWORD)).await.0,
        200,
        "not confirmed yet"
    );
    let (status, codes) = confirm(code()).await;
    assert_eq!(status, 200, "{codes}");
    let recovery = codes["recovery_codes"][0].as_str().unwrap().to_owned();
    let login = |more: Value| {
        let mut body = new_person("ada", PASSWORD);
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        server.post("/api/auth/login", "", body)
    };
    let (status, half) = login(json!({})).await;
    assert_eq!(status, 401);
    let challenge = half["totp_challenge"].as_str().unwrap().to_owned();
    assert_eq!(login(json!({"totp_code": code()})).await.0, 401, "a code that was used is refused");
    end_tokens(&server.app, ada).await;
    harness.pass(Duration::from_secs(30));
    let half_made = json!({"challenge": challenge, "code": code()});
    assert_eq!(
        server.post("/api/auth/totp", "", half_made).await.0,
        401,
        "sessions were ended everywhere meanwhile"
    );
    let challenge = login(json!({})).await.1["totp_challenge"].as_str().unwrap().to_owned();
    harness.pass(Duration::from_secs(30));
    let used = code();
    assert_eq!(login(json!({"totp_code": used})).await.0, 200);
    assert_eq!(login(json!({"totp_code": used})).await.0, 401);
    harness.pass(Duration::from_secs(30));
    let finish = |body: Value| server.post("/api/auth/totp", "", body);
    let (status, answer) = finish(json!({"challenge": challenge, "code": code()})).await;
    assert_eq!((status, &answer["user"]["username"]), (200, &json!("ada")), "{answer}");
    let access = answer["access_token"].as_str().unwrap().to_owned();
    harness.pass(Duration::from_secs(30));
    assert_eq!(
        finish(json!({"challenge": challenge, "code": code()})).await.0,
        401,
        "a challenge is good once"
    );
    assert_eq!(login(json!({"recovery_code": recovery.to_uppercase()})).await.0, 200);
    assert_eq!(login(json!({"recovery_code": recovery})).await.0, 401);
    let (_, status) = server.get("/api/users/me/totp", &access).await;
    assert_eq!(status, json!({"enabled": true, "recovery_codes_left": 9}));
    // Guessing is slowed down.
    let mut last = 0;
    for _ in 0..8 {
        last = login(json!({"totp_code": "000000"})).await.0;
    }
    assert_eq!(last, 429);
    harness.pass(Duration::from_secs(1_000));
    let request = server.http.delete(server.url("/api/users/me/totp")).bearer_auth(&access);
    assert_eq!(read(request.json(&json!({"code": code()}))).await.0, 200);
    assert_eq!(login(json!({})).await.0, 200);
    server.stop().await;
}

async fn administrators_may_need_a_second_factor(harness: Arc<Harness>) {
    let server = harness.server_with(&[("POLICY_REQUIRE_TOTP_FOR_ADMINS", "true")]).await;
    let admin = admin(&server).await;
    assert_eq!(server.get("/api/admin/invites", &admin).await.0, 403);
    let (_, setup) = server.post("/api/users/me/totp", &admin, json!({})).await;
    let totp = app_of(setup["otpauth_uri"].as_str().unwrap());
    let code = totp.generate_current().to_string();
    assert_eq!(server.post("/api/users/me/totp/confirm", &admin, json!({"code": code})).await.0, 200);
    assert_eq!(server.get("/api/admin/invites", &admin).await.0, 200);
    server.stop().await;
}

async fn sessions_are_seen_and_ended(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    server.person("bob").await;
    let (bob, _) = server.sign_in("bob").await;
    let login = |agent: &'static str| {
        let request = server.http.post(server.url("/api/auth/login")).header("user-agent", agent);
        read(request.json(&new_person("ada", PASSWORD)))
    };
    let mut tokens = Vec::new();
    for agent in ["one", "two", "three"] {
        tokens.push(login(agent).await.1["access_token"].as_str().unwrap().to_owned());
    }
    let (_, list) = server.get("/api/auth/sessions", &tokens[0]).await;
    let sessions = list["data"].as_array().unwrap();
    assert_eq!(sessions.len(), 3, "{list}");
    let named = |agent: &str| sessions.iter().find(|session| session["agent"] == agent).unwrap().clone();
    assert_eq!((&named("one")["current"], &named("two")["current"]), (&json!(true), &json!(false)));
    assert_eq!(named("two")["address"], "127.0.0.1");
    let path = format!("/api/auth/sessions/{}", named("two")["id"].as_str().unwrap());
    assert_eq!(server.delete(&path, &bob).await.0, 404, "a foreign session");
    assert_eq!(server.delete(&path, &tokens[0]).await.0, 200);
    assert_eq!(server.delete(&path, &tokens[0]).await.0, 404);
    assert_eq!(server.get("/api/auth/me", &tokens[1]).await.0, 401);
    assert_eq!(server.delete("/api/auth/sessions", &tokens[0]).await.0, 200);
    assert_eq!(server.get("/api/auth/me", &tokens[2]).await.0, 401);
    assert_eq!(server.get("/api/auth/me", &tokens[0]).await.0, 200);
    server.stop().await;
}

async fn many_guesses_at_once_are_many_failures(harness: Arc<Harness>) {
    let server = Arc::new(harness.server_with_clock().await);
    server.person("ada").await;
    let guesses = (0..40).map(|n| {
        let server = server.clone();
        let body = new_person("ada", &format!("guess number {n}"));
        spawn(async move { server.post("/api/auth/login", "", body).await.0 })
    });
    let mut tried = 0;
    for guess in guesses.collect::<Vec<_>>() {
        match guess.await.unwrap() {
            401 => tried += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert!(tried <= 6, "{tried} passwords were tried at one moment");
    Arc::into_inner(server).unwrap().stop().await;
}

async fn the_language_is_the_clients(harness: Arc<Harness>) {
    let server = harness.server().await;
    let ask = |language: &'static str| {
        let request =
            server.http.post(server.url("/api/auth/reset-password")).header("accept-language", language);
        request.json(&json!({"token": "x", "password": GOOD})).send()
    };
    let (english, chinese) = (ask("en-GB,en;q=0.9").await.unwrap(), ask("zh-CN").await.unwrap());
    let code = |answer: &reqwest::Response| answer.headers()["x-error-code"].clone();
    assert_eq!(code(&english), code(&chinese), "codes don't change with the language");
    let english: Value = english.json().await.unwrap();
    let chinese: Value = chinese.json().await.unwrap();
    assert!(english["detail"].as_str().unwrap().is_ascii());
    assert!(!chinese["detail"].as_str().unwrap().is_ascii());
    server.stop().await;
}
