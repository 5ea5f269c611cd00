//! The journal as a whole, without a server.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::record::tests::row;
use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, DatabaseConfig, Variables};
use crate::ids::UserId;
use crate::store::Store;
use crate::store::usage::UsageFilter;
use crate::store::users::{NewUser, Role};

/// A directory that is gone afterwards, with a person in its database.
struct House {
    directory: PathBuf,
    user: UserId,
}

impl Drop for House {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.directory).ok();
    }
}

impl House {
    async fn build() -> Self {
        let directory =
            std::env::temp_dir().join(format!("millpond-journal-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir_all(&directory).unwrap();
        let house = Self { directory, user: UserId(0) };
        let store = house.store().await;
        store.migrate().await.unwrap();
        let user = NewUser {
            username: "ada".into(),
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
        let user = tx.create_user(&user, Timestamp::from_seconds(1)).await.unwrap().unwrap();
        tx.commit().await.unwrap();
        store.close().await;
        let directory = house.directory.clone();
        std::mem::forget(house);
        Self { directory, user }
    }

    async fn store(&self) -> Store {
        let path = self.directory.join("millpond.db");
        Store::connect(&DatabaseConfig::Sqlite { path }).await.unwrap()
    }

    fn path(&self) -> PathBuf {
        self.directory.join("journal")
    }

    async fn start(&self, settings: &[(&str, &str)]) -> Running {
        let mut variables = Variables::default();
        variables.set("DATA_DIR", self.directory.display().to_string());
        for (name, value) in settings {
            variables.set(name, *value);
        }
        let core = Core::start(Config::from_variables(&variables).unwrap(), Clock::System).await.unwrap();
        let journal = Journal::start(&core).await;
        Running { core, journal }
    }

    fn of(&self, record_id: &str) -> UsageRow {
        UsageRow { user_id: self.user, ..row(record_id) }
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
        files.sort();
        files
    }

    async fn recorded(&self) -> Vec<String> {
        let store = self.store().await;
        let rows = store.list_usage(self.user, &UsageFilter::default(), None, 100_000).await.unwrap();
        store.close().await;
        let mut ids: Vec<_> = rows.into_iter().filter_map(|row| row.request_id).collect();
        ids.sort();
        ids
    }
}

struct Running {
    core: Arc<Core>,
    journal: Journal,
}

impl Running {
    async fn record(&self, row: UsageRow) -> Recorded {
        let place = self.journal.place().await.unwrap();
        let row = UsageRow { request_id: row.record_id.clone(), record_id: self.journal.record_id(), ..row };
        self.journal.record(place, row, Charges::default())
    }

    async fn stop(self) {
        assert!(self.core.tasks.shutdown(Duration::from_secs(20)).await);
        self.core.store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_on_record_at_once_and_in_the_database_soon() {
    let house = House::build().await;
    let running = house.start(&[]).await;
    assert!(matches!(running.record(house.of("a")).await, Recorded::Done));
    assert!(matches!(running.record(UsageRow { user_id: UserId(999), ..row("b") }).await, Recorded::Done));
    running.journal.settled().await;
    assert_eq!(house.recorded().await, ["a"]);
    // A call that still runs when the process ends is waited for, and no other begins.
    let late = running.journal.place().await.unwrap();
    let core = running.core.clone();
    let (ended, ()) = tokio::join!(core.tasks.shutdown(Duration::from_secs(20)), async {
        while running.journal.place().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(running.journal.record(late, house.of("c"), Charges::default()));
    });
    assert!(ended);
    core.store.close().await;
    assert_eq!(house.recorded().await.len(), 2);
    assert_eq!(house.files("refused").len(), 1, "nobody's call is put aside");
    assert_eq!(fs::read_dir(house.path()).unwrap().count(), 1, "what is carried is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_did_not_take_is_carried_later_and_once() {
    let house = House::build().await;
    let running = house.start(&[]).await;
    running.core.store.close().await;
    for n in 0..1_000 {
        assert!(matches!(running.record(house.of(&format!("{n:04}"))).await, Recorded::Done));
    }
    running.stop().await;
    assert_eq!(house.recorded().await.len(), 0);
    let kept = fs::read(&house.files("journal")[0]).unwrap();
    for _ in 0..2 {
        let running = house.start(&[]).await;
        drop(running.journal.place().await.unwrap());
        assert_eq!(house.recorded().await.len(), 1_000, "before the first call");
        running.stop().await;
        assert!(house.files("journal").is_empty());
        // The same once more, as if it had not been noted that it was carried.
        fs::write(house.path().join("0000000000000001-00000001.journal"), &kept).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_memory_is_read_from_the_disk() {
    let house = House::build().await;
    let running = house.start(&[]).await;
    let held = running.core.store.begin().await.unwrap();
    for n in 0..20_000 {
        let long = Some("m".repeat(300));
        drop(running.record(UsageRow { model_name: long, ..house.of(&format!("{n:05}")) }).await);
    }
    assert!(house.files("journal").len() > 1, "more than one segment");
    held.commit().await.unwrap();
    let end = running.journal.writer.end();
    let mut carried = running.journal.carried.clone();
    let all = tokio::time::timeout(Duration::from_secs(60), carried.wait_for(|carried| *carried >= end));
    all.await.unwrap().unwrap();
    drop(running.record(house.of("last")).await);
    running.stop().await;
    let recorded = house.recorded().await;
    assert_eq!((recorded.len(), &*recorded[19_999], &*recorded[20_000]), (20_001, "19999", "last"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_put_aside_and_a_torn_one_costs_nothing() {
    let house = House::build().await;
    let running = house.start(&[]).await;
    running.core.store.close().await;
    for name in ["a", "b", "c"] {
        drop(running.record(house.of(name)).await);
    }
    running.stop().await;
    let path = house.files("journal").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[60] ^= 1;
    bytes.truncate(length - 1);
    fs::write(&path, bytes).unwrap();
    let running = house.start(&[]).await;
    drop(running.journal.place().await.unwrap());
    assert_eq!((house.recorded().await, running.journal.damaged()), (vec!["b".to_owned()], 1));
    assert!(!fs::read(&house.files("damaged")[0]).unwrap().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_process_keeps_its_journal_for_itself() {
    let house = House::build().await;
    let first = house.start(&[]).await;
    first.core.store.close().await;
    drop(first.record(house.of("a")).await);
    let second = house.start(&[]).await;
    drop(second.journal.place().await.unwrap());
    assert_eq!(house.recorded().await.len(), 0);
    drop(second.record(house.of("b")).await);
    second.stop().await;
    assert_eq!(house.recorded().await, ["b"]);
    first.stop().await;
    house.start(&[]).await.stop().await;
    assert_eq!(house.recorded().await, ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_database_is_to_have_it_first_a_call_waits() {
    let house = House::build().await;
    let running = house.start(&[("USAGE_DURABILITY", "database")]).await;
    let recorded = running.record(house.of("a")).await;
    assert!(matches!(recorded, Recorded::Waits(_)));
    recorded.await.unwrap();
    assert_eq!(house.recorded().await, ["a"]);
    running.core.store.close().await;
    running.record(house.of("b")).await.await.unwrap();
    running.stop().await;
    assert_eq!(house.files("journal").len(), 1, "while it is away the journal has it");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_disk_the_database_is_waited_for_and_without_both_no_call_begins() {
    let house = House::build().await;
    // A file in the place of the directory.
    fs::write(house.path(), "").unwrap();
    let running = house.start(&[]).await;
    running.record(house.of("a")).await.await.unwrap();
    assert_eq!(house.recorded().await, ["a"]);
    running.core.store.close().await;
    running.record(house.of("b")).await.await.unwrap_err();
    assert_eq!(running.journal.place().await.err(), Some(Closed::Stuck));
    assert_eq!(running.journal.trouble(), Some(Closed::Stuck));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_an_earlier_version_are_carried() {
    use sha2::{Digest as _, Sha256};
    let house = House::build().await;
    let spool = house.directory.join("usage-spool");
    fs::create_dir(&spool).unwrap();
    let line = |row: &UsageRow| {
        let json = serde_json::to_string(row).unwrap();
        format!("{} {json}\n", hex::encode(&Sha256::digest(&json)[..16]))
    };
    let whole = format!("{}{}", line(&house.of("r")), line(&house.of("s")));
    fs::write(spool.join("a.jsonl"), &whole[..whole.len() - 3]).unwrap();
    fs::write(
        spool.join("b.jsonl"),
        whole.replacen("ada", "bob", 1).replacen("stream\":true", "stream\":false", 1),
    )
    .unwrap();
    let running = house.start(&[]).await;
    drop(running.journal.place().await.unwrap());
    assert_eq!(house.recorded().await.len(), 2);
    running.stop().await;
    let left: Vec<_> = fs::read_dir(&spool).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["b.damaged"]);
}

#[test]
fn names_of_files_are_read_back() {
    let name = segment::Name { journal: JournalId(0xabc), number: 7 };
    assert_eq!(segment::Name::of(&name.path(Path::new("x"))), Some(name));
    assert_eq!(segment::Name::of(Path::new("x/a.journal")), None);
}
