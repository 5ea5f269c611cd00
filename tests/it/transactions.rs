//! A change and its entry in the audit log are one, and what may not happen twice is decided where it happens.

use std::sync::Arc;

use futures_util::future::join_all;
use millpond::ids::UserId;
use millpond::store::api_keys::NewApiKey;
use millpond::store::users::{Role, UserChanges};
use reqwest::Method;
use serde_json::{Value, json};

use crate::database::update_user;
use crate::harness::{Harness, PASSWORD, Server, both_shapes, read};

both_shapes!(
    no_change_without_its_entry,
    of_administrators_who_demote_each_other_one_stays,
    nobody_has_more_accounts_than_one_may,
    nobody_has_more_keys_than_one_may,
);

/// All that the operations of the test could change, as text.
const EVERYTHING: &[&str] = &[
    "select username || coalesce(password_hash, '') || role || cast(is_active as text) || cast(is_silenced as text)
         || cast(token_generation as text) || cast(prefer_shared as text) || cast(beta as text) || cast(has_totp as text)
     from users order by id",
    "select cast(id as text) || cast(is_active as text) || coalesce(name, '') from api_keys order by id",
    "select id || name || credential || cast(is_shared as text) || cast(is_enabled as text) || cast(priority as text)
         || coalesce(disabled_models, '') from accounts order by id",
    "select cast(id as text) || cast(is_revoked as text) from invites order by id",
    "select cast(id as text) || coalesce(text_en, '') from announcements order by id",
    "select subject_kind || cast(subject_id as text) || cast(is_exception as text) from limits order by 1",
    "select cast(user_id as text) from second_factors order by 1",
    "select cast(count(*) as text) from recovery_codes",
    "select provider || subject from user_identities order by 1",
];

async fn everything(harness: &Harness) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for statement in EVERYTHING {
        all.push(harness.sql(statement).await);
    }
    all
}

async fn ask(server: &Server, method: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let method: Method = method.parse().unwrap();
    let request = server.http.request(method, server.url(path));
    let request = if token.is_empty() { request } else { request.bearer_auth(token) };
    read(if body.is_null() { request } else { request.json(body) }).await
}

async fn admin(server: &Server, name: &str) -> (UserId, String) {
    let id = server.person(name).await;
    let changes = UserChanges { role: Some(Role::Admin), ..UserChanges::default() };
    update_user(&server.app, id, &changes).await;
    (id, server.sign_in(name).await.0)
}

/// Something of each kind to change: a person with a key, an account, limits, a second factor and two identities.
struct Things {
    ada: UserId,
    key: i64,
    account: String,
    invite: i64,
    announcement: i64,
}

async fn things(server: &Server, harness: &Harness, root: &str, access: &str, ada: UserId) -> Things {
    let (_, key) = server.key(access, json!({"name": "k"})).await;
    let account = server.account(access, "127.0.0.1:1".parse().unwrap(), json!({})).await;
    let (_, invite) = server.post("/api/admin/invites", root, json!({})).await;
    let (_, told) = server.post("/api/admin/announcements", root, json!({"text_en": "hello"})).await;
    for path in [format!("/api/admin/users/{ada}/limits"), format!("/api/api-keys/{key}/limits")] {
        let token = if path.contains("admin") { root } else { access };
        assert_eq!(server.put(&path, token, json!({"requests_per_minute": 5})).await.0, 200);
    }
    for provider in ["linuxdo", "github"] {
        let sql = "insert into user_identities (user_id, provider, subject, silenced_there, linked_at)
                   select id, '{}', 'x', false, created_at from users where username = 'ada'";
        harness.sql(&sql.replace("{}", provider)).await;
    }
    Things {
        ada,
        key,
        account: account["cookie_id"].as_str().unwrap().to_owned(),
        invite: invite["id"].as_i64().unwrap(),
        announcement: told["id"].as_i64().unwrap(),
    }
}

/// Method, path and body of what administrators do.
fn of_administrators(things: &Things) -> Vec<(&'static str, String, Value)> {
    let Things { ada, account, invite, announcement, .. } = things;
    vec![
        ("PATCH", format!("/api/admin/users/{ada}"), json!({"is_silenced": true, "role": "auditor"})),
        ("DELETE", format!("/api/admin/users/{ada}/sessions"), Value::Null),
        ("DELETE", format!("/api/admin/users/{ada}/totp"), Value::Null),
        ("PUT", format!("/api/admin/users/{ada}/limits"), json!({"until": "2100-01-01T00:00:00Z"})),
        ("DELETE", format!("/api/admin/users/{ada}/limits"), Value::Null),
        ("POST", "/api/admin/invites".to_owned(), json!({})),
        ("DELETE", format!("/api/admin/invites/{invite}"), Value::Null),
        ("POST", "/api/admin/announcements".to_owned(), json!({"text_en": "new"})),
        ("PUT", format!("/api/admin/announcements/{announcement}"), json!({"text_en": "other"})),
        ("DELETE", format!("/api/admin/announcements/{announcement}"), Value::Null),
        ("PUT", format!("/api/admin/accounts/{account}/status"), json!({"status": 0})),
        ("PUT", format!("/api/admin/accounts/{account}/name"), json!({"name": "other"})),
        ("DELETE", format!("/api/admin/accounts/{account}"), Value::Null),
        ("DELETE", format!("/api/admin/users/{ada}?usage=keep"), Value::Null),
        ("DELETE", format!("/api/admin/users/{ada}"), Value::Null),
    ]
}

/// The same of what members do.
fn of_members(things: &Things) -> Vec<(&'static str, String, Value)> {
    let Things { key, account, .. } = things;
    let account = format!("/api/plugin-api/accounts/{account}");
    let new = json!({"provider": "openai", "credential": "c", "models": ["x"]});
    vec![
        ("POST", "/api/api-keys".to_owned(), json!({})),
        ("PATCH", format!("/api/api-keys/{key}/status"), json!({"is_active": false})),
        ("PATCH", format!("/api/api-keys/{key}/name"), json!({"name": "other"})),
        ("PUT", format!("/api/api-keys/{key}/limits"), json!({"until": "2100-01-01T00:00:00Z"})),
        ("DELETE", format!("/api/api-keys/{key}/limits"), Value::Null),
        ("DELETE", format!("/api/api-keys/{key}"), Value::Null),
        ("POST", "/api/plugin-api/accounts".to_owned(), new.clone()),
        ("POST", "/api/plugin-api/accounts/import".to_owned(), json!([new.clone(), new])),
        ("PATCH", account.clone(), json!({"priority": 7})),
        ("PUT", format!("{account}/status"), json!({"status": 0})),
        ("PUT", format!("{account}/name"), json!({"name": "other"})),
        ("PUT", format!("{account}/credential"), json!({"credential": "other"})),
        ("PUT", format!("{account}/quotas/m/status"), json!({"status": 0})),
        ("DELETE", account, Value::Null),
        ("PUT", "/api/plugin-api/preference".to_owned(), json!({"prefer_shared": 1})),
        ("POST", "/api/auth/join-beta".to_owned(), Value::Null),
        ("DELETE", "/api/users/me/identities/github".to_owned(), Value::Null),
        ("POST", "/api/auth/logout-all".to_owned(), Value::Null),
        ("DELETE", "/api/auth/sessions".to_owned(), Value::Null),
        (
            "PUT",
            "/api/users/me/password".to_owned(),
            json!({"current_password": PASSWORD, "new_password": "another good one 77"}),
        ),
        ("DELETE", "/api/users/me".to_owned(), json!({"password": PASSWORD})),
    ]
}

async fn no_change_without_its_entry(harness: Arc<Harness>) {
    let server = harness.server_with(&[("REGISTRATION", "open")]).await;
    let (_, root) = admin(&server, "root").await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let things = things(&server, &harness, &root, &access, ada).await;
    let before = everything(&harness).await;

    harness.sql("alter table audit_log rename to audit_log_away").await;
    let newcomer = json!({"username": "newcomer", "password": "a good long one 55"});
    let mut operations = vec![("", "POST", "/api/auth/register".to_owned(), newcomer)];
    operations.extend(of_administrators(&things).into_iter().map(|(m, p, b)| (root.as_str(), m, p, b)));
    operations.extend(of_members(&things).into_iter().map(|(m, p, b)| (access.as_str(), m, p, b)));
    for (token, method, path, body) in &operations {
        let (status, answer) = ask(&server, method, path, token, body).await;
        assert_eq!(status, 503, "{method} {path}: {answer}");
        assert_eq!(everything(&harness).await, before, "{method} {path} left something");
    }
    assert_eq!(server.get("/api/auth/me", &access).await.0, 200, "no session ended");

    harness.sql("alter table audit_log_away rename to audit_log").await;
    let verdict = server.app.core.audit.verify().await.unwrap();
    assert_eq!(verdict.broken, None, "what failed left no hole");
    // The table is one of what really works.
    let (token, method, path, body) = &operations[1];
    assert_eq!(ask(&server, method, path, token, body).await.0, 200);
    server.stop().await;
}

async fn of_administrators_who_demote_each_other_one_stays(harness: Arc<Harness>) {
    let server = harness.server().await;
    for round in 0..6 {
        let names = [format!("one{round}"), format!("two{round}")];
        let (first, first_access) = admin(&server, &names[0]).await;
        let (second, second_access) = admin(&server, &names[1]).await;
        // Who is left of the round before.
        harness.sql(&format!("update users set role = 'member' where id < {first}")).await;
        let demote = async |id: UserId, token: &str| {
            let path = format!("/api/admin/users/{id}");
            ask(&server, "PATCH", &path, token, &json!({"role": "member"})).await.0
        };
        let statuses = tokio::join!(demote(second, &first_access), demote(first, &second_access));
        let left = harness.sql("select username from users where role = 'admin'").await;
        assert_eq!(left.len(), 1, "{statuses:?}");
    }
    server.stop().await;
}

async fn nobody_has_more_accounts_than_one_may(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let new = json!({"provider": "openai", "credential": "c", "models": ["x"]});
    let path = "/api/plugin-api/accounts";
    let many: Vec<&Value> = std::iter::repeat_n(&new, 995).collect();
    let import = format!("{path}/import");
    assert_eq!(server.post(&import, &access, json!(many)).await.0, 200);
    let singly = join_all((0..12).map(|_| server.post(path, &access, new.clone())));
    let together = server.post(&import, &access, json!([new, new, new]));
    let (singly, together) = tokio::join!(singly, together);
    let made = singly.iter().filter(|(status, _)| *status == 201).count();
    let made = made + together.1["created"].as_array().unwrap().len();
    assert_eq!(made, 5, "{together:?}");
    let (_, all) = server.get(path, &access).await;
    assert_eq!(all["data"].as_array().unwrap().len(), 1_000);
    let (status, refused) = server.post(path, &access, new).await;
    assert_eq!(status, 409, "{refused}");
    server.stop().await;
}

async fn nobody_has_more_keys_than_one_may(harness: Arc<Harness>) {
    let server = harness.server().await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let mut tx = server.app.core.store.begin().await.unwrap();
    for number in 0..996 {
        let key = NewApiKey {
            user_id: ada,
            hash: &format!("{number:064}"),
            encrypted: "",
            preview: "sk-",
            name: None,
            description: None,
            config_type: "antigravity",
            allowed_models: None,
            requests_per_minute: None,
            expires_at: None,
        };
        tx.create_api_key(&key, server.app.core.clock.now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let made = join_all((0..12).map(|_| server.post("/api/api-keys", &access, json!({})))).await;
    let statuses: Vec<u16> = made.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 4, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 8, "{statuses:?}");
    let (_, list) = server.get("/api/api-keys", &access).await;
    assert_eq!(list.as_array().unwrap().len(), 1_000, "every key that works is in the list");
    server.stop().await;
}
