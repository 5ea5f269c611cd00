//! Weaknesses of what is stored, shown and let in; the table is in [`weaknesses`](crate::weaknesses).

use std::path::Path;
use std::sync::Arc;

use millpond::store::users::{Role, UserChanges};
use serde_json::json;

use crate::database::update_user;
use crate::harness::{Harness, PASSWORD, both_shapes};
use crate::weaknesses::{Line, ONE_UNIT, scene};

both_shapes!(
    the_page_for_browsers_escapes,
    nothing_secret_is_stored_in_clear,
    linking_shares_or_not_and_nothing_between,
    what_never_worked_works,
);

/// 20: the page that a browser came back to printed what its address said.
async fn the_page_for_browsers_escapes(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let attack = "%3Cscript%3Ealert(1)%3C/script%3E%22%27%3E%3Cimg%20src=x%20onerror=alert(1)%3E";
    for query in
        [format!("error={attack}"), format!("code={attack}&state={attack}"), format!("state={attack}")]
    {
        let url = scene.server.url(&format!("/api/plugin-api/oauth/callback?{query}"));
        let answer = scene.server.http.get(url).send().await.unwrap();
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        let page = answer.text().await.unwrap();
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    }
    scene.stop().await;
}

fn read_all(below: &Path, into: &mut String) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, into);
        } else {
            into.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
}

/// Everything that lies anywhere: the files of the data directory (SQLite's own among them), every row of every table of
/// PostgreSQL, every value in Redis.
pub(crate) async fn everything_stored(harness: &Harness) -> String {
    let mut all = String::new();
    read_all(&harness.dir, &mut all);
    let of = |wanted: &str| harness.environment().into_iter().find(|(name, _)| *name == wanted);
    if of("DATABASE_URL").is_some() {
        let tables =
            "select quote_ident(table_name) from information_schema.tables where table_schema = 'public'";
        for table in harness.sql(tables).await {
            let rows = harness.sql(&format!("select t::text from {table} t")).await;
            all.push_str(&rows.join("\n"));
        }
    }
    if let Some((_, url)) = of("REDIS_URL") {
        let mut redis = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
        // Whatever a key holds, as text.
        let script = redis::Script::new(
            "local all = {}
             for _, key in ipairs(redis.call('keys', '*')) do
               table.insert(all, key)
               local kind = redis.call('type', key).ok
               local read = {string = {'get', key}, hash = {'hgetall', key}, list = {'lrange', key, 0, -1},
                 set = {'smembers', key}, zset = {'zrange', key, 0, -1}}
               local value = redis.call(unpack(read[kind]))
               table.insert(all, type(value) == 'table' and table.concat(value, ' ') or value)
             end
             return table.concat(all, '\\n')",
        );
        let values: String = script.invoke_async(&mut redis).await.unwrap();
        all.push_str(&values);
    }
    all
}

/// 21: keys and providers' tokens were columns in clear.
async fn nothing_secret_is_stored_in_clear(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    scene.server.person("ada").await;
    let (access, refresh) = scene.server.sign_in("ada").await;
    let (key, _) = scene.server.key(&access, json!({"name": "named-QZ1"})).await;
    let members = json!({"name": "named-QZ2", "models": ["near"], "credential": "secret-QZ3\nsecret-QZ4",
        "headers": {"x-tenant": "secret-QZ5"}});
    let account = scene.account(&access, members).await;
    scene.play.says("secret-QZ3/near", Line::error(401, "invalid_api_key", "Incorrect key: secret-QZ3."));
    let path = format!("/api/plugin-api/accounts/{account}");
    for _ in 0..2 {
        assert_eq!(scene.chat(&key, "near").await.0, 200);
    }
    let through = json!({"models": ["through"], "proxy": "http://me:secret-QZ6@127.0.0.1:9"});
    scene.account(&access, through).await;
    assert_eq!(
        scene.server.put(&format!("{path}/credential"), &access, json!({"credential": "secret-QZ7"})).await.0,
        200
    );
    assert_eq!(scene.chat(&key, "near").await.0, 200);
    scene.stop().await;
    let stored = everything_stored(&harness).await;
    for known in ["named-QZ1", "named-QZ2"] {
        assert!(stored.contains(known), "all of it was looked at: {known}");
    }
    let number = |n: u32| format!("secret-QZ{n}");
    for secret in (3..8).map(number).chain([PASSWORD.to_owned(), key, access, refresh]) {
        assert!(!stored.contains(&secret), "{secret}");
    }
}

/// 22: `is_shared` was not looked at when an account was linked: "1" was shared and gave nothing, 2 served nobody.
async fn linking_shares_or_not_and_nothing_between(harness: Arc<Harness>) {
    let play = crate::weaknesses::Play::start().await;
    let address = format!("http://{}", play.address);
    let settings = [("POLICY_BASE_QUOTA", "1"), ("OPENROUTER_BASE_URL", &*address)];
    let server = harness.server_with_clock_and(&settings).await;
    let scene = crate::weaknesses::Scene { server: Arc::new(server), play };
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    let (server, authorize) = (&scene.server, "/api/plugin-api/oauth/authorize");
    for nonsense in [json!(2), json!(-1), json!(0.5), json!("yes"), json!("2"), json!([1]), json!({"is": 1})]
    {
        let (status, answer) = server.post(authorize, &ada, json!({"is_shared": nonsense})).await;
        assert_eq!(status, 422, "{nonsense}: {answer}");
        let account = json!({"name": "a", "provider": "openai", "credential": "c", "is_shared": nonsense});
        assert_eq!(server.post("/api/plugin-api/accounts", &ada, account).await.0, 422, "{nonsense}");
    }
    scene.play.says("/api/v1/auth/keys", Line::json(200, &json!({"key": "linked"})));
    // As AntiHub's framework read it, "1" is 1, and then in every respect.
    for (shared, person) in [(json!("1"), &ada), (json!(1), &bob)] {
        let (status, begun) = server.post(authorize, person, json!({"is_shared": shared})).await;
        assert_eq!(status, 200, "{begun}");
        let back =
            format!("http://localhost:3000/x?code=c&state={}", begun["data"]["state"].as_str().unwrap());
        let linked =
            server.post("/api/plugin-api/oauth/callback", person, json!({"callback_url": back})).await;
        assert_eq!((linked.0, &linked.1["data"]["is_shared"]), (200, &json!(1)), "{}", linked.1);
        assert_eq!(scene.quota(person, "other").await.1, 3_000_000, "it counts for its owner");
    }
    let eve = scene.person("eve").await;
    assert_eq!(scene.chat(&eve, "anything").await.0, 200, "and serves others");
    scene.stop().await;
}

/// 27: the list of what is low, models of shared accounts, administrators who chat, the preference: none of it worked.
async fn what_never_worked_works(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    let shared = scene.shared(&bob, &["far"]).await;
    let root = scene.server.person("root").await;
    let admin = UserChanges { role: Some(Role::Admin), ..UserChanges::default() };
    update_user(&scene.server.app, root, &admin).await;
    let (root, _) = scene.server.sign_in("root").await;

    // Who has no account sees and uses what is shared, an administrator as well.
    for (path, person) in [("/v1/models", &ada), ("/api/plugin-api/models", &ada), ("/v1/models", &root)] {
        let (status, answer) = scene.server.get(path, person).await;
        assert_eq!((status, &answer["data"][0]["id"]), (200, &json!("far")), "{answer}");
    }
    assert_eq!(scene.chat(&root, "far").await.0, 200);
    for path in
        ["/api/plugin-api/quotas/user", "/api/plugin-api/quotas/consumption", "/api/plugin-api/accounts"]
    {
        scene.data(&root, path).await;
    }
    // What is low: everybody's accounts with what they rest for, and the pool by model.
    let all = scene.data(&root, "/api/admin/accounts?is_shared=1").await;
    assert_eq!(all[0]["cookie_id"], json!(shared));
    scene.data(&root, &format!("/api/admin/accounts/{shared}/pauses")).await;
    let pool = scene.data(&root, "/api/plugin-api/quotas/shared-pool").await;
    assert_eq!((&pool["quotas"][0]["model_name"], &pool["quotas"][0]["status"]), (&json!("far"), &json!(1)));
    let preference = "/api/plugin-api/preference";
    for wanted in [1, 0, 1] {
        let (status, answer) = scene.server.put(preference, &ada, json!({"prefer_shared": wanted})).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(scene.data(&ada, preference).await["prefer_shared"], wanted);
    }
    // Everybody is somebody to the pool from the first moment.
    assert_eq!(scene.server.get("/api/plugin-api/key", &ada).await.1["is_active"], true);
    scene.stop().await;
}
