//! What administrators change and auditors read, and leaving.

use std::sync::Arc;

use millpond::store::usage::UsageFilter;
use millpond::store::users::{Role, UserChanges};
use serde_json::{Value, json};

use crate::database::update_user;
use crate::harness::{Harness, PASSWORD, Server, both_shapes, eventually, read};
use crate::provider::Provider;

both_shapes!(
    people_are_searched_and_changed,
    auditors_read_and_change_nothing,
    the_last_administrator_stays,
    who_is_removed_stays_in_the_totals,
    announcements_have_their_time_and_language,
    settings_are_shown_without_secrets,
    the_policy_says_who_shares_and_uses_the_pool,
    what_is_done_is_on_record,
    everything_of_mine_is_exported,
);

async fn with_role(server: &Server, name: &str, role: Role) -> String {
    let id = server.person(name).await;
    let changes = UserChanges { role: Some(role), ..UserChanges::default() };
    update_user(&server.app, id, &changes).await;
    server.sign_in(name).await.0
}

async fn patch(server: &Server, path: &str, token: &str, body: Value) -> (u16, Value) {
    read(server.http.patch(server.url(path)).bearer_auth(token).json(&body)).await
}

async fn people_are_searched_and_changed(harness: Arc<Harness>) {
    let server = harness.server().await;
    let admin = with_role(&server, "root", Role::Admin).await;
    for name in ["ada", "Adam", "bob_1", "bobx1"] {
        server.person(name).await;
    }
    let names = async |query: &str| {
        let (status, page) = server.get(&format!("/api/admin/users?{query}"), &admin).await;
        assert_eq!(status, 200, "{page}");
        let name = |one: &Value| one["username"].as_str().unwrap().to_owned();
        page["data"].as_array().unwrap().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(names("search=ADA").await, ["ada", "Adam"]);
    assert_eq!(names("search=b_").await, ["bob_1"], "an underscore is an underscore");
    assert_eq!(names("role=admin").await, ["root"]);
    let (_, first) = server.get("/api/admin/users?limit=2", &admin).await;
    let rest = names(&format!("cursor={}&limit=10", first["next_cursor"])).await;
    assert_eq!((first["data"].as_array().unwrap().len(), rest.len()), (2, 3));

    let ada = server.app.core.store.find_user_by_name("ada").await.unwrap().unwrap().id;
    let path = format!("/api/admin/users/{ada}");
    let (access, refresh) = server.sign_in("ada").await;
    let (status, changed) =
        patch(&server, &path, &admin, json!({"trust_level": 3, "is_silenced": true})).await;
    assert_eq!((status, &changed["trust_level"], &changed["is_silenced"]), (200, &json!(3), &json!(true)));
    assert_eq!(server.get("/api/auth/me", &access).await.1["trust_level"], 3, "at once");
    assert_eq!(patch(&server, &path, &admin, json!({"role": "king"})).await.0, 400);
    assert_eq!(patch(&server, &path, &admin, json!({"is_active": false})).await.0, 200);
    assert_eq!(server.get("/api/auth/me", &access).await.0, 403);
    assert_eq!(patch(&server, &path, &admin, json!({"is_active": true})).await.0, 200);
    assert_eq!(server.get(&path, &admin).await.1["sessions"], 1);
    assert_eq!(server.delete(&format!("{path}/sessions"), &admin).await.0, 200);
    assert_eq!(server.post("/api/auth/refresh", "", json!({"refresh_token": refresh})).await.0, 401);
    let (_, link) = server.post(&format!("{path}/reset-link"), &admin, json!({})).await;
    let body = json!({"token": link["token"], "password": "a mill beside the pond"});
    assert_eq!(server.post("/api/auth/reset-password", "", body).await.0, 200);
    assert_eq!(server.get("/api/admin/users/999999", &admin).await.0, 404);
    server.stop().await;
}

async fn auditors_read_and_change_nothing(harness: Arc<Harness>) {
    let server = harness.server().await;
    let auditor = with_role(&server, "eve", Role::Auditor).await;
    let ada = server.person("ada").await;
    for path in ["users", "settings", "announcements", "invites"] {
        assert_eq!(server.get(&format!("/api/admin/{path}"), &auditor).await.0, 200, "{path}");
    }
    let path = format!("/api/admin/users/{ada}");
    assert_eq!(patch(&server, &path, &auditor, json!({"role": "admin"})).await.0, 403);
    assert_eq!(server.delete(&path, &auditor).await.0, 403);
    assert_eq!(server.post("/api/admin/invites", &auditor, json!({})).await.0, 403);
    server.stop().await;
}

async fn the_last_administrator_stays(harness: Arc<Harness>) {
    let server = harness.server().await;
    let admin = with_role(&server, "root", Role::Admin).await;
    let root = server.app.core.store.find_user_by_name("root").await.unwrap().unwrap().id;
    let path = format!("/api/admin/users/{root}");
    assert_eq!(patch(&server, &path, &admin, json!({"role": "member"})).await.0, 409);
    assert_eq!(patch(&server, &path, &admin, json!({"is_active": false})).await.0, 409);
    assert_eq!(server.delete(&path, &admin).await.0, 409);
    let request = server.http.delete(server.url("/api/users/me")).bearer_auth(&admin);
    assert_eq!(read(request.json(&json!({"password": PASSWORD}))).await.0, 409);
    with_role(&server, "second", Role::Admin).await;
    assert_eq!(patch(&server, &path, &admin, json!({"role": "member"})).await.0, 200);
    assert_eq!(server.get("/api/admin/users", &admin).await.0, 403);
    server.stop().await;
}

async fn calls_on_record(server: &Server) -> usize {
    server.app.gateway.settled().await;
    let mut calls = 0;
    for user in server.app.core.store.list_users(millpond::ids::UserId(0), 100).await.unwrap() {
        calls += server
            .app
            .core
            .store
            .list_usage(user.id, &UsageFilter::default(), None, 100)
            .await
            .unwrap()
            .len();
    }
    calls
}

async fn who_is_removed_stays_in_the_totals(harness: Arc<Harness>) {
    let (server, provider) = (harness.server().await, Provider::start().await);
    let admin = with_role(&server, "root", Role::Admin).await;
    let mut keys = Vec::new();
    for name in ["ada", "bob", "cleo"] {
        server.person(name).await;
        let (access, _) = server.sign_in(name).await;
        let (key, _) = server.key(&access, json!({})).await;
        server.account(&access, provider.address, json!({"name": name})).await;
        let call = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(server.post("/v1/chat/completions", &key, call).await.0, 200);
        keys.push((access, key));
    }
    assert_eq!(calls_on_record(&server).await, 3);
    let id = async |name: &str| server.app.core.store.find_user_by_name(name).await.unwrap().unwrap().id;
    let (ada, bob) = (id("ada").await, id("bob").await);
    assert_eq!(server.delete(&format!("/api/admin/users/{ada}?usage=burn"), &admin).await.0, 400);
    assert_eq!(server.delete(&format!("/api/admin/users/{ada}"), &admin).await.0, 200);
    assert_eq!(server.delete(&format!("/api/admin/users/{bob}?usage=keep"), &admin).await.0, 200);
    let leave = |body: Value| {
        read(server.http.delete(server.url("/api/users/me")).bearer_auth(&keys[2].0).json(&body))
    };
    assert_eq!(leave(json!({"password": "not it at all"})).await.0, 400);
    assert_eq!(leave(json!({"password": PASSWORD})).await.0, 200);
    assert_eq!(calls_on_record(&server).await, 3, "the totals stay");
    for (access, key) in &keys {
        assert!(matches!(server.get("/api/auth/me", access).await.0, 401 | 403 | 404));
        eventually("the key is dead", || async {
            (server.get("/v1/models", key).await.0 == 401).then_some(())
        })
        .await;
    }
    for name in ["ada", "bob", "cleo"] {
        let login = json!({"username": name, "password": PASSWORD});
        assert_eq!(server.post("/api/auth/login", "", login).await.0, 401);
        server.person(name).await;
    }
    let kept = server.app.core.store.find_user(bob).await.unwrap().unwrap();
    assert!(!kept.is_active && !kept.username.contains("bob") && kept.password_hash.is_none());
    server.stop().await;
}

async fn announcements_have_their_time_and_language(harness: Arc<Harness>) {
    let server = harness.server_with_clock().await;
    let admin = with_role(&server, "root", Role::Admin).await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let path = "/api/admin/announcements";
    assert_eq!(server.post(path, &access, json!({"text_en": "x"})).await.0, 403);
    assert_eq!(server.post(path, &admin, json!({})).await.0, 400);
    let hour = std::time::Duration::from_secs(3_600);
    let ends_at = server.app.core.clock.now().plus(hour).to_string();
    let body = json!({"text_zh": "今晚维护", "text_en": "Maintenance tonight", "ends_at": ends_at});
    let (status, made) = server.post(path, &admin, body).await;
    assert_eq!(status, 200, "{made}");
    let told = async |language: &str| {
        let request = server.http.get(server.url("/api/announcements")).header("accept-language", language);
        read(request.bearer_auth(&access)).await.1["data"].clone()
    };
    assert_eq!(told("en").await[0]["text"], "Maintenance tonight");
    assert_eq!(told("zh").await[0]["text"], "今晚维护");
    let one = format!("{path}/{}", made["id"]);
    let only_chinese = json!({"text_zh": "改期", "ends_at": ends_at});
    assert_eq!(server.put(&one, &admin, only_chinese).await.0, 200);
    assert_eq!(told("en").await[0]["text"], "改期", "better than nothing");
    harness.pass(hour);
    assert_eq!(told("en").await, json!([]));
    assert_eq!(server.get(path, &admin).await.1["data"].as_array().unwrap().len(), 1);
    assert_eq!(server.delete(&one, &admin).await.0, 200);
    assert_eq!(server.delete(&one, &admin).await.0, 404);
    server.stop().await;
}

async fn settings_are_shown_without_secrets(harness: Arc<Harness>) {
    use secrecy::ExposeSecret as _;
    let server = harness.server().await;
    let admin = with_role(&server, "root", Role::Admin).await;
    let (status, settings) = server.get("/api/admin/settings", &admin).await;
    assert_eq!((status, &settings["data"]["JWT_SECRET_KEY"]), (200, &json!("***")));
    let text = settings.to_string();
    let config = &server.app.core.config;
    assert!(!text.contains(config.encryption_key.expose_secret()));
    assert!(!text.contains(config.tokens.access_secret.expose_secret()));
    server.stop().await;
}

async fn everything_of_mine_is_exported(harness: Arc<Harness>) {
    let (server, provider) = (harness.server().await, Provider::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({"name": "mine"})).await;
    server.account(&access, provider.address, json!({"credential": "a-very-secret-credential"})).await;
    for _ in 0..3 {
        let call = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        assert_eq!(server.post("/v1/chat/completions", &key, call).await.0, 200);
    }
    let (status, export) = server.get("/api/users/me/export", &access).await;
    assert_eq!((status, &export["profile"]["username"]), (200, &json!("ada")), "{export}");
    assert_eq!(export["calls"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&export["keys"][0]["name"], &export["accounts"][0]["provider"]),
        (&json!("mine"), &json!("openai"))
    );
    let done: Vec<_> =
        export["audit"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert!(done.contains(&json!("key.created")) && done.contains(&json!("data.exported")), "{done:?}");
    let text = export.to_string();
    assert!(!text.contains("a-very-secret-credential") && !text.contains(&key) && !text.contains("$2b$"));
    server.stop().await;
}

async fn the_policy_says_who_shares_and_uses_the_pool(harness: Arc<Harness>) {
    let settings = &[("POLICY_SHARE_LEVEL", "2"), ("POLICY_POOL_LEVEL", "3")];
    let (server, provider) = (harness.server_with(settings).await, Provider::start().await);
    let admin = with_role(&server, "root", Role::Admin).await;
    let ada = server.person("ada").await;
    let bob = server.person("bob").await;
    let (access, _) = server.sign_in("ada").await;
    let (bobs, _) = server.sign_in("bob").await;
    let account = server.account(&access, provider.address, json!({})).await;
    assert_eq!(server.put_shared(&access, &account, 1).await, 403, "level 1");
    let set = async |id: millpond::ids::UserId, body: Value| {
        assert_eq!(patch(&server, &format!("/api/admin/users/{id}"), &admin, body).await.0, 200);
    };
    set(ada, json!({"trust_level": 2, "is_silenced": true})).await;
    assert_eq!(server.put_shared(&access, &account, 1).await, 403, "silenced");
    let call = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(server.post("/v1/chat/completions", &access, call.clone()).await.0, 403, "silenced");
    set(ada, json!({"is_silenced": false})).await;
    assert_eq!(server.put_shared(&access, &account, 1).await, 200);
    assert_ne!(server.post("/v1/chat/completions", &bobs, call.clone()).await.0, 200, "level 1 has no pool");
    set(bob, json!({"trust_level": 3})).await;
    assert_eq!(server.post("/v1/chat/completions", &bobs, call).await.0, 200);
    server.stop().await;
}

async fn what_is_done_is_on_record(harness: Arc<Harness>) {
    let server = harness.server().await;
    let admin = with_role(&server, "root", Role::Admin).await;
    let ada = server.person("ada").await;
    let path = format!("/api/admin/users/{ada}");
    patch(&server, &path, &admin, json!({"trust_level": 4})).await;
    server.post(&format!("{path}/reset-link"), &admin, json!({})).await;
    server.post("/api/admin/invites", &admin, json!({"uses": 2})).await;
    server.post("/api/admin/announcements", &admin, json!({"text_en": "hello"})).await;
    server.put(&format!("{path}/limits"), &admin, json!({"requests_per_minute": 9})).await;
    server.delete(&path, &admin).await;
    let (_, page) = server.get("/api/admin/audit?limit=500", &admin).await;
    let entries = page["data"].as_array().unwrap();
    let of = |action: &str| {
        entries
            .iter()
            .find(|entry| entry["action"] == action)
            .unwrap_or_else(|| panic!("no {action} in {page}"))
    };
    let changed = of("user.changed");
    assert_eq!((&changed["before"]["trust_level"], &changed["after"]["trust_level"]), (&json!(1), &json!(4)));
    assert_eq!((&changed["target_id"], &changed["address"]), (&json!(ada.to_string()), &json!("127.0.0.1")));
    assert!(changed["request_id"].is_string());
    for action in
        ["reset_link.made", "invite.created", "announcement.created", "limit.changed", "user.deleted"]
    {
        assert_eq!(of(action)["actor_kind"], "user", "{action}");
    }
    let (_, filtered) = server.get("/api/admin/audit?action=user.changed", &admin).await;
    assert_eq!(filtered["data"].as_array().unwrap().len(), 1);
    server.stop().await;
}
