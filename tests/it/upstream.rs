//! Connections to providers: how many calls go on them at a time, what happens when one closes or goes silent, and that
//! none of it is laid at an account's door.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Harness, Server, both_shapes, eventually, spawn};
use crate::provider::Provider;
use crate::recorder::Recorder;
use crate::upstream_provider::{Fickle, Relay, Second, Secure, TOGETHER};

both_shapes!(
    a_limit_of_streams_holds_no_call_up,
    a_silent_path_hurts_only_the_calls_on_it,
    a_call_that_meets_a_closing_connection_is_sent_once_more,
    a_call_that_meets_a_reset_connection_is_sent_once_more,
    a_call_is_not_sent_again_once_its_answer_began,
    connections_are_used_again_however_a_call_ends,
    a_slow_answer_is_waited_for_and_not_asked_for_twice,
);

struct Scene {
    server: Arc<Server>,
    access: String,
    account: String,
}

impl Scene {
    /// One person with one account.
    async fn new(server: Server, base_url: &str, models: &[&str]) -> Self {
        server.person("ada").await;
        let (access, _) = server.sign_in("ada").await;
        let members = json!({"base_url": base_url, "models": models});
        let account = server.account(&access, ([127, 0, 0, 1], 1).into(), members).await;
        let account = account["cookie_id"].as_str().unwrap().to_owned();
        Self { server: Arc::new(server), access, account }
    }

    fn call(&self, model: &str) -> impl Future<Output = u16> + Send + use<> {
        self.call_with(model, &json!({}))
    }

    fn call_with(&self, model: &str, members: &Value) -> impl Future<Output = u16> + Send + use<> {
        let (server, access) = (self.server.clone(), self.access.clone());
        let mut body = json!({"model": model, "messages": [{"role": "user", "content": "a"}]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        async move { server.post("/v1/chat/completions", &access, body).await.0 }
    }

    async fn pauses(&self) -> Value {
        self.pauses_of(&self.account).await
    }

    async fn pauses_of(&self, account: &str) -> Value {
        let path = format!("/api/plugin-api/accounts/{account}/pauses");
        self.server.get(&path, &self.access).await.1["data"].clone()
    }

    async fn stop(self) {
        Arc::into_inner(self.server).unwrap().stop().await;
    }
}

async fn a_limit_of_streams_holds_no_call_up(harness: Arc<Harness>) {
    let provider = Secure::start(&harness).await;
    let server = harness.server_with(&[("UPSTREAM_CA_FILE", provider.ca_file.to_str().unwrap())]).await;
    let scene = Scene::new(server, &format!("https://{}/v1", provider.address), &["together"]).await;
    // None is answered before all are there.
    let statuses = join_all((0..TOGETHER).map(|_| scene.call("together"))).await;
    assert_eq!(statuses, [200; TOGETHER]);
    assert_eq!(scene.pauses().await, json!([]));
    scene.stop().await;
}

async fn a_silent_path_hurts_only_the_calls_on_it(harness: Arc<Harness>) {
    let provider = Secure::start(&harness).await;
    let path = Relay::start(provider.address).await;
    let server = harness.server_with(&[("UPSTREAM_CA_FILE", provider.ca_file.to_str().unwrap())]).await;
    let scene = Scene::new(server, &format!("https://{}/v1", path.address), &["held", "m"]).await;
    let held: Vec<_> = (0..4).map(|_| spawn(scene.call("held"))).collect();
    eventually("four calls", || async { (provider.held() == 4).then_some(()) }).await;
    path.silence();
    for _ in 0..3 {
        assert_eq!(join_all((0..4).map(|_| scene.call("m"))).await, [200; 4]);
    }
    assert_eq!(scene.pauses().await, json!([]));
    for call in held {
        call.abort();
        assert!(call.await.is_err(), "it was never answered");
    }
    scene.stop().await;
}

async fn a_call_that_meets_a_closing_connection_is_sent_once_more(harness: Arc<Harness>) {
    calls_outlive_connections(&harness, Second::Close).await;
}

async fn a_call_that_meets_a_reset_connection_is_sent_once_more(harness: Arc<Harness>) {
    calls_outlive_connections(&harness, Second::Reset).await;
}

async fn calls_outlive_connections(harness: &Harness, second: Second) {
    let provider = Fickle::start(second).await;
    let scene = Scene::new(harness.server().await, &format!("http://{}/v1", provider.address), &["m"]).await;
    for _ in 0..4 {
        assert_eq!(scene.call("m").await, 200);
    }
    assert_eq!(provider.requests(), 4 + 3, "every call but the first met a connection that closed");
    assert_eq!(scene.pauses().await, json!([]));
    let (_, rows) = scene.server.get("/api/usage/logs", &scene.access).await;
    let attempts: Vec<_> = rows["data"].as_array().unwrap().iter().map(|row| &row["attempts"]).collect();
    assert_eq!(attempts, [1, 1, 1, 1]);
    scene.stop().await;
}

async fn a_call_is_not_sent_again_once_its_answer_began(harness: Arc<Harness>) {
    let provider = Fickle::start(Second::Begin).await;
    let scene = Scene::new(harness.server().await, &format!("http://{}/v1", provider.address), &["m"]).await;
    assert_eq!(scene.call("m").await, 200);
    assert_eq!(scene.call("m").await, 502);
    assert_eq!(provider.requests(), 2);
    scene.stop().await;
}

async fn connections_are_used_again_however_a_call_ends(harness: Arc<Harness>) {
    let provider = Provider::start().await;
    let path = Relay::start(provider.address).await;
    let models = ["m", "bad-request"];
    let scene = Scene::new(harness.server().await, &format!("http://{}/v1", path.address), &models).await;
    let stream = json!({"stream": true});
    for (model, more, status) in
        [("m", &json!({}), 200), ("bad-request", &json!({}), 400), ("m", &stream, 200), ("m", &stream, 200)]
    {
        assert_eq!(scene.call_with(model, more).await, status);
    }
    assert_eq!(path.opened(), 1);
    scene.stop().await;
}

async fn a_slow_answer_is_waited_for_and_not_asked_for_twice(harness: Arc<Harness>) {
    let provider = Recorder::start().await;
    let server = harness.server_with(&[("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "1")]).await;
    let scene = Scene::new(server, &format!("http://{}/v1", provider.address), &["held"]).await;
    let other = json!({"name": "other", "credential": "another", "models": ["held"]});
    let other = scene.server.account(&scene.access, provider.address, other).await;
    let calls: Vec<_> = (0..10).map(|_| spawn(scene.call("held"))).collect();
    // One of the two accounts has five of them, whose silence opens its circuit.
    let accounts = [&scene.account, other["cookie_id"].as_str().unwrap()];
    eventually("a circuit that opens", || async {
        let pauses = join_all(accounts.map(|account| scene.pauses_of(account))).await;
        pauses.iter().any(|pauses| pauses[0]["circuit"] == "open").then_some(())
    })
    .await;
    provider.release(10);
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(provider.held(), 10, "each was sent once");
    scene.stop().await;
}
