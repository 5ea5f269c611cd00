//! The steps of a quota in Redis against `vectors.json`, which the bucket in memory has to give as well: the same steps,
//! the same numbers after each.

use millpond::clock::Clock;
use millpond::ids::UserId;
use millpond::state::State;
use millpond::state::quotas::{Beginning, Charge, QuotaKey, Reserved, Terms};
use millpond::tasks::Tasks;
use millpond_pool::bucket::{Bucket, Lease};
use millpond_pool::group::Group;
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Units, Window};
use redis::aio::MultiplexedConnection;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::{self, Harness, Shape};

const VECTORS: &str = include_str!("../../crates/pool/tests/vectors.json");
const SCRIPT: &str = include_str!("../../src/state/quotas/quota.lua");

#[derive(Deserialize)]
struct Sequence {
    name: String,
    window: Window,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    at_ms: i64,
    op: String,
    args: Value,
    expect: Expect,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Expect {
    answer: Value,
    max: Units,
    balance: Units,
    remainder: i64,
    as_of: Moment,
    reserved: Units,
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_gives_exactly_the_numbers_of_the_vectors() {
    harness::run(Shape::Clustered, |harness| async move { play_all(&harness).await }).await;
}

async fn play_all(harness: &Harness) {
    let tasks = Tasks::default();
    let state = State::redis(&harness.config().redis_url.unwrap(), Clock::System, &tasks).await.unwrap();
    let mut connection = harness.redis().await.unwrap();
    let sequences: Vec<Sequence> = serde_json::from_str(VECTORS).unwrap();
    assert!(sequences.len() > 50);
    for (number, sequence) in sequences.iter().enumerate() {
        let key = QuotaKey { user: UserId(i32::try_from(number).unwrap()), group: Group::Other };
        let terms = Terms { base: Units(1), cap: None, window: sequence.window };
        let mut player = Player { state: &state, connection: &mut connection, key, terms };
        for (place, step) in sequence.steps.iter().enumerate() {
            let got = player.play(step).await;
            // How a settlement went Redis doesn't tell; it shows in the numbers.
            let answer = if step.op == "settle" { Value::Null } else { step.expect.answer.clone() };
            let expected = Expect { answer, ..step.expect };
            assert_eq!(got, expected, "{}, step {place}: {} {}", sequence.name, step.op, step.args);
        }
    }
    assert!(tasks.shutdown(std::time::Duration::from_secs(5)).await);
}

struct Player<'a> {
    state: &'a State,
    connection: &'a mut MultiplexedConnection,
    key: QuotaKey,
    terms: Terms,
}

impl Player<'_> {
    async fn play(&mut self, step: &Step) -> Expect {
        let now = Moment(step.at_ms);
        let units = |name: &str| Units(step.args[name].as_i64().unwrap());
        let mut answer = Value::Null;
        match step.op.as_str() {
            "new" => {
                let full = Quota::new(units("max"), None, self.terms.window, now);
                self.state
                    .begin_quota(self.key, &self.terms, &full, Beginning { at: now, mark: None })
                    .await
                    .unwrap();
            }
            "reserve" => {
                let reserved = self.state.reserve_quota(self.key, &self.terms, lease(step), now).await;
                answer = match reserved.unwrap() {
                    Reserved::Held(lease) => json!({ "held": lease }),
                    Reserved::Lacking(short) => {
                        json!({ "lacking": short.lacking, "available_at": short.available_at })
                    }
                    Reserved::Unknown => panic!("the quota was begun"),
                };
            }
            "settle" => self.settle(lease(step), units("real"), now).await,
            // To give back is to settle with nothing.
            "release" => self.settle(lease(step), Units::ZERO, now).await,
            "adjust" => answer = self.adjust(units("max"), units("take"), units("give"), now).await,
            "read" | "available" => {}
            other => panic!("a step named {other}"),
        }
        let bucket = self.bucket().await;
        let looks = matches!(step.op.as_str(), "read" | "available");
        let seen = if looks { bucket.at(now) } else { bucket };
        match step.op.as_str() {
            "read" => answer = json!({ "quota": seen.quota(), "debt": seen.debt() }),
            "available" => answer = json!(seen.available_at(units("amount"), now)),
            _ => {}
        }
        Expect {
            answer,
            max: seen.max(),
            balance: seen.balance(),
            remainder: seen.remainder(),
            as_of: seen.as_of(),
            reserved: seen.reserved(),
        }
    }

    async fn settle(&self, lease: Lease, real: Units, now: Moment) {
        let charges = [Charge { key: self.key, lease, reserved_at: now, recorded_at: None, real }];
        self.state.settle_quotas(&charges, self.terms.window, now).await.unwrap();
    }

    async fn bucket(&self) -> Bucket {
        self.state.view_quota(self.key).await.unwrap().unwrap().quota.bucket().clone()
    }

    /// A change of any size, which the program makes of shares and withdrawals only: both halves of one, by hand.
    async fn adjust(&mut self, max: Units, take: Units, give: Units, now: Moment) -> Value {
        let name = format!("millpond:quota:{{{}:{}}}", self.key.user, self.key.group.name());
        let (version, sharing, terms): (i64, String, String) = redis::cmd("HMGET")
            .arg(&name)
            .arg(&["version", "sharing", "terms"])
            .query_async(self.connection)
            .await
            .unwrap();
        let numbers = [version, max.0, take.0, give.0].map(|number| number.to_string());
        let [at, max, take, give] = numbers.each_ref().map(String::as_str);
        let adjusted = self.script("adjust", now, &[at, max, take, give, &sharing, "{}"]).await;
        let next = (version + 1).to_string();
        let completed = self.script("complete", now, &[&next, &sharing, &terms]).await;
        assert_eq!((adjusted[0].as_str(), completed[0].as_str()), ("done", "done"));
        json!(adjusted[5].parse::<i64>().unwrap())
    }

    async fn script(&mut self, step: &str, now: Moment, more: &[&str]) -> Vec<String> {
        let name = format!("millpond:quota:{{{}:{}}}", self.key.user, self.key.group.name());
        let window = self.terms.window;
        let mut call = redis::cmd("EVAL");
        call.arg(SCRIPT).arg(3).arg(&name).arg(format!("{name}:held")).arg(format!("{name}:past"));
        call.arg(step).arg(now.0).arg(window.ticks()).arg(window.tick_millis());
        call.arg(millpond_pool::bucket::LEASE_MEMORY_MILLIS).arg(millpond_pool::units::AMOUNT_LIMIT);
        call.arg(more).query_async(self.connection).await.unwrap()
    }
}

fn lease(step: &Step) -> Lease {
    serde_json::from_value(json!({
        "id": step.args["id"], "amount": step.args["amount"], "expires_at": step.args["expires_at"]
    }))
    .unwrap()
}
