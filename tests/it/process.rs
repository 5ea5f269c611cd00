//! The program itself: killed, stopped, and asked on the command line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Harness, PASSWORD, Shape, both_shapes, read, run, spawn};
use crate::provider::Provider;

both_shapes!(kill_9_loses_no_completed_call, sigterm_finishes_streams, commands_answer_scripts);

const BINARY: &str = env!("CARGO_BIN_EXE_millpond");

fn command(harness: &Harness) -> Command {
    let mut command = Command::new(BINARY);
    command
        .env_clear()
        .envs(harness.environment())
        .env("PORT", "0")
        .current_dir(&harness.dir)
        .stderr(Stdio::null());
    command
}

/// A running `millpond serve`, with where it listens once it does.
pub(crate) struct Process {
    child: Child,
    log: std::path::PathBuf,
    pub(crate) url: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Process {
    fn start(harness: &Harness) -> Self {
        Self::start_with(harness, &[])
    }

    /// The same with more in its environment.
    pub(crate) fn start_with(harness: &Harness, more: &[(&str, &str)]) -> Self {
        let mut process = Self::spawn(harness, more);
        assert!(process.serves(), "it does not serve: {}", process.complaint());
        process
    }

    /// One that may be on its way, or fail.
    pub(crate) fn spawn(harness: &Harness, more: &[(&str, &str)]) -> Self {
        let more = more.iter().copied();
        let mut command = command(harness);
        let log = harness.dir.join(format!("serve-{}.log", uuid::Uuid::new_v4().simple()));
        let told = std::fs::File::create(&log).unwrap();
        let child = command.envs(more).arg("serve").stdout(Stdio::piped()).stderr(told).spawn().unwrap();
        Self { child, log, url: String::new() }
    }

    /// Waits until it serves, or fails.
    pub(crate) fn serves(&mut self) -> bool {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        self.url = url.unwrap_or_default().to_owned();
        !self.url.is_empty()
    }

    /// What it said as it failed.
    pub(crate) fn complaint(&mut self) -> String {
        self.child.wait().unwrap();
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it ends; whether it ended well.
    pub(crate) fn wait(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    pub(crate) fn signal(&self, signal: &str) {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
    }
}

fn ask(harness: &Harness, arguments: &[&str], input: &str) -> Output {
    let mut child = command(harness)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub(crate) fn answer(harness: &Harness, arguments: &[&str], input: &str) -> Value {
    let output = ask(harness, arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) access: String,
    pub(crate) key: String,
}

pub(crate) async fn prepare(harness: &Harness, process: &Process, provider: &Provider) -> Client {
    answer(harness, &["user", "create", "ada", "--password-stdin", "--json"], &format!("{PASSWORD}\n"));
    let key = answer(harness, &["key", "create", "--user", "ada", "--json"], "")["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
    let access = sign_in(&http, &process.url).await;
    let account = json!({"name": "a", "provider": "openai", "base_url": format!("http://{}/v1", provider.address),
        "credential": "good", "is_shared": 0, "models": ["m", "slow"]});
    let made =
        http.post(format!("{}/api/plugin-api/accounts", process.url)).bearer_auth(&access).json(&account);
    assert_eq!(read(made).await.0, 201);
    Client { http, access, key }
}

pub(crate) async fn sign_in(http: &reqwest::Client, url: &str) -> String {
    let body = json!({"username": "ada", "password": PASSWORD});
    let (status, answer) = read(http.post(format!("{url}/api/auth/login")).json(&body)).await;
    assert_eq!(status, 200, "{answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Calls again and again until the server is gone; notes the id of every call whose answer arrived whole.
async fn call_until_dead(
    http: reqwest::Client,
    url: String,
    key: String,
    stream: bool,
    done: Arc<Mutex<Vec<String>>>,
) {
    let body = json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": "hi"}]});
    loop {
        let request = http.post(format!("{url}/v1/chat/completions")).bearer_auth(&key).json(&body);
        let Ok(response) = request.send().await else { return };
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let success = response.status().is_success();
        let Ok(text) = response.text().await else { return };
        if success && (!stream || text.ends_with("data: [DONE]\n\n")) {
            done.lock().unwrap().push(id);
        }
    }
}

async fn kill_9_loses_no_completed_call(harness: Arc<Harness>) {
    let (process, provider) = (Process::start(&harness), Provider::start().await);
    let client = prepare(&harness, &process, &provider).await;
    let done = Arc::new(Mutex::new(Vec::new()));
    let calls: Vec<_> = (0..200)
        .map(|n| {
            spawn(call_until_dead(
                client.http.clone(),
                process.url.clone(),
                client.key.clone(),
                n % 2 == 0,
                done.clone(),
            ))
        })
        .collect();
    crate::harness::eventually("calls complete", || async {
        (done.lock().unwrap().len() > 300).then_some(())
    })
    .await;
    process.signal("-9");
    for call in calls {
        call.await.unwrap();
    }
    drop(process);
    let completed = done.lock().unwrap().clone();
    let again = Process::start(&harness);
    let access = sign_in(&client.http, &again.url).await;
    let mut recorded = std::collections::HashSet::new();
    let mut cursor = String::new();
    loop {
        let url = format!("{}/api/usage/logs?limit=1000&cursor={cursor}", again.url);
        let (_, page) = read(client.http.get(url).bearer_auth(&access)).await;
        recorded.extend(
            page["data"].as_array().unwrap().iter().map(|row| row["request_id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let lost: Vec<&String> = completed.iter().filter(|id| !recorded.contains(*id)).collect();
    assert!(lost.is_empty(), "{} of {} completed calls are not on record", lost.len(), completed.len());
}

async fn sigterm_finishes_streams(harness: Arc<Harness>) {
    let (mut process, provider) = (Process::start(&harness), Provider::start().await);
    let client = prepare(&harness, &process, &provider).await;
    let body = json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let request = client.http.post(format!("{}/v1/chat/completions", process.url)).bearer_auth(&client.key);
    let response = request.json(&body).send().await.unwrap();
    process.signal("-TERM");
    assert!(response.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    drop(client.http);
    let status = tokio::task::spawn_blocking(move || process.child.wait().unwrap()).await.unwrap();
    assert!(status.success(), "{status}");
    let again = Process::start(&harness);
    let http = reqwest::Client::builder().build().unwrap();
    let logs = http.get(format!("{}/api/usage/logs", again.url)).bearer_auth(&client.access);
    assert_eq!(
        read(logs).await.1["data"][0]["outcome"],
        "ok",
        "a session survives a restart, and so does the row"
    );
}

async fn commands_answer_scripts(harness: Arc<Harness>) {
    let made = answer(&harness, &["user", "create", "ada", "--no-password", "--admin", "--json"], "");
    assert_eq!((made["username"].clone(), made["role"].clone()), (json!("ada"), json!("admin")));
    assert_eq!(ask(&harness, &["user", "create", "ada", "--no-password"], "").status.code(), Some(1));
    assert_eq!(ask(&harness, &["user", "create"], "").status.code(), Some(2));
    let process = Process::start(&harness);
    let key = answer(&harness, &["key", "create", "--user", "ada", "--name", "k", "--json"], "");
    let http = reqwest::Client::builder().build().unwrap();
    let models =
        || read(http.get(format!("{}/v1/models", process.url)).bearer_auth(key["key"].as_str().unwrap()));
    assert_eq!(models().await.0, 200);
    // A command reaches the server that runs.
    answer(&harness, &["user", "set", "ada", "--active", "false", "--json"], "");
    crate::harness::eventually("the disabled person is refused", || async {
        (models().await.0 == 403).then_some(())
    })
    .await;
    answer(&harness, &["user", "set", "ada", "--active", "true", "--json"], "");
    crate::harness::eventually("and let in again", || async { (models().await.0 == 200).then_some(()) })
        .await;
    answer(&harness, &["key", "revoke", "--user", "ada", &key["id"].to_string(), "--json"], "");
    crate::harness::eventually("the revoked key is refused", || async {
        (models().await.0 == 401).then_some(())
    })
    .await;
    assert!(ask(&harness, &["config", "check"], "").status.success());
    let document: Value = serde_json::from_slice(&ask(&harness, &["openapi"], "").stdout).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    for path in [
        "/v1/chat/completions",
        "/v1/models/{id}",
        "/api/auth/login",
        "/api/plugin-api/accounts",
        "/api/usage/logs",
    ] {
        assert!(document["paths"][path].is_object(), "{path} is not described");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn production_lists_every_problem_and_no_secret() {
    async fn test(harness: Arc<Harness>) {
        let output = Command::new(BINARY)
            .args(["config", "check"])
            .env_clear()
            .env("APP_ENV", "production")
            .env("JWT_SECRET_KEY", "tooshort-s3cret")
            .env("PORT", "many")
            .current_dir(&harness.dir)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        for name in ["JWT_SECRET_KEY", "PLUGIN_API_ENCRYPTION_KEY", "PORT"] {
            assert!(told.contains(name), "{name} is missing in {told}");
        }
        assert!(!told.contains("tooshort-s3cret"), "{told}");
    }
    run(Shape::Embedded, test).await;
}
