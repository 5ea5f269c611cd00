//! Weaknesses of metering, of the record, and of streams; the table is in [`weaknesses`](crate::weaknesses).

use std::sync::Arc;
use std::time::Duration;

use millpond::clock::{Clock, Timestamp};
use millpond::ids::AccountId;
use serde_json::{Value, json};

use crate::harness::{Harness, both_shapes, eventually, read, spawn};
use crate::process::{Process, prepare};
use crate::provider::Provider;
use crate::store::{record, row};
use crate::weaknesses::{Line, ONE_UNIT, Scene, question, scene};

both_shapes!(
    what_a_provider_left_out_is_neither_full_nor_empty,
    calls_at_one_time_are_charged_each_for_itself,
    no_call_is_unmetered,
    looking_is_bounded_and_asks_no_provider,
    totals_outlive_accounts_and_their_owners,
    times_are_utc_wherever_the_process_is,
    a_stream_has_one_end_and_all_its_parts,
);

const WINDOW: Duration = Duration::from_secs(5 * 3_600);

impl Scene {
    /// What is left of the only model of an account, and when it is whole again.
    async fn left(&self, access: &str, account: &str) -> (String, Value) {
        let rows = self.data(access, &format!("/api/plugin-api/accounts/{account}/quotas")).await;
        let row = &rows[0];
        assert_eq!(row["status"], 1, "only its owner switches a model off: {row}");
        (row["quota"].as_str().unwrap().to_owned(), row["reset_time"].clone())
    }

    /// What the newest rows took, by model.
    async fn taken(&self, access: &str, model: &str) -> f64 {
        let rows = self.data(access, &format!("/api/usage/logs?model={model}")).await;
        assert_eq!(rows.as_array().unwrap().len(), 1, "one row a call: {rows}");
        rows[0]["quota_consumed"].as_f64().unwrap()
    }
}

/// 1, 12: a part that the provider left out counted as full, and a model that had been empty stayed switched off.
async fn what_a_provider_left_out_is_neither_full_nor_empty(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let ada = scene.person("ada").await;
    let account = scene.account(&ada, json!({"models": ["near"]})).await;
    let limit = ("x-ratelimit-limit-requests", "60");
    let remaining = |left| ("x-ratelimit-remaining-requests", left);
    let reset = ("x-ratelimit-reset-requests", "90s");
    let answered = async |headers: &[(&'static str, &'static str)]| {
        scene.play.says("near", Line::used(12).with(headers));
        assert_eq!(scene.chat(&ada, "near").await.0, 200);
        scene.left(&ada, &account).await
    };
    let whole = ("1.0000".to_owned(), Value::Null);
    // Nothing is known, and what is told in part tells nothing: the calls go on.
    for headers in [&[][..], &[limit], &[limit, reset], &[remaining("0"), reset], &[limit, remaining("0")]] {
        assert_eq!(answered(headers).await, whole, "{headers:?}");
    }
    let (left, resets) = answered(&[limit, remaining("15"), reset]).await;
    let until = scene.server.app.core.clock.now().plus(Duration::from_secs(90));
    let until = json!(Timestamp::from_millis(until.millis()));
    assert_eq!((&*left, &resets), ("0.2500", &until));
    for headers in [&[][..], &[limit], &[limit, reset], &[remaining("0"), reset]] {
        assert_eq!(answered(headers).await.0, "0.2500", "what is known stays: {headers:?}");
    }
    assert_eq!(answered(&[limit, remaining("0"), reset]).await.0, "0.0000");
    assert_eq!(scene.chat(&ada, "near").await.0, 503);
    // Nobody does anything, and nobody is asked.
    let calls = scene.play.all_calls();
    harness.pass(Duration::from_secs(90));
    assert_eq!(scene.left(&ada, &account).await, whole);
    assert_eq!(scene.play.all_calls(), calls);
    assert_eq!(answered(&[]).await, whole);
    scene.stop().await;
}

/// 9, 10: a call was charged what the whole account lost while it ran, from a reading of any age.
async fn calls_at_one_time_are_charged_each_for_itself(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let people = ["ada", "bob", "eve"];
    let [ada, bob, eve] = people.map(|name| scene.person(name));
    let (ada, bob, eve) = (ada.await, bob.await, eve.await);
    scene.shared(&bob, &["large", "small", "foreign"]).await;
    scene.play.says("large", Line::used(400_000).held());
    scene.play.says("small", Line::used(100_000).held());
    scene.play.says("foreign", Line::used(1_000_000));
    let calls: Vec<_> = ["large", "small"]
        .into_iter()
        .map(|model| {
            let (server, ada) = (scene.server.clone(), ada.clone());
            spawn(async move { server.post("/v1/chat/completions", &ada, question(model, false)).await.0 })
        })
        .collect();
    scene.play.waits_with(2).await;
    // Somebody else, and the account's owner, use it meanwhile.
    for person in [&eve, &bob] {
        assert_eq!(scene.chat(person, "foreign").await.0, 200);
    }
    scene.play.release(2);
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    let taken = [
        scene.taken(&ada, "large").await,
        scene.taken(&ada, "small").await,
        scene.taken(&eve, "foreign").await,
        scene.taken(&bob, "foreign").await,
    ];
    assert_eq!(taken, [0.08, 0.02, 0.2, 0.0]);
    scene.settles(&ada, "other", (900_000, 1_000_000)).await;
    scene.settles(&eve, "other", (800_000, 1_000_000)).await;
    scene.stop().await;
}

/// 11: a broken stream, an answer without counts and a reset during the call were metered as nothing.
async fn no_call_is_unmetered(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    let account = scene.shared(&bob, &["cut", "silent", "late", "wordless"]).await;
    let words = "many words of an answer ".repeat(400);
    let chunk = json!({"choices": [{"index": 0, "delta": {"content": &words}}]});
    scene.play.says("cut", Line::events(&format!("data: {chunk}\n\n")));
    let message = json!({"role": "assistant", "content": &words});
    let silent = json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop", "message": message}]});
    scene.play.says("silent", Line::json(200, &silent));
    let wordless =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    scene.play.says("wordless", Line::events(wordless));
    let path = "/v1/chat/completions";
    scene.raw(path, &ada, &question("cut", true)).await;
    assert_eq!(scene.chat(&ada, "silent").await.0, 200);
    scene.raw(path, &ada, &question("wordless", true)).await;
    let mut spent = 0.0;
    for model in ["cut", "silent", "wordless"] {
        let taken = scene.taken(&ada, model).await;
        assert!(taken > 0.0, "{model} took nothing");
        spent += taken;
    }
    #[expect(clippy::cast_possible_truncation, reason = "millionths of one")]
    let left = 1_000_000 - (spent * 1e6).round() as i64;
    scene.settles(&ada, "other", (left, 1_000_000)).await;

    // The account's window and the caller's whole recovery pass while a call runs.
    scene.play.says("late", Line::used(500_000).held());
    let (server, caller) = (scene.server.clone(), ada.clone());
    let late = spawn(async move { server.post(path, &caller, question("late", false)).await.0 });
    scene.play.waits_with(1).await;
    harness.pass(WINDOW);
    scene.play.release(1);
    assert_eq!(late.await.unwrap(), 200);
    assert_eq!(scene.taken(&ada, "late").await, 0.1);
    scene.settles(&ada, "other", (900_000, 1_000_000)).await;
    let id = AccountId(account);
    let view = scene.server.app.gateway.allowances_of(&id).await.unwrap().remove(0);
    assert_eq!(view.quota, 0.9999, "the new window has it");
    scene.stop().await;
}

/// 23: a list without an end, and anybody could make all accounts be asked at once.
async fn looking_is_bounded_and_asks_no_provider(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    for _ in 0..20 {
        scene.shared(&bob, &["far"]).await;
    }
    let id = scene.server.app.core.store.find_user_by_name("ada").await.unwrap().unwrap().id;
    let rows = (0..1_100).map(|n| {
        let mut row = row(&format!("record {n}"), id);
        row.account_id = Some(AccountId("gone".to_owned()));
        row
    });
    record(&scene.server.app.core.store, &rows.collect::<Vec<_>>()).await;
    for query in ["", "?limit=0", "?limit=1000000000"] {
        let listed = scene.data(&ada, &format!("/api/plugin-api/quotas/consumption{query}")).await;
        assert_eq!(listed.as_array().unwrap().len(), 1_000, "{query}");
    }
    for path in ["/api/usage/logs?limit=1000000000", "/api/usage/consumption?limit=1000000000"] {
        assert_eq!(scene.data(&ada, path).await.as_array().unwrap().len(), 1_000, "{path}");
    }
    let looks = ["quotas/shared-pool", "quotas/user", "accounts", "models"];
    for _ in 0..5 {
        for look in looks {
            scene.data(&ada, &format!("/api/plugin-api/{look}")).await;
        }
        scene.data(&ada, "/api/usage/shared-pool/stats").await;
    }
    assert_eq!(scene.play.all_calls(), 0);
    scene.stop().await;
}

/// 24: deleting an account deleted what it had done for others.
async fn totals_outlive_accounts_and_their_owners(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    let account = scene.shared(&bob, &["far"]).await;
    scene.play.says("far", Line::used(500_000));
    for _ in 0..3 {
        assert_eq!(scene.chat(&ada, "far").await.0, 200);
    }
    scene.settles(&ada, "other", (700_000, 1_000_000)).await;
    let totals = async || {
        let stats = scene.data(&ada, "/api/plugin-api/quotas/consumption/stats/far").await;
        let pool = scene.data(&ada, "/api/plugin-api/quotas/shared-pool").await["user_consumption"].take();
        let listed = scene.data(&ada, "/api/plugin-api/quotas/consumption").await;
        let sums = scene.data(&ada, "/api/usage/stats").await["total"].take();
        (stats, pool, listed, sums, scene.quota(&ada, "other").await)
    };
    let before = totals().await;
    assert_eq!((&before.0["total_requests"], &before.1["total_requests"]), (&json!("3"), &json!(3)));
    let path = format!("/api/plugin-api/accounts/{account}");
    assert_eq!(scene.server.delete(&path, &bob).await.0, 200);
    assert_eq!(totals().await, before);
    let leave = scene.server.http.delete(scene.server.url("/api/users/me")).bearer_auth(&bob);
    let left = read(leave.json(&json!({"password": crate::harness::PASSWORD}))).await;
    assert_eq!(left.0, 200, "{}", left.1);
    assert_eq!(totals().await, before);
    scene.stop().await;
}

/// 25: a reset was stored in the process's own zone and compared with a UTC clock.
async fn times_are_utc_wherever_the_process_is(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let process =
        Process::start_with(&harness, &[("TZ", "Pacific/Kiritimati"), ("PGTZ", "Pacific/Kiritimati")]);
    let client = prepare(&harness, &process, &provider).await;
    let get = async |path: &str| {
        let (status, answer) =
            read(client.http.get(format!("{}{path}", process.url)).bearer_auth(&client.access)).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer["data"].clone()
    };
    let allowance = json!([{"models": ["timed"], "limit": 10, "unit": "requests", "window": "5h"}]);
    let account = json!({"name": "a", "provider": "openai", "base_url": format!("http://{}/v1", provider.address),
        "credential": "good", "models": ["timed"], "allowances": allowance});
    let made =
        client.http.post(format!("{}/api/plugin-api/accounts", process.url)).bearer_auth(&client.access);
    let (status, made) = read(made.json(&account)).await;
    assert_eq!(status, 201, "{made}");
    let before = Clock::System.now();
    let call = client.http.post(format!("{}/v1/chat/completions", process.url)).bearer_auth(&client.key);
    assert_eq!(read(call.json(&question("timed", false))).await.0, 200);
    let after = Clock::System.now();
    let moment = |value: &Value| {
        let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
        assert!(text.ends_with('Z'), "{text}");
        Timestamp::parse(text).unwrap()
    };
    let path = format!("/api/plugin-api/accounts/{}", made["data"]["cookie_id"].as_str().unwrap());
    let rows = eventually("the use is counted", || async {
        let rows = get(&format!("{path}/quotas")).await;
        (!rows[0]["reset_time"].is_null()).then_some(rows)
    })
    .await;
    // To the millisecond in which windows are counted.
    let (reset, milli) = (moment(&rows[0]["reset_time"]), Duration::from_millis(1));
    assert!(reset >= before.plus(WINDOW).minus(milli) && reset <= after.plus(WINDOW).plus(milli), "{reset}");
    let row = get("/api/usage/logs").await[0].clone();
    let called = moment(&row["created_at"]);
    assert!(called >= before && called <= after, "{called}");
    let used = eventually("the account was used", || async {
        let used = get(&path).await["last_used_at"].clone();
        (!used.is_null()).then_some(used)
    })
    .await;
    assert!(moment(&used) >= before, "{used}");
    // Asked for by time, the row is found where it is.
    let since = |time: Timestamp| format!("/api/plugin-api/quotas/consumption?start_date={time}");
    assert_eq!(get(&since(before)).await.as_array().unwrap().len(), 1);
    assert_eq!(get(&since(after.plus(milli))).await.as_array().unwrap().len(), 0);
}

/// 28, 29: an error could be written twice, also after the end; white space alone, tool calls without a finish reason and
/// addresses of images got lost.
async fn a_stream_has_one_end_and_all_its_parts(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let ada = scene.person("ada").await;
    scene.account(&ada, json!({"models": ["*"]})).await;
    let delta = |delta: &str| format!("data: {{\"choices\":[{{\"index\":0, \"delta\":{delta}}}]}}\n\n");
    let parts = [
        r#"{"role":"assistant","content":""}"#,
        r#"{"content":" "}"#,
        r#"{"content":"\n\n"}"#,
        r#"{"reasoning_content":"\t"}"#,
        r#"{"content":"a"}"#,
        r#"{"content":"  "}"#,
        r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\": \" \"}"}}]}"#,
    ];
    let text: String = parts.iter().map(|part| delta(part)).collect();
    let done = "data: [DONE]\n\n";
    let failed = "data: {\"error\":{\"message\":\"overloaded\",\"code\":\"x\"}}\n\n";
    let path = "/v1/chat/completions";
    let ask = async |model: &str| scene.raw(path, &ada, &question(model, true)).await.2;
    let ends = |text: &str| (text.matches("[DONE]").count(), text.matches("\"error\"").count());
    // Whole, without any finish reason; failed by the provider's own word; broken off.
    scene.play.says("whole", Line::events(&format!("{text}{done}")));
    assert_eq!(ask("whole").await, format!("{text}{done}"));
    scene.play.says("failed", Line::events(&format!("{text}{failed}")));
    assert_eq!(ask("failed").await, format!("{text}{failed}"));
    scene.play.says("cut", Line::events(&text));
    let cut = ask("cut").await;
    assert!(cut.starts_with(&text), "{cut}");
    assert_eq!(ends(&cut), (0, 1), "{cut}");
    scene.play.says("half", Line::events(&text[..text.len() - 9]));
    let half = ask("half").await;
    assert_eq!(ends(&half), (0, 1), "{half}");
    // What happens after the end is nobody's concern; what happens before it is told once.
    scene.play.says("late", Line::events(&format!("{text}{done}")).breaking());
    assert_eq!(ask("late").await, format!("{text}{done}"));
    scene.play.says("gone", Line::events(&text).breaking());
    let mut answer = scene.server.http.post(scene.server.url(path)).bearer_auth(&ada);
    answer = answer.json(&question("gone", true));
    let mut answer = answer.send().await.unwrap();
    let begun = answer.chunk().await.unwrap().unwrap();
    // One for the stream before, whose provider may not have noticed that it was left.
    scene.play.release(2);
    let gone = String::from_utf8([begun, answer.bytes().await.unwrap()].concat()).unwrap();
    assert!(gone.starts_with(&text), "{gone}");
    assert_eq!(ends(&gone), (0, 1), "{gone}");
    let rows = scene.data(&ada, "/api/usage/logs").await;
    let outcomes: Vec<_> = rows.as_array().unwrap().iter().rev().map(|row| row["outcome"].clone()).collect();
    let failed = "upstream_error";
    assert_eq!(json!(outcomes), json!(["ok", failed, failed, failed, "ok", failed]));

    let request = r#"{"model":"near",  "messages":[{"role":"user","content":[{"type":"text","text":"  "},
        {"type":"image_url","image_url":{"url":"https://example.org/a.png"}}]},{"role":"tool","tool_call_id":"1","content":" "}]}"#;
    let sent = scene.server.http.post(scene.server.url(path)).bearer_auth(&ada);
    let sent = sent.header("content-type", "application/json").body(request);
    assert_eq!(read(sent).await.0, 200);
    assert_eq!(scene.play.last_body(), request.as_bytes(), "the request passes untouched");
    scene.stop().await;
}
