//! The record of calls through kills and outages: what was answered is on record once, and paid once.

#![expect(clippy::print_stderr, reason = "tells what was skipped")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt as _;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{Harness, both_shapes, eventually, read, run, spawn};
use crate::process::{Process, answer, sign_in};
use crate::recorder::Recorder;

both_shapes!(
    kills_at_any_moment_lose_and_double_nothing,
    what_was_served_during_an_outage_is_paid,
    without_a_disk_the_database_is_waited_for,
    one_server_a_data_directory_without_redis,
);

/// A tenth of a unit is a hundred calls, and recovery is too slow to give one back during a test.
const A_HUNDRED_CALLS: (&str, &str) = ("POLICY_BASE_QUOTA", "0.1");
const MANY_CALLS: (&str, &str) = ("POLICY_BASE_QUOTA", "50");
const SLOW_RECOVERY: (&str, &str) = ("REFERENCE_WINDOW", "30d");
/// What a call costs, in millionths of a unit.
const COST: i64 = 1_000;

/// A member who calls the shared account of somebody else.
#[derive(Clone)]
struct Caller {
    http: reqwest::Client,
    key: String,
}

/// Whether a call was answered, and by which name it is on record.
struct Answered {
    status: u16,
    id: String,
    text: String,
}

impl Caller {
    /// An owner with an account in the pool, and a caller.
    async fn prepare(harness: &Harness, process: &Process, provider: std::net::SocketAddr) -> Self {
        for name in ["ada", "bob"] {
            answer(
                harness,
                &["user", "create", name, "--password-stdin", "--json"],
                &format!("{}\n", crate::harness::PASSWORD),
            );
        }
        let key = answer(harness, &["key", "create", "--user", "bob", "--json"], "")["key"].clone();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let access = sign_in(&http, &process.url).await;
        let account = json!({"name": "a", "provider": "openai", "base_url": format!("http://{provider}/v1"),
            "credential": "good", "is_shared": 1, "models": ["m", "held"],
            "allowances": [{"models": ["*"], "limit": 1_000_000, "unit": "requests", "window": "5h"}]});
        let made = http.post(format!("{}/api/plugin-api/accounts", process.url)).bearer_auth(&access);
        assert_eq!(read(made.json(&account)).await.0, 201);
        Self { http, key: key.as_str().unwrap().to_owned() }
    }

    /// One call; `None` when the answer did not arrive whole.
    async fn call(&self, url: &str, model: &str) -> Option<Answered> {
        let body = json!({"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
        let request = self.http.post(format!("{url}/v1/chat/completions")).bearer_auth(&self.key).json(&body);
        let response = request.send().await.ok()?;
        let id = response.headers().get("x-request-id")?.to_str().ok()?.to_owned();
        let status = response.status().as_u16();
        Some(Answered { status, id, text: response.text().await.ok()? })
    }

    /// So many calls at one time; how many were served. The others lacked quota.
    async fn served(&self, url: &str, count: usize) -> usize {
        let calls = (0..count).map(|_| self.call(url, "m"));
        let answers = join_all(calls).await;
        let mut served = 0;
        for answer in answers {
            let answer = answer.unwrap();
            match answer.status {
                200 => served += 1,
                status => assert_eq!(
                    (status, answer.text.contains("insufficient_quota")),
                    (429, true),
                    "{}",
                    answer.text
                ),
            }
        }
        served
    }

    /// Calls again and again until the server is gone; the ids of all calls whose answer arrived whole.
    async fn call_until_dead(self, url: String) -> Vec<String> {
        let mut done = Vec::new();
        while let Some(answered) = self.call(&url, "m").await {
            if answered.status == 200 {
                done.push(answered.id);
            }
        }
        done
    }
}

/// Somebody else holds the table of calls, as a program that looks at it may.
struct Outage(Held);

enum Held {
    Sqlite(sqlx::SqliteConnection),
    Postgres(sqlx::PgConnection),
}

impl Outage {
    async fn begin(harness: &Harness) -> Self {
        if let Some(url) = harness.database_url() {
            let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
            for statement in ["begin", "lock table usage_logs in exclusive mode"] {
                sqlx::query(statement).execute(&mut connection).await.unwrap();
            }
            return Self(Held::Postgres(connection));
        }
        let path = harness.dir.join("millpond.db");
        let mut connection =
            sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        sqlx::query("begin immediate").execute(&mut connection).await.unwrap();
        Self(Held::Sqlite(connection))
    }

    async fn end(self) {
        match self.0 {
            Held::Sqlite(connection) => connection.close().await.unwrap(),
            Held::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// Ids of calls on record, as often as they are.
async fn on_record(harness: &Harness) -> Vec<String> {
    harness.sql("select request_id from usage_logs where outcome = 'ok' order by request_id").await
}

/// What is left of the caller's quota with what is reserved of it, as it is stored while no server runs.
async fn left(harness: &Harness) -> i64 {
    if let Some(mut redis) = harness.redis().await {
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("millpond:quota:*other}").query_async(&mut redis).await.unwrap();
        let fields: std::collections::HashMap<String, String> =
            redis::cmd("HGETALL").arg(&keys[0]).query_async(&mut redis).await.unwrap();
        let counts = fields.iter().filter(|(name, _)| *name == "balance" || name.starts_with("l:"));
        return counts.map(|(_, amount)| amount.parse::<i64>().unwrap()).sum();
    }
    let stored = harness.sql("select state from pool_quotas where model_group = 'other'").await;
    let stored: Value = serde_json::from_str(&stored[0]).unwrap();
    let bucket = &stored["quota"]["bucket"];
    let held = bucket["held"].as_array().into_iter().flatten();
    bucket["balance"].as_i64().unwrap() + held.map(|lease| lease["amount"].as_i64().unwrap()).sum::<i64>()
}

/// Two kills a shape unless told otherwise.
fn rounds() -> usize {
    std::env::var("KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(2)
}

async fn kills_at_any_moment_lose_and_double_nothing(harness: Arc<Harness>) {
    let settings = [MANY_CALLS, SLOW_RECOVERY, ("LOG_LEVEL", "ERROR")];
    let provider = Recorder::start().await;
    let process = Process::start_with(&harness, &settings);
    let caller = Caller::prepare(&harness, &process, provider.address).await;
    drop(process);
    let mut completed = Vec::new();
    for round in 0..rounds() {
        let pause = Duration::from_millis(rand::rng().random_range(0..700));
        let process = Process::start_with(&harness, &settings);
        let calls: Vec<_> =
            (0..16).map(|_| spawn(caller.clone().call_until_dead(process.url.clone()))).collect();
        // Healthy, away, back again while what waited is carried; every other time the start before was cut off, too.
        let outage = match round % 4 {
            0 => None,
            _ => Some(Outage::begin(&harness).await),
        };
        tokio::time::sleep(Duration::from_millis(300) + pause).await;
        match outage {
            Some(outage) if round % 4 == 1 => {
                process.signal("-9");
                outage.end().await;
            }
            Some(outage) => {
                outage.end().await;
                tokio::time::sleep(pause / 4).await;
                process.signal("-9");
            }
            None => process.signal("-9"),
        }
        for call in calls {
            completed.extend(call.await.unwrap());
        }
        drop(process);
        if round % 4 == 3 {
            let cut = Process::spawn(&harness, &settings);
            tokio::time::sleep(pause / 2).await;
            drop(cut);
        }
    }
    let mut last = Process::start_with(&harness, &settings);
    // The first call waits for what was left.
    completed.push(caller.call(&last.url, "m").await.unwrap().id);
    last.signal("-TERM");
    assert!(tokio::task::spawn_blocking(move || last.wait()).await.unwrap());
    let recorded = on_record(&harness).await;
    let once: BTreeSet<&String> = recorded.iter().collect();
    assert_eq!(once.len(), recorded.len(), "no call is on record twice");
    let lost: Vec<_> = completed.iter().filter(|id| !once.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {} answered calls are not on record", lost.len(), completed.len());
    let paid = 50_000_000 - left(&harness).await;
    let spent = i64::try_from(recorded.len()).unwrap() * COST;
    // What calls of a killed process had reserved in Redis returns when its time is over, later than this.
    let kills = i64::try_from(2 * rounds()).unwrap();
    let may_be_held = if harness.is_clustered() { 16 * kills * COST } else { 0 };
    let too_much = paid - spent;
    assert!(
        (-COST..=COST + may_be_held).contains(&too_much),
        "{paid} of the quota is gone, {spent} is on record"
    );
    assert!(std::fs::read_dir(harness.dir.join("journal")).unwrap().next().is_none(), "all of it is carried");
}

async fn what_was_served_during_an_outage_is_paid(harness: Arc<Harness>) {
    let settings = [A_HUNDRED_CALLS, SLOW_RECOVERY];
    let provider = Recorder::start().await;
    let process = Process::start_with(&harness, &settings);
    let caller = Caller::prepare(&harness, &process, provider.address).await;
    assert_eq!(caller.served(&process.url, 10).await, 10);
    let outage = Outage::begin(&harness).await;
    assert_eq!(caller.served(&process.url, 40).await, 40);
    process.signal("-9");
    drop(process);
    outage.end().await;
    let mut process = Process::start_with(&harness, &settings);
    assert_eq!(caller.served(&process.url, 10).await, 10);
    let outage = Outage::begin(&harness).await;
    assert_eq!(caller.served(&process.url, 20).await, 20);
    process.signal("-TERM");
    assert!(tokio::task::spawn_blocking(move || process.wait()).await.unwrap());
    outage.end().await;
    let process = Process::start_with(&harness, &settings);
    let last = caller.served(&process.url, 100).await;
    assert!((16..=20).contains(&last), "a hundred in all at most, and hardly one paid twice: {last}");
    eventually("everything is on record", || async {
        (on_record(&harness).await.len() == 80 + last).then_some(())
    })
    .await;
}

/// A small file system in the place of a directory, gone when dropped.
struct Small(PathBuf);

impl Small {
    /// `None` where that is not allowed.
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(path)
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }

    fn fill(&self) {
        let size = 4_096;
        let mut bytes = vec![0_u8; 65_536];
        while !bytes.is_empty() {
            if std::fs::write(self.0.join(format!("filler{}", bytes.len())), &bytes).is_err() {
                std::fs::remove_file(self.0.join(format!("filler{}", bytes.len()))).ok();
            }
            bytes.truncate(bytes.len() - size);
        }
        // The rest of the segment's last page.
        assert!(std::fs::write(self.0.join("more"), [0; 4_096]).is_err(), "full");
        std::fs::remove_file(self.0.join("more")).ok();
    }

    fn empty(&self) {
        for entry in std::fs::read_dir(&self.0).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("filler") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

async fn without_a_disk_the_database_is_waited_for(harness: Arc<Harness>) {
    let Some(disk) = Small::mount(&harness.dir.join("journal")) else {
        eprintln!("skipped: mounting a small file system needs root");
        return;
    };
    let settings = [MANY_CALLS, SLOW_RECOVERY];
    let provider = Recorder::start().await;
    let process = Process::start_with(&harness, &settings);
    let caller = Caller::prepare(&harness, &process, provider.address).await;
    let health = async || {
        let answer = caller.http.get(format!("{}/healthz", process.url)).send().await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(caller.served(&process.url, 5).await, 5);
    disk.fill();
    // More than the segment's last page holds: what goes to the database is there when it is answered.
    assert_eq!(caller.served(&process.url, 50).await, 50);
    eventually("all are on record", || async { (on_record(&harness).await.len() == 55).then_some(()) }).await;
    let outage = Outage::begin(&harness).await;
    // The first to end finds out; then nobody is asked any more.
    eventually("no call is made", || async {
        (caller.call(&process.url, "m").await.is_some_and(|answered| answered.status == 503)).then_some(())
    })
    .await;
    let asked = provider.seen().len();
    let answered = caller.call(&process.url, "m").await.unwrap();
    assert_eq!((answered.status, provider.seen().len(), health().await), (503, asked, 503));
    disk.empty();
    eventually("calls are made again", || async {
        (caller.call(&process.url, "m").await.is_some_and(|answered| answered.status == 200)).then_some(())
    })
    .await;
    assert_eq!(health().await, 200);
    outage.end().await;
    let known = caller.call(&process.url, "m").await.unwrap().id;
    eventually("and recorded", || async { on_record(&harness).await.contains(&known).then_some(()) }).await;
}

async fn one_server_a_data_directory_without_redis(harness: Arc<Harness>) {
    let first = Process::start_with(&harness, &[]);
    let mut second = Process::spawn(&harness, &[]);
    if harness.is_clustered() {
        assert!(second.serves(), "{}", second.complaint());
        return;
    }
    let told = second.complaint();
    assert!(told.contains("another server runs on this data"), "{told}");
    answer(&harness, &["user", "create", "ada", "--no-password", "--json"], "");
    drop(first);
    drop(Process::start_with(&harness, &[]));
}

/// Redis goes and comes back with what it had.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_to_redis_outlives_it_and_the_process() {
    async fn test(harness: Arc<Harness>) {
        let settings = [A_HUNDRED_CALLS, SLOW_RECOVERY];
        let provider = Recorder::start().await;
        let process = Process::start_with(&harness, &settings);
        let caller = Caller::prepare(&harness, &process, provider.address).await;
        harness.keep_redis_on_disk().await;
        for signal in ["-9", "-TERM"] {
            let mut process = Process::start_with(&harness, &settings);
            let calls: Vec<_> = (0..30)
                .map(|_| {
                    let (caller, url) = (caller.clone(), process.url.clone());
                    spawn(async move { caller.call(&url, "held").await.unwrap().status })
                })
                .collect();
            let held = if signal == "-9" { 30 } else { 60 };
            eventually("all are on their way", || async { (provider.held() == held).then_some(()) }).await;
            harness.kill_redis();
            provider.release(30);
            for call in calls {
                assert_eq!(call.await.unwrap(), 200);
            }
            process.signal(signal);
            tokio::task::spawn_blocking(move || process.wait()).await.unwrap();
            harness.revive_redis();
        }
        drop(process);
        let process = Process::start_with(&harness, &settings);
        assert_eq!(caller.served(&process.url, 100).await, 40, "a hundred in all");
    }
    run(crate::harness::Shape::Clustered, test).await;
}

/// Redis forgets everything while calls run.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_a_forgetful_redis_does_not_know_are_paid() {
    async fn test(harness: Arc<Harness>) {
        let provider = Recorder::start().await;
        let process = Process::start_with(&harness, &[A_HUNDRED_CALLS, SLOW_RECOVERY]);
        let caller = Caller::prepare(&harness, &process, provider.address).await;
        assert_eq!(caller.served(&process.url, 10).await, 10);
        let calls: Vec<_> = (0..60)
            .map(|_| {
                let (caller, url) = (caller.clone(), process.url.clone());
                spawn(async move { caller.call(&url, "held").await.unwrap().status })
            })
            .collect();
        eventually("all are on their way", || async { (provider.held() == 60).then_some(()) }).await;
        harness.lose_redis().await;
        assert_eq!(caller.served(&process.url, 1).await, 1);
        provider.release(60);
        for call in calls {
            assert_eq!(call.await.unwrap(), 200);
        }
        // The last of them is settled a moment after its answer.
        tokio::time::sleep(Duration::from_millis(500)).await;
        // Never more than there is. A call that ends while quotas are made anew may be counted twice.
        let last = caller.served(&process.url, 100).await;
        assert!((15..=29).contains(&last), "a hundred in all: {last}");
    }
    run(crate::harness::Shape::Clustered, test).await;
}
