//! What choosing an account costs, with ten, a thousand and a hundred thousand of them. The aim is 5 µs, whatever the
//! number.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use millpond_pool::account::{Account, AccountId, MemberId, Provider};
use millpond_pool::index::{Index, Providers, Request, Sources};
use millpond_pool::units::Moment;

/// Shared accounts of as many owners, in two priorities, all of which serve the model.
fn index(accounts: u32) -> Index {
    let mut index = Index::new();
    for number in 0..accounts {
        let id = AccountId::new(format!("account-{number}"));
        let mut account = Account::new(id, MemberId(i64::from(number) + 2), Provider::OpenAi);
        account.shared = true;
        account.models = Some(vec![millpond_pool::pattern::Pattern::new("m")]);
        account.priority = i32::from(number % 10 == 0);
        account.max_concurrency = Some(4);
        index.put(account);
    }
    index
}

fn selection(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("select, begin, end");
    for accounts in [10, 1_000, 100_000] {
        let index = index(accounts);
        let mut state = 1_u64;
        let mut chance = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for (name, conversation) in [("drawn", None), ("sticky", Some(7))] {
            let request = Request {
                model: "m",
                caller: MemberId(1),
                providers: Providers::only(Provider::OpenAi),
                sources: Sources::OwnFirst,
                conversation,
                tried: &[],
            };
            group.bench_with_input(BenchmarkId::new(name, accounts), &request, |bencher, request| {
                bencher.iter(|| {
                    let slot = index.select(request, &mut chance, Moment(0)).map(|choice| choice.slot);
                    if let Some(slot) = black_box(slot) {
                        index.begin(slot);
                        index.end(slot);
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, selection);
criterion_main!(benches);
