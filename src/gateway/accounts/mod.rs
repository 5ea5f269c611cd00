//! Accounts as the gateway uses them: made once of a stored row, the credential decrypted and ready to send.
//!
//! A row that can't be used (unreadable, other provider, asking for a proxy that this version does not speak) is left out
//! with a line in the log; it must never be called in another way than its owner asked for.

pub(crate) mod credentials;
pub(crate) mod prepared;
pub(crate) mod proxy;

use std::collections::BTreeMap;

use axum::http::uri::InvalidUri;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use millpond_pool::account::{Account, AccountId as PoolId, MemberId, Provider, Share};
use millpond_pool::group::Group;
use millpond_pool::pattern::{Pattern, glob_matches};
use millpond_pool::units::{LimitUnit, Reference, Units, Window};
use millpond_wire::Endpoint;
use millpond_wire::refusal::Refusal;
use secrecy::ExposeSecret as _;
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::config::{Policy, UpstreamConfig};
use crate::gateway::accounts::credentials::Credentials;
use crate::gateway::accounts::prepared::Prepared;
use crate::gateway::accounts::proxy::{NoProxy, Proxy};
use crate::ids::{AccountId, UserId};
use crate::providers::{self, BaseUrlError, Profile};
use crate::store::accounts::AccountRow;
use crate::vault::{Undecryptable, Vault};

/// Why a stored account can't serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Credential(#[from] Undecryptable),
    #[error("there is no credential, or one can't stand in a header")]
    CredentialBytes,
    #[error(transparent)]
    BaseUrl(#[from] BaseUrlError),
    #[error("the address is no URI: {0}")]
    Uri(#[from] InvalidUri),
    #[error("a list is not readable: {0}")]
    Json(#[from] serde_json::Error),
    #[error("a header to add can't be sent")]
    Header,
    #[error("this version has no accounts of provider {0:?}")]
    Provider(String),
    #[error(transparent)]
    Proxy(#[from] NoProxy),
}

/// Why a call can't be addressed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoUrl {
    #[error("the provider has no such endpoint")]
    Endpoint,
    #[error("the address is no URI: {0}")]
    Uri(#[from] InvalidUri),
}

/// Stands for the model's name in a path.
const MODEL: &str = "{model}";

/// How much of some models an account gives in a window.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Allowance {
    pub(crate) models: Vec<Pattern>,
    pub(crate) limit: i64,
    pub(crate) unit: LimitUnit,
    pub(crate) window: Window,
}

/// One account that may serve calls.
pub(crate) struct Serving {
    pub(crate) id: AccountId,
    pub(crate) owner: UserId,
    /// Whether its owner lets it be used at all.
    pub(crate) enabled: bool,
    /// Whether others may use it: its owner shares it, and it points where shared accounts may.
    pub(crate) shared: bool,
    pub(crate) provider: Provider,
    /// What its provider is.
    pub(crate) profile: &'static Profile,
    /// What stands before the paths of the provider's API.
    prefix: String,
    /// The addresses of endpoints that do not name a model, ready to use.
    urls: Vec<(Endpoint, Uri)>,
    pub(crate) models_url: Uri,
    /// What tells whether a credential is good.
    pub(crate) check_url: Uri,
    pub(crate) credentials: Credentials,
    /// What its requests have in common.
    pub(crate) prepared: Prepared,
    /// Public names that it serves; `None` is whatever the provider has.
    pub(crate) models: Option<Vec<String>>,
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// What is added to every call.
    pub(crate) headers: HeaderMap,
    /// How much of an answer is read on when its client has gone; zero cancels the call.
    pub(crate) drain_bytes: u64,
    /// Public names that its owner switched off.
    disabled: Vec<Pattern>,
    allowances: Vec<Allowance>,
    priority: i32,
    weight: i32,
    max_concurrency: Option<i32>,
}

/// Makes accounts of rows.
pub(crate) struct Loader {
    vault: Vault,
    config: UpstreamConfig,
}

impl Loader {
    pub(crate) fn new(vault: Vault, config: UpstreamConfig) -> Self {
        Self { vault, config }
    }

    pub(crate) fn load(&self, row: AccountRow) -> Result<Serving, Unusable> {
        let profile =
            Profile::named(&row.provider).ok_or_else(|| Unusable::Provider(row.provider.clone()))?;
        let base = providers::base_url(&row.provider, row.base_url.as_deref())?;
        let prefix = base.as_str().trim_end_matches('/');
        let credential = self.vault.decrypt(&row.credential)?;
        let credentials =
            Credentials::parse(profile, credential.expose_secret()).ok_or(Unusable::CredentialBytes)?;
        let check_path = profile.check_path(&base, row.oauth_source.as_deref());
        let fixed = profile.paths.iter().filter(|(_, path)| !path.contains(MODEL));
        let urls = fixed.map(|(endpoint, path)| Ok((*endpoint, format!("{prefix}{path}").parse()?)));
        let models_url: Uri = format!("{prefix}{}", profile.models_path).parse()?;
        let (proxy, headers) = (self.proxy(row.proxy.as_deref())?, self.headers(row.headers.as_deref())?);
        let prepared = Prepared::new(&models_url, proxy, profile, &headers, &credentials)
            .ok_or(BaseUrlError::NotAbsolute)?;
        Ok(Serving {
            shared: row.is_shared && providers::may_be_shared(&base, &self.config),
            profile,
            provider: profile.provider,
            urls: urls.collect::<Result<_, InvalidUri>>()?,
            models_url,
            check_url: format!("{prefix}{check_path}").parse()?,
            prefix: prefix.to_owned(),
            credentials,
            prepared,
            headers,
            drain_bytes: row.drain_bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
            disabled: read(row.disabled_models.as_deref())?,
            enabled: row.is_enabled,
            models: read(row.models.as_deref())?,
            aliases: read(row.aliases.as_deref())?,
            allowances: read(row.allowances.as_deref())?,
            id: row.id,
            owner: row.user_id,
            created_at: row.created_at,
            updated_at: row.updated_at,
            priority: row.priority,
            weight: row.weight,
            max_concurrency: row.max_concurrency,
        })
    }
}

impl Loader {
    fn proxy(&self, encrypted: Option<&str>) -> Result<Option<Proxy>, Unusable> {
        let Some(encrypted) = encrypted else { return Ok(None) };
        let text = self.vault.decrypt(encrypted)?;
        Ok(Some(Proxy::parse(text.expose_secret())?))
    }
}

impl Loader {
    fn headers(&self, encrypted: Option<&str>) -> Result<HeaderMap, Unusable> {
        let mut headers = HeaderMap::new();
        let Some(encrypted) = encrypted else { return Ok(headers) };
        let text = self.vault.decrypt(encrypted)?;
        let named: BTreeMap<String, String> = serde_json::from_str(text.expose_secret())?;
        for (name, value) in named {
            let name: HeaderName = name.parse().map_err(|_| Unusable::Header)?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| Unusable::Header)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

/// A model's name as one segment of a path: nothing in it can lead elsewhere.
fn segment(model: &str) -> String {
    let mut text = String::with_capacity(model.len());
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

fn read<T: serde::de::DeserializeOwned + Default>(text: Option<&str>) -> serde_json::Result<T> {
    text.map_or_else(
        || Ok(T::default()),
        |text| Ok(serde_json::from_str::<Option<T>>(text)?.unwrap_or_default()),
    )
}

impl Serving {
    /// Where a call goes.
    pub(crate) fn url(
        &self,
        endpoint: Endpoint,
        upstream_model: &str,
        query: Option<&str>,
    ) -> Result<Uri, NoUrl> {
        let ready = self.urls.iter().find(|(one, _)| *one == endpoint && query.is_none());
        if let Some((_, url)) = ready {
            return Ok(url.clone());
        }
        let path = self.profile.path(endpoint).ok_or(NoUrl::Endpoint)?;
        let (prefix, path) = (&self.prefix, path.replace(MODEL, &segment(upstream_model)));
        let mark = if query.is_some() { "?" } else { "" };
        Ok(format!("{prefix}{path}{mark}{}", query.unwrap_or_default()).parse()?)
    }

    /// Whether the account serves a model of this public name.
    pub(crate) fn serves(&self, model: &str) -> bool {
        let Some(models) = &self.models else { return true };
        self.aliases.contains_key(model) || models.iter().any(|pattern| glob_matches(pattern, model))
    }

    /// The same account as selection sees it.
    pub(crate) fn for_selection(&self, reference: &Reference) -> Account {
        let share = |allowance: &Allowance| Share {
            models: allowance.models.clone(),
            capacity: allowance.capacity(reference),
        };
        Account {
            shared: self.shared,
            models: self.models.as_ref().map(|models| models.iter().map(Pattern::new).collect()),
            aliases: self.aliases.clone(),
            off: self.disabled.clone(),
            priority: self.priority,
            weight: u32::try_from(self.weight).unwrap_or(1).clamp(1, 1000),
            enabled: self.enabled,
            max_concurrency: self.most_calls(),
            allowances: self.allowances.iter().map(share).collect(),
            ..Account::new(self.pool_id(), member(self.owner), self.provider)
        }
    }

    /// How many calls may run on it at one time, over all instances.
    pub(crate) fn most_calls(&self) -> Option<u32> {
        self.max_concurrency.and_then(|limit| u32::try_from(limit).ok())
    }

    /// Whether its owner switched a model off, by its public name.
    pub(crate) fn is_disabled(&self, model: &str) -> bool {
        self.disabled.iter().any(|pattern| pattern.matches(model))
    }

    /// Whether every public name of an upstream model is switched off.
    fn is_off(&self, upstream: &str) -> bool {
        let aliases = self.aliases.iter().filter(|(_, name)| *name == upstream).map(|(public, _)| &**public);
        let own = Some(upstream).filter(|name| self.serves(name) && !self.aliases.contains_key(*name));
        let mut names = aliases.chain(own).peekable();
        names.peek().is_some() && names.all(|name| self.is_disabled(name))
    }

    /// What of a refusal its owner may read: no credential, and no value of a header that was added.
    pub(crate) fn words(&self, credential: usize, refusal: &Refusal) -> String {
        let headers = self.headers.values().filter_map(|value| value.to_str().ok());
        let secrets: Vec<&str> = headers.chain([self.credentials.secret(credential)]).collect();
        refusal.words(&secrets)
    }

    /// The name that a public model has upstream.
    pub(crate) fn upstream<'a>(&'a self, model: &'a str) -> &'a str {
        self.aliases.get(model).map_or(model, String::as_str)
    }

    /// What its owner declares that it gives.
    pub(crate) fn allowances(&self) -> &[Allowance] {
        &self.allowances
    }

    pub(crate) fn pool_id(&self) -> PoolId {
        PoolId::new(self.id.0.clone())
    }

    /// What a call of this upstream model is counted in; nothing where the account has no allowance for it.
    pub(crate) fn units_for(&self, upstream_model: &str) -> impl Iterator<Item = LimitUnit> {
        let covering = self.allowances.iter().filter(move |allowance| allowance.covers(upstream_model));
        covering.map(|allowance| allowance.unit)
    }

    /// What the account is worth to its owner in one group of models. Without an allowance it counts
    /// for what the policy says.
    pub(crate) fn worth(&self, group: Group, policy: &Policy) -> Units {
        let listed = self.models.iter().flatten().chain(self.aliases.keys());
        let mut names = listed.filter(|name| !self.is_disabled(name));
        if self.models.is_some() && !names.any(|name| group.may_mean(name)) {
            return Units::ZERO;
        }
        let means = |pattern: &Pattern| group.may_mean(pattern.as_str());
        let gives = |pattern: &Pattern| means(pattern) && !self.is_off(pattern.as_str());
        if !self.allowances.iter().any(|allowance| allowance.models.iter().any(means)) {
            return policy.default_allowance;
        }
        let given = self.allowances.iter().filter(|allowance| allowance.models.iter().any(gives));
        sum_of_budgets(given.map(|one| (one.models.as_slice(), one.capacity(&policy.reference))))
    }
}

/// Allowances that may bound the same call (so much in 5 hours, and so much in 7 days) are one budget, which gives no more
/// than the smallest of them.
fn sum_of_budgets<'a>(allowances: impl Iterator<Item = (&'a [Pattern], Units)>) -> Units {
    let mut budgets: Vec<(Vec<&Pattern>, Units)> = Vec::new();
    for (models, size) in allowances {
        let mut joined = (models.iter().collect::<Vec<_>>(), size);
        budgets.retain(|(others, size)| {
            let apart = !models.iter().any(|one| others.iter().any(|other| one.overlaps(other)));
            if !apart {
                joined.0.extend(others);
                joined.1 = joined.1.min(*size);
            }
            apart
        });
        budgets.push(joined);
    }
    budgets.into_iter().fold(Units::ZERO, |sum, (_, size)| sum.plus(size))
}

impl Allowance {
    /// Whether a call of this upstream model draws on it.
    pub(crate) fn covers(&self, upstream_model: &str) -> bool {
        self.models.iter().any(|pattern| pattern.matches(upstream_model))
    }

    fn capacity(&self, reference: &Reference) -> Units {
        reference.capacity(self.limit, self.unit, self.window)
    }
}

/// A person as the pool knows them.
pub(crate) fn member(user: UserId) -> MemberId {
    MemberId(i64::from(user.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowances_that_overlap_are_one_budget() {
        let sum = |allowances: &[(&[&str], i64)]| {
            let patterns: Vec<Vec<Pattern>> = allowances
                .iter()
                .map(|(models, _)| models.iter().copied().map(Pattern::from).collect())
                .collect();
            let sizes = allowances.iter().map(|(_, size)| Units(*size));
            sum_of_budgets(patterns.iter().map(Vec::as_slice).zip(sizes)).0
        };
        assert_eq!(sum(&[]), 0);
        assert_eq!(sum(&[(&["a"], 5), (&["b"], 7)]), 12);
        assert_eq!(sum(&[(&["*"], 5), (&["*"], 7)]), 5);
        assert_eq!(sum(&[(&["a"], 5), (&["b"], 7), (&["*"], 9)]), 5);
        assert_eq!(sum(&[(&["a", "b"], 5), (&["b", "c"], 4), (&["d"], 1)]), 5);
    }
}
