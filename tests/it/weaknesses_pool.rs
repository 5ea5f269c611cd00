//! Weaknesses of sharing and of the quota that it gives; the table is in [`weaknesses`](crate::weaknesses).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Harness, both_shapes, eventually};
use crate::weaknesses::{Line, ONE_UNIT, Scene, scene};

both_shapes!(
    toggling_gains_nothing_and_costs_nothing_twice,
    changes_at_one_time_count_once,
    a_refused_account_counts_no_longer_and_once_when_it_is_back,
    what_changed_meanwhile_is_taken_back_as_it_was_given,
    a_model_belongs_to_one_group,
    recovery_is_a_function_of_time,
);

/// Ada shares an account of one unit and calls Bob's; a first call has made her quota.
struct Sharing {
    scene: Scene,
    ada: String,
    bob: String,
    account: String,
}

/// What Ada has before anything is spent, when her account counts and when it doesn't.
const HOME: (i64, i64) = (2_999_000, 3_000_000);
const AWAY: (i64, i64) = (999_000, 1_000_000);

fn one_unit() -> Value {
    json!({"is_shared": 1, "models": ["near"], "credential": "adas",
        "allowances": [{"models": ["*"], "limit": 1_000, "unit": "requests", "window": "5h"}]})
}

async fn sharing(harness: &Harness) -> Sharing {
    let scene = scene(harness, ONE_UNIT).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    scene.shared(&bob, &["far"]).await;
    let mut sharing = Sharing { scene, ada, bob, account: String::new() };
    sharing.spend(5_000).await;
    sharing.has(AWAY).await;
    sharing.account = sharing.scene.account(&sharing.ada, one_unit()).await;
    sharing.has(HOME).await;
    sharing
}

impl Sharing {
    /// A call that takes so many tokens from Ada's quota.
    async fn spend(&self, tokens: i64) {
        self.scene.play.says("far", Line::used(tokens));
        let (status, answer) = self.scene.chat(&self.ada, "far").await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn has(&self, wanted: (i64, i64)) {
        self.scene.settles(&self.ada, "other", wanted).await;
    }

    fn path(&self, what: &str) -> String {
        format!("/api/plugin-api/accounts/{}/{what}", self.account)
    }

    /// Switches Ada's account: `status` or `type`.
    async fn switch(&self, what: &str, on: i32) {
        let body = if what == "status" { json!({"status": on}) } else { json!({"is_shared": on}) };
        let (status, answer) = self.scene.server.put(&self.path(what), &self.ada, body).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn delete(&self) -> u16 {
        let path = format!("/api/plugin-api/accounts/{}", self.account);
        self.scene.server.delete(&path, &self.ada).await.0
    }
}

/// 2, 4, 5: toggling refilled a spent pool, an account that was off already was debited again and one that was off was
/// credited, and what was left could exceed its maximum.
async fn toggling_gains_nothing_and_costs_nothing_twice(harness: Arc<Harness>) {
    let mut sharing = sharing(&harness).await;
    for (what, on, wanted) in [
        ("status", 0, AWAY),
        ("type", 0, AWAY),
        ("type", 1, AWAY),
        ("status", 1, HOME),
        ("status", 1, HOME),
        ("type", 1, HOME),
        ("type", 0, AWAY),
        ("status", 0, AWAY),
        ("status", 1, AWAY),
        ("type", 1, HOME),
    ] {
        sharing.switch(what, on).await;
        // No waiting: who changes something sees what it changed.
        assert_eq!(sharing.scene.quota(&sharing.ada, "other").await, wanted, "{what} {on}");
    }
    sharing.spend(12_500_000).await;
    let spent = (499_000, 3_000_000);
    sharing.has(spent).await;
    for what in ["status", "type", "status", "type"] {
        sharing.switch(what, 0).await;
        sharing.has((0, 1_000_000)).await;
        sharing.switch(what, 1).await;
        sharing.has(spent).await;
    }
    // Deleted while it is off, and added again under another number.
    for _ in 0..2 {
        sharing.switch("status", 0).await;
        assert_eq!(sharing.delete().await, 200);
        assert_eq!(sharing.delete().await, 404);
        sharing.has((0, 1_000_000)).await;
        sharing.account = sharing.scene.account(&sharing.ada, one_unit()).await;
        sharing.has(spent).await;
    }
    sharing.scene.stop().await;
}

/// 7: the state was read, the pool changed and the account written after it, so that parallel changes all counted.
async fn changes_at_one_time_count_once(harness: Arc<Harness>) {
    let sharing = sharing(&harness).await;
    let other =
        if harness.is_clustered() { Some(harness.server_with_clock_and(ONE_UNIT).await) } else { None };
    let servers = [&*sharing.scene.server, other.as_ref().unwrap_or(&sharing.scene.server)];
    for _ in 0..3 {
        let changes = (0..24).map(|n| {
            let (what, on) = (["status", "type"][n / 2 % 2], n % 3 % 2);
            let body = if what == "status" { json!({"status": on}) } else { json!({"is_shared": on}) };
            let path = sharing.path(what);
            let (server, ada) = (servers[n % 2], &sharing.ada);
            async move { server.put(&path, ada, body).await.0 }
        });
        // Who comes too often second is told to try again.
        let statuses = join_all(changes).await;
        assert!(statuses.iter().all(|status| matches!(status, 200 | 503)), "{statuses:?}");
        sharing.switch("type", 1).await;
        sharing.switch("status", 1).await;
        sharing.has(HOME).await;
    }
    let gone = join_all((0..4).map(|_| sharing.delete())).await;
    assert_eq!(gone.iter().filter(|status| **status == 200).count(), 1, "{gone:?}");
    sharing.has(AWAY).await;
    if let Some(other) = other {
        other.stop().await;
    }
    sharing.scene.stop().await;
}

/// 3: an account that its provider refused went on counting for its owner, and counted once more when it was back.
async fn a_refused_account_counts_no_longer_and_once_when_it_is_back(harness: Arc<Harness>) {
    let sharing = sharing(&harness).await;
    let scene = &sharing.scene;
    // Another instance brings the same quota up to date by what it hears.
    let other =
        if harness.is_clustered() { Some(harness.server_with_clock_and(ONE_UNIT).await) } else { None };
    scene.play.says("adas/near", Line::error(401, "invalid_api_key", "no"));
    for round in 0..3 {
        assert_eq!(scene.chat(&sharing.bob, "near").await.0, 502);
        sharing.has(AWAY).await;
        // Off and on again makes no good account of it.
        sharing.switch("status", 0).await;
        sharing.switch("status", 1).await;
        sharing.has(AWAY).await;
        if round % 2 == 0 {
            let path = sharing.path("resume");
            assert_eq!(scene.server.post(&path, &sharing.ada, json!({})).await.0, 200);
        } else {
            let path = sharing.path("credential");
            assert_eq!(scene.server.put(&path, &sharing.ada, json!({"credential": "adas"})).await.0, 200);
        }
        sharing.has(HOME).await;
    }
    assert_eq!(scene.chat(&sharing.bob, "near").await.0, 502);
    sharing.has(AWAY).await;
    if let Some(other) = other {
        other.stop().await;
    }
    let Sharing { scene, ada, .. } = sharing;
    let Scene { server, play } = scene;
    Arc::into_inner(server).unwrap().stop().await;
    let server = Arc::new(harness.server_with_clock_and(ONE_UNIT).await);
    let scene = Scene { server, play };
    eventually("the restarted server knows it", || async {
        (scene.quota(&ada, "other").await == AWAY).then_some(())
    })
    .await;
    scene.stop().await;
}

/// 5, 6: what sharing gave was counted by other models, and by another fraction, than what unsharing took.
async fn what_changed_meanwhile_is_taken_back_as_it_was_given(harness: Arc<Harness>) {
    let sharing = sharing(&harness).await;
    let (scene, ada) = (&sharing.scene, &sharing.ada);
    let patch = async |members: Value| {
        let url = scene.server.url(&format!("/api/plugin-api/accounts/{}", sharing.account));
        let request = scene.server.http.patch(url).bearer_auth(ada).json(&members);
        let (status, answer) = crate::harness::read(request).await;
        assert_eq!(status, 200, "{answer}");
    };
    let limit = |limit: i64| json!({"allowances": [{"models": ["*"], "limit": limit, "unit": "requests", "window": "5h"}]});
    // A larger allowance has to be earned by time; a smaller one is taken at once.
    patch(limit(5_000)).await;
    sharing.has((2_999_000, 11_000_000)).await;
    patch(limit(250)).await;
    sharing.has((1_499_000, 1_500_000)).await;
    sharing.switch("type", 0).await;
    sharing.has(AWAY).await;
    patch(limit(1_000)).await;
    sharing.switch("type", 1).await;
    sharing.has(HOME).await;
    // Other models: what they gave goes, and what the new ones give goes with them.
    patch(json!({"models": ["claude-near"]})).await;
    sharing.has(AWAY).await;
    assert_eq!(scene.quota(ada, "claude").await.1, HOME.1);
    patch(json!({"models": ["near", "claude-near"], "disabled_models": ["claude-near"]})).await;
    sharing.has(HOME).await;
    assert_eq!(scene.quota(ada, "claude").await.1, AWAY.1);
    sharing.switch("type", 0).await;
    sharing.has(AWAY).await;
    assert_eq!(sharing.delete().await, 200);
    sharing.has(AWAY).await;
    sharing.scene.stop().await;
}

/// 13: a model of two groups paid for one and was paid for by the other.
async fn a_model_belongs_to_one_group(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    let models = ["claude-sonnet-4-5", "claude-opus-4-5-thinking", "gpt-oss-120b-medium", "gemini-2.5-pro"];
    scene.shared(&bob, &models).await;
    let groups = ["claude", "gpt", "gemini"];
    let left = async || {
        let mut left = Vec::new();
        for group in groups {
            left.push(scene.quota(&ada, group).await.0);
        }
        left
    };
    for (model, wanted) in [
        (models[0], [900_000, 1_000_000, 1_000_000]),
        (models[1], [800_000, 1_000_000, 1_000_000]),
        (models[2], [800_000, 900_000, 1_000_000]),
        (models[3], [800_000, 900_000, 900_000]),
    ] {
        scene.play.says(model, Line::used(500_000));
        let (status, answer) = scene.chat(&ada, model).await;
        assert_eq!(status, 200, "{answer}");
        eventually(model, || async { (left().await == wanted).then_some(()) }).await;
    }
    let rows = scene.data(&ada, "/api/plugin-api/quotas/user").await;
    let rows = rows.as_array().unwrap();
    let named: BTreeSet<&str> = rows.iter().map(|row| row["model_name"].as_str().unwrap()).collect();
    assert_eq!(named.len(), rows.len(), "one row a model: {rows:?}");
    assert!(models.iter().all(|model| named.contains(model)), "{named:?}");
    scene.stop().await;
}

/// 26: recovery was an amount a run: a run too many gave too much, a missed one was lost.
async fn recovery_is_a_function_of_time(harness: Arc<Harness>) {
    let scene = scene(&harness, ONE_UNIT).await;
    let (ada, bob) = (scene.person("ada").await, scene.person("bob").await);
    scene.shared(&bob, &["far"]).await;
    scene.play.says("far", Line::used(2_500_000));
    assert_eq!(scene.chat(&ada, "far").await.0, 200);
    scene.settles(&ada, "other", (500_000, 1_000_000)).await;
    let mut seen = Vec::new();
    for _ in 0..30 {
        seen.push(scene.quota(&ada, "other").await.0);
    }
    assert!(seen.iter().all(|left| *left == 500_000), "{seen:?}");
    // An hour of the five that a whole unit takes, looked at all the while.
    for _ in 0..60 {
        harness.pass(Duration::from_secs(60));
        scene.quota(&ada, "other").await;
    }
    assert_eq!(scene.quota(&ada, "other").await, (700_000, 1_000_000));
    // And an hour that nobody looked at.
    harness.pass(Duration::from_secs(3_600));
    assert_eq!(scene.quota(&ada, "other").await, (900_000, 1_000_000));
    harness.pass(Duration::from_secs(36_000));
    assert_eq!(scene.quota(&ada, "other").await, (1_000_000, 1_000_000));
    scene.stop().await;
}
