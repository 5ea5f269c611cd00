//! `GET /v1/models` and `GET /v1/models/{id}`: what the caller's own accounts and the shared ones serve. An account that
//! lists no models is asked what its provider has; the answer is remembered for some minutes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use millpond_pool::account::Provider;
use millpond_pool::pattern::glob_matches;
use millpond_wire::models::{GeminiModel, GeminiModelList, Model, ModelList};
use moka::sync::Cache;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Gateway;
use super::accounts::Serving;
use super::choose::unknown_model;
use super::upstream::Upstream;
use crate::auth::extract::Caller;
use crate::edge::error::Result;
use crate::edge::input::Segment;
use crate::ids::AccountId;

const LIFE: Duration = Duration::from_secs(600);
/// A provider that did not answer is asked again after this.
const FAILED_LIFE: Duration = Duration::from_secs(30);
/// All providers together may take this long.
const WITHIN: Duration = Duration::from_secs(5);
const ASKED_AT_ONCE: usize = 16;
const CAPACITY: u64 = 10_000;

/// What providers said they have, by account.
pub(super) struct Catalog {
    known: Cache<AccountId, Arc<[Model]>>,
    failed: Cache<AccountId, ()>,
}

impl Default for Catalog {
    fn default() -> Self {
        Self {
            known: Cache::builder().max_capacity(CAPACITY).time_to_live(LIFE).build(),
            failed: Cache::builder().max_capacity(CAPACITY).time_to_live(FAILED_LIFE).build(),
        }
    }
}

impl Catalog {
    /// Asks the providers of those accounts that need it and are not remembered.
    async fn learn(&self, upstream: &Upstream, accounts: &[Arc<Serving>]) {
        let unknown = |account: &&Arc<Serving>| {
            needs_provider(account)
                && !self.known.contains_key(&account.id)
                && !self.failed.contains_key(&account.id)
        };
        let deadline = Instant::now() + WITHIN;
        let mut asking = JoinSet::new();
        for account in accounts.iter().filter(unknown) {
            if asking.len() == ASKED_AT_ONCE && !self.hear(&mut asking, deadline).await {
                return;
            }
            let (upstream, account) = (upstream.clone(), account.clone());
            asking.spawn(async move { (account.id.clone(), ask(&upstream, &account).await) });
        }
        while !asking.is_empty() && self.hear(&mut asking, deadline).await {}
    }

    /// Takes one answer in; false when the time is over.
    async fn hear(&self, asking: &mut JoinSet<(AccountId, Option<Vec<Model>>)>, deadline: Instant) -> bool {
        match tokio::time::timeout_at(deadline, asking.join_next()).await {
            Err(_) => return false,
            Ok(Some(Ok((id, Some(models))))) => self.known.insert(id, models.into()),
            Ok(Some(Ok((id, None)))) => self.failed.insert(id, ()),
            Ok(_) => {}
        }
        true
    }

    /// The models of one account as far as they are known.
    pub(super) fn models_of(&self, account: &Serving) -> Vec<Model> {
        let created = account.created_at.seconds();
        let named = |name: &String| Model::new(name.as_str(), created, account.profile.maker);
        let patterns = account.models.as_deref();
        let exact = patterns.unwrap_or_default().iter().filter(|name| !name.contains('*'));
        let mut models: Vec<Model> = exact.chain(account.aliases.keys()).map(named).collect();
        if let Some(known) = self.known.get(&account.id) {
            let served = |model: &&Model| {
                patterns.is_none_or(|patterns| patterns.iter().any(|one| glob_matches(one, &model.id)))
            };
            models.extend(known.iter().filter(served).cloned());
        }
        models
    }
}

fn needs_provider(account: &Serving) -> bool {
    account.models.as_ref().is_none_or(|models| models.iter().any(|name| name.contains('*')))
}

async fn ask(upstream: &Upstream, account: &Serving) -> Option<Vec<Model>> {
    let answer = upstream.models(account, WITHIN).await;
    let models = answer
        .map_err(|failure| failure.to_string())
        .and_then(|body| (account.profile.read_models)(&body).map_err(|error| error.to_string()));
    models.inspect_err(|reason| tracing::debug!(account = %account.id, reason, "no list of models")).ok()
}

/// What the caller can call, by name.
async fn visible(gateway: &Gateway, caller: &Caller, only: Option<Provider>) -> BTreeMap<String, Model> {
    gateway.pool.fresh(caller.user.id).await;
    let mut accounts = gateway.pool.visible_to(caller.user.id);
    accounts.retain(|account| only.is_none_or(|provider| account.provider == provider));
    gateway.catalog.learn(&gateway.upstream, &accounts).await;
    let mut models = BTreeMap::new();
    let offered = |account: &Arc<Serving>| {
        let mut models = gateway.catalog.models_of(account);
        models.retain(|model| !account.is_disabled(&model.id));
        models
    };
    for model in accounts.iter().flat_map(offered) {
        if caller.key.as_ref().is_none_or(|key| key.allows(&model.id)) {
            models.entry(model.id.clone()).or_insert(model);
        }
    }
    models
}

/// The models that I can call, as OpenAI lists them.
#[utoipa::path(get, path = "/v1/models", tag = "models", security(("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value)))]
pub(super) async fn list_models(State(gateway): State<Arc<Gateway>>, caller: Caller) -> Json<ModelList> {
    Json(ModelList::new(visible(&gateway, &caller, None).await.into_values().collect()))
}

/// The same list for the routes of the Plug-in API.
pub async fn models_of_caller(gateway: &Gateway, caller: &Caller) -> ModelList {
    ModelList::new(visible(gateway, caller, None).await.into_values().collect())
}

/// One model that I can call.
#[utoipa::path(get, path = "/v1/models/{*id}", tag = "models", params(("id" = String, Path)), security(("api_key" = []), ("access_token" = [])),
    responses((status = 200, body = serde_json::Value), (status = 404, description = "No such model")))]
pub(super) async fn find_model(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Json<Model>> {
    visible(&gateway, &caller, None).await.remove(&id).map(Json).ok_or_else(|| unknown_model(&id))
}

/// The models of Gemini accounts, as Google lists them.
#[utoipa::path(get, path = "/v1beta/models", tag = "models", security(("api_key" = []), ("access_token" = []), ("x_goog_api_key" = []), ("query_key" = [])),
    responses((status = 200, body = serde_json::Value)))]
pub(super) async fn list_gemini_models(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
) -> Json<GeminiModelList> {
    let models = visible(&gateway, &caller, Some(Provider::Gemini)).await;
    Json(GeminiModelList { models: models.keys().map(|id| GeminiModel::new(id)).collect() })
}

/// One model of a Gemini account.
#[utoipa::path(get, path = "/v1beta/models/{*model}", tag = "models", params(("model" = String, Path)), security(("api_key" = []), ("access_token" = []), ("x_goog_api_key" = []), ("query_key" = [])),
    responses((status = 200, body = serde_json::Value), (status = 404, description = "No such model")))]
pub(super) async fn find_gemini_model(
    State(gateway): State<Arc<Gateway>>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Json<GeminiModel>> {
    let known = visible(&gateway, &caller, Some(Provider::Gemini)).await.contains_key(&id);
    known.then(|| Json(GeminiModel::new(&id))).ok_or_else(|| unknown_model(&id))
}
