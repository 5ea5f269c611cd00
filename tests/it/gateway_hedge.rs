//! A call that waits long for its first byte is sent to a second account too, if the operator wants it so.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, eventually};
use crate::recorder::Recorder;

both_shapes!(
    the_quicker_account_serves_a_call,
    a_slow_account_that_answers_first_still_serves,
    a_second_account_that_fails_changes_nothing,
    a_first_account_that_fails_late_leaves_the_second,
);

struct Scene {
    server: Server,
    provider: Recorder,
    access: String,
}

/// The slow account is asked first.
async fn scene(harness: &Harness, slow: Value, other: Value) -> Scene {
    let server = harness.server_with(&[("HEDGE_AFTER_SECONDS", "1")]).await;
    let provider = Recorder::start().await;
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    for (mut account, priority) in [(slow, 10), (other, 0)] {
        account["priority"] = json!(priority);
        account["allowances"] = json!([{"models": ["*"], "limit": 10, "unit": "requests", "window": "5h"}]);
        server.account(&access, provider.address, account).await;
    }
    Scene { server, provider, access }
}

impl Scene {
    async fn chat(&self) -> (u16, Value) {
        let question = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
        self.server.post("/v1/chat/completions", &self.access, question).await
    }

    /// The newest call: its attempts, and the name of the account that is on record for it.
    async fn served(&self) -> (i64, String) {
        let row = self.server.get("/api/usage/logs", &self.access).await.1["data"][0].clone();
        let accounts = self.accounts().await;
        let account = accounts.iter().find(|account| account["cookie_id"] == row["account_id"]).unwrap();
        (row["attempts"].as_i64().unwrap(), account["name"].as_str().unwrap().to_owned())
    }

    async fn accounts(&self) -> Vec<Value> {
        let (_, answer) = self.server.get("/api/plugin-api/accounts", &self.access).await;
        answer["data"].as_array().unwrap().clone()
    }

    /// What is left of an account's ten requests.
    async fn left(&self, name: &str) -> f64 {
        let accounts = self.accounts().await;
        let account = accounts.iter().find(|account| account["name"] == name).unwrap();
        let id = millpond::ids::AccountId(account["cookie_id"].as_str().unwrap().to_owned());
        self.server.app.gateway.allowances_of(&id).await.unwrap()[0].quota
    }
}

fn account(name: &str, credential: &str) -> Value {
    json!({"name": name, "credential": credential, "max_concurrency": 1})
}

async fn the_quicker_account_serves_a_call(harness: Arc<Harness>) {
    let scene = scene(&harness, account("a", "slow"), account("b", "quick")).await;
    assert_eq!(scene.chat().await.0, 200);
    assert_eq!(scene.served().await, (2, "b".to_owned()));
    eventually("both have counted a request", || async {
        (scene.left("a").await == 0.9 && scene.left("b").await == 0.9).then_some(())
    })
    .await;
    // The slower call has ended: the account's only place is free again, and is asked first.
    scene.provider.release(2);
    assert_eq!(scene.chat().await.0, 200);
    assert_eq!(scene.served().await, (1, "a".to_owned()));
    scene.server.stop().await;
}

async fn a_slow_account_that_answers_first_still_serves(harness: Arc<Harness>) {
    let scene = Arc::new(scene(&harness, account("a", "slow"), account("b", "more-slow")).await);
    let calling = scene.clone();
    let call = crate::harness::spawn(async move { calling.chat().await.0 });
    eventually("both are asked", || async { (scene.provider.held() == 2).then_some(()) }).await;
    // Those who wait are let through in the order in which they came.
    scene.provider.release(1);
    assert_eq!(call.await.unwrap(), 200);
    assert_eq!(scene.served().await, (2, "a".to_owned()));
    eventually("both have counted a request", || async {
        (scene.left("a").await == 0.9 && scene.left("b").await == 0.9).then_some(())
    })
    .await;
    Arc::into_inner(scene).unwrap().server.stop().await;
}

async fn a_second_account_that_fails_changes_nothing(harness: Arc<Harness>) {
    let scene = Arc::new(scene(&harness, account("a", "slow"), account("b", "is-refused")).await);
    let calling = scene.clone();
    let call = crate::harness::spawn(async move { calling.chat().await.0 });
    eventually("the second is asked", || async { (scene.provider.seen().len() == 2).then_some(()) }).await;
    scene.provider.release(1);
    assert_eq!(call.await.unwrap(), 200);
    assert_eq!(scene.served().await, (2, "a".to_owned()));
    Arc::into_inner(scene).unwrap().server.stop().await;
}

async fn a_first_account_that_fails_late_leaves_the_second(harness: Arc<Harness>) {
    let scene = Arc::new(scene(&harness, account("a", "refused-slow"), account("b", "slow")).await);
    let calling = scene.clone();
    let call = crate::harness::spawn(async move { calling.chat().await.0 });
    eventually("both are asked", || async { (scene.provider.held() == 2).then_some(()) }).await;
    scene.provider.release(2);
    assert_eq!(call.await.unwrap(), 200);
    assert_eq!(scene.served().await, (2, "b".to_owned()));
    Arc::into_inner(scene).unwrap().server.stop().await;
}
