//! No statement reads a whole table that grows, and pages are the same at any depth.

#![expect(clippy::print_stdout, reason = "tells what was measured")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millpond::clock::Timestamp;
use millpond::ids::{KeyId, UserId};
use millpond::store::Store;
use millpond::store::usage::{UsageFilter, UsageRow};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, Row as _};

use crate::harness::{Harness, both_shapes};
use crate::store::{record, row};

both_shapes!(no_statement_reads_a_table_that_grows, pages_are_exact, commits_reach_the_file, deep_pages_cost);

/// What grows with every call and every act of an administrator.
const GROWING: &[&str] = &["usage_logs", "audit_log"];

/// How this database would run a statement, step by step.
async fn plan(harness: &Harness, sql: &'static str) -> Vec<String> {
    let url = harness.environment().into_iter().find(|(name, _)| *name == "DATABASE_URL");
    let Some((_, url)) = url else {
        let path = harness.dir.join("millpond.db");
        let mut connection =
            sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        let explain = sqlx::AssertSqlSafe(format!("explain query plan {sql}"));
        let steps = sqlx::query(explain).fetch_all(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        return steps.iter().map(|step| step.get("detail")).collect();
    };
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let parameters = (1..100).take_while(|number| sql.contains(&format!("${number}"))).count();
    let nulls = vec!["null"; parameters].join(", ");
    let arguments = if parameters == 0 { String::new() } else { format!("({nulls})") };
    // The tables are empty here, so what is cheap must not decide.
    let prepare = format!(
        "set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set enable_incremental_sort = off;
         prepare it as {sql}"
    );
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(prepare))).await.unwrap();
    let explain = sqlx::AssertSqlSafe(format!("explain execute it{arguments}"));
    let steps = connection.fetch_all(sqlx::raw_sql(explain)).await.unwrap();
    connection.close().await.unwrap();
    steps.iter().map(|step| step.get(0)).collect()
}

/// The tables that are read without an index.
fn scanned(plan: &[String]) -> BTreeSet<&str> {
    let scans = plan.iter().filter_map(|step| {
        step.strip_prefix("SCAN ").or_else(|| step.split_once("Seq Scan on ").map(|(_, table)| table))
    });
    scans.filter_map(|table| table.split_whitespace().next()).collect()
}

async fn no_statement_reads_a_table_that_grows(harness: Arc<Harness>) {
    let server = harness.server().await;
    for (name, sql) in server.app.core.store.statements() {
        let plan = plan(&harness, sql).await;
        let scanned = scanned(&plan);
        assert!(GROWING.iter().all(|table| !scanned.contains(table)), "{name}: {plan:#?}");
        if name.contains("PAGE") {
            // An index leads to the row after which the page begins.
            let leads = |step: &String| {
                step.contains("created_at<?")
                    || step.contains("Index Cond") && step.contains("ROW(created_at, id) < ROW")
            };
            let sorts = |step: &String| step.contains("TEMP B-TREE") || step.contains("Sort");
            assert!(plan.iter().any(leads) && !plan.iter().any(sorts), "{name}: {plan:#?}");
        }
    }
    server.stop().await;
}

/// Calls of two keys and models, many of them at the same moment.
async fn calls(store: &Store, owner: UserId, keys: &[KeyId]) -> Vec<UsageRow> {
    let rows: Vec<_> = (0..120_u8)
        .map(|n| UsageRow {
            api_key_id: keys.get(usize::from(n) % 3).copied(),
            model_name: Some(format!("m{}", n % 2)),
            created_at: Timestamp::from_seconds(1_764_151_200 + i64::from(n / 10)),
            ..row(&format!("record {n}"), owner)
        })
        .collect();
    record(store, &rows).await;
    rows
}

async fn pages_are_exact(harness: Arc<Harness>) {
    let server = harness.server().await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let mut keys = Vec::new();
    for name in ["one", "two"] {
        let (_, id) = server.key(&access, json!({"name": name})).await;
        keys.push(KeyId(i32::try_from(id).unwrap()));
    }
    let rows = calls(&server.app.core.store, ada, &keys).await;
    let somebody = server.person("eve").await;
    calls_of_others(&server.app.core.store, somebody).await;

    let from = Timestamp::from_seconds(1_764_151_202);
    let until = Timestamp::from_seconds(1_764_151_209);
    for key in [None, Some(keys[1])] {
        for model in [None, Some("m1".to_owned())] {
            for (from, until) in [(None, None), (Some(from), Some(until))] {
                let filter = UsageFilter { from, until, api_key_id: key, model: model.clone() };
                let wanted = rows.iter().filter(|row| {
                    from.is_none_or(|from| row.created_at >= from)
                        && until.is_none_or(|until| row.created_at < until)
                        && key.is_none_or(|key| row.api_key_id == Some(key))
                        && model.as_ref().is_none_or(|model| row.model_name.as_ref() == Some(model))
                });
                let found = all_pages(&server.app.core.store, ada, &filter).await;
                assert_eq!(found.len(), wanted.count(), "{filter:?}");
                assert!(found.is_sorted_by(|one, next| one > next), "{filter:?}");
            }
        }
    }
    server.stop().await;
}

async fn calls_of_others(store: &Store, owner: UserId) {
    let rows: Vec<_> = (0..50).map(|n| row(&format!("other {n}"), owner)).collect();
    record(store, &rows).await;
}

async fn all_pages(store: &Store, owner: UserId, filter: &UsageFilter) -> Vec<(Timestamp, i64)> {
    let mut found = Vec::new();
    loop {
        let page = store.list_usage(owner, filter, found.last().copied(), 7).await.unwrap();
        found.extend(page.iter().map(|row| (row.created_at, row.id)));
        if page.len() < 7 {
            return found;
        }
    }
}

/// No commit of the embedded shape folds the write-ahead log back; somebody else does.
async fn commits_reach_the_file(harness: Arc<Harness>) {
    let server = harness.server().await;
    let ada = server.person("ada").await;
    if harness.is_clustered() {
        return server.stop().await;
    }
    for batch in 0..10 {
        let rows: Vec<_> = (0..200).map(|n| row(&format!("{batch}-{n}"), ada)).collect();
        record(&server.app.core.store, &rows).await;
    }
    let path = harness.dir.join("millpond.db");
    crate::harness::eventually("the checkpoint", || async {
        (std::fs::metadata(&path).unwrap().len() > 400_000).then_some(())
    })
    .await;
    server.stop().await;
}

const MANY: &str = "500000";

/// Prints what pages cost at every depth of half a million rows; run by hand with `MILLPOND_MEASURE=1`.
async fn deep_pages_cost(harness: Arc<Harness>) {
    if std::env::var_os("MILLPOND_MEASURE").is_none() {
        return;
    }
    let server = harness.server().await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (_, key) = server.key(&access, json!({"name": "k"})).await;
    let moment =
        if harness.is_clustered() { "to_timestamp(1764151200 + n)" } else { "(1764151200 + n) * 1000000" };
    let insert = format!(
        "with recursive c (n) as (select 1 union all select n + 1 from c where n < {MANY})
         insert into usage_logs (user_id, api_key_id, endpoint, method, model_name, quota_consumed, created_at, record_id,
             account_id, cost_micro_usd, quota_millionths, outcome, day)
         select {ada}, {key}, '/v1/chat/completions', 'POST', 'm' || (n % 20), 0, {moment}, 'r' || n, 'a', 10, 0, 'ok', 1
         from c returning endpoint"
    );
    harness.sql(&insert).await;
    let store = &server.app.core.store;
    let filter = UsageFilter::default();
    let started = Instant::now();
    let (mut after, mut pages) = (None, Vec::new());
    loop {
        let began = Instant::now();
        let page = store.list_usage(ada, &filter, after, 1_000).await.unwrap();
        pages.push(began.elapsed());
        after = page.last().map(|row| (row.created_at, row.id));
        if page.len() < 1_000 {
            break;
        }
    }
    let mean = |pages: &[Duration]| pages.iter().sum::<Duration>() / u32::try_from(pages.len()).unwrap();
    println!(
        "export {:?}; a page of 1,000 of the first 50: {:?}, of the last 50: {:?}",
        started.elapsed(),
        mean(&pages[..50]),
        mean(&pages[pages.len() - 51..pages.len() - 1])
    );
    for (what, filter) in [
        ("all", filter.clone()),
        ("key", UsageFilter { api_key_id: Some(KeyId(i32::try_from(key).unwrap())), ..filter.clone() }),
        ("model", UsageFilter { model: Some("m7".to_owned()), ..filter.clone() }),
    ] {
        for depth in [0, 250_000, 499_000] {
            let after = Some((Timestamp::from_seconds(1_764_151_200 + 500_000 - depth), i64::MAX));
            let began = Instant::now();
            for _ in 0..20 {
                store.list_usage(ada, &filter, after, 50).await.unwrap();
            }
            println!("page of 50 of {what} at {depth}: {:?}", began.elapsed() / 20);
        }
    }
    let month = Timestamp::from_seconds(1_764_151_200 + 200_000);
    let began = Instant::now();
    store.spent_by_key(i32::try_from(key).unwrap(), month).await.unwrap();
    println!("spent by a key, 300,000 calls: {:?}", began.elapsed());
    let began = Instant::now();
    store.spent_by_user(ada.0, month).await.unwrap();
    println!("spent by a person: {:?}", began.elapsed());
    server.stop().await;
}
