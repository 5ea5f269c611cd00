//! What was weak in the Plug-in API that the native pool replaces, and the tests that show that it can't happen here. The
//! numbers are those that doc lines of tests name.
//!
//! | # | The weakness | Test |
//! | --- | --- | --- |
//! | 1 | a model that ran dry never came back by itself | [`allowances`](crate::allowances) `a_used_up_allowance_rests_until_its_window_is_over`, `what_a_provider_left_out_is_neither_full_nor_empty` |
//! | 2 | switching an account off and on refilled the pool | `toggling_gains_nothing_and_costs_nothing_twice` |
//! | 3 | what a provider refused went on counting, and once more when it was switched on | `a_refused_account_counts_no_longer_and_once_when_it_is_back` |
//! | 4 | the status was not looked at: two debits, two credits | `toggling_gains_nothing_and_costs_nothing_twice` |
//! | 5 | quota above its maximum | `toggling_gains_nothing_and_costs_nothing_twice`, `what_changed_meanwhile_is_taken_back_as_it_was_given` |
//! | 6 | credit and debit of different models | `what_changed_meanwhile_is_taken_back_as_it_was_given` |
//! | 7 | read, then written: parallel changes both credited | `changes_at_one_time_count_once` |
//! | 8 | overdraft by parallel calls | [`quotas`](crate::quotas) `a_thousand_calls_get_exactly_what_there_is` |
//! | 9, 10 | charged by readings of a whole account, from before or after | `calls_at_one_time_are_charged_each_for_itself` |
//! | 11 | calls that nobody metered | `no_call_is_unmetered`, [`gateway`](crate::gateway) `a_client_that_leaves_is_metered_and_the_provider_stopped` |
//! | 12 | what was absent meant full | `what_a_provider_left_out_is_neither_full_nor_empty` |
//! | 13 | two groups of models with some in both | `a_model_belongs_to_one_group` |
//! | 14 | exhaustion as 500, as 200, as text | `exhaustion_has_its_status_everywhere` |
//! | 15 | the outer attempt's word over the inner one's | `the_decisive_attempt_speaks` |
//! | 16 | one caller's bad request switched accounts off | `a_bad_request_harms_no_account` |
//! | 17 | a network error for ever | `a_network_error_heals_by_itself` |
//! | 18, 19 | internals in answers, requests in files | `failures_tell_nothing_and_leave_nothing` |
//! | 20 | a page that prints what it is told | `the_page_for_browsers_escapes` |
//! | 21 | credentials in clear | `nothing_secret_is_stored_in_clear` |
//! | 22 | `is_shared` as anything | `linking_shares_or_not_and_nothing_between` |
//! | 23 | no limits | [`limits`](crate::limits) `calls_a_minute_are_exact_over_instances`, [`gateway_attempts`](crate::gateway_attempts) `a_busy_account_is_waited_for_in_fair_order`, `looking_is_bounded_and_asks_no_provider` |
//! | 24 | deleting an account took others' history along | `totals_outlive_accounts_and_their_owners` |
//! | 25 | times of the process's zone | `times_are_utc_wherever_the_process_is` |
//! | 26 | recovery by the number of runs | `recovery_is_a_function_of_time` |
//! | 27 | routes that never worked | `what_never_worked_works` |
//! | 28, 29 | two ends, lost parts | `a_stream_has_one_end_and_all_its_parts` |
//! | 30 | every failure a 500 | `errors_keep_their_status` |
//!
//! Here is what these tests share: a provider that says what it was told, and the quota as the API shows it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::harness::{Harness, Server, eventually, spawn};

/// What a provider answers with.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    held: bool,
    /// The connection breaks instead of ending, when the test lets it.
    breaks: bool,
}

impl Line {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("content-type", "application/json")];
        Self { status, headers, body: body.to_string(), held: false, breaks: false }
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"error": {"message": message, "type": "x", "param": null, "code": code}}))
    }

    /// What a firewall before a provider says to a request that it doesn't like.
    pub(crate) fn page(status: u16) -> Self {
        let body = "<!DOCTYPE html>\n<html><title>Attention required</title>You have been blocked.</html>"
            .to_owned();
        Self { body, headers: vec![("content-type", "text/html")], ..Self::error(status, "", "") }
    }

    pub(crate) fn events(text: &str) -> Self {
        let headers = vec![("content-type", "text/event-stream")];
        Self { status: 200, headers, body: text.to_owned(), held: false, breaks: false }
    }

    /// A good answer that took so many tokens.
    pub(crate) fn used(tokens: i64) -> Self {
        let usage = json!({"prompt_tokens": tokens - 1, "completion_tokens": 1, "total_tokens": tokens});
        let choice =
            json!({"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}});
        Self::json(200, &json!({"id": "c", "choices": [choice], "usage": usage}))
    }

    pub(crate) fn with(mut self, headers: &[(&'static str, &'static str)]) -> Self {
        self.headers.extend(headers);
        self
    }

    /// It comes when the test lets it.
    pub(crate) fn held(self) -> Self {
        Self { held: true, ..self }
    }

    pub(crate) fn breaking(self) -> Self {
        Self { breaks: true, ..self }
    }
}

struct Stage {
    lines: Mutex<HashMap<String, Line>>,
    /// Credential, model (or the path where there is none), body.
    seen: Mutex<Vec<(String, String, Bytes)>>,
    gate: Semaphore,
    waiting: AtomicUsize,
    deaf: Arc<AtomicBool>,
}

/// A provider that answers each model as it was told.
pub(crate) struct Play {
    pub(crate) address: SocketAddr,
    stage: Arc<Stage>,
    serving: JoinHandle<()>,
}

impl Drop for Play {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Hangs up on whoever comes, while it is deaf.
struct Ear {
    listener: TcpListener,
    deaf: Arc<AtomicBool>,
}

impl axum::serve::Listener for Ear {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let heard = self.listener.accept().await.unwrap();
            if !self.deaf.load(Ordering::SeqCst) {
                return heard;
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Play {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let deaf = Arc::new(AtomicBool::new(false));
        let stage = Arc::new(Stage {
            lines: Mutex::default(),
            seen: Mutex::default(),
            gate: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            deaf: deaf.clone(),
        });
        let router = Router::new().fallback(answer).with_state(stage.clone());
        let serving = spawn(async move { axum::serve(Ear { listener, deaf }, router).await.unwrap() });
        Self { address, stage, serving }
    }

    /// The answer to a model (or path), for every credential or as `credential/model` for one.
    pub(crate) fn says(&self, name: &str, line: Line) {
        self.stage.lines.lock().unwrap().insert(name.to_owned(), line);
    }

    /// How many calls of a model came.
    pub(crate) fn calls(&self, model: &str) -> usize {
        self.stage.seen.lock().unwrap().iter().filter(|(_, name, _)| name == model).count()
    }

    pub(crate) fn all_calls(&self) -> usize {
        self.stage.seen.lock().unwrap().len()
    }

    pub(crate) fn last_body(&self) -> Bytes {
        self.stage.seen.lock().unwrap().last().unwrap().2.clone()
    }

    pub(crate) async fn waits_with(&self, calls: usize) {
        let waiting = || async { (self.stage.waiting.load(Ordering::SeqCst) == calls).then_some(()) };
        eventually("the calls are held", waiting).await;
    }

    pub(crate) fn release(&self, calls: usize) {
        self.stage.gate.add_permits(calls);
    }

    pub(crate) fn is_deaf(&self, deaf: bool) {
        self.stage.deaf.store(deaf, Ordering::SeqCst);
    }
}

async fn answer(State(stage): State<Arc<Stage>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let credential = parts.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    let credential = credential.trim_start_matches("Bearer ").to_owned();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = asked["model"].as_str().unwrap_or(parts.uri.path()).to_owned();
    stage.seen.lock().unwrap().push((credential.clone(), name.clone(), body));
    let line = {
        let lines = stage.lines.lock().unwrap();
        let told = lines.get(&format!("{credential}/{name}")).or_else(|| lines.get(&name));
        told.cloned().unwrap_or_else(|| Line::used(12))
    };
    if line.held {
        stage.waiting.fetch_add(1, Ordering::SeqCst);
        stage.gate.acquire().await.unwrap().forget();
    }
    let mut response = Response::builder().status(line.status);
    for (name, value) in line.headers {
        response = response.header(name, value);
    }
    if !line.breaks {
        return response.body(Body::from(line.body)).unwrap();
    }
    let breaks = stream::once(async move {
        stage.gate.acquire().await.unwrap().forget();
        Err(std::io::Error::other("the provider is gone"))
    });
    response.body(Body::from_stream(stream::iter([Ok(line.body)]).chain(breaks))).unwrap()
}

/// Where units are easy to count: everybody has one from the start, and time stands still.
pub(crate) const ONE_UNIT: &[(&str, &str)] = &[("POLICY_BASE_QUOTA", "1")];

/// A token is a fifth of a millionth of a unit, so that what a call costs is what its provider counts.
pub(crate) fn by_tokens() -> Value {
    json!([{"models": ["*"], "limit": 5_000_000_000_i64, "unit": "tokens", "window": "5h"}])
}

/// A server with people and a provider.
pub(crate) struct Scene {
    pub(crate) server: Arc<Server>,
    pub(crate) play: Play,
}

pub(crate) async fn scene(harness: &Harness, settings: &[(&str, &str)]) -> Scene {
    let server = Arc::new(harness.server_with_clock_and(settings).await);
    Scene { server, play: Play::start().await }
}

impl Scene {
    /// A new person's access token.
    pub(crate) async fn person(&self, name: &str) -> String {
        self.server.person(name).await;
        self.server.sign_in(name).await.0
    }

    pub(crate) async fn account(&self, access: &str, members: Value) -> String {
        let made = self.server.account(access, self.play.address, members).await;
        made["cookie_id"].as_str().unwrap().to_owned()
    }

    /// Everybody's account for these models, in tokens.
    pub(crate) async fn shared(&self, access: &str, models: &[&str]) -> String {
        let members = json!({"is_shared": 1, "models": models, "allowances": by_tokens()});
        self.account(access, members).await
    }

    pub(crate) async fn chat(&self, access: &str, model: &str) -> (u16, Value) {
        self.server.post("/v1/chat/completions", access, question(model, false)).await
    }

    /// The answer with its headers and text.
    pub(crate) async fn raw(&self, path: &str, access: &str, body: &Value) -> (u16, String, String) {
        let request = self.server.http.post(self.server.url(path)).bearer_auth(access).json(body);
        let answer = request.send().await.unwrap();
        let wait = answer.headers().get("retry-after").map_or("", |value| value.to_str().unwrap()).to_owned();
        (answer.status().as_u16(), wait, answer.text().await.unwrap())
    }

    pub(crate) async fn data(&self, access: &str, path: &str) -> Value {
        let (status, mut answer) = self.server.get(path, access).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer["data"].take()
    }

    /// What is left and the most there may be for a group of models, in millionths of a unit.
    pub(crate) async fn quota(&self, access: &str, group: &str) -> (i64, i64) {
        let rows = self.data(access, "/api/plugin-api/quotas/user").await;
        let Some(row) = rows.as_array().unwrap().iter().find(|row| row["group"] == group) else {
            return (0, 0);
        };
        let number = |name: &str| row[name].as_i64().unwrap();
        (number("quota_millionths"), number("max_quota_millionths"))
    }

    /// Waits for a quota, because a call's cost is collected a moment after its answer.
    pub(crate) async fn settles(&self, access: &str, group: &str, wanted: (i64, i64)) {
        let settled = || async { (self.quota(access, group).await == wanted).then_some(()) };
        eventually(&format!("a quota of {wanted:?}"), settled).await;
    }

    pub(crate) async fn stop(self) {
        Arc::into_inner(self.server).unwrap().stop().await;
    }
}

pub(crate) fn question(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]})
}
