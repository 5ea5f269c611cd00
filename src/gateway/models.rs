//! `GET /v1/models`: what a caller can call, over their own accounts and the shared pool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCEPT, AUTHORIZATION};
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, Full, Limited};
use millpond_wire::models::{Model, ModelList};
use moka::future::Cache;

use super::accounts::Target;
use super::upstream::Upstream;
use crate::api::input::Segment;
use crate::app::App;
use crate::auth::extract::Caller;
use crate::error::{ApiError, Result};
use crate::ids::AccountId;

const LIFE: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 8;
const LARGEST_LIST_BYTES: usize = 4 << 20;
/// Accounts without a list of their own whose provider is asked for one request.
const ASKED_PROVIDERS: usize = 32;

/// What providers said they have, for accounts that don't list their models. Cheap to clone.
#[derive(Clone)]
pub(super) struct ModelLists(Cache<AccountId, Arc<[Model]>>);

impl Default for ModelLists {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(10_000).time_to_live(LIFE).build())
    }
}

impl ModelLists {
    /// The provider's list; empty when it gives none, and then it is asked again next time.
    async fn of(&self, target: &Target, upstream: &Upstream) -> Arc<[Model]> {
        if let Some(list) = self.0.get(&target.id).await {
            return list;
        }
        let asked = tokio::time::timeout(PATIENCE, ask(target, upstream)).await;
        let list: Arc<[Model]> = asked.ok().flatten().unwrap_or_default().into();
        if !list.is_empty() {
            self.0.insert(target.id.clone(), list.clone()).await;
        }
        list
    }
}

async fn ask(target: &Target, upstream: &Upstream) -> Option<Vec<Model>> {
    let request = Request::get(format!("{}/models", target.base_url))
        .header(AUTHORIZATION, target.authorization.clone())
        .header(ACCEPT, "application/json")
        .body(Full::<Bytes>::default())
        .ok()?;
    let answer = upstream.send(request).await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let body = Limited::new(answer.into_body(), LARGEST_LIST_BYTES).collect().await.ok()?.to_bytes();
    serde_json::from_slice::<ModelList>(&body).ok().map(|list| list.data)
}

/// Every model of a caller by name.
async fn visible(app: &App, caller: &Caller) -> BTreeMap<String, Model> {
    app.gateway.accounts.refresh().await;
    let targets = app.gateway.accounts.usable_by(caller.user.id);
    let mut models = BTreeMap::new();
    let listed = |name: &String| (name.clone(), Model::new(name.clone(), 0, "millpond"));
    for target in &targets {
        let own = target.models.iter().flatten().filter(|name| !name.contains('*'));
        models.extend(own.chain(target.aliases.keys()).map(listed));
    }
    let mut asking = Vec::new();
    for target in targets.into_iter().filter(|target| target.models.is_none()).take(ASKED_PROVIDERS) {
        let (lists, upstream) = (app.gateway.models.clone(), app.gateway.upstream.clone());
        asking.push(async move { lists.of(&target, &upstream).await });
    }
    let answers: Vec<Arc<[Model]>> =
        futures_util::stream::iter(asking).buffer_unordered(AT_ONCE).collect().await;
    for model in answers.iter().flat_map(|list| list.iter()) {
        models.entry(model.id.clone()).or_insert_with(|| model.clone());
    }
    if let Some(key) = &caller.key {
        models.retain(|name, _| key.allows(name));
    }
    models
}

/// All models of the caller.
pub(super) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Json<ModelList> {
    Json(ModelList::new(visible(&app, &caller).await.into_values().collect()))
}

/// One model of the caller.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<Json<Model>> {
    let model = visible(&app, &caller).await.remove(&name);
    model.map(Json).ok_or_else(|| {
        let shown: String = name.chars().take(100).collect();
        let message = format!("The model '{shown}' does not exist or you do not have access to it.");
        ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message).param("model")
    })
}
