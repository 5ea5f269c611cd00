//! Accounts in and out as files: what is good comes in, what is not is told, and no secret goes out.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::accounts::{Scene, path, scene};
use crate::harness::{Harness, both_shapes, read};

both_shapes!(
    good_entries_of_a_json_file_become_accounts,
    good_lines_of_a_csv_file_become_accounts,
    a_file_without_a_good_line_makes_nothing,
    what_was_exported_comes_back,
    an_export_holds_no_secret_and_nothing_of_others,
);

impl Scene {
    async fn import_json(&self, access: &str, body: Value) -> (u16, Value) {
        self.server.post("/api/plugin-api/accounts/import", access, body).await
    }

    async fn import_csv(&self, access: &str, text: &str) -> (u16, Value) {
        let request =
            self.server.http.post(self.server.url("/api/plugin-api/accounts/import")).bearer_auth(access);
        read(request.header("content-type", "text/csv; charset=utf-8").body(text.to_owned())).await
    }

    async fn export(&self, access: &str, query: &str) -> (u16, Value) {
        self.server.get(&format!("/api/plugin-api/accounts/export{query}"), access).await
    }

    /// An exported file as JSON members, without what names the account itself.
    async fn exported(&self, access: &str) -> Vec<Value> {
        let (status, file) = self.export(access, "").await;
        assert_eq!(status, 200, "{file}");
        let mut rows = file["accounts"].as_array().unwrap().clone();
        for row in &mut rows {
            row.as_object_mut().unwrap().remove("cookie_id").unwrap();
        }
        rows.sort_by_key(Value::to_string);
        rows
    }

    async fn count(&self, access: &str) -> usize {
        self.server.get("/api/plugin-api/accounts", access).await.1["data"].as_array().unwrap().len()
    }
}

fn lines(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|one| one["line"].as_u64().unwrap()).collect()
}

async fn good_entries_of_a_json_file_become_accounts(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let base = format!("http://{}/v1", scene.provider.address);
    let body = json!({"accounts": [
        {"name": "a", "provider": "openai", "base_url": base, "credential": "key-a", "models": ["a"]},
        {"name": "b", "provider": "closedai", "base_url": base, "credential": "Secret-of-b"},
        {"name": "c", "provider": "openai", "base_url": base},
        "not an account",
        {"name": "e", "provider": "openai", "base_url": base, "credentials": ["key-e1", "key-e2"], "models": ["e"], "is_shared": 1},
        {"name": "f", "provider": "openai", "base_url": "https://my.example/v1", "credential": "key-f", "is_shared": 1},
        {"name": "g", "provider": "openai", "base_url": "file:///etc/passwd", "credential": "key-g", "priority": 5000},
    ]});
    let (status, answer) = scene.import_json(&scene.access, body).await;
    assert_eq!((status, &answer["success"]), (200, &json!(false)), "{answer}");
    assert_eq!((lines(&answer["created"]), lines(&answer["failed"])), (vec![1, 5], vec![2, 3, 4, 6, 7]));
    let named = |place: usize| {
        let details = answer["failed"][place]["details"].as_array().unwrap();
        details.iter().map(|one| one["loc"][1].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((named(0), named(1), named(2)), (vec!["provider"], vec!["credential"], vec![]));
    assert_eq!((named(3), named(4)), (vec![], vec!["base_url", "priority"]));
    for failed in answer["failed"].as_array().unwrap() {
        assert!(!failed["message"].as_str().unwrap().is_empty(), "{failed}");
    }
    assert!(!answer.to_string().contains("Secret-of-b"), "what was sent is not repeated");
    assert_eq!(scene.count(&scene.access).await, 2);
    assert_eq!(scene.served_by("a").await, "key-a");
    assert!(scene.served_by("e").await.starts_with("key-e"));
    let id = answer["created"][1]["cookie_id"].clone();
    let (_, shown) = scene.server.get(&path(&json!({"cookie_id": id})), &scene.access).await;
    assert_eq!((&shown["data"]["name"], &shown["data"]["is_shared"]), (&json!("e"), &json!(1)));
    let came = "select state_after from audit_log where action = 'accounts.imported'";
    assert_eq!(harness.sql(came).await, [r#"{"count":2}"#]);
    let (status, answer) = scene.import_json(&scene.access, json!([])).await;
    assert_eq!((status, &answer["created"], &answer["failed"]), (200, &json!([]), &json!([])));
    scene.server.stop().await;
}

async fn good_lines_of_a_csv_file_become_accounts(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let base = format!("http://{}/v1", scene.provider.address);
    let text = format!(
        "\u{feff}Name, provider,base_url,credential,models,aliases,is_shared,priority,credentials\r\n\
         a,openai,{base},key-a,a; a-too,,0,3\r\n\
         b,openai,{base},,b\r\n\
         \"two\nlines\",openai,{base},key-c,\"[\"\"c\"\"]\",\"{{\"\"public\"\": \"\"upstream\"\"}}\"\r\n\
         d,openai,{base},key-d,d,{{broken\r\n\
         e,openai,{base},Secret-of-e,e,,perhaps\r\n\
         f,openai,{base},key-f,f,,,,,,too many\r\n\
         g,openai,{base},,g,,,,key-g1;key-g2\r\n"
    );
    let (status, answer) = scene.import_csv(&scene.access, &text).await;
    assert_eq!((status, &answer["success"]), (200, &json!(false)), "{answer}");
    assert_eq!((lines(&answer["created"]), lines(&answer["failed"])), (vec![2, 4, 9], vec![3, 6, 7, 8]));
    assert_eq!(answer["failed"][0]["details"][0]["loc"], json!(["body", "credential"]));
    assert_eq!(answer["failed"][2]["details"][0]["loc"], json!(["body", "is_shared"]));
    assert!(!answer.to_string().contains("Secret-of-e"), "{answer}");
    for (model, credential) in [("a", "key-a"), ("a-too", "key-a"), ("c", "key-c"), ("public", "key-c")] {
        assert_eq!(scene.served_by(model).await, credential, "{model}");
    }
    let sent: Value = serde_json::from_slice(&scene.provider.last().body).unwrap();
    assert_eq!(sent["model"], "upstream");
    assert!(scene.served_by("g").await.starts_with("key-g"));
    let rows = scene.exported(&scene.access).await;
    let a = rows.iter().find(|row| row["name"] == "a").unwrap();
    assert_eq!((&a["priority"], &a["models"]), (&json!(3), &json!(["a", "a-too"])));
    assert!(rows.iter().any(|row| row["name"] == "two\nlines"));
    assert_eq!(rows.len(), 3);
    scene.server.stop().await;
}

async fn a_file_without_a_good_line_makes_nothing(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    let (status, answer) = scene.import_json(&scene.access, json!([{"name": "a"}, 7])).await;
    assert_eq!(
        (status, &answer["created"], lines(&answer["failed"])),
        (422, &json!([]), vec![1, 2]),
        "{answer}"
    );
    let (status, answer) = scene.import_csv(&scene.access, "name,provider\na,closedai\n").await;
    assert_eq!(
        (status, &answer["created"], lines(&answer["failed"])),
        (422, &json!([]), vec![2]),
        "{answer}"
    );
    for body in [json!("x"), json!({"accounts": 1}), json!({}), json!(null)] {
        assert_eq!(scene.import_json(&scene.access, body.clone()).await.0, 400, "{body}");
    }
    for text in ["", "name,credential\na,b\n", "\u{0}"] {
        assert_eq!(scene.import_csv(&scene.access, text).await.0, 400, "{text:?}");
    }
    let many: Vec<Value> = (0..1_001).map(|_| json!({})).collect();
    assert_eq!(scene.import_json(&scene.access, json!(many)).await.0, 413);
    assert_eq!(
        scene.import_csv(&scene.access, &format!("provider\n{}", "openai\n".repeat(1_001))).await.0,
        413
    );
    let request = scene.server.http.post(scene.server.url("/api/plugin-api/accounts/import"));
    let request = request.bearer_auth(&scene.access).header("content-type", "text/plain").body("[]");
    assert_eq!(read(request).await.0, 415);
    assert_eq!(scene.count(&scene.access).await, 0);
    scene.server.stop().await;
}

/// Accounts that use every member, each in a way that is easily lost.
async fn rich(scene: &Scene) {
    let allowances = json!([{"models": ["m", "x*"], "limit": 100, "unit": "requests", "window": "5h"}]);
    let full = json!({"name": "=HYPERLINK(\"http://x\")", "models": ["m", "x*"], "aliases": {"public": "m"},
        "allowances": allowances, "priority": -5, "weight": 7, "max_concurrency": 3, "drain_bytes": 4096,
        "disabled_models": ["x-1"], "is_shared": 1, "credential": "Secret-key", "headers": {"x-token": "Secret-header"},
        "proxy": "http://me:Secret-word@proxy.example:3128"});
    scene.account(full).await;
    scene.account(json!({"name": "'=quoted, with \"all\"\nof it", "models": null})).await;
    let off = scene.account(json!({"name": "off", "models": ["off"]})).await;
    let path_of_off = path(&off);
    assert_eq!(
        scene.server.put(&format!("{path_of_off}/status"), &scene.access, json!({"status": 0})).await.0,
        200
    );
    let unnamed = scene.account(json!({"models": ["unnamed"]})).await;
    let renamed =
        scene.server.put(&format!("{}/name", path(&unnamed)), &scene.access, json!({"name": ""})).await;
    assert_eq!(renamed.0, 200, "{}", renamed.1);
}

async fn what_was_exported_comes_back(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    rich(&scene).await;
    let mine = scene.exported(&scene.access).await;
    let statuses: Vec<_> = mine.iter().map(|row| row["status"].clone()).collect();
    assert_eq!((mine.len(), statuses.iter().filter(|status| **status == 0).count()), (4, 1), "{mine:?}");
    // Credentials are what its owner adds: a member in JSON, a column in CSV.
    scene.server.person("bob").await;
    let (bob, _) = scene.server.sign_in("bob").await;
    let (_, mut file) = scene.export(&scene.access, "?format=json").await;
    for row in file["accounts"].as_array_mut().unwrap() {
        row["credential"] = json!("bobs");
    }
    let (status, answer) = scene.import_json(&bob, file).await;
    assert_eq!((status, &answer["failed"]), (200, &json!([])), "{answer}");
    assert_eq!(scene.exported(&bob).await, mine);

    scene.server.person("cleo").await;
    let (cleo, _) = scene.server.sign_in("cleo").await;
    let (status, text) = scene.export(&scene.access, "?format=csv").await;
    assert_eq!(status, 200);
    let mut reader = csv::Reader::from_reader(text.as_str().unwrap().as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut columns = reader.headers().unwrap().clone();
    columns.push_field("credential");
    writer.write_record(&columns).unwrap();
    for record in reader.records() {
        let mut record = record.unwrap();
        let runs = |cell: &str| cell.starts_with(['=', '@', '+']);
        assert!(!record.iter().any(runs), "a spreadsheet would run it: {record:?}");
        record.push_field("cleos");
        writer.write_record(&record).unwrap();
    }
    let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
    let (status, answer) = scene.import_csv(&cleo, &text).await;
    assert_eq!((status, &answer["failed"]), (200, &json!([])), "{answer}");
    assert_eq!(scene.exported(&cleo).await, mine);
    scene.server.stop().await;
}

async fn an_export_holds_no_secret_and_nothing_of_others(harness: Arc<Harness>) {
    let scene = scene(&harness).await;
    rich(&scene).await;
    scene.server.person("bob").await;
    let (bob, _) = scene.server.sign_in("bob").await;
    scene.server.account(&bob, scene.provider.address, json!({"name": "of-bob", "is_shared": 1})).await;
    for query in ["", "?format=json", "?format=csv"] {
        let (status, file) = scene.export(&scene.access, query).await;
        assert_eq!(status, 200, "{file}");
        let text = file.to_string();
        for secret in ["Secret", "x-token", "proxy", "credential", "gAAAA", "of-bob"] {
            assert!(!text.contains(secret), "{query} has {secret}: {text}");
        }
    }
    let request = scene.server.http.get(scene.server.url("/api/plugin-api/accounts/export?format=csv"));
    let answer = request.bearer_auth(&scene.access).send().await.unwrap();
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"accounts.csv\"");
    assert_eq!(scene.export(&scene.access, "?format=xml").await.0, 422);
    let taken = "select state_after from audit_log where action = 'accounts.exported' order by seq";
    assert_eq!(harness.sql(taken).await, [r#"{"count":4}"#; 4], "who took what away is on record");
    assert_eq!(scene.exported(&bob).await.len(), 1);
    scene.server.stop().await;
}
