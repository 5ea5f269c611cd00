//! Trying accounts out, where they may not lead, and what administrators do to everybody's.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use millpond::store::audit::AuditFilter;
use millpond::store::users::{Role, UserChanges};
use serde_json::{Value, json};

use crate::accounts::{path, question, scene};
use crate::database::update_user;
use crate::harness::{Harness, Server, both_shapes, read, spawn};
use crate::recorder::Recorder;

both_shapes!(
    a_check_says_what_the_provider_said,
    a_check_repeats_no_secret,
    a_check_harms_no_health,
    a_redirect_is_not_followed,
    administrators_see_everybodys_accounts,
    administrators_switch_unshare_and_delete_on_record,
);

async fn check(server: &Server, access: &str, account: &Value, body: Value) -> Value {
    let (status, answer) = server.post(&format!("{}/check", path(account)), access, body).await;
    assert_eq!(status, 200, "{answer}");
    answer["data"].clone()
}

/// A port on which nobody listens.
async fn deserted() -> SocketAddr {
    tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(spawn(async move { axum::serve(listener, router).await.unwrap() }));
    address
}

async fn a_check_says_what_the_provider_said(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let account = scene.account(json!({"credential": "good\nis-refused", "aliases": {"fast": "m"}})).await;
    let good = check(&scene.server, &scene.access, &account, json!({})).await;
    assert_eq!(
        (&good["ok"], &good["outcome"], &good["provider_status"]),
        (&json!(true), &json!("ok"), &json!(200))
    );
    assert_eq!(good["words"], "");
    let seen = scene.provider.last();
    assert_eq!((seen.path.as_str(), seen.header("authorization")), ("/v1/models", "Bearer good"));
    let good = check(&scene.server, &scene.access, &account, json!({"model": "fast"})).await;
    assert_eq!(good["outcome"], "ok");
    let sent: Value = serde_json::from_slice(&scene.provider.last().body).unwrap();
    assert_eq!(
        (&sent["model"], &sent["max_tokens"]),
        (&json!("m"), &json!(1)),
        "one token, by its upstream name"
    );
    let refused = check(&scene.server, &scene.access, &account, json!({"credential": 1})).await;
    assert_eq!((&refused["ok"], &refused["outcome"]), (&json!(false), &json!("refused")));
    assert_eq!((&refused["provider_status"], &refused["words"]), (&json!(401), &json!("no such key")));
    let failed = check(&scene.server, &scene.access, &account, json!({"model": "fails"})).await;
    assert_eq!((&failed["provider_status"], &failed["words"]), (&json!(500), &json!("out of order")));

    let at = |base: String| json!({"base_url": base, "models": ["elsewhere"]});
    let gone = scene.account(at(format!("http://{}/v1", deserted().await))).await;
    let unreachable = check(&scene.server, &scene.access, &gone, json!({})).await;
    assert_eq!(
        (&unreachable["outcome"], &unreachable["provider_status"]),
        (&json!("unreachable"), &Value::Null)
    );
    assert_eq!(unreachable["words"], "", "nothing of this side's network");
    for host in ["127.0.0.2", "[::1]", "169.254.169.254"] {
        let inside = scene.account(at(format!("http://{host}:{}/v1", scene.provider.address.port()))).await;
        let before = scene.provider.seen().len();
        let forbidden = check(&scene.server, &scene.access, &inside, json!({})).await;
        assert_eq!(
            (&forbidden["ok"], &forbidden["outcome"]),
            (&json!(false), &json!("forbidden_address")),
            "{host}"
        );
        assert_eq!(scene.provider.seen().len(), before);
    }
    // Also an account that is switched off can be tried; somebody else's can't.
    let status = json!({"status": 0});
    assert_eq!(scene.server.put(&format!("{}/status", path(&account)), &scene.access, status).await.0, 200);
    assert_eq!(check(&scene.server, &scene.access, &account, json!({})).await["outcome"], "ok");
    scene.server.person("eve").await;
    let (eve, _) = scene.server.sign_in("eve").await;
    assert_eq!(scene.server.post(&format!("{}/check", path(&account)), &eve, json!({})).await.0, 404);
    let wrong = json!({"credential": 100, "model": 1});
    assert_eq!(scene.server.post(&format!("{}/check", path(&account)), &scene.access, wrong).await.0, 422);
    scene.server.stop().await;
}

/// A provider that repeats every header it was sent.
async fn parrot(request: Request) -> Response {
    let text = format!("You sent {:?}", request.headers());
    (StatusCode::FORBIDDEN, axum::Json(json!({"error": {"message": text}}))).into_response()
}

async fn a_check_repeats_no_secret(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let provider = serve(Router::new().fallback(parrot)).await;
    let members = json!({"credential": "short-word", "headers": {"x-token": "pass words"}});
    let account = scene.server.account(&scene.access, provider, members).await;
    for body in [json!({}), json!({"model": "m"})] {
        let checked = check(&scene.server, &scene.access, &account, body).await;
        assert_eq!((&checked["outcome"], &checked["provider_status"]), (&json!("refused"), &json!(403)));
        let words = checked["words"].as_str().unwrap();
        assert!(words.contains("You sent") && words.contains("***"), "{words}");
        assert!(!words.contains("short-word") && !words.contains("pass words"), "{words}");
    }
    // What a call meets is shown in the same way.
    assert_eq!(scene.chat("m").await, 502);
    let (_, pauses) = scene.server.get(&format!("{}/pauses", path(&account)), &scene.access).await;
    let words = pauses["data"][0]["words"].as_str().unwrap();
    assert!(!words.contains("short-word") && !words.contains("pass words"), "{words}");
    scene.server.stop().await;
}

async fn a_check_harms_no_health(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let account = scene.account(json!({"credential": "good\nis-refused", "models": ["m", "fails"]})).await;
    for _ in 0..8 {
        for body in [json!({"credential": 1}), json!({"model": "fails"}), json!({"model": "impossible"})] {
            assert_eq!(check(&scene.server, &scene.access, &account, body).await["ok"], false);
        }
    }
    let pauses = scene.server.get(&format!("{}/pauses", path(&account)), &scene.access).await.1;
    assert_eq!(pauses["data"], json!([]));
    let before = scene.provider.seen().len();
    assert_eq!(scene.chat("fails").await, 502, "it is still called");
    assert!(scene.provider.seen().len() > before);
    assert_eq!(scene.chat("m").await, 200);
    let (_, logs) = scene.server.get("/api/usage/logs", &scene.access).await;
    assert_eq!(logs["data"].as_array().unwrap().len(), 2, "a check is no call of the member's");
    scene.server.stop().await;
}

async fn a_redirect_is_not_followed(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let elsewhere = Recorder::start().await;
    for (model, status) in [("moved", 302), ("temporary", 307), ("permanent", 308)] {
        let target = format!("http://{}/v1/chat/completions", elsewhere.address);
        let answer = move || async move {
            let mut answer = Redirect::temporary(&target).into_response();
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer
        };
        let provider = serve(Router::new().fallback(answer)).await;
        let account = scene.server.account(&scene.access, provider, json!({"models": [model]})).await;
        let (got, answer) = scene.server.post("/v1/chat/completions", &scene.key, question(model)).await;
        assert_eq!((got, &answer["error"]["code"]), (502, &json!("upstream_error")), "{answer}");
        assert!(!answer.to_string().contains(&elsewhere.address.to_string()), "{answer}");
        let checked = check(&scene.server, &scene.access, &account, json!({})).await;
        assert_eq!((&checked["outcome"], &checked["provider_status"]), (&json!("refused"), &json!(status)));
    }
    assert!(elsewhere.seen().is_empty(), "neither the call nor its credential went there");
    scene.server.stop().await;
}

async fn with_role(server: &Server, name: &str, role: Role) -> String {
    let id = server.person(name).await;
    let changes = UserChanges { role: Some(role), ..UserChanges::default() };
    update_user(&server.app, id, &changes).await;
    server.sign_in(name).await.0
}

async fn administrators_see_everybodys_accounts(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let root = with_role(&scene.server, "root", Role::Admin).await;
    let auditor = with_role(&scene.server, "eve", Role::Auditor).await;
    scene.server.person("bob").await;
    let (bob, _) = scene.server.sign_in("bob").await;
    let secret = json!({"name": "of-ada", "credential": "Secret-1", "headers": {"x-token": "Secret-2"},
        "proxy": "http://me:Secret-3@proxy.example:3128"});
    let adas = scene.account(secret).await;
    let shared =
        scene.server.account(&bob, scene.provider.address, json!({"name": "of-bob", "is_shared": 1})).await;
    let gemini = json!({"name": "gemini", "provider": "gemini"});
    scene.server.account(&bob, scene.provider.address, gemini).await;
    let names = async |query: String| {
        let (status, page) = scene.server.get(&format!("/api/admin/accounts{query}"), &auditor).await;
        assert_eq!(status, 200, "{page}");
        assert!(!page.to_string().contains("Secret"), "{page}");
        let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
        (page["data"].as_array().unwrap().iter().map(name).collect::<Vec<_>>(), page["next_cursor"].clone())
    };
    assert_eq!(
        names(String::new()).await,
        (vec!["gemini".into(), "of-bob".into(), "of-ada".into()], Value::Null)
    );
    assert_eq!(names("?is_shared=1".into()).await.0, ["of-bob"]);
    assert_eq!(names("?provider=gemini".into()).await.0, ["gemini"]);
    assert_eq!(names("?status=0".into()).await.0, [""; 0]);
    assert_eq!(names(format!("?user_id={}&status=1", adas["user_id"].as_str().unwrap())).await.0, ["of-ada"]);
    let (first, cursor) = names("?limit=2".into()).await;
    assert_eq!(first, ["gemini", "of-bob"]);
    let rest = names(format!("?limit=2&cursor={}", cursor.as_str().unwrap())).await;
    assert_eq!(rest, (vec!["of-ada".into()], Value::Null));
    assert_eq!(scene.server.get("/api/admin/accounts?is_shared=maybe", &root).await.0, 422);

    let admins = |account: &Value| format!("/api/admin/accounts/{}", account["cookie_id"].as_str().unwrap());
    let (status, shown) = scene.server.get(&admins(&adas), &auditor).await;
    assert_eq!((status, &shown["data"]["name"]), (200, &json!("of-ada")));
    assert!(!shown.to_string().contains("Secret"), "{shown}");
    // Members have nothing here, not even of their own; auditors change nothing.
    for (path, token) in [("/api/admin/accounts".to_owned(), &bob), (admins(&shared), &bob)] {
        assert_eq!(scene.server.get(&path, token).await.0, 403, "{path}");
    }
    for token in [&bob, &auditor] {
        for (place, body) in [
            ("status", json!({"status": 0})),
            ("type", json!({"is_shared": 0})),
            ("name", json!({"name": "x"})),
        ] {
            let target = format!("{}/{place}", admins(&shared));
            assert_eq!(scene.server.put(&target, token, body).await.0, 403, "{place}");
        }
        for place in ["check", "resume"] {
            let target = format!("{}/{place}", admins(&shared));
            assert_eq!(scene.server.post(&target, token, json!({})).await.0, 403, "{place}");
        }
        assert_eq!(scene.server.delete(&admins(&shared), token).await.0, 403);
    }
    // Who could change the address would get the credential, so nobody but its owner can.
    let request = scene.server.http.patch(scene.server.url(&admins(&adas))).bearer_auth(&root);
    assert_eq!(read(request.json(&json!({"base_url": "https://root.example"}))).await.0, 405);
    let target = format!("{}/credential", admins(&adas));
    assert_eq!(scene.server.put(&target, &root, json!({"credential": "x"})).await.0, 404);
    assert_eq!(scene.server.get(&path(&adas), &root).await.0, 404, "the members' routes are for one's own");
    let (status, checked) = scene.server.post(&format!("{}/check", admins(&shared)), &root, json!({})).await;
    assert_eq!((status, &checked["data"]["outcome"]), (200, &json!("ok")));
    scene.server.stop().await;
}

async fn administrators_switch_unshare_and_delete_on_record(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let root = with_role(&scene.server, "root", Role::Admin).await;
    scene.server.person("bob").await;
    let (bob, _) = scene.server.sign_in("bob").await;
    let account = scene.account(json!({"is_shared": 1})).await;
    let id = account["cookie_id"].as_str().unwrap();
    let target = format!("/api/admin/accounts/{id}");
    let chat = async |token: &str| scene.server.post("/v1/chat/completions", token, question("m")).await.0;
    let put = async |place: &str, body: Value| {
        let (status, answer) = scene.server.put(&format!("{target}/{place}"), &root, body).await;
        assert_eq!(status, 200, "{answer}");
    };
    assert_eq!((chat(&scene.access).await, chat(&bob).await), (200, 200));
    put("type", json!({"is_shared": 0})).await;
    assert_eq!((chat(&scene.access).await, chat(&bob).await), (200, 404));
    put("type", json!({"is_shared": 1})).await;
    assert_eq!(chat(&bob).await, 200);
    put("status", json!({"status": 0})).await;
    assert_eq!((chat(&scene.access).await, chat(&bob).await), (503, 503));
    put("status", json!({"status": 1})).await;
    put("name", json!({"name": "renamed by root"})).await;
    let (_, shown) = scene.server.get(&path(&account), &scene.access).await;
    assert_eq!((&shown["data"]["name"], &shown["data"]["status"]), (&json!("renamed by root"), &json!(1)));
    let (status, answer) = scene.server.post(&format!("{target}/resume"), &root, json!({})).await;
    assert_eq!((status, &answer["data"]), (200, &json!([])));
    assert_eq!(scene.server.delete(&target, &root).await.0, 200);
    assert_eq!(
        (scene.server.get(&target, &root).await.0, scene.server.delete(&target, &root).await.0),
        (404, 404)
    );
    assert_eq!((scene.server.get(&path(&account), &scene.access).await.0, chat(&bob).await), (404, 404));
    let (_, logs) = scene.server.get("/api/usage/logs", &bob).await;
    let served = logs["data"].as_array().unwrap().iter().filter(|row| row["outcome"] == "ok").count();
    assert_eq!(served, 2, "the calls stay on record");

    let root_id = scene.server.app.core.store.find_user_by_name("root").await.unwrap().unwrap().id;
    let filter = AuditFilter::default();
    let entries = scene.server.app.core.store.list_audit(&filter, None, 100).await.unwrap();
    let mut done: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.actor_id == Some(root_id.0) && entry.target_id.as_deref() == Some(id))
        .map(|entry| entry.action.as_str())
        .collect();
    done.reverse();
    let expected = [
        "account.unshared",
        "account.shared",
        "account.changed",
        "account.changed",
        "account.changed",
        "pause.ended",
        "account.deleted",
    ];
    assert_eq!(done, expected);
    scene.server.stop().await;
}
