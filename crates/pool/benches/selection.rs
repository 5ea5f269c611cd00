//! What choosing an account costs, and describing one anew, with ten, a thousand and a hundred thousand of them. The
//! aim is a p99 below 5 µs, whatever the number. Criterion reports means; the percentiles are of single selections, timed
//! one by one, with the clock's own cost in them.

use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use millpond_pool::account::{Account, AccountId, MemberId, Provider, Share};
use millpond_pool::index::{Index, Providers, Request, Sources};
use millpond_pool::pattern::Pattern;
use millpond_pool::units::{Moment, Units};

const SIZES: [u32; 3] = [10, 1_000, 100_000];
const NOW: Moment = Moment(1_790_000_000_000);
/// Single selections that are timed for the percentiles.
const TIMED: usize = 200_000;

fn account(number: u32) -> Account {
    let id = AccountId::new(format!("account-{number}"));
    let mut account = Account::new(id, MemberId(i64::from(number) + 2), Provider::OpenAi);
    account.shared = true;
    account.models = Some(vec![Pattern::new("m")]);
    account.priority = i32::from(number.is_multiple_of(10));
    account.max_concurrency = Some(4);
    let capacity = Units(i64::from(number % 50 + 1) * 40_000);
    account.allowances = vec![Share { models: vec![Pattern::new("*")], capacity }];
    account
}

/// Shared accounts of as many owners and many sizes, in two priorities, all of which serve the model; some rest, some
/// did more than others.
fn index(accounts: u32) -> Index {
    let mut index = Index::new();
    for number in 0..accounts {
        let slot = index.put(account(number));
        index.set_free(slot, Some(0), number % 7 * 150_000 + 1, None);
        index.used(slot, Units(i64::from(number % 13) * 9_000), NOW);
        if number % 9 == 8 {
            index.set_rest(slot, Some(NOW.plus(3_600_000)), Vec::new());
        }
    }
    index
}

/// Uniform bits (xorshift).
fn bits(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn request(conversation: Option<u64>) -> Request<'static> {
    Request {
        model: "m",
        caller: MemberId(1),
        providers: Providers::only(Provider::OpenAi),
        sources: Sources::OwnFirst,
        conversation,
        tried: &[],
    }
}

fn one_call(index: &Index, state: &mut u64, sticky: bool) {
    let conversation = sticky.then(|| bits(state));
    let slot = index.select(&request(conversation), &mut || bits(state), NOW).map(|choice| choice.slot);
    if let Some(slot) = black_box(slot) {
        index.begin(slot);
        index.end(slot);
    }
}

fn percentiles(name: &str, accounts: u32, mut step: impl FnMut()) {
    let mut times: Vec<Duration> = (0..TIMED)
        .map(|_| {
            let began = Instant::now();
            step();
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    let at = |part: f64| times[(times.len() as f64 * part) as usize].as_nanos();
    let line = format!("{name}/{accounts}: p50 {} ns, p99 {} ns, p99.9 {} ns", at(0.5), at(0.99), at(0.999));
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn selection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("select, begin, end");
    for accounts in SIZES {
        let index = index(accounts);
        for (name, sticky) in [("drawn", false), ("sticky", true)] {
            let mut state = 1_u64;
            percentiles(name, accounts, || one_call(&index, &mut state, sticky));
            group.bench_function(BenchmarkId::new(name, accounts), |bencher| {
                bencher.iter(|| one_call(&index, &mut state, sticky));
            });
        }
    }
    group.finish();
}

fn change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("describe one account anew");
    for accounts in SIZES {
        let mut index = index(accounts);
        let mut state = 1_u64;
        percentiles("change", accounts, || {
            index.put(account((bits(&mut state) % u64::from(accounts)) as u32));
        });
        group.bench_function(BenchmarkId::new("change", accounts), |bencher| {
            bencher.iter_batched(
                || account((bits(&mut state) % u64::from(accounts)) as u32),
                |account| index.put(account),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, selection, change);
criterion_main!(benches);
