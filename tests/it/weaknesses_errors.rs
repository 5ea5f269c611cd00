//! Weaknesses of errors: what a failure did, and what it said; the table is in [`weaknesses`](crate::weaknesses).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Harness, both_shapes};
use crate::weaknesses::{Line, ONE_UNIT, Scene, by_tokens, question, scene};
use crate::weaknesses_secrets::everything_stored;

both_shapes!(
    exhaustion_has_its_status_everywhere,
    the_decisive_attempt_speaks,
    a_bad_request_harms_no_account,
    a_network_error_heals_by_itself,
    failures_tell_nothing_and_leave_nothing,
    errors_keep_their_status,
);

/// The two routes that take a chat.
const CHATS: [&str; 2] = ["/v1/chat/completions", "/api/plugin-api/chat/completions"];

impl Scene {
    /// Both routes, whole and streamed, answer with one status and say when to come again, and say it as an error.
    async fn refuses(&self, access: &str, model: &str, wanted: u16, waits: bool) {
        for path in CHATS {
            for stream in [false, true] {
                let (status, wait, text) = self.raw(path, access, &question(model, stream)).await;
                assert_eq!(status, wanted, "{path} {model} stream {stream}: {text}");
                let seconds = wait.parse::<u64>().ok();
                assert_eq!(seconds.is_some_and(|seconds| seconds > 0), waits, "{path} {model}: {wait:?}");
                let answer: Value = serde_json::from_str(&text).unwrap();
                let said = if path == CHATS[0] { &answer["error"]["message"] } else { &answer["detail"] };
                assert!(said.is_string() && answer.get("choices").is_none(), "{answer}");
            }
        }
    }
}

/// 14: exhaustion was a 500, a 200 whose content was the word for it, or ordinary text in a stream.
async fn exhaustion_has_its_status_everywhere(harness: Arc<Harness>) {
    let scene = scene(&harness, &[("POLICY_BASE_QUOTA", "0.001")]).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    let by_requests =
        |limit: i64| json!([{"models": ["*"], "limit": limit, "unit": "requests", "window": "5h"}]);
    let shared = json!({"is_shared": 1, "models": ["far"], "allowances": by_requests(1_000)});
    scene.account(&bob, shared).await;
    assert_eq!(scene.chat(&ada, "far").await.0, 200);
    scene.settles(&ada, "other", (0, 1_000)).await;
    scene.refuses(&ada, "far", 429, true).await;
    assert_eq!(scene.play.calls("far"), 1, "nothing was sent");

    // The account itself has nothing left, by its own count or by its provider's word.
    scene.account(&ada, json!({"models": ["counted"], "allowances": by_requests(1)})).await;
    assert_eq!(scene.chat(&ada, "counted").await.0, 200);
    scene.refuses(&ada, "counted", 503, true).await;
    for (number, path) in CHATS.into_iter().enumerate() {
        for stream in [false, true] {
            let model = format!("dry-{number}-{stream}");
            scene.account(&ada, json!({"models": [&model], "credential": &model})).await;
            scene.play.says(&model, Line::error(429, "insufficient_quota", "RESOURCE_EXHAUSTED"));
            let (status, wait, text) = scene.raw(path, &ada, &question(&model, stream)).await;
            assert_eq!((status, wait.is_empty()), (429, false), "{path} stream {stream}: {text}");
            assert!(!text.contains("RESOURCE_EXHAUSTED") && !text.contains("data:"), "{text}");
            scene.refuses(&ada, &model, 503, true).await;
        }
    }

    // No account at all, and none that is switched on.
    scene.refuses(&ada, "unheard-of", 404, false).await;
    let off = scene.account(&ada, json!({"models": ["off"]})).await;
    let path = format!("/api/plugin-api/accounts/{off}/status");
    assert_eq!(scene.server.put(&path, &ada, json!({"status": 0})).await.0, 200);
    scene.refuses(&ada, "off", 503, true).await;
    scene.stop().await;
}

/// 15: whatever a second attempt met with, the client was told what the first one had.
async fn the_decisive_attempt_speaks(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let ada = scene.person("ada").await;
    for (credential, priority) in [("first", 10), ("second", 0)] {
        scene.account(&ada, json!({"models": ["*"], "credential": credential, "priority": priority})).await;
    }
    let exhausted =
        || Line::error(429, "rate_limit_exceeded", "RESOURCE_EXHAUSTED").with(&[("retry-after", "600")]);
    let impossible = json!({"error": {"message": "that is impossible", "type": "x", "code": "y"}});
    for (number, stream) in [false, true].into_iter().enumerate() {
        let ask = async |name: &str, first: Line, second: Line| {
            let model = format!("{name}-{number}");
            scene.play.says(&format!("first/{model}"), first);
            scene.play.says(&format!("second/{model}"), second);
            let answer = scene.raw(CHATS[0], &ada, &question(&model, stream)).await;
            assert_eq!(scene.play.calls(&model), 2, "both were tried");
            answer
        };
        let (status, _, text) = ask("wrong", exhausted(), Line::json(400, &impossible)).await;
        assert_eq!((status, text), (400, impossible.to_string()));
        let slow = Line::error(429, "rate_limit_exceeded", "slow down").with(&[("retry-after", "90")]);
        let (status, wait, text) = ask("slow", Line::error(503, "x", "RESOURCE_EXHAUSTED"), slow).await;
        assert_eq!((status, &*wait), (429, "90"), "{text}");
        let (status, wait, text) = ask("broken", exhausted(), Line::error(500, "x", "boom")).await;
        assert_eq!((status, &*wait), (502, ""), "{text}");
        let (status, _, text) = ask("fine", exhausted(), Line::used(12)).await;
        assert_eq!(status, 200);
        assert!(
            text.contains("hi") && !text.contains("EXHAUSTED"),
            "nothing stands before the answer: {text}"
        );
    }
    scene.stop().await;
}

/// 16: one caller's bad request switched off an account with every attempt, and the word "quota" anywhere meant exhaustion.
async fn a_bad_request_harms_no_account(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let (ada, bob, eve) = (scene.person("ada").await, scene.person("bob").await, scene.person("eve").await);
    let accounts = [scene.shared(&bob, &["far"]).await, scene.shared(&bob, &["far"]).await];
    let before = scene.quota(&bob, "other").await;
    let mut sent = 0;
    for (status, message) in [
        (400, "your quota of ideas is RESOURCE_EXHAUSTED"),
        (400, "something that nobody has ever heard of"),
        (404, "no such quota"),
        (413, "too large for the quota"),
        (418, "a teapot"),
        (422, "messages[0]: rate limit of nonsense"),
    ] {
        let line = Line::error(status, "strange", message);
        scene.play.says("far", line);
        for call in 0..6 {
            let (found, _, text) = scene.raw(CHATS[0], &eve, &question("far", call % 2 == 0)).await;
            sent += 1;
            assert_eq!(found, status, "{text}");
            assert!(text.contains(message), "its own words: {text}");
            assert_eq!(scene.play.calls("far"), sent, "tried nowhere else");
        }
    }
    // A request that something before the provider took offence at says nothing of the credential.
    scene.play.says("far", Line::page(403));
    assert_eq!(scene.chat(&eve, "far").await.0, 502);
    // A server's error that mentions a quota is a server's error.
    scene.play.says("far", Line::error(500, "internal", "quota service crashed"));
    let (status, answer) = scene.chat(&eve, "far").await;
    assert_eq!((status, &answer["error"]["code"]), (502, &json!("upstream_error")), "{answer}");
    scene.play.says("far", Line::used(12));
    for _ in 0..4 {
        assert_eq!(scene.chat(&ada, "far").await.0, 200, "others go on");
    }
    for account in accounts {
        let path = format!("/api/plugin-api/accounts/{account}");
        assert_eq!(scene.data(&bob, &path).await["status"], 1);
        assert_eq!(scene.data(&bob, &format!("{path}/pauses")).await, json!([]));
    }
    assert_eq!(scene.quota(&bob, "other").await, before);
    scene.stop().await;
}

/// 17: a network error set a mark that no route cleared.
async fn a_network_error_heals_by_itself(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let ada = scene.person("ada").await;
    let account = scene.account(&ada, json!({"models": ["near"]})).await;
    let path = format!("/api/plugin-api/accounts/{account}");
    scene.play.is_deaf(true);
    for _ in 0..5 {
        let (status, answer) = scene.chat(&ada, "near").await;
        assert_eq!((status, &answer["error"]["code"]), (502, &json!("upstream_unreachable")), "{answer}");
    }
    assert_eq!(scene.chat(&ada, "near").await.0, 503, "it is left alone for a while");
    assert_eq!(scene.data(&ada, &format!("{path}/pauses")).await[0]["circuit"], "open");
    scene.play.is_deaf(false);
    harness.pass(Duration::from_secs(5));
    for _ in 0..3 {
        assert_eq!(scene.chat(&ada, "near").await.0, 200, "nobody did anything");
    }
    assert_eq!(scene.data(&ada, &format!("{path}/pauses")).await, json!([]));
    let shown = scene.data(&ada, &path).await;
    assert_eq!((&shown["status"], &shown["need_refresh"]), (&json!(1), &json!(false)));
    scene.stop().await;
}

/// The names of all files below.
fn files(below: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        // What SQLite keeps beside its file, and a note that is being replaced, come and go.
        let name = path.display().to_string();
        if path.is_dir() {
            names.extend(files(&path));
        } else if !name.ends_with("-wal") && !name.ends_with("-shm") && !name.contains("/audit-head.") {
            names.insert(name);
        }
    }
    names
}

/// 18, 19: SQL, providers' words and stacks were in answers, and failed requests were written to files.
async fn failures_tell_nothing_and_leave_nothing(harness: Arc<Harness>) {
    const PROMPT: &str = "prompt-QZ7";
    const INTERNAL: &str = "Traceback-QZ8 in /srv/provider with org-QZ8";
    let scene = scene(&harness, ONE_UNIT).await;
    let ada = scene.person("ada").await;
    let statuses = [("s401", 401), ("s403", 403), ("s404", 404), ("s429", 429), ("s500", 500), ("s503", 503)];
    for (model, status) in statuses {
        scene.account(&ada, json!({"models": [model], "credential": format!("key-{model}")})).await;
        scene.play.says(model, Line::error(status, "x", INTERNAL));
    }
    scene.account(&ada, json!({"models": ["cut", "odd"]})).await;
    scene.play.says("cut", Line::events("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"));
    scene.play.says("odd", Line::error(400, "x", "refused"));
    let before = (files(&harness.dir), files_here());
    let models = statuses.map(|(model, _)| model).into_iter().chain(["cut", "odd", "unheard-of"]);
    for model in models {
        for path in CHATS {
            for stream in [false, true] {
                let mut body = question(model, stream);
                body["messages"][0]["content"] = json!(PROMPT);
                let (status, _, text) = scene.raw(path, &ada, &body).await;
                // That a model is not there is an answer to the caller; everything else of these is between us and the provider.
                assert!(model == "s404" || !text.contains("QZ8"), "{path} {model} {status}: {text}");
                assert!(!text.contains(PROMPT) && status != 500, "{path} {model} {status}: {text}");
            }
        }
    }
    for body in [format!("{{\"model\": \"{PROMPT}"), format!("[\"{PROMPT}\"]"), format!("{PROMPT}<html>")] {
        let request = scene.server.http.post(scene.server.url(CHATS[0])).bearer_auth(&ada);
        let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/json");
        assert_eq!(answer.status(), 400);
    }
    // The database fails: an error of ours, in words of ours.
    harness.sql("alter table announcements rename to elsewhere").await;
    let (status, answer) = scene.server.get("/api/announcements", &ada).await;
    assert_eq!(status, 503);
    let text = answer.to_string().to_lowercase();
    for word in ["announcements", "table", "relation", "sql", "select", "src/"] {
        assert!(!text.contains(word), "{answer}");
    }
    assert_eq!((files(&harness.dir), files_here()), before);
    scene.stop().await;
    let stored = everything_stored(&harness).await;
    assert!(!stored.contains(PROMPT), "what people ask is nowhere");
}

/// What stands in the working directory, where the original wrote.
fn files_here() -> BTreeSet<String> {
    let entries = std::fs::read_dir(".").unwrap();
    entries.map(|entry| entry.unwrap().path().display().to_string()).collect()
}

/// 30: most routes made a 500 of every failure.
async fn errors_keep_their_status(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    let members = json!({"is_shared": 1, "models": ["far", "odd"], "allowances": by_tokens()});
    let mine = scene.account(&ada, members).await;
    scene.play.says("odd", Line::error(422, "x", "that is odd"));
    scene.play.says("far", Line::error(500, "x", "boom"));
    let server = &scene.server;
    let account = format!("/api/plugin-api/accounts/{mine}");
    for (what, body, status) in [
        ("status", json!({"status": 2}), 422),
        ("status", json!({}), 422),
        ("type", json!({"is_shared": 2}), 400),
        ("name", json!({"name": "x".repeat(101)}), 422),
        ("credential", json!({"credential": ""}), 422),
        ("quotas/far/status", json!({"status": "often"}), 422),
    ] {
        let path = format!("{account}/{what}");
        let (found, answer) = server.put(&path, &ada, body.clone()).await;
        assert_eq!(found, status, "{what} {body}: {answer}");
        let (found, answer) = server
            .put(&path, &bob, json!({"status": 0, "is_shared": 0, "name": "x", "credential": "x"}))
            .await;
        assert!(matches!(found, 404 | 422), "somebody else's {what}: {found} {answer}");
        assert_eq!(server.put(&path, "sk-wrong", body).await.0, 401);
    }
    for (path, status) in [
        (account.clone(), 404),
        (format!("{account}/quotas"), 404),
        ("/api/plugin-api/accounts/none".to_owned(), 404),
        ("/api/plugin-api/quotas/consumption?limit=-1".to_owned(), 422),
        ("/api/plugin-api/quotas/consumption?limit=many".to_owned(), 422),
        ("/api/plugin-api/quotas/consumption?start_date=soon".to_owned(), 422),
        ("/api/plugin-api/quotas/consumption/stats/unheard-of".to_owned(), 200),
        ("/api/plugin-api/nothing".to_owned(), 404),
    ] {
        let (found, answer) = server.get(&path, &bob).await;
        assert_eq!(found, status, "{path}: {answer}");
    }
    for (body, token, status) in [
        (json!({"messages": []}), &*ada, 422),
        (question("unheard-of", true), &ada, 404),
        (question("odd", true), &ada, 422),
        (question("odd", false), &ada, 422),
        (question("far", true), &ada, 502),
        (question("far", true), "sk-wrong", 401),
    ] {
        let (found, _, text) = scene.raw(CHATS[1], token, &body).await;
        assert_eq!(found, status, "{body}: {text}");
        assert!(!serde_json::from_str::<Value>(&text).unwrap()["detail"].is_null() || found == 422, "{text}");
    }
    scene.stop().await;
}
