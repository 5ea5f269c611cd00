//! Is it well? For people (`/api/health`, in AntiHub's shape), for a supervisor (`/healthz`) and for a load balancer
//! (`/readyz`).

use std::future::Future;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::edge::openapi::one_of;
use crate::gateway::Closed;
use crate::messages::{Text, say};

/// Who waits longer for a sign of life is told that there is none; less than the second that supervisors mostly give.
const PATIENCE: Duration = Duration::from_millis(800);

const STUCK: &str = "neither the disk nor the database takes records of calls, so none is made";
const RECOVERING: &str = "what an earlier run recorded is being carried into the database";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(root))
        .routes(routes!(health))
        .routes(routes!(alive))
        .routes(routes!(ready))
}

one_of!(condition: "healthy", "unhealthy");

/// One part's state.
#[derive(Debug, Serialize, ToSchema)]
struct Component {
    #[schema(schema_with = condition)]
    status: &'static str,
    #[schema(value_type = String)]
    message: Text,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    backend: Option<&'static str>,
}

/// The parts.
#[derive(Debug, Serialize, ToSchema)]
struct Components {
    api: Component,
    database: Component,
    cache: Component,
}

/// The state of the whole.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    #[schema(schema_with = condition)]
    status: &'static str,
    components: Components,
}

fn word(healthy: bool) -> &'static str {
    if healthy { "healthy" } else { "unhealthy" }
}

async fn answers<E>(ping: impl Future<Output = Result<(), E>>) -> bool {
    matches!(tokio::time::timeout(PATIENCE, ping).await, Ok(Ok(())))
}

async fn reachable(app: &App) -> (bool, bool) {
    tokio::join!(answers(app.core.store.ping()), answers(app.core.state.ping()))
}

/// A sign of life.
#[utoipa::path(get, operation_id = "sign_of_life", path = "/", tag = "health", responses((status = 200, body = serde_json::Value)))]
async fn root() -> Json<serde_json::Value> {
    Json(serde_json::json!({"message": "200"}))
}

/// How are the parts? The status code is always 200; read `status`, or ask `/readyz`.
#[utoipa::path(get, operation_id = "component_health", path = "/api/health", tag = "health", responses((status = 200, body = Health)))]
async fn health(State(app): State<App>) -> Json<Health> {
    let (database, cache) = reachable(&app).await;
    let component = |healthy, good, bad, backend| Component {
        status: word(healthy),
        message: if healthy { good } else { bad },
        backend,
    };
    Json(Health {
        status: word(database && cache),
        components: Components {
            api: component(true, say("api_up"), say("api_up"), None),
            database: component(
                database,
                say("database_up"),
                say("database_down"),
                Some(app.core.store.backend()),
            ),
            cache: component(cache, say("cache_up"), say("cache_down"), Some(app.core.state.backend())),
        },
    })
}

/// Is the process alive, and can it record calls?
// What an earlier run left keeps calls waiting, and what is away comes back: no reason to start it anew.
#[utoipa::path(get, operation_id = "is_alive", path = "/healthz", tag = "health", responses((status = 200, body = String), (status = 503, body = String)))]
async fn alive(State(app): State<App>) -> (StatusCode, &'static str) {
    match app.gateway.trouble() {
        Some(Closed::Stuck) => return (StatusCode::SERVICE_UNAVAILABLE, STUCK),
        Some(Closed::Recovering) => return (StatusCode::OK, RECOVERING),
        _ => {}
    }
    let word = match reachable(&app).await {
        (true, true) => "ok",
        (false, true) => "degraded: database",
        (true, false) => "degraded: cache",
        (false, false) => "degraded: database, cache",
    };
    (StatusCode::OK, word)
}

/// Can it serve: are database and shared state reachable, and is it not about to end?
#[utoipa::path(get, operation_id = "is_ready", path = "/readyz", tag = "health", responses((status = 200, body = String), (status = 503, body = String)))]
async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.core.shutdown.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    match app.gateway.trouble() {
        Some(Closed::Stuck) => return (StatusCode::SERVICE_UNAVAILABLE, STUCK),
        Some(Closed::Recovering) => return (StatusCode::SERVICE_UNAVAILABLE, RECOVERING),
        _ => {}
    }
    match reachable(&app).await {
        (true, true) => (StatusCode::OK, "ready"),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "the database is not reachable"),
        (true, false) => (StatusCode::SERVICE_UNAVAILABLE, "the shared state is not reachable"),
    }
}
