//! Both databases have the same schema, take the same statements, and record a call once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use millpond::clock::Timestamp;
use millpond::ids::{AccountId, KeyId, UserId};
use millpond::store::Store;
use millpond::store::quotas::QuotaRow;
use millpond::store::record::UsageBatch;
use millpond::store::usage::{Outcome, UsageFilter, UsageRow};
use serde_json::json;
use sqlx::Row as _;

use crate::harness::{Harness, Shape, both_shapes, run};

both_shapes!(
    every_statement_is_prepared,
    a_row_is_counted_once,
    a_batch_is_recorded_whole,
    a_call_outlives_its_person_and_key,
    migrating_again_changes_nothing
);

async fn store(harness: &Harness) -> Store {
    let store = Store::connect(&harness.config().database).await.unwrap();
    store.migrate().await.unwrap();
    store
}

async fn every_statement_is_prepared(harness: Arc<Harness>) {
    let store = store(&harness).await;
    for (name, sql) in store.statements() {
        store.prepare(sql).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    store.close().await;
}

async fn migrating_again_changes_nothing(harness: Arc<Harness>) {
    let all = futures_util::future::join_all((0..12).map(|_| store(&harness))).await;
    let applied = all[0].applied_migrations().await.unwrap();
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap();
    assert_eq!(applied.len(), files.count());
    for store in all {
        store.migrate().await.unwrap();
        assert_eq!(store.applied_migrations().await.unwrap(), applied);
        store.close().await;
    }
}

pub(crate) fn row(record_id: &str, user_id: millpond::ids::UserId) -> UsageRow {
    UsageRow {
        record_id: record_id.to_owned(),
        request_id: "r".to_owned(),
        user_id,
        api_key_id: None,
        account_id: None,
        is_shared: false,
        endpoint: "/v1/chat/completions".to_owned(),
        method: "POST".to_owned(),
        model_name: Some("m".to_owned()),
        upstream_model: None,
        stream: false,
        status_code: 200,
        outcome: Outcome::Ok,
        error_code: None,
        input_tokens: 1,
        output_tokens: 2,
        cached_tokens: 0,
        reasoning_tokens: 0,
        tokens_estimated: false,
        cost_micro_usd: None,
        quota_millionths: 0,
        latency_ms: 1,
        ttft_ms: None,
        attempts: 1,
        created_at: millpond::clock::Clock::System.now(),
    }
}

/// Records rows and nothing that follows from them.
pub(crate) async fn record(store: &Store, rows: &[UsageRow]) -> Vec<usize> {
    store.record_usage(&UsageBatch { rows, ..UsageBatch::default() }).await.unwrap().new
}

async fn a_row_is_counted_once(harness: Arc<Harness>) {
    let server = harness.server().await;
    let ada = server.person("ada").await;
    let rows: Vec<UsageRow> = (0..200).map(|n| row(&format!("record {n}"), ada)).collect();
    record(&server.app.core.store, &rows).await;
    record(&server.app.core.store, &rows).await;
    let found = server.app.core.store.list_usage(ada, &UsageFilter::default(), None, 1_000).await.unwrap();
    assert_eq!(found.len(), 200);
    server.stop().await;
}

async fn a_batch_is_recorded_whole(harness: Arc<Harness>) {
    let server = harness.server().await;
    let (access, _) = {
        server.person("ada").await;
        server.sign_in("ada").await
    };
    let ada = server.app.core.store.find_user_by_name("ada").await.unwrap().unwrap().id;
    let account = server.account(&access, "127.0.0.1:9".parse().unwrap(), json!({})).await;
    let account = AccountId(account["cookie_id"].as_str().unwrap().to_owned());
    let (_, key) = server.key(&access, json!({"name": "k"})).await;
    let key = KeyId(i32::try_from(key).unwrap());
    let store = &server.app.core.store;

    let known: Vec<UsageRow> = (0..7).map(|n| row(&format!("record {n}"), ada)).collect();
    assert_eq!(record(store, &known).await, (0..7).collect::<Vec<_>>());
    // Some are known, and one is in the batch twice.
    let mut rows: Vec<UsageRow> = (0..150).map(|n| row(&format!("record {n}"), ada)).collect();
    rows.push(row("record 149", ada));
    let quota = QuotaRow { user_id: ada, model_group: "g".into(), version: 3, state: "{}".into() };
    let gone = QuotaRow { user_id: UserId(i32::MAX), ..quota.clone() };
    let at = Timestamp::from_seconds(1_764_151_200);
    let batch = UsageBatch {
        rows: &rows,
        quotas: &[quota.clone(), gone],
        accounts_used: &[(account.clone(), at), (AccountId("gone".into()), at)],
        keys_used: &[(key, at)],
    };
    assert_eq!(store.record_usage(&batch).await.unwrap().new, (7..150).collect::<Vec<_>>());
    assert_eq!(store.record_usage(&batch).await.unwrap().new, Vec::<usize>::new());
    assert_eq!(store.list_usage(ada, &UsageFilter::default(), None, 1_000).await.unwrap().len(), 150);
    assert_eq!(store.find_quota(ada, "g").await.unwrap(), Some(quota));
    assert_eq!(store.find_account(ada, &account).await.unwrap().unwrap().last_used_at, Some(at));
    assert_eq!(store.find_api_key(ada, key).await.unwrap().unwrap().last_used_at, Some(at));

    // An earlier use that is told of later changes nothing.
    let earlier = at.minus(Duration::from_secs(1));
    let late = UsageBatch {
        accounts_used: &[(account.clone(), earlier)],
        keys_used: &[(key, earlier)],
        ..UsageBatch::default()
    };
    store.record_usage(&late).await.unwrap();
    assert_eq!(store.find_account(ada, &account).await.unwrap().unwrap().last_used_at, Some(at));
    assert_eq!(store.find_api_key(ada, key).await.unwrap().unwrap().last_used_at, Some(at));
    server.stop().await;
}

async fn a_call_outlives_its_person_and_key(harness: Arc<Harness>) {
    let server = harness.server().await;
    let ada = server.person("ada").await;
    let store = &server.app.core.store;
    let mut tx = store.begin().await.unwrap();
    tx.delete_user(ada, server.app.core.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
    let rows = [UsageRow { api_key_id: Some(KeyId(77)), ..row("record", ada) }];
    assert_eq!(record(store, &rows).await, [0]);
    let under = harness.sql("select username from usage_logs l join users u on u.id = l.user_id").await;
    assert_eq!(under, ["(deleted members)"]);
    server.stop().await;
}

/// Tables and columns with whether they may be null.
type Schema = BTreeSet<(String, String, bool)>;

async fn postgres_schema(url: &str) -> Schema {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let sql =
        "select table_name::text, column_name::text, is_nullable = 'YES' from information_schema.columns
               where table_schema = 'public' and table_name <> '_sqlx_migrations'";
    let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

async fn sqlite_schema(path: &std::path::Path) -> Schema {
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let sql = "select m.name, c.name, c.\"notnull\" = 0 and c.pk = 0 from sqlite_master m join pragma_table_info(m.name) c
               where m.type = 'table' and m.name not like 'sqlite_%' and m.name <> '_sqlx_migrations'";
    let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows.iter().map(|row| (row.get(0), row.get(1), row.get::<i64, _>(2) == 1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_schemas_are_the_same() {
    async fn test(harness: Arc<Harness>) {
        store(&harness).await.close().await;
        let url = harness.environment().into_iter().find(|(name, _)| *name == "DATABASE_URL").unwrap().1;
        let postgres = postgres_schema(&url).await;
        let path = harness.dir.join("schema.db");
        let sqlite = millpond::config::DatabaseConfig::Sqlite { path: path.clone() };
        let sqlite_store = Store::connect(&sqlite).await.unwrap();
        sqlite_store.migrate().await.unwrap();
        sqlite_store.close().await;
        let sqlite = sqlite_schema(&path).await;
        assert!(!sqlite.is_empty());
        let only = |one: &Schema, other: &Schema| one.difference(other).cloned().collect::<Vec<_>>();
        assert_eq!(only(&postgres, &sqlite), Vec::new(), "only in PostgreSQL");
        assert_eq!(only(&sqlite, &postgres), Vec::new(), "only in SQLite");
    }
    run(Shape::Clustered, test).await;
}
