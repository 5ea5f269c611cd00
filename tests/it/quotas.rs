//! What members may use of others' accounts: exact over instances and restarts, and never gained by tricks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use millpond::clock::Clock;
use millpond::ids::UserId;
use millpond::state::State;
use millpond::state::quotas::{Beginning, Brought, Charge, QuotaKey, Reserved, Terms};
use millpond::tasks::Tasks;
use millpond_pool::account::AccountId;
use millpond_pool::bucket::{Lease, LeaseId};
use millpond_pool::group::Group;
use millpond_pool::quota::Quota;
use millpond_pool::units::{Moment, Units, Window};
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, eventually, spawn};
use crate::provider::Provider;
use crate::recorder::Recorder;

both_shapes!(
    a_thousand_calls_get_exactly_what_there_is,
    a_quota_survives_a_restart_and_a_lost_redis,
    calls_that_run_count_when_redis_has_lost_its_memory,
    a_fallback_is_paid_by_the_quota_of_the_model_that_was_asked_for,
    sharing_gives_and_unsharing_takes,
    what_is_set_aside_is_what_a_call_can_cost,
    every_step_is_the_same_as_in_memory,
);

/// A tenth of a unit is a hundred calls, and recovery is too slow to give one back during a test.
const A_HUNDRED_CALLS: &[(&str, &str)] = &[("POLICY_BASE_QUOTA", "0.1"), ("REFERENCE_WINDOW", "30d")];
const BY_REQUESTS: &str = r#"[{"models": ["*"], "limit": 1000000, "unit": "requests", "window": "5h"}]"#;

async fn share(server: &Server, name: &str, provider: SocketAddr) -> (String, Value) {
    server.person(name).await;
    let (access, _) = server.sign_in(name).await;
    let allowances: Value = serde_json::from_str(BY_REQUESTS).unwrap();
    let account = server.account(&access, provider, json!({"is_shared": 1, "allowances": allowances})).await;
    (access, account)
}

async fn quota(server: &Server, user: UserId) -> (Units, Units) {
    let user = server.app.core.store.find_user(user).await.unwrap().unwrap();
    let quotas = server.app.gateway.quotas_of(&user).await.unwrap();
    let other = quotas.into_iter().find(|one| one.group == Group::Other).unwrap();
    (other.quota, other.max_quota)
}

fn call() -> Value {
    json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]})
}

async fn a_thousand_calls_get_exactly_what_there_is(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let mut servers = vec![Arc::new(harness.server_with(A_HUNDRED_CALLS).await)];
    if harness.is_clustered() {
        for _ in 0..2 {
            servers.push(Arc::new(harness.server_with(A_HUNDRED_CALLS).await));
        }
    }
    share(&servers[0], "owner", provider.address).await;
    let user = servers[0].person("ada").await;
    let (access, _) = servers[0].sign_in("ada").await;
    let (key, _) = servers[0].key(&access, json!({})).await;
    let calls = (0..1_000).map(|n| {
        let (server, key) = (servers[n % servers.len()].clone(), key.clone());
        spawn(async move { server.post("/v1/chat/completions", &key, call()).await })
    });
    let mut served = 0;
    for call in calls.collect::<Vec<_>>() {
        let (status, answer) = call.await.unwrap();
        if status == 200 {
            served += 1;
        } else {
            assert_eq!((status, &answer["error"]["code"]), (429, &json!("insufficient_quota")), "{answer}");
        }
    }
    assert_eq!((served, provider.calls()), (100, 100));
    let filter = millpond::store::usage::UsageFilter::default();
    for server in &servers {
        server.app.gateway.settled().await;
    }
    let rows = servers[0].app.core.store.list_usage(user, &filter, None, 2_000).await.unwrap();
    let ok: Vec<_> = rows.iter().filter(|row| row.outcome.as_deref() == Some("ok")).collect();
    assert_eq!((rows.len(), ok.len()), (1_000, 100));
    let spent: f64 = rows.iter().map(|row| row.quota_consumed).sum();
    assert!((spent - 0.1).abs() < 1e-9, "{spent}");
    let tokens: i64 = ok.iter().filter_map(|row| Some(row.input_tokens? + row.output_tokens?)).sum();
    assert_eq!(tokens, 100 * 12, "the provider counted 12 tokens a call");
    let (left, max) = quota(&servers[0], user).await;
    assert!(left < Units(1_000) && max == Units(100_000), "{left} of {max}");
    for server in servers {
        Arc::into_inner(server).unwrap().stop().await;
    }
}

async fn a_quota_survives_a_restart_and_a_lost_redis(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let server = harness.server_with(A_HUNDRED_CALLS).await;
    share(&server, "owner", provider.address).await;
    let user = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    for _ in 0..40 {
        assert_eq!(server.post("/v1/chat/completions", &access, call()).await.0, 200);
    }
    let spent = Units(60_000);
    let near = |(left, _): (Units, Units)| left >= spent && left < Units(61_000);
    assert!(near(quota(&server, user).await));
    server.stop().await;
    let server = harness.server_with(A_HUNDRED_CALLS).await;
    assert!(near(quota(&server, user).await));
    harness.lose_redis().await;
    assert!(near(quota(&server, user).await), "told from the usage rows");
    let (access, _) = server.sign_in("ada").await;
    assert_eq!(server.post("/v1/chat/completions", &access, call()).await.0, 200);
    let (left, _) = quota(&server, user).await;
    assert!(left >= Units(59_000) && left < Units(60_000), "{left}");
    server.stop().await;
}

async fn calls_that_run_count_when_redis_has_lost_its_memory(harness: Arc<Harness>) {
    let provider = Recorder::start().await;
    let server = Arc::new(harness.server_with(A_HUNDRED_CALLS).await);
    server.person("owner").await;
    let (owner, _) = server.sign_in("owner").await;
    let allowances: Value = serde_json::from_str(BY_REQUESTS).unwrap();
    let members = json!({"is_shared": 1, "models": ["held", "m"], "allowances": allowances});
    server.account(&owner, provider.address, members).await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    let post = |model: &'static str| {
        let (server, key) = (server.clone(), key.clone());
        let body = json!({"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
        spawn(async move { server.post("/v1/chat/completions", &key, body).await.0 })
    };
    let running: Vec<_> = (0..60).map(|_| post("held")).collect();
    eventually("sixty run", || async { (provider.held() == 60).then_some(()) }).await;
    harness.lose_redis().await;
    let mut served = 0;
    for more in (0..10).map(|_| [(); 6].map(|()| post("m"))).collect::<Vec<_>>().into_iter().flatten() {
        served += usize::from(more.await.unwrap() == 200);
    }
    // Never more than there is. A call that ends while quotas are made anew may be counted twice.
    assert!((20..=40).contains(&served), "sixty of a hundred run: {served}");
    provider.release(60);
    for one in running {
        assert_eq!(one.await.unwrap(), 200);
    }
    Arc::into_inner(server).unwrap().stop().await;
}

async fn a_fallback_is_paid_by_the_quota_of_the_model_that_was_asked_for(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let settings =
        &[("POLICY_BASE_QUOTA", "0.1"), ("REFERENCE_WINDOW", "30d"), ("MODEL_FALLBACKS", "gpt-x=gemini-y")];
    let server = harness.server_with(settings).await;
    server.person("owner").await;
    let (owner, _) = server.sign_in("owner").await;
    server.account(&owner, provider.address, json!({"is_shared": 1, "models": ["gemini-y"]})).await;
    let ada = server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let (key, _) = server.key(&access, json!({})).await;
    let body = json!({"model": "gpt-x", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]});
    assert_eq!(server.post("/v1/chat/completions", &key, body).await.0, 200);
    let ada = server.app.core.store.find_user(ada).await.unwrap().unwrap();
    eventually("the call is settled", || async {
        let quotas = server.app.gateway.quotas_of(&ada).await.unwrap();
        let spent = |group| quotas.iter().any(|one| one.group == group && one.quota < one.max_quota);
        assert!(!spent(Group::Gemini), "{quotas:?}");
        spent(Group::Gpt).then_some(())
    })
    .await;
    server.stop().await;
}

async fn sharing_gives_and_unsharing_takes(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let settings = &[("POLICY_BASE_QUOTA", "0.001"), ("REFERENCE_WINDOW", "30d"), ("POLICY_QUOTA_CAP", "3")];
    let server = harness.server_with(settings).await;
    share(&server, "owner", provider.address).await;
    let (access, account) = share(&server, "ada", provider.address).await;
    let ada = server.app.core.store.find_user_by_name("ada").await.unwrap().unwrap().id;
    assert_eq!(server.put_shared(&access, &account, 0).await, 200);
    // The first call makes the quota: the base is all there is.
    let prefers = json!({"prefer_shared": 1});
    assert_eq!(server.put("/api/plugin-api/preference", &access, prefers).await.0, 200);
    assert_eq!(server.post("/v1/chat/completions", &access, call()).await.0, 200);
    toggle(&server, &access, &account, ada).await;
    server.stop().await;
}

async fn toggle(server: &Server, access: &str, account: &Value, ada: UserId) {
    let settled = async || quota_is_below(server, ada, Units(1_000)).await;
    eventually("the call is settled", &settled).await;
    for _ in 0..3 {
        assert_eq!(server.put_shared(access, account, 1).await, 200);
        eventually("the grant", || async {
            let (left, max) = quota(server, ada).await;
            (max == Units(3_000_000)).then_some(left)
        })
        .await;
        assert_eq!(server.put_shared(access, account, 0).await, 200);
        eventually("the withdrawal", &settled).await;
    }
    let (left, max) = quota(server, ada).await;
    assert!(left <= max && max == Units(1_000), "toggling gains nothing: {left} of {max}");
}

async fn quota_is_below(server: &Server, user: UserId, limit: Units) -> Option<()> {
    let (left, max) = quota(server, user).await;
    (left <= limit && max <= limit).then_some(())
}

async fn what_is_set_aside_is_what_a_call_can_cost(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let server = harness.server_with(&[("POLICY_BASE_QUOTA", "0.1")]).await;
    server.person("owner").await;
    let (owner, _) = server.sign_in("owner").await;
    let models = json!({"is_shared": 1, "models": ["gpt-4o", "gpt-5"]});
    server.account(&owner, provider.address, models).await;
    server.person("ada").await;
    let (ada, _) = server.sign_in("ada").await;
    let call = async |body: Value| {
        let (status, answer) = server.post("/v1/chat/completions", &ada, body).await;
        (status, answer["error"]["code"].as_str().map(str::to_owned))
    };
    let lacking = (429, Some("insufficient_quota".to_owned()));
    // Half a million bytes are worth more than there is as text, but not as a picture.
    let data = "A".repeat(500_000);
    let text = json!([{"role": "user", "content": data}]);
    assert_eq!(call(json!({"model": "gpt-4o", "messages": text})).await, lacking);
    let url = format!("data:image/png;base64,{data}");
    let picture = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]);
    assert_eq!(call(json!({"model": "gpt-4o", "messages": picture})).await, (200, None));
    // An answer may get as long as the model lets it, unless the client says otherwise.
    let text = json!([{"role": "user", "content": "hi"}]);
    assert_eq!(call(json!({"model": "gpt-5", "messages": text})).await, lacking);
    let bounded = json!({"model": "gpt-5", "messages": text, "max_completion_tokens": 100});
    assert_eq!(call(bounded).await, (200, None));
    server.stop().await;
}

/// The state of a test's shape, driven without a server.
async fn state(harness: &Harness, tasks: &Tasks) -> State {
    let config = harness.config();
    let store = millpond::store::Store::connect(&config.database).await.unwrap();
    store.migrate().await.unwrap();
    match &config.redis_url {
        Some(url) => State::redis(url, Clock::System, tasks).await.unwrap(),
        None => State::embedded(store, Clock::System, tasks).await.unwrap(),
    }
}

/// Random reservations, settlements, shares and withdrawals, with leases that run out and a clock that jumps, against the
/// arithmetic itself.
async fn every_step_is_the_same_as_in_memory(harness: Arc<Harness>) {
    let server = harness.server().await;
    let person = server.person("ada").await;
    server.stop().await;
    let tasks = Tasks::default();
    let state = state(&harness, &tasks).await;
    for (seed, group) in Group::ALL.into_iter().enumerate() {
        let mut chance = rand::rngs::StdRng::seed_from_u64(seed as u64);
        let key = QuotaKey { user: person, group };
        let window = Window::ALL[seed];
        let mut terms = Terms { base: Units(1_000_000), cap: None, window };
        let mut now = Moment(1_764_000_000_000);
        let begun = now;
        let mut expected = Quota::new(terms.base, terms.cap, window, now);
        let mut shared: BTreeMap<AccountId, Units> = BTreeMap::new();
        let mut leases: Vec<Lease> = Vec::new();
        state.begin_quota(key, &terms, &expected, Beginning { at: begun, mark: None }).await.unwrap();
        for step in 0..400_u64 {
            now = now.plus(chance.random_range(-50..window.millis() / 40));
            match chance.random_range(0..8) {
                0..=2 => {
                    let id = LeaseId(chance.random());
                    let expires_at = now.plus(chance.random_range(1..window.millis() / 10));
                    let lease = Lease { id, amount: Units(chance.random_range(0..900_000)), expires_at };
                    let wanted = expected.reserve(lease, now).map_or_else(Reserved::Lacking, Reserved::Held);
                    assert_eq!(
                        state.reserve_quota(key, &terms, lease, now).await.unwrap(),
                        wanted,
                        "step {step}"
                    );
                    leases.push(lease);
                }
                3..=5 if !leases.is_empty() => {
                    let lease = leases[chance.random_range(0..leases.len())];
                    let real = Units(chance.random_range(0..1_000_000));
                    expected.settle(&lease, real, now);
                    let charges = [Charge { key, lease, reserved_at: begun, recorded_at: None, real }];
                    state.settle_quotas(&charges, window, now).await.unwrap();
                }
                6 => {
                    let account = AccountId::new(format!("account {}", chance.random_range(0..4)));
                    if shared.remove(&account).is_none() {
                        shared.insert(account, Units(chance.random_range(1..2_000_000)));
                    }
                    terms.cap = (chance.random_range(0..4) == 0).then_some(Units(2_500_000));
                    expected.bring_towards(terms.base, terms.cap, &shared, now);
                    let view = state.view_quota(key).await.unwrap().unwrap();
                    let brought = state.bring_quota(key, &view, &terms, &shared, now).await.unwrap();
                    assert_eq!(brought, Brought::Done);
                    if !view.is_under(&terms) {
                        let again = state.bring_quota(key, &view, &terms, &shared, now).await.unwrap();
                        assert_eq!(again, Brought::Conflict, "a view from before is refused");
                    }
                }
                _ => {}
            }
            let found = state.view_quota(key).await.unwrap().unwrap().quota;
            assert_eq!(found.sharing(), expected.sharing(), "step {step}");
            let numbers = |quota: &Quota| (quota.bucket().numbers(), quota.bucket().reserved());
            let (found, wanted) = (found.at(now), expected.at(now));
            assert_eq!(numbers(&found), numbers(&wanted), "step {step}");
            assert!(found.quota() <= found.max_quota() && found.quota() >= Units::ZERO);
        }
    }
    assert!(tasks.shutdown(std::time::Duration::from_secs(5)).await);
}
