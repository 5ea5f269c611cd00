//! Sessions under random sequences of everything that begins, goes on with or ends them, on two instances where there can
//! be two: no token lives that should be dead, and none is dead that should live.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use millpond::auth::extract::Client;
use millpond::auth::sessions;
use millpond::ids::UserId;
use millpond::state::Invalidation;
use millpond::store::users::UserChanges;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::database::{end_tokens, update_user};
use crate::harness::{Harness, Server, both_shapes, eventually};

both_shapes!(
    no_sequence_leaves_a_dead_token_alive,
    a_new_token_is_accepted_where_the_change_is_not_known_yet,
);

#[derive(Clone, Copy, Debug)]
enum Step {
    SignIn,
    Refresh(usize),
    /// Somebody else shows a refresh token that was used before.
    Reuse(usize),
    SignOut(usize),
    SignOutEverywhere(usize),
    EndOne(usize, usize),
    EndOthers(usize),
    Disable,
    Enable,
    ChangePassword(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0..6_usize;
    prop_oneof![
        4 => Just(Step::SignIn),
        4 => which().prop_map(Step::Refresh),
        2 => which().prop_map(Step::Reuse),
        2 => which().prop_map(Step::SignOut),
        1 => which().prop_map(Step::SignOutEverywhere),
        1 => (which(), which()).prop_map(|(by, whose)| Step::EndOne(by, whose)),
        1 => which().prop_map(Step::EndOthers),
        1 => Just(Step::Disable),
        1 => Just(Step::Enable),
        1 => which().prop_map(Step::ChangePassword),
    ]
}

#[derive(Debug)]
struct Session {
    id: String,
    lives: bool,
    refresh: String,
    used: Vec<String>,
    access: Vec<String>,
    /// Access tokens that a change of the password ended although the session goes on.
    ended: Vec<String>,
}

struct World<'a> {
    servers: &'a [Server],
    user: UserId,
    active: bool,
    sessions: Vec<Session>,
    turn: usize,
    /// A person was enabled and not every instance may know it yet.
    settling: bool,
}

fn sid(access: &str) -> String {
    use base64::Engine as _;
    let payload = access.split('.').nth(1).unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["sid"].as_str().unwrap().to_owned()
}

impl World<'_> {
    /// Instances take turns.
    fn server(&mut self) -> &Server {
        self.turn += 1;
        &self.servers[self.turn % self.servers.len()]
    }

    fn living(&self, which: usize) -> Option<usize> {
        let living: Vec<usize> = (0..self.sessions.len()).filter(|&at| self.sessions[at].lives).collect();
        (!living.is_empty() && self.active).then(|| living[which % living.len()])
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::SignIn => self.sign_in().await,
            Step::Refresh(which) => self.refresh(which).await,
            Step::Reuse(which) => self.reuse(which).await,
            Step::Disable => self.switch(false).await,
            Step::Enable => self.switch(true).await,
            Step::SignOut(which) => {
                let Some(at) = self.living(which) else { return };
                let access = self.access(at);
                assert_eq!(self.server().post("/api/auth/logout", &access, json!({})).await.0, 200);
                self.sessions[at].lives = false;
            }
            Step::SignOutEverywhere(which) => {
                let Some(at) = self.living(which) else { return };
                let access = self.access(at);
                assert_eq!(self.server().post("/api/auth/logout-all", &access, json!({})).await.0, 200);
                self.sessions.iter_mut().for_each(|session| session.lives = false);
            }
            Step::EndOne(by, whose) => {
                let (Some(by), Some(whose)) = (self.living(by), self.living(whose)) else { return };
                let access = self.access(by);
                let path = format!("/api/auth/sessions/{}", self.sessions[whose].id);
                assert_eq!(self.server().delete(&path, &access).await.0, 200);
                self.sessions[whose].lives = false;
            }
            Step::EndOthers(which) => {
                let Some(at) = self.living(which) else { return };
                let access = self.access(at);
                assert_eq!(self.server().delete("/api/auth/sessions", &access).await.0, 200);
                for (place, session) in self.sessions.iter_mut().enumerate() {
                    session.lives &= place == at;
                }
            }
            Step::ChangePassword(which) => self.change_password(which).await,
        }
    }

    fn access(&self, at: usize) -> String {
        self.sessions[at].access.last().unwrap().clone()
    }

    async fn sign_in(&mut self) {
        if !self.active || self.sessions.len() >= 6 {
            return;
        }
        let id = self.user;
        let app = &self.server().app;
        let user = app.core.store.find_user(id).await.unwrap().unwrap();
        let client = Client::at(IpAddr::V4(Ipv4Addr::LOCALHOST), "tests");
        let (pair, _) = sessions::begin(&app.auth, user, "test", &client).await.unwrap();
        let id = sid(&pair.access);
        let (access, refresh) = (vec![pair.access], pair.refresh);
        self.sessions.push(Session { id, lives: true, refresh, used: Vec::new(), access, ended: Vec::new() });
    }

    async fn refresh(&mut self, which: usize) {
        let Some(at) = self.living(which) else { return };
        let body = json!({"refresh_token": self.sessions[at].refresh});
        let (status, answer) = self.server().post("/api/auth/refresh", "", body).await;
        assert_eq!(status, 200, "{answer}");
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        let session = &mut self.sessions[at];
        session.used.push(std::mem::replace(&mut session.refresh, text("refresh_token")));
        session.access.push(text("access_token"));
    }

    async fn reuse(&mut self, which: usize) {
        let Some(at) = self.living(which) else { return };
        let Some(used) = self.sessions[at].used.first().cloned() else { return };
        let server = self.server();
        let request = server.http.post(server.url("/api/auth/refresh")).header("user-agent", "a thief");
        let (status, _) = crate::harness::read(request.json(&json!({"refresh_token": used}))).await;
        assert_eq!(status, 401);
        self.sessions[at].lives = false;
    }

    async fn switch(&mut self, active: bool) {
        let user = self.user;
        let app = &self.server().app;
        let changes = UserChanges { is_active: Some(active), ..UserChanges::default() };
        update_user(app, user, &changes).await;
        app.core.state.publish(Invalidation::User(user)).await;
        self.active = active;
        self.settling = true;
    }

    async fn change_password(&mut self, which: usize) {
        let Some(at) = self.living(which) else { return };
        let access = self.access(at);
        // The person has no password, so none has to be shown; a hash of cost 4 would be as good for this test.
        let id = self.user;
        let app = &self.server().app;
        let (user, claims) = app.auth.authenticator.by_access_token(&access).await.unwrap();
        let mut bare = (*user).clone();
        bare.password_hash = None;
        let member = millpond::auth::extract::Member { user: Arc::new(bare), claims };
        let client = Client::at(IpAddr::V4(Ipv4Addr::LOCALHOST), "tests");
        let new = secrecy::SecretString::from(format!("a mill beside pond {id}"));
        let pair = sessions::change_password(&app.auth, &member, None, &new, &client).await.unwrap();
        for (place, session) in self.sessions.iter_mut().enumerate() {
            session.lives &= place == at;
        }
        let session = &mut self.sessions[at];
        session.ended.append(&mut session.access);
        session.access.push(pair.access);
        session.refresh = pair.refresh;
        session.used.clear();
    }

    /// Every access token on every instance. What ends elsewhere is refused within a second, so it is asked for again;
    /// what lives is accepted at once.
    async fn check(&mut self) {
        for session in &self.sessions {
            for access in &session.access {
                for server in self.servers {
                    self.expect(server, access, session.lives && self.active).await;
                }
            }
            for access in &session.ended {
                for server in self.servers {
                    self.expect(server, access, false).await;
                }
            }
        }
        if self.active && self.sessions.iter().any(|session| session.lives) {
            self.settling = false;
        }
    }

    async fn expect(&self, server: &Server, access: &str, lives: bool) {
        if lives && !self.settling {
            assert_eq!(server.get("/api/auth/me", access).await.0, 200, "a living token is refused");
            return;
        }
        eventually("what the model says of a token", || async {
            let (status, _) = server.get("/api/auth/me", access).await;
            ((status == 200) == lives).then_some(())
        })
        .await;
    }

    async fn check_refresh_tokens(&self) {
        for session in &self.sessions {
            let body = json!({"refresh_token": session.refresh});
            let (status, _) = self.servers[0].post("/api/auth/refresh", "", body).await;
            assert_eq!(status == 200, session.lives && self.active, "{session:?}");
        }
    }
}

async fn play(servers: &[Server], name: String, steps: Vec<Step>) {
    let user = servers[0].person(&name).await;
    let mut world = World { servers, user, active: true, sessions: Vec::new(), turn: 0, settling: false };
    for step in steps {
        world.take(step).await;
        world.check().await;
    }
    world.check_refresh_tokens().await;
}

async fn no_sequence_leaves_a_dead_token_alive(harness: Arc<Harness>) {
    let mut servers = vec![harness.server().await];
    if harness.is_clustered() {
        servers.push(harness.server().await);
    }
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let runtime = tokio::runtime::Handle::current();
    let people = std::cell::Cell::new(0_u32);
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&proptest::collection::vec(step(), 1..14), |steps| {
            people.set(people.get() + 1);
            runtime.block_on(play(&servers, format!("person{}", people.get()), steps));
            Ok(())
        })
    });
    outcome.unwrap();
    for server in servers {
        server.stop().await;
    }
}

async fn a_new_token_is_accepted_where_the_change_is_not_known_yet(harness: Arc<Harness>) {
    let server = harness.server().await;
    let ada = server.person("ada").await;
    let (old, _) = server.sign_in("ada").await;
    assert_eq!(server.get("/api/auth/me", &old).await.0, 200);
    // Not announced, as if the message were still under way.
    end_tokens(&server.app, ada).await;
    let (new, _) = server.sign_in("ada").await;
    assert_eq!(server.get("/api/auth/me", &new).await.0, 200);
    assert_eq!(server.get("/api/auth/me", &old).await.0, 401);
    server.stop().await;
}
