//! The database fails in every way that it can: a full disk, another program's lock, a network that swallows packets.
//! Afterwards everything is as if nothing had been.

#![expect(clippy::print_stdout, reason = "tells what was skipped")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use millpond::clock::Clock;
use millpond::config::DatabaseConfig;
use millpond::ids::UserId;
use millpond::store::record::{Recorded, UsageBatch};
use millpond::store::usage::{UsageFilter, UsageRow};
use millpond::store::users::{NewUser, Role};
use millpond::store::{Store, StoreError};
use sqlx::{Connection as _, Executor as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Harness, Shape, eventually, run, spawn};
use crate::store::row;

async fn record(store: &Store, rows: &[UsageRow]) -> Result<Recorded, StoreError> {
    store.record_usage(&UsageBatch { rows, ..UsageBatch::default() }).await
}

async fn sqlite(path: PathBuf) -> (Store, UserId) {
    let store = Store::connect(&DatabaseConfig::Sqlite { path }).await.unwrap();
    store.migrate().await.unwrap();
    let user = NewUser {
        username: "ada".to_owned(),
        password_hash: None,
        oauth_id: None,
        avatar_url: None,
        trust_level: 0,
        is_active: true,
        is_silenced: false,
        is_beta: false,
        role: Role::Member,
    };
    let mut tx = store.begin().await.unwrap();
    let id = tx.create_user(&user, Clock::System.now()).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    (store, id)
}

/// A small file system that is gone after the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|done| done.status.success()).then_some(Self(at))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Takes all that is left.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn remount(&self, how: &str) -> bool {
        let options = format!("remount,{how}");
        Command::new("mount").args(["-o", &options]).arg(&self.0).output().unwrap().status.success()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).output().unwrap();
    }
}

async fn a_disk_that_was_full(harness: Arc<Harness>) {
    let Some(disk) = SmallDisk::mount(harness.dir.join("small")) else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let path = disk.0.join("small.db");
    let (store, ada) = sqlite(path.clone()).await;
    let batch = |n: usize| (0..40).map(|k| row(&format!("{n}-{k}"), ada)).collect::<Vec<_>>();
    record(&store, &batch(0)).await.unwrap();
    let mut refused = Vec::new();
    for round in 0..3 {
        disk.fill();
        // What is left of the log's last extent is used up first.
        for n in 0..40 {
            let rows = batch(1 + round * 40 + n);
            if let Err(error) = record(&store, &rows).await {
                assert!(!error.is_permanent(), "{error}");
                refused.push(rows);
            }
        }
        assert!(!refused.is_empty(), "the disk was not full");
        assert!(store.list_usage(ada, &UsageFilter::default(), None, 10).await.is_ok());
        disk.empty();
        let at_once = refused.first().unwrap().clone();
        assert_eq!(record(&store, &at_once).await.unwrap().new.len(), 40);
        refused.remove(0);
    }
    for rows in &refused {
        assert_eq!(record(&store, rows).await.unwrap().new.len(), 40);
    }
    store.close().await;

    assert!(disk.remount("ro"));
    assert!(Store::connect(&DatabaseConfig::Sqlite { path: path.clone() }).await.is_err());
    assert!(disk.remount("rw"));
    let (store, _) = reopened(&path).await;
    record(&store, &batch(1_000)).await.unwrap();
    assert_eq!(store.holdings(ada).await.unwrap().calls, 122 * 40);
    store.close().await;
}

async fn reopened(path: &Path) -> (Store, ()) {
    let store = Store::connect(&DatabaseConfig::Sqlite { path: path.to_owned() }).await.unwrap();
    store.migrate().await.unwrap();
    (store, ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_was_full_leaves_no_trace() {
    run(Shape::Embedded, a_disk_that_was_full).await;
}

async fn a_lock(harness: Arc<Harness>) {
    let path = harness.dir.join("locked.db");
    let (store, ada) = sqlite(path.clone()).await;
    let mut other = sqlx::SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    other.execute("begin immediate").await.unwrap();
    let rows = [row("a", ada)];
    let error = record(&store, &rows).await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
    // Nobody waits for a writer to read.
    assert_eq!(store.holdings(ada).await.unwrap().calls, 0);
    other.execute("rollback").await.unwrap();
    assert_eq!(record(&store, &rows).await.unwrap().new, [0]);
    other.close().await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_programs_lock_is_waited_for_within_bounds() {
    run(Shape::Embedded, a_lock).await;
}

async fn dropped_work(harness: Arc<Harness>) {
    let (store, ada) = sqlite(harness.dir.join("dropped.db")).await;
    let rows: Vec<_> = (0..200).map(|n| row(&format!("record {n}"), ada)).collect();
    // Dropped at every moment: waiting for the writer, in the transaction, at its commit.
    for micros in (0..20_000).step_by(200) {
        let wait = Duration::from_micros(micros);
        tokio::time::timeout(wait, record(&store, &rows)).await.ok();
    }
    let before = store.holdings(ada).await.unwrap().calls;
    assert!(before == 0 || before == 200, "half a batch is on record");
    record(&store, &rows).await.unwrap();
    assert_eq!(store.holdings(ada).await.unwrap().calls, 200);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_dropped_is_undone() {
    run(Shape::Embedded, dropped_work).await;
}

/// Passes bytes on to a server until told to swallow them.
struct Network {
    address: SocketAddr,
    swallows: Arc<AtomicBool>,
}

impl Network {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let swallows = Arc::new(AtomicBool::new(false));
        let swallow = swallows.clone();
        spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let (client_in, client_out) = client.into_split();
                let (server_in, server_out) = server.into_split();
                spawn(pass(client_in, server_out, swallow.clone()));
                spawn(pass(server_in, client_out, swallow.clone()));
            }
        });
        Self { address, swallows }
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    swallow: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !swallow.load(Ordering::Relaxed) && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn a_silent_network(harness: Arc<Harness>) {
    let mut url: url::Url = harness
        .environment()
        .into_iter()
        .find(|(name, _)| *name == "DATABASE_URL")
        .unwrap()
        .1
        .parse()
        .unwrap();
    let server = url.socket_addrs(|| Some(5432)).unwrap()[0];
    let network = Network::to(server).await;
    url.set_ip_host(network.address.ip()).unwrap();
    url.set_port(Some(network.address.port())).unwrap();
    let config = DatabaseConfig::Postgres { url: url.to_string().into() };
    let store = Store::connect(&config).await.unwrap();
    let ask_all = |count: usize| join_all((0..count).map(|_| store.ping()));
    assert!(ask_all(60).await.iter().all(Result::is_ok));

    network.swallows.store(true, Ordering::Relaxed);
    // Many give up in the middle of a statement or of a transaction.
    for _ in 0..4 {
        let impatient = (0..40).map(|_| tokio::time::timeout(Duration::from_millis(50), store.ping()));
        join_all(impatient).await;
        let batch = UsageBatch::default();
        let impatient =
            (0..10).map(|_| tokio::time::timeout(Duration::from_millis(50), store.record_usage(&batch)));
        join_all(impatient).await;
    }
    // Who doesn't give up waits for a connection only as long as one is waited for.
    let started = Instant::now();
    assert!(store.ping().await.is_err());
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());

    network.swallows.store(false, Ordering::Relaxed);
    // Every place in the pool is there again.
    eventually("the database's return", || async { store.ping().await.ok() }).await;
    assert!(ask_all(60).await.iter().all(Result::is_ok));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_packets_costs_no_connection() {
    run(Shape::Clustered, a_silent_network).await;
}
