//! Who may call what. Every route of the document stands in the table; one that doesn't fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use millpond::auth::extract::Client;
use millpond::auth::sessions;
use millpond::ids::UserId;
use millpond::store::users::{Role, UserChanges};
use serde_json::{Value, json};

use crate::database::update_user;
use crate::harness::{Harness, Server, both_shapes, read};
use crate::provider::Provider;

both_shapes!(every_route_lets_in_whom_it_should, foreign_things_do_not_exist);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Everybody.
    Open,
    /// A signed-in person, never a key.
    Member,
    /// An auditor or administrator.
    Reads,
    /// An administrator.
    Changes,
    /// A key or a signed-in person who may call models.
    Models,
}

/// method, path, door
const TABLE: &str = "
    GET / Open
    GET /healthz Open
    GET /readyz Open
    GET /api/health Open
    POST /api/auth/login Open
    POST /api/auth/refresh Open
    POST /api/auth/register Open
    POST /api/auth/setup Open
    POST /api/auth/reset-password Open
    POST /api/auth/totp Open
    POST /api/auth/handover Open
    GET /api/auth/check-username Open
    GET /api/auth/providers Open
    GET /api/auth/sso/initiate Open
    GET /api/auth/sso/callback Open
    GET /api/auth/github/login Open
    GET /api/auth/github/callback Open
    POST /api/auth/github/callback Open
    GET /api/auth/oidc/{name}/login Open
    GET /api/auth/oidc/{name}/callback Open
    POST /api/auth/oidc/{name}/callback Open
    GET /api/auth/me Member
    POST /api/auth/logout Member
    POST /api/auth/logout-all Member
    POST /api/auth/join-beta Member
    GET /api/auth/beta-status Member
    GET /api/auth/sessions Member
    DELETE /api/auth/sessions Member
    DELETE /api/auth/sessions/{session_id} Member
    GET /api/announcements Member
    GET /api/api-keys Member
    POST /api/api-keys Member
    GET /api/api-keys/{key_id} Member
    DELETE /api/api-keys/{key_id} Member
    GET /api/api-keys/{key_id}/limits Member
    PUT /api/api-keys/{key_id}/limits Member
    DELETE /api/api-keys/{key_id}/limits Member
    PATCH /api/api-keys/{key_id}/name Member
    PATCH /api/api-keys/{key_id}/status Member
    GET /api/plugin-api/accounts Member
    POST /api/plugin-api/accounts Member
    GET /api/plugin-api/accounts/{cookie_id} Member
    DELETE /api/plugin-api/accounts/{cookie_id} Member
    PATCH /api/plugin-api/accounts/{cookie_id} Member
    POST /api/plugin-api/accounts/import Member
    GET /api/plugin-api/accounts/export Member
    PUT /api/plugin-api/accounts/{cookie_id}/name Member
    PUT /api/plugin-api/accounts/{cookie_id}/credential Member
    POST /api/plugin-api/accounts/{cookie_id}/check Member
    GET /api/plugin-api/accounts/{cookie_id}/quotas Member
    PUT /api/plugin-api/accounts/{cookie_id}/quotas/{model_name}/status Member
    PUT /api/plugin-api/accounts/{cookie_id}/status Member
    PUT /api/plugin-api/accounts/{cookie_id}/type Member
    GET /api/plugin-api/accounts/{cookie_id}/pauses Member
    POST /api/plugin-api/accounts/{cookie_id}/resume Member
    GET /api/plugin-api/key Member
    POST /api/plugin-api/oauth/authorize Member
    POST /api/plugin-api/oauth/callback Member
    GET /api/plugin-api/oauth/callback Open
    GET /api/plugin-api/quotas/user Member
    GET /api/plugin-api/quotas/shared-pool Member
    GET /api/plugin-api/quotas/consumption Member
    GET /api/plugin-api/quotas/consumption/stats/{model_name} Member
    GET /api/plugin-api/models Models
    POST /api/plugin-api/chat/completions Models
    POST /api/plugin-api/v1beta/models/{model} Models
    GET /api/plugin-api/preference Member
    PUT /api/plugin-api/preference Member
    GET /api/usage/logs Member
    GET /api/usage/stats Member
    GET /api/usage/quotas Member
    GET /api/usage/consumption Member
    GET /api/usage/accounts Member
    GET /api/usage/summary Member
    GET /api/usage/shared-pool/stats Member
    DELETE /api/users/me Member
    GET /api/users/me/export Member
    GET /api/users/me/identities Member
    DELETE /api/users/me/identities/{provider} Member
    POST /api/users/me/identities/{provider}/link Member
    PUT /api/users/me/password Member
    GET /api/users/me/totp Member
    POST /api/users/me/totp Member
    DELETE /api/users/me/totp Member
    POST /api/users/me/totp/confirm Member
    GET /api/admin/audit Reads
    GET /api/admin/announcements Reads
    POST /api/admin/announcements Changes
    PUT /api/admin/announcements/{announcement_id} Changes
    DELETE /api/admin/announcements/{announcement_id} Changes
    GET /api/admin/accounts Reads
    GET /api/admin/accounts/{cookie_id} Reads
    DELETE /api/admin/accounts/{cookie_id} Changes
    PUT /api/admin/accounts/{cookie_id}/name Changes
    PUT /api/admin/accounts/{cookie_id}/status Changes
    PUT /api/admin/accounts/{cookie_id}/type Changes
    POST /api/admin/accounts/{cookie_id}/check Changes
    GET /api/admin/accounts/{cookie_id}/pauses Reads
    POST /api/admin/accounts/{cookie_id}/resume Changes
    GET /api/admin/invites Reads
    POST /api/admin/invites Changes
    DELETE /api/admin/invites/{invite_id} Changes
    GET /api/admin/settings Reads
    GET /api/admin/users Reads
    GET /api/admin/users/{user_id} Reads
    PATCH /api/admin/users/{user_id} Changes
    DELETE /api/admin/users/{user_id} Changes
    GET /api/admin/users/{user_id}/limits Reads
    PUT /api/admin/users/{user_id}/limits Changes
    DELETE /api/admin/users/{user_id}/limits Changes
    POST /api/admin/users/{user_id}/reset-link Changes
    DELETE /api/admin/users/{user_id}/sessions Changes
    DELETE /api/admin/users/{user_id}/totp Changes
    POST /v1/chat/completions Models
    POST /v1/messages Models
    POST /v1/messages/count_tokens Models
    GET /v1/models Models
    GET /v1/models/{id} Models
    POST /v1/models/{id} Models
    GET /v1beta/models Models
    GET /v1beta/models/{model} Models
    POST /v1beta/models/{model} Models
";

/// Method and path.
pub(crate) type Route = (String, String);

fn table() -> BTreeMap<Route, Door> {
    let door = |word: &str| match word {
        "Open" => Door::Open,
        "Member" => Door::Member,
        "Reads" => Door::Reads,
        "Changes" => Door::Changes,
        "Models" => Door::Models,
        other => panic!("no such door: {other}"),
    };
    let lines = TABLE.lines().map(str::trim).filter(|line| !line.is_empty());
    let row = |line: &str| {
        let parts: Vec<&str> = line.split(' ').collect();
        ((parts[0].to_owned(), parts[1].to_owned()), door(parts[2]))
    };
    lines.map(row).collect()
}

/// Every route of the document.
pub(crate) fn routes() -> BTreeSet<Route> {
    let document = serde_json::to_value(millpond::router::described().document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &Value)| {
        let names: Vec<Route> =
            item.as_object().unwrap().keys().map(|name| (name.to_uppercase(), path.clone())).collect();
        names
    };
    paths.iter().flat_map(methods).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    BadToken,
    ExpiredToken,
    RefreshToken,
    Disabled,
    Silenced,
    Member,
    Auditor,
    Admin,
    Key,
    DisabledsKey,
}

const EVERYBODY: [Who; 11] = [
    Who::Nobody,
    Who::BadToken,
    Who::ExpiredToken,
    Who::RefreshToken,
    Who::Disabled,
    Who::Silenced,
    Who::Member,
    Who::Auditor,
    Who::Admin,
    Who::Key,
    Who::DisabledsKey,
];

fn may_enter(who: Who, door: Door) -> bool {
    match door {
        Door::Open => true,
        Door::Member => matches!(who, Who::Silenced | Who::Member | Who::Auditor | Who::Admin),
        Door::Reads => matches!(who, Who::Auditor | Who::Admin),
        Door::Changes => who == Who::Admin,
        Door::Models => matches!(who, Who::Member | Who::Auditor | Who::Admin | Who::Key),
    }
}

struct Cast {
    server: Server,
    ids: BTreeMap<&'static str, UserId>,
    key: String,
    disableds_key: String,
    expired: String,
}

async fn begin(server: &Server, id: UserId) -> sessions::Pair {
    let user = server.app.core.store.find_user(id).await.unwrap().unwrap();
    let client = Client::at(IpAddr::V4(Ipv4Addr::LOCALHOST), "tests");
    sessions::begin(&server.app.auth, user, "test", &client).await.unwrap().0
}

async fn cast(harness: &Harness) -> Cast {
    let server = harness.server_with_clock().await;
    let mut ids = BTreeMap::new();
    for name in ["ada", "disabled", "silenced", "auditor", "admin", "expired"] {
        ids.insert(name, server.person(name).await);
    }
    let expired = begin(&server, ids["expired"]).await.access;
    harness.pass(Duration::from_secs(25 * 3_600));
    let (key, _) = server.key(&begin(&server, ids["ada"]).await.access, json!({})).await;
    let (disableds_key, _) = server.key(&begin(&server, ids["disabled"]).await.access, json!({})).await;
    let silenced = UserChanges { is_silenced: Some(true), ..UserChanges::default() };
    let disabled = UserChanges { is_active: Some(false), ..UserChanges::default() };
    let role = |role| UserChanges { role: Some(role), ..UserChanges::default() };
    let cast = Cast { server, ids, key, disableds_key, expired };
    cast.change("silenced", silenced).await;
    cast.change("auditor", role(Role::Auditor)).await;
    cast.change("admin", role(Role::Admin)).await;
    // One more, so that nothing that is tried takes the last administrator away.
    cast.change("expired", role(Role::Admin)).await;
    cast.change("disabled", disabled).await;
    cast
}

impl Cast {
    async fn change(&self, name: &str, changes: UserChanges) {
        let app = &self.server.app;
        update_user(app, self.ids[name], &changes).await;
        app.core.state.publish(millpond::state::Invalidation::User(self.ids[name])).await;
    }

    /// What somebody shows. Tokens are new for each call: some calls end them.
    async fn token(&self, who: Who) -> Option<String> {
        let of = async |name: &str| Some(begin(&self.server, self.ids[name]).await.access);
        match who {
            Who::Nobody => None,
            Who::BadToken => Some("eyJhbGciOiJIUzI1NiJ9.e30.bad".to_owned()),
            Who::ExpiredToken => Some(self.expired.clone()),
            Who::RefreshToken => Some(begin(&self.server, self.ids["ada"]).await.refresh),
            Who::Disabled => of("disabled").await,
            Who::Silenced => of("silenced").await,
            Who::Member => of("ada").await,
            Who::Auditor => of("auditor").await,
            Who::Admin => of("admin").await,
            Who::Key => Some(self.key.clone()),
            Who::DisabledsKey => Some(self.disableds_key.clone()),
        }
    }
}

/// A path with things that don't exist, so that whoever gets in changes nothing.
fn nowhere(path: &str) -> String {
    let mut filled = path.to_owned();
    for (name, value) in [
        ("{id}", "none"),
        ("{model}", "none"),
        ("{model_name}", "none"),
        ("{name}", "none"),
        ("{provider}", "none"),
        ("{cookie_id}", "none"),
        ("{session_id}", "none"),
    ] {
        filled = filled.replace(name, value);
    }
    for name in ["{key_id}", "{user_id}", "{invite_id}", "{announcement_id}"] {
        filled = filled.replace(name, "999999");
    }
    assert!(!filled.contains('{'), "give {path} a value for its parameter");
    filled
}

/// The methods that the running router takes at a path, as it tells who comes with another one.
async fn methods_of(server: &Server, path: &str) -> Vec<String> {
    let method = reqwest::Method::from_bytes(b"PROPFIND").unwrap();
    let answer = server.http.request(method, server.url(&nowhere(path))).send().await.unwrap();
    assert_eq!(answer.status(), 405, "{path}");
    let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
    let mut methods: Vec<String> =
        allow.split(',').filter(|method| *method != "HEAD").map(ToOwned::to_owned).collect();
    methods.sort();
    methods
}

async fn every_route_lets_in_whom_it_should(harness: Arc<Harness>) {
    let (table, routes) = (table(), routes());
    let listed: BTreeSet<Route> = table.keys().cloned().collect();
    let missing: Vec<_> = routes.difference(&listed).collect();
    assert!(missing.is_empty(), "add these routes to the table in tests/it/access.rs: {missing:?}");
    let gone: Vec<_> = listed.difference(&routes).collect();
    assert!(gone.is_empty(), "these routes are in the table only: {gone:?}");
    let cast = cast(&harness).await;
    let mut wrong = Vec::new();
    for path in routes.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
        let methods: Vec<&str> =
            table.keys().filter(|(_, other)| other == path).map(|(method, _)| method.as_str()).collect();
        let allowed = methods_of(&cast.server, path).await;
        if allowed != methods {
            wrong.push(format!("{path} takes {allowed:?}"));
        }
    }
    for ((method, path), door) in &table {
        for who in EVERYBODY {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let mut request = cast.server.http.request(method.clone(), cast.server.url(&nowhere(path)));
            if let Some(token) = cast.token(who).await {
                request = request.bearer_auth(token);
            }
            if !matches!(method, reqwest::Method::GET) {
                request = request.json(&json!({}));
            }
            let answer = request.send().await.unwrap();
            let (status, code) = (answer.status().as_u16(), answer.headers().get("x-error-code").cloned());
            let code = code.map(|code| code.to_str().unwrap().to_owned()).unwrap_or_default();
            let kept_out = matches!(status, 401 | 403);
            // An open door may refuse for reasons of its own, never for want of a token.
            let about_token = matches!(
                code.as_str(),
                "not_authenticated" | "invalid_token" | "token_expired" | "missing_api_key"
            );
            let right = match (door, may_enter(who, *door)) {
                (Door::Open, _) => !about_token,
                (_, true) => !kept_out,
                (_, false) => kept_out,
            };
            if !right || status >= 500 {
                wrong.push(format!("{method} {path} as {who:?}: {status} {code}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    cast.server.stop().await;
}

/// Somebody else's things answer as things that don't exist, so that numbers can't be walked.
async fn foreign_things_do_not_exist(harness: Arc<Harness>) {
    let (server, provider) = (harness.server().await, Provider::start().await);
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (adas, bobs) = (begin(&server, ada).await, begin(&server, bob).await);
    let (_, key) = server.key(&adas.access, json!({})).await;
    let account = server.account(&adas.access, provider.address, json!({})).await;
    let session = server.get("/api/auth/sessions", &adas.access).await.1["data"][0]["id"].clone();
    let mut seen = 0;
    for (method, path) in routes() {
        let filled = path
            .replace("{key_id}", &key.to_string())
            .replace("{cookie_id}", account["cookie_id"].as_str().unwrap())
            .replace("{session_id}", session.as_str().unwrap());
        // What administrators have of everybody's is not for members at all.
        if filled == path || path.starts_with("/api/admin/") {
            continue;
        }
        seen += 1;
        let full = json!({"name": "mine now", "status": 1, "is_shared": 1, "is_active": true});
        let ask = async |path: &str| {
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let request = server.http.request(method, server.url(path)).bearer_auth(&bobs.access);
            read(request.json(&full)).await
        };
        let (foreign, absent) = (ask(&filled).await, ask(&nowhere(&path)).await);
        assert_eq!(foreign, absent, "{method} {path}");
        assert_eq!(foreign.0, 404, "{method} {path}: {}", foreign.1);
    }
    assert!(seen > 10, "{seen}");
    assert_eq!(server.get("/api/auth/me", &adas.access).await.0, 200);
    server.stop().await;
}
