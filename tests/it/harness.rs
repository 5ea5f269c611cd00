//! A server for one test: its own database, its own Redis, its own port, all gone afterwards.

use std::future::Future;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millpond::app::App;
use millpond::clock::{Clock, Hands};
use millpond::config::{Config, Variables};
use millpond::server;
use millpond::store::users::{NewUser, Role};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::link::Link;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Makes two tests of one async function that takes the harness.
macro_rules! both_shapes {
    ($($name:ident),+ $(,)?) => {
        mod embedded { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() { crate::harness::run(crate::harness::Shape::Embedded, super::$name).await; }
        )+ }
        mod clustered { $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() { crate::harness::run(crate::harness::Shape::Clustered, super::$name).await; }
        )+ }
    };
}
pub(crate) use both_shapes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Embedded,
    Clustered,
}

/// Runs a test with a harness and cleans up, whatever became of the test.
pub(crate) async fn run<F: Future<Output = ()> + Send + 'static>(shape: Shape, test: fn(Arc<Harness>) -> F) {
    let harness = Arc::new(Harness::new(shape).await);
    let outcome = spawn(test(harness.clone())).await;
    harness.clean_up().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic.into_panic());
    }
}

/// Spawns a task that the test awaits.
#[expect(clippy::disallowed_methods, reason = "the caller awaits it")]
pub(crate) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

/// A Redis of its own.
struct OwnRedis {
    child: Mutex<Child>,
    port: u16,
}

fn free_port() -> u16 {
    StdListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl OwnRedis {
    fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().ok();
        child.wait().ok();
    }

    fn command(dir: &std::path::Path, port: u16) -> Command {
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(dir)
            .stdout(Stdio::null());
        command
    }

    fn start(dir: &std::path::Path) -> Self {
        for _ in 0..5 {
            let port = free_port();
            let mut child = Self::command(dir, port).spawn().expect("redis-server is installed");
            let deadline = Instant::now() + Duration::from_secs(10);
            while Instant::now() < deadline && child.try_wait().unwrap().is_none() {
                if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { child: Mutex::new(child), port };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            child.kill().ok();
            child.wait().ok();
        }
        panic!("redis-server did not start");
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where a test's data lives.
pub(crate) struct Harness {
    pub dir: PathBuf,
    database: Option<String>,
    redis: Option<OwnRedis>,
    clock: Arc<Hands>,
}

fn admin_url() -> String {
    std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL names a PostgreSQL server; scripts/test starts one")
}

/// Runs one statement on the PostgreSQL server itself.
async fn on_server(sql: String) {
    let mut connection = sqlx::PgConnection::connect(&admin_url()).await.unwrap();
    connection.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
    connection.close().await.unwrap();
}

impl Harness {
    async fn new(shape: Shape) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let name = format!("millpond_it_{}", uuid::Uuid::new_v4().simple());
        // First what may fail, so that nothing is left behind when it does.
        if shape == Shape::Clustered {
            on_server(format!("create database {name}")).await;
        }
        let dir = std::env::temp_dir().join(&name);
        std::fs::create_dir(&dir).unwrap();
        let clock = Arc::new(Hands::at(Clock::System.now()));
        let mut harness = Self { dir, database: None, redis: None, clock };
        if shape == Shape::Clustered {
            harness.database = Some(name);
            harness.redis = Some(OwnRedis::start(&harness.dir));
        }
        harness
    }

    async fn clean_up(&self) {
        if let Some(name) = &self.database {
            on_server(format!("drop database {name} with (force)")).await;
        }
        std::fs::remove_dir_all(&self.dir).unwrap();
    }

    /// The environment of a server on this test's data.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("DATA_DIR", self.dir.display().to_string()),
            ("HOST", "127.0.0.1".to_owned()),
            ("PORT", "1".to_owned()),
            ("ALLOW_PRIVATE_UPSTREAMS", "127.0.0.1".to_owned()),
            ("SHARED_UPSTREAM_HOSTS", "127.0.0.1".to_owned()),
            ("MAX_BODY_BYTES", "2000000".to_owned()),
            ("UPSTREAM_IDLE_TIMEOUT_SECONDS", "20".to_owned()),
        ];
        if let (Some(name), Some(redis)) = (&self.database, &self.redis) {
            let mut url = url::Url::parse(&admin_url()).unwrap();
            url.set_path(name);
            variables.push(("DATABASE_URL", url.to_string()));
            variables.push(("REDIS_URL", format!("redis://127.0.0.1:{}/0", redis.port)));
        }
        variables
    }

    pub(crate) fn config(&self) -> Config {
        let mut variables = Variables::default();
        for (name, value) in self.environment() {
            variables.set(name, value);
        }
        Config::from_variables(&variables).unwrap()
    }

    /// A server with the machine's clock.
    pub(crate) async fn server(&self) -> Server {
        Server::start(self.config(), Clock::System).await
    }

    pub(crate) fn is_clustered(&self) -> bool {
        self.redis.is_some()
    }

    fn config_with(&self, settings: &[(&str, impl AsRef<str>)]) -> Config {
        let mut variables = Variables::default();
        for (name, value) in self.environment() {
            variables.set(name, value);
        }
        for (name, value) in settings {
            variables.set(name, value.as_ref());
        }
        Config::from_variables(&variables).unwrap()
    }

    /// A server with more settings than the usual ones.
    pub(crate) async fn server_with(&self, settings: &[(&str, impl AsRef<str>)]) -> Server {
        Server::start(self.config_with(settings), Clock::System).await
    }

    /// The same with a clock that stands still until it is moved.
    pub(crate) async fn server_with_clock_and(&self, settings: &[(&str, impl AsRef<str>)]) -> Server {
        Server::start(self.config_with(settings), Clock::Manual(self.clock.clone())).await
    }

    /// A connection to the test's Redis, where there is one.
    pub(crate) async fn redis(&self) -> Option<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(("127.0.0.1", self.redis.as_ref()?.port)).unwrap();
        Some(client.get_multiplexed_async_connection().await.unwrap())
    }

    /// A relay in front of a server that a setting names, and the setting that goes through it.
    pub(crate) async fn link(&self, setting: &'static str) -> (Link, (&'static str, String)) {
        let (_, url) = self.environment().into_iter().find(|(name, _)| *name == setting).unwrap();
        let mut url = url::Url::parse(&url).unwrap();
        let host = url.host_str().unwrap_or("127.0.0.1").to_owned();
        let port = url.port().unwrap_or(5432);
        let target = tokio::net::lookup_host((host, port)).await.unwrap().next().unwrap();
        let link = Link::to(target).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(link.address.port())).unwrap();
        (link, (setting, url.to_string()))
    }

    /// Lets Redis hang (true), as behind a broken network, or go on.
    pub(crate) fn hang_redis(&self, hang: bool) {
        let pid = self.redis.as_ref().unwrap().child.lock().unwrap().id().to_string();
        let signal = if hang { "-STOP" } else { "-CONT" };
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Has Redis write down what it does, as it does in production.
    pub(crate) async fn keep_redis_on_disk(&self) {
        let mut connection = self.redis().await.unwrap();
        let mut set = redis::cmd("CONFIG");
        set.arg("SET").arg("appendonly").arg("yes").query_async::<()>(&mut connection).await.unwrap();
        eventually("Redis writes", || {
            let mut connection = connection.clone();
            async move {
                let mut info = redis::cmd("INFO");
                let info: String = info.arg("persistence").query_async(&mut connection).await.unwrap();
                info.contains("aof_rewrite_in_progress:0").then_some(())
            }
        })
        .await;
    }

    pub(crate) fn kill_redis(&self) {
        self.redis.as_ref().unwrap().kill();
    }

    /// Starts it again on what it wrote down.
    pub(crate) fn revive_redis(&self) {
        let redis = self.redis.as_ref().unwrap();
        let mut command = OwnRedis::command(&self.dir, redis.port);
        *redis.child.lock().unwrap() = command.args(["--appendonly", "yes"]).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", redis.port)).is_err() {
            assert!(Instant::now() < deadline, "Redis does not come back");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where PostgreSQL is, in the clustered shape.
    pub(crate) fn database_url(&self) -> Option<String> {
        self.environment().into_iter().find(|(name, _)| *name == "DATABASE_URL").map(|(_, url)| url)
    }

    /// Makes Redis forget everything, as a crash without persistence does. Nothing where there is no Redis.
    pub(crate) async fn lose_redis(&self) {
        let Some(mut connection) = self.redis().await else { return };
        redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
    }

    /// A server whose clock stands still until it is moved.
    pub(crate) async fn server_with_clock(&self) -> Server {
        Server::start(self.config(), Clock::Manual(self.clock.clone())).await
    }

    /// The first column of what a statement answers, as text, straight from the database.
    pub(crate) async fn sql(&self, statement: &str) -> Vec<String> {
        let url = self.environment().into_iter().find(|(name, _)| *name == "DATABASE_URL");
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        if let Some((_, url)) = url {
            let pool = sqlx::PgPool::connect(&url).await.unwrap();
            let rows = sqlx::query_scalar(statement).fetch_all(&pool).await.unwrap();
            pool.close().await;
            return rows;
        }
        let path = self.dir.join("millpond.db");
        let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", path.display())).await.unwrap();
        let rows = sqlx::query_scalar(statement).fetch_all(&pool).await.unwrap();
        pool.close().await;
        rows
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    /// Sets the wall clock of servers with a standing clock back.
    pub(crate) fn set_back(&self, by: Duration) {
        self.clock.set_back(by);
    }
}

/// One running instance.
pub(crate) struct Server {
    pub app: App,
    pub address: SocketAddr,
    pub http: reqwest::Client,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(config: Config, clock: Clock) -> Self {
        let app = App::start(config, clock).await.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let serving = spawn(server::serve(app.clone(), listener, stop.clone()));
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Self { app, address, http, stop, serving }
    }

    pub(crate) async fn stop(self) {
        // Idle connections of the client would be waited for.
        drop(self.http);
        self.stop.cancel();
        self.serving.await.unwrap();
        self.app.stop().await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A person with the usual password.
    pub(crate) async fn person(&self, name: &str) -> millpond::ids::UserId {
        // Cost 4: the tests are not about bcrypt's patience.
        let hash = bcrypt::hash(PASSWORD, 4).unwrap();
        let user = NewUser {
            username: name.to_owned(),
            password_hash: Some(hash),
            oauth_id: None,
            avatar_url: None,
            trust_level: 1,
            is_active: true,
            is_silenced: false,
            is_beta: false,
            role: Role::Member,
        };
        let mut tx = self.app.core.store.begin().await.unwrap();
        let id = tx.create_user(&user, self.app.core.clock.now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> (u16, Value) {
        let mut request = self.http.post(self.url(path)).json(&body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        read(request).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        read(self.http.get(self.url(path)).bearer_auth(token)).await
    }

    pub(crate) async fn put(&self, path: &str, token: &str, body: Value) -> (u16, Value) {
        read(self.http.put(self.url(path)).bearer_auth(token).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str, token: &str) -> (u16, Value) {
        read(self.http.delete(self.url(path)).bearer_auth(token)).await
    }

    /// Puts an account into the pool (1) or takes it out (0).
    pub(crate) async fn put_shared(&self, access: &str, account: &Value, shared: i32) -> u16 {
        let path = format!("/api/plugin-api/accounts/{}/type", account["cookie_id"].as_str().unwrap());
        self.put(&path, access, json!({"is_shared": shared})).await.0
    }

    /// Signs in and answers (access, refresh).
    pub(crate) async fn sign_in(&self, name: &str) -> (String, String) {
        let (status, answer) =
            self.post("/api/auth/login", "", json!({"username": name, "password": PASSWORD})).await;
        assert_eq!(status, 200, "{answer}");
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }

    /// A key of the person, made with more members if wanted: (key, id).
    pub(crate) async fn key(&self, access: &str, members: Value) -> (String, i64) {
        let (status, answer) = self.post("/api/api-keys", access, members).await;
        assert_eq!(status, 200, "{answer}");
        (answer["key"].as_str().unwrap().to_owned(), answer["id"].as_i64().unwrap())
    }

    /// An account that points at a simulated provider.
    pub(crate) async fn account(&self, access: &str, provider: SocketAddr, members: Value) -> Value {
        let mut body = json!({"name": "a", "provider": "openai", "base_url": format!("http://{provider}/v1"),
            "credential": "good", "is_shared": 0, "models": ["m"]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let (status, answer) = self.post("/api/plugin-api/accounts", access, body).await;
        assert_eq!(status, 201, "{answer}");
        answer["data"].clone()
    }
}

pub(crate) async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Asks again until the answer is there; for what happens within a bounded time on another task or instance.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
