//! `vectors.json`: steps of a bucket with their answers and the numbers after each. The in-memory bucket has to give
//! exactly these, and so has every other form of it. The first sequences are checked by hand; those named "random …" were
//! made from a fixed seed by
//!
//! ```text
//! cargo test -p millpond-pool --test vectors -- --ignored write_the_random_sequences
//! ```
//!
//! which keeps the others as they are. `read` and `available` change nothing: the numbers expected of them are those of
//! the bucket moved to their moment, while the stored ones stay.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;

use millpond_pool::bucket::{Bucket, Lease, LeaseId, Settled};
use millpond_pool::units::{Moment, Units, Window};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Serialize, Deserialize)]
struct Sequence {
    name: String,
    window: Window,
    steps: Vec<Step>,
}

#[derive(Serialize, Deserialize)]
struct Step {
    at_ms: i64,
    #[serde(flatten)]
    op: Op,
    expect: Expect,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", content = "args", rename_all = "snake_case")]
enum Op {
    /// A full bucket.
    New { max: Units },
    /// The answer is what the balance moved by.
    Adjust { max: Units, take: Units, give: Units },
    /// `{"held": lease}`, or `{"lacking", "available_at"}`.
    Reserve(Lease),
    /// `charged`, `charged_late` or `already`.
    Settle(Settle),
    /// No answer.
    Release(Lease),
    /// `{"quota", "debt"}`.
    Read {},
    /// The moment, or null.
    Available { amount: Units },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Settle {
    id: LeaseId,
    amount: Units,
    expires_at: Moment,
    real: Units,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Expect {
    answer: Value,
    max: Units,
    balance: Units,
    remainder: i64,
    as_of: Moment,
    reserved: Units,
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors.json")
}

fn read_file() -> Vec<Sequence> {
    serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap()
}

/// Does one step and says what came of it.
fn run(bucket: &mut Bucket, window: Window, op: &Op, now: Moment) -> Expect {
    let mut answer = Value::Null;
    let mut seen = None;
    match op {
        Op::New { max } => *bucket = Bucket::full(*max, window, now),
        Op::Adjust { max, take, give } => answer = json!(bucket.adjust(*max, *take, *give, now)),
        Op::Reserve(lease) => {
            answer = match bucket.reserve(*lease, now) {
                Ok(lease) => json!({ "held": lease }),
                Err(short) => json!({ "lacking": short.lacking, "available_at": short.available_at }),
            };
        }
        Op::Settle(settle) => {
            let lease = Lease { id: settle.id, amount: settle.amount, expires_at: settle.expires_at };
            answer = json!(match bucket.settle(&lease, settle.real, now) {
                Settled::Charged => "charged",
                Settled::ChargedLate => "charged_late",
                Settled::Already => "already",
            });
        }
        Op::Release(lease) => bucket.release(lease, now),
        Op::Read {} => {
            let then = bucket.at(now);
            answer = json!({ "quota": then.quota(), "debt": then.debt() });
            seen = Some(then);
        }
        Op::Available { amount } => {
            answer = json!(bucket.available_at(*amount, now));
            seen = Some(bucket.at(now));
        }
    }
    let seen = seen.as_ref().unwrap_or(bucket);
    Expect {
        answer,
        max: seen.max(),
        balance: seen.balance(),
        remainder: seen.remainder(),
        as_of: seen.as_of(),
        reserved: seen.reserved(),
    }
}

#[test]
fn the_bucket_in_memory_gives_exactly_these() {
    let sequences = read_file();
    assert!(sequences.iter().filter(|one| !is_random(one)).count() >= 10);
    assert!(sequences.iter().filter(|one| is_random(one)).count() >= 40);
    for sequence in sequences {
        let mut bucket = Bucket::full(Units::ZERO, sequence.window, Moment(0));
        for (number, step) in sequence.steps.iter().enumerate() {
            let got = run(&mut bucket, sequence.window, &step.op, Moment(step.at_ms));
            assert_eq!(got, step.expect, "{}, step {number}: {:?}", sequence.name, step.op);
        }
    }
}

fn is_random(sequence: &Sequence) -> bool {
    sequence.name.starts_with("random ")
}

/// Chance from a seed, the same on every machine (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let one = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let two = (one ^ (one >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((two ^ (two >> 31)) % end.unsigned_abs()).unwrap()
    }
}

fn random_sequence(number: u64) -> Sequence {
    let mut chance = Chance(number);
    let window = Window::ALL[usize::try_from(number % 4).unwrap()];
    // Amounts from a handful of millionths, where fractions matter, to the largest that are allowed.
    let size = [20, 3_000, 5_000_000, 70_000_000_000, 1 << 52][usize::try_from(number % 5).unwrap()];
    let mut now = 1_790_000_000_000 + chance.below(1_000);
    let mut bucket = Bucket::full(Units::ZERO, window, Moment(0));
    let mut leases: Vec<Lease> = Vec::new();
    let mut steps = Vec::new();
    for step in 0..40 {
        now += match chance.below(6) {
            0 => 0,
            1 => -chance.below(5_000),
            2 => chance.below(window.millis()),
            3 => chance.below(4_000_000),
            _ => chance.below(20_000),
        };
        let op = if step == 0 {
            Op::New { max: Units(chance.below(size) + 1) }
        } else {
            random_op(&mut chance, size, now, &mut leases)
        };
        let expect = run(&mut bucket, window, &op, Moment(now));
        steps.push(Step { at_ms: now, op, expect });
    }
    Sequence { name: format!("random {number}"), window, steps }
}

fn random_op(chance: &mut Chance, size: i64, now: i64, leases: &mut Vec<Lease>) -> Op {
    let known =
        (!leases.is_empty()).then(|| leases[usize::try_from(chance.below(leases.len() as i64)).unwrap()]);
    match (chance.below(10), known) {
        (0, _) => Op::Adjust {
            max: Units(chance.below(size)),
            take: Units(chance.below(size)),
            give: Units(chance.below(size)),
        },
        (1, _) => Op::Read {},
        (2, _) => Op::Available { amount: Units(chance.below(size)) },
        (3, Some(lease)) => Op::Release(lease),
        (4..=6, Some(Lease { id, amount, expires_at })) => {
            Op::Settle(Settle { id, amount, expires_at, real: Units(chance.below(2 * amount.0 + 2)) })
        }
        (7, Some(lease)) => Op::Reserve(Lease { expires_at: Moment(now + chance.below(100_000)), ..lease }),
        _ => {
            let id = LeaseId(leases.len() as u64 + 1);
            let expires_at = Moment(now + 1 + chance.below(6_000_000));
            let lease = Lease { id, amount: Units(chance.below(size / 2 + 1)), expires_at };
            leases.push(lease);
            Op::Reserve(lease)
        }
    }
}

#[test]
#[ignore = "writes vectors.json anew; for when the rules change on purpose"]
fn write_the_random_sequences() {
    let mut sequences: Vec<Sequence> = read_file().into_iter().filter(|one| !is_random(one)).collect();
    sequences.extend((1..=60).map(random_sequence));
    let written: Vec<String> = sequences.iter().map(written).collect();
    std::fs::write(file(), format!("[\n{}\n]\n", written.join(",\n"))).unwrap();
}

/// One line a step, so that a change can be read.
fn written(sequence: &Sequence) -> String {
    let steps: Vec<String> =
        sequence.steps.iter().map(|step| format!("      {}", serde_json::to_string(step).unwrap())).collect();
    let (name, window) = (json!(sequence.name), json!(sequence.window));
    format!(
        "  {{\n    \"name\": {name}, \"window\": {window},\n    \"steps\": [\n{}\n    ]\n  }}",
        steps.join(",\n")
    )
}
