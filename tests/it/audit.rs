//! The audit log: what it says, that it is exact, and that nobody rewrites it unnoticed.

use std::sync::Arc;

use millpond::audit::{Action, Actor, Audit, Break, Entry, Origin, Target};
use millpond::ids::UserId;
use millpond::store::audit::{AuditFilter, AuditRow};
use serde_json::json;
use sqlx::Executor as _;

use crate::harness::{Harness, PASSWORD, Server, both_shapes, spawn};

both_shapes!(
    it_tells_who_did_what_from_where,
    it_holds_no_secret,
    many_writers_make_one_chain,
    rows_can_not_be_changed,
    tampering_is_found,
);

async fn entries(server: &Server, action: Action) -> Vec<AuditRow> {
    let filter = AuditFilter { action: Some(action.as_str().to_owned()), ..AuditFilter::default() };
    server.app.core.store.list_audit(&filter, None, 1_000).await.unwrap()
}

fn sample(n: i32) -> Entry {
    Entry::new(Action::UserChanged, Actor::Person(UserId(n)), Origin::default()).on(Target::person(UserId(n)))
}

/// Runs one statement on the test's database behind the program's back.
async fn behind_its_back(harness: &Harness, sql: &str) -> Result<(), sqlx::Error> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match harness.environment().into_iter().find(|(name, _)| *name == "DATABASE_URL") {
        Some((_, url)) => {
            let pool = sqlx::PgPool::connect(&url).await?;
            let done = pool.execute(sql).await.map(drop);
            pool.close().await;
            done
        }
        None => {
            let path = harness.dir.join("millpond.db");
            let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await?;
            let done = pool.execute(sql).await.map(drop);
            pool.close().await;
            done
        }
    }
}

fn is_clustered(harness: &Harness) -> bool {
    harness.environment().iter().any(|(name, _)| *name == "DATABASE_URL")
}

/// What somebody with all rights on the database can do: switch the triggers off first.
async fn tamper(harness: &Harness, sql: &str) {
    let disarm = if is_clustered(harness) {
        "alter table audit_log disable trigger all"
    } else {
        "drop trigger if exists audit_log_is_not_changed; drop trigger if exists audit_log_is_not_removed"
    };
    behind_its_back(harness, disarm).await.unwrap();
    behind_its_back(harness, sql).await.unwrap();
}

async fn it_tells_who_did_what_from_where(harness: Arc<Harness>) {
    let server = harness.server_with(&[("TRUSTED_PROXIES", "127.0.0.1")]).await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let signed_in = entries(&server, Action::SignedIn).await;
    assert_eq!(signed_in[0].actor_id, Some(ada.0));
    assert_eq!(signed_in[0].address.as_deref(), Some("127.0.0.1"));
    assert!(signed_in[0].state_after.as_deref().unwrap().contains("\"way\":\"password\""));
    let request = server.http.post(server.url("/api/api-keys")).bearer_auth(&access);
    let made = request.header("x-request-id", "traced-1").json(&json!({})).send().await.unwrap();
    assert_eq!(made.status(), 200);
    let key = made.json::<serde_json::Value>().await.unwrap()["id"].to_string();
    let created = entries(&server, Action::KeyCreated).await;
    assert_eq!(created[0].request_id.as_deref(), Some("traced-1"));
    assert_eq!(created[0].target_id.as_deref(), Some(&*key));
    for (name, password) in [("ada", "not this one"), ("nobody-here", "not this one")] {
        let body = json!({"username": name, "password": password});
        assert_eq!(server.post("/api/auth/login", "", body).await.0, 401);
    }
    let failed = entries(&server, Action::SignInFailed).await;
    assert_eq!((failed[1].target_kind.as_deref(), failed[1].target_id.as_deref()), (Some("user"), Some("1")));
    assert_eq!(failed[0].target_kind.as_deref(), Some("name"), "of a name that nobody has");
    server.post("/api/auth/logout-all", &access, json!({})).await;
    assert_eq!(entries(&server, Action::SignedOutEverywhere).await.len(), 1);
    let verdict = server.app.core.audit.verify().await.unwrap();
    assert_eq!((verdict.entries, verdict.broken), (5, None));
    server.stop().await;
}

async fn it_holds_no_secret(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.person("ada").await;
    let (access, refresh) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({"name": "named-by-ada"})).await;
    let provider = "127.0.0.1:1".parse().unwrap();
    server.account(&access, provider, json!({"credential": "credential-of-ada"})).await;
    server
        .post("/api/auth/login", "", json!({"username": "typed-password", "password": "mistyped-one"}))
        .await;
    let all = server.app.core.store.list_audit(&AuditFilter::default(), None, 1_000).await.unwrap();
    assert_eq!(all.len(), 4);
    let text = format!("{all:?}");
    let secrets = [PASSWORD, "credential-of-ada", "typed-password", "mistyped-one", &access, &refresh, &key];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    server.stop().await;
}

async fn many_writers_make_one_chain(harness: Arc<Harness>) {
    let (here, there) = (harness.server().await, harness.server().await);
    let writers: Vec<_> = (0..200)
        .map(|n| {
            let audit = if n % 2 == 0 { here.app.core.audit.clone() } else { there.app.core.audit.clone() };
            spawn(async move { audit.record(&sample(n)).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let verdict = there.app.core.audit.verify().await.unwrap();
    assert_eq!((verdict.entries, verdict.broken), (200, None));
    here.stop().await;
    there.stop().await;
    let after = harness.server().await;
    assert_eq!(
        after.app.core.audit.verify().await.unwrap().noted,
        Some(200),
        "the data directory knows the end"
    );
    after.stop().await;
}

async fn rows_can_not_be_changed(harness: Arc<Harness>) {
    let server = harness.server().await;
    server.app.core.audit.record(&sample(1)).await.unwrap();
    for sql in ["update audit_log set action = 'x'", "delete from audit_log"] {
        let refused = behind_its_back(&harness, sql).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
    if is_clustered(&harness) {
        assert!(behind_its_back(&harness, "truncate audit_log").await.is_err());
    }
    server.stop().await;
}

/// The log as another process on the same data sees it.
async fn broken(server: &Server, harness: &Harness) -> Option<Break> {
    let audit = Audit::new(&harness.config(), server.app.core.store.clone(), server.app.core.clock.clone());
    audit.verify().await.unwrap().broken
}

async fn tampering_is_found(harness: Arc<Harness>) {
    let server = harness.server().await;
    for n in 1..=4 {
        server.app.core.audit.record(&sample(n)).await.unwrap();
    }
    let earlier = server.app.core.store.audit_head().await.unwrap();
    server.app.core.audit.record(&sample(5)).await.unwrap();
    let head = server.app.core.store.audit_head().await.unwrap();
    let back = format!("update audit_head set seq = 5, hash = '{}', seal = '{}'", head.hash, head.seal);
    server.stop().await;
    let server = harness.server().await;
    let at = |found: Option<Break>| found.map(|found| found.seq);
    // A changed word, a changed person, and back again.
    tamper(&harness, "update audit_log set action = 'sign_in.ok' where seq = 3").await;
    assert_eq!(at(broken(&server, &harness).await), Some(3));
    tamper(&harness, "update audit_log set action = 'user.changed' where seq = 3").await;
    assert_eq!(broken(&server, &harness).await, None);
    tamper(&harness, "update audit_log set actor_id = 9 where seq = 2").await;
    assert_eq!(at(broken(&server, &harness).await), Some(2));
    tamper(&harness, "update audit_log set actor_id = 2 where seq = 2").await;
    // The end cut off, alone and with the remembered head forged to fit.
    tamper(&harness, "delete from audit_log where seq = 5").await;
    assert_eq!(at(broken(&server, &harness).await), Some(5));
    tamper(&harness, &format!("update audit_head set seq = 4, hash = '{}'", earlier.hash)).await;
    assert_eq!(at(broken(&server, &harness).await), Some(4), "the head has a seal of its own");
    // Even with an old head whose seal is good: the data directory remembers.
    tamper(&harness, &format!("update audit_head set seal = '{}'", earlier.seal)).await;
    assert_eq!(at(broken(&server, &harness).await), Some(5));
    server.app.core.audit.trust_end().await.unwrap();
    assert_eq!(broken(&server, &harness).await, None, "unless the operator says so");
    // A hole.
    tamper(&harness, &back).await;
    tamper(&harness, "delete from audit_log where seq = 2").await;
    assert_eq!(at(broken(&server, &harness).await), Some(2));
    server.stop().await;
}
