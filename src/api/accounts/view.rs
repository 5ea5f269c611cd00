//! An account as its owner and administrators see it: the contract's members, then Millpond's own. Credentials, values of
//! headers and a proxy's password never leave.

use std::collections::BTreeMap;

use millpond_pool::units::{LimitUnit, Window};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::Timestamp;
use crate::edge::openapi::one_of;
use crate::ids::AccountId;
use crate::store::accounts::AccountRow;

one_of!(provider: "openai", "anthropic", "gemini");
one_of!(unit: "requests", "tokens", "micro_usd");
one_of!(window: "5h", "1d", "7d", "30d");

/// How much of some models an account gives in a window.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Allowance {
    /// Model names; `*` stands for anything.
    pub(super) models: Vec<String>,
    #[schema(minimum = 1)]
    pub(super) limit: i64,
    #[schema(schema_with = unit)]
    pub(super) unit: LimitUnit,
    #[schema(schema_with = window)]
    pub(super) window: Window,
}

/// An upstream account.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Account {
    cookie_id: AccountId,
    user_id: String,
    name: String,
    is_shared: i32,
    /// 1: switched on.
    status: i32,
    need_refresh: bool,
    expires_at: Option<String>,
    project_id_0: Option<String>,
    is_restricted: bool,
    paid_tier: bool,
    ineligible: bool,
    last_used_at: Option<Timestamp>,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[schema(schema_with = provider)]
    provider: String,
    base_url: Option<String>,
    models: Option<Vec<String>>,
    aliases: BTreeMap<String, String>,
    allowances: Vec<Allowance>,
    priority: i32,
    weight: i32,
    max_concurrency: Option<i32>,
    /// Without its password.
    proxy: Option<String>,
    /// Names of the headers that are added to calls.
    header_names: Vec<String>,
    drain_bytes: Option<i64>,
    disabled_models: Vec<String>,
    oauth_source: Option<String>,
}

/// Reads a column that holds JSON which this program wrote.
pub(super) fn stored<T: serde::de::DeserializeOwned + Default>(text: Option<&str>) -> T {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

impl Account {
    /// The account, last used when its row says.
    pub(in crate::api) fn of(app: &App, row: AccountRow) -> Self {
        let open = |secret: Option<&str>| secret.and_then(|secret| app.core.vault.decrypt(secret).ok());
        let headers = open(row.headers.as_deref());
        let headers: BTreeMap<String, String> =
            stored(headers.as_ref().map(secrecy::ExposeSecret::expose_secret));
        let proxy = open(row.proxy.as_deref());
        Self {
            cookie_id: row.id,
            user_id: row.user_id.to_string(),
            name: row.name,
            is_shared: i32::from(row.is_shared),
            status: i32::from(row.is_enabled),
            need_refresh: false,
            expires_at: None,
            project_id_0: None,
            is_restricted: false,
            paid_tier: false,
            ineligible: false,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            provider: row.provider,
            base_url: row.base_url,
            models: stored(row.models.as_deref()),
            aliases: stored(row.aliases.as_deref()),
            allowances: stored(row.allowances.as_deref()),
            priority: row.priority,
            weight: row.weight,
            max_concurrency: row.max_concurrency,
            proxy: proxy.and_then(|text| without_password(text.expose_secret())),
            header_names: headers.into_keys().collect(),
            drain_bytes: row.drain_bytes,
            disabled_models: stored(row.disabled_models.as_deref()),
            oauth_source: row.oauth_source,
        }
    }

    pub(in crate::api) fn id(&self) -> &AccountId {
        &self.cookie_id
    }

    pub(in crate::api) fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

fn without_password(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}{port}", url.scheme(), url.host_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        let shown = without_password("socks5://me:p%40ss@proxy.example:1080");
        assert_eq!(shown.as_deref(), Some("socks5://proxy.example:1080"));
    }
}
