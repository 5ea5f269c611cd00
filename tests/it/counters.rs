//! The steps of counters against the arithmetic itself: in memory, and in Redis by its script.

use std::sync::Arc;
use std::time::Duration;

use millpond::clock::{Clock, Hands};
use millpond::ids::{AccountId, KeyId, UserId};
use millpond::state::State;
use millpond::state::counters::{Admit, RefusedBy, Subject, WindowUse};
use millpond::store::Store;
use millpond::tasks::Tasks;
use millpond_pool::bucket::LeaseId;
use millpond_pool::counters::{Claim, Counters, Limits, Part, Refusal};
use millpond_pool::units::Moment;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::harness::{Harness, both_shapes};

both_shapes!(
    every_step_is_as_in_plain_words,
    what_was_granted_is_counted_again_when_redis_lost_its_memory,
    what_ended_is_not_granted_afterwards,
);

const WINDOWS: [&str; 3] = ["a1", "a2", "a2+"];

/// The shared state of a test's shape with a clock that is moved by hand.
struct Scene {
    state: State,
    hands: Arc<Hands>,
    tasks: Tasks,
}

impl Scene {
    async fn new(harness: &Harness) -> Self {
        let hands = Arc::new(Hands::at(Clock::System.now()));
        let (config, tasks) = (harness.config(), Tasks::default());
        let clock = Clock::Manual(hands.clone());
        let state = match &config.redis_url {
            Some(url) => State::redis(url, clock, &tasks).await.unwrap(),
            None => {
                let store = Store::connect(&config.database).await.unwrap();
                store.migrate().await.unwrap();
                State::embedded(store, clock, &tasks).await.unwrap()
            }
        };
        Self { state, hands, tasks }
    }

    fn now(&self) -> Moment {
        Clock::Manual(self.hands.clone()).steady()
    }

    async fn end(self) {
        assert!(self.tasks.shutdown(Duration::from_secs(5)).await);
    }
}

fn claim(id: LeaseId, limits: Limits) -> Claim {
    Claim { id, life_millis: 100_000, limits, tokens: Some(0), micro_usd: 0, month: 1, parts: Vec::new() }
}

/// The same in plain words.
struct Model {
    user: Counters,
    key: Counters,
    account: Counters,
}

impl Model {
    fn admit(&mut self, claims: [Option<&Claim>; 3], now: Moment) -> Result<(), (usize, Refusal)> {
        let mut all = [&mut self.user, &mut self.key, &mut self.account];
        for (place, (counters, claim)) in all.iter_mut().zip(claims).enumerate() {
            if let Some(claim) = claim {
                counters.check(claim, now).map_err(|refusal| (place, refusal))?;
            }
        }
        for (counters, claim) in all.iter_mut().zip(claims) {
            claim.into_iter().for_each(|claim| counters.grant(claim, now));
        }
        Ok(())
    }
}

fn caller_claim(chance: &mut StdRng, id: LeaseId, month: i64) -> Claim {
    let mut some = |most: i64| (chance.random_range(0..3) > 0).then(|| chance.random_range(0..most));
    let limits = Limits {
        requests_per_minute: some(60),
        tokens_per_minute: some(40_000),
        concurrent_calls: some(40),
        monthly_micro_usd: some(3_000_000),
    };
    Claim {
        id,
        life_millis: chance.random_range(1..120_000),
        limits,
        tokens: Some(chance.random_range(0..3_000)),
        micro_usd: chance.random_range(0..50_000),
        month,
        parts: Vec::new(),
    }
}

fn account_claim(chance: &mut StdRng, id: LeaseId) -> Claim {
    let wanted: Vec<_> = WINDOWS.iter().filter(|_| chance.random_range(0..2) == 0).collect();
    let part =
        |name: &&str| Part { name: (*name).to_owned(), limit: 400, amount: chance.random_range(0..60) };
    let parts = wanted.into_iter().map(part).collect();
    let concurrent_calls = (chance.random_range(0..2) == 0).then_some(8);
    Claim {
        id,
        life_millis: chance.random_range(1..200_000),
        limits: Limits { concurrent_calls, ..Limits::default() },
        tokens: None,
        micro_usd: 0,
        month: 0,
        parts,
    }
}

async fn every_step_is_as_in_plain_words(harness: Arc<Harness>) {
    let scene = Scene::new(&harness).await;
    for seed in 0..6 {
        play(&scene, seed, harness.is_clustered()).await;
    }
    scene.end().await;
}

async fn play(scene: &Scene, seed: u64, has_accounts: bool) {
    let mut chance = StdRng::seed_from_u64(seed);
    let number = i32::try_from(seed).unwrap() + 1;
    let (user, key) = (Subject::User(UserId(number)), Subject::Key(KeyId(number)));
    let account = AccountId(format!("account {seed}"));
    let mut model =
        Model { user: Counters::default(), key: Counters::default(), account: Counters::default() };
    let (mut month, mut ids, mut last) = (202_601, Vec::new(), None);
    for step in 0..400_u64 {
        scene.hands.pass(Duration::from_millis(chance.random_range(0..4_000)));
        month += i64::from(chance.random_range(0..60) == 0);
        let now = scene.now();
        match chance.random_range(0..12) {
            0..=5 => {
                // Now and then one that was asked before.
                let again = chance.random_range(0..8) == 0 && !ids.is_empty();
                let id =
                    if again { ids[chance.random_range(0..ids.len())] } else { LeaseId(chance.random()) };
                ids.push(id);
                let claims = [caller_claim(&mut chance, id, month), caller_claim(&mut chance, id, month)];
                let of_account =
                    (has_accounts && chance.random_range(0..2) == 0).then(|| account_claim(&mut chance, id));
                let wanted = model.admit([Some(&claims[0]), Some(&claims[1]), of_account.as_ref()], now);
                let by = [RefusedBy::Caller(user), RefusedBy::Caller(key), RefusedBy::Account];
                let [of_user, of_key] = claims;
                let callers = [(user, of_user), (key, of_key)];
                let admit =
                    Admit { callers: &callers, account: of_account.as_ref().map(|claim| (&account, claim)) };
                let found = scene.state.admit(admit).await.unwrap();
                let wanted = wanted.map_err(|(place, refusal)| (by[place], refusal));
                assert_eq!(found.verdict, wanted, "seed {seed}, step {step}: {callers:?} {of_account:?}");
            }
            6..=8 if !ids.is_empty() => {
                let id = ids[chance.random_range(0..ids.len())];
                let (tokens, money) = (chance.random_range(0..3_000), chance.random_range(0..50_000));
                model.user.settle(id, tokens, money, now);
                model.key.settle(id, tokens, money, now);
                for subject in [user, key] {
                    scene.state.settle_limits(subject, id, tokens, money).await.unwrap();
                }
            }
            9..=10 => {
                let id = ids.get(chance.random_range(0..=ids.len())).copied();
                let ended: Vec<LeaseId> = id.into_iter().collect();
                let used = WindowUse {
                    name: WINDOWS[chance.random_range(0..3)].to_owned(),
                    amount: chance.random_range(1..40),
                    window_millis: 180_000,
                };
                ended.iter().for_each(|id| model.account.settle(*id, 0, 0, now));
                model.account.count_use(&used.name, used.amount, used.window_millis, now);
                let counted =
                    scene.state.count_account(&account, &ended, std::slice::from_ref(&used)).await.unwrap();
                assert!(counted.windows.contains_key(&used.name), "seed {seed}, step {step}");
                assert!(!has_accounts || last < Some(counted.version), "every step is newer");
                last = Some(counted.version);
            }
            _ => {
                let spent = chance.random_range(0..500_000);
                model.user.begin_month(month, spent);
                scene.state.begin_month(user, month, spent).await.unwrap();
            }
        }
        let read = scene.state.account_counters(&account).await.unwrap();
        for name in WINDOWS {
            let found = read.windows.get(name).copied().unwrap_or_default();
            let used = found.used.map_or(0, |used| used.at(now).amount);
            assert_eq!(used, model.account.used(name, now), "{name}: seed {seed}, step {step}");
        }
    }
}

async fn what_was_granted_is_counted_again_when_redis_lost_its_memory(harness: Arc<Harness>) {
    let scene = Scene::new(&harness).await;
    let two = Limits { concurrent_calls: Some(2), ..Limits::default() };
    let user = Subject::User(UserId(1));
    let account = AccountId("account".to_owned());
    let admit = async |id| {
        let (callers, of_account) = ([(user, claim(LeaseId(id), two))], claim(LeaseId(id), two));
        let admit = Admit { callers: &callers, account: Some((&account, &of_account)) };
        scene.state.admit(admit).await.unwrap().verdict
    };
    assert_eq!((admit(1).await, admit(2).await), (Ok(()), Ok(())));
    harness.lose_redis().await;
    assert_eq!(admit(3).await, Err((RefusedBy::Caller(user), Refusal::Concurrent)));
    scene.state.settle_limits(user, LeaseId(1), 0, 0).await.unwrap();
    harness.lose_redis().await;
    if harness.is_clustered() {
        assert_eq!(admit(3).await, Err((RefusedBy::Account, Refusal::Concurrent)));
        scene.state.count_account(&account, &[LeaseId(1)], &[]).await.unwrap();
    }
    assert_eq!(admit(3).await, Ok(()));
    assert_eq!(admit(4).await, Err((RefusedBy::Caller(user), Refusal::Concurrent)));
    scene.end().await;
}

/// Whatever way a claim takes, its end may be there before it.
async fn what_ended_is_not_granted_afterwards(harness: Arc<Harness>) {
    let scene = Scene::new(&harness).await;
    let user = Subject::User(UserId(1));
    scene.state.settle_limits(user, LeaseId(1), 0, 0).await.unwrap();
    let callers = [(user, claim(LeaseId(1), Limits::default()))];
    let verdict = scene.state.admit(Admit { callers: &callers, account: None }).await.unwrap().verdict;
    assert_eq!(verdict, Err((RefusedBy::Caller(user), Refusal::Ended)));
    if harness.is_clustered() {
        let account = AccountId("account".to_owned());
        scene.state.count_account(&account, &[LeaseId(2)], &[]).await.unwrap();
        let late = claim(LeaseId(2), Limits::default());
        let admit = Admit { callers: &[], account: Some((&account, &late)) };
        let admitted = scene.state.admit(admit).await.unwrap();
        assert_eq!(admitted.verdict, Err((RefusedBy::Account, Refusal::Ended)));
        assert_eq!(admitted.account.unwrap().permits, 0);
    }
    scene.end().await;
}
