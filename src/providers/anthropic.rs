//! Anthropic.

use millpond_pool::account::Provider;
use millpond_wire::models::ModelList;
use millpond_wire::{Dialect, Endpoint};
use serde_json::json;

use super::{ClientKey, Profile, of_list};

pub(super) static PROFILE: Profile = Profile {
    provider: Provider::Anthropic,
    name: "anthropic",
    maker: "anthropic",
    dialect: Dialect::Anthropic,
    // The prefix before `/v1/messages`.
    public_url: "https://api.anthropic.com",
    credential_header: "x-api-key",
    credential_prefix: "",
    client_key: ClientKey { header: Some("x-api-key"), query: None },
    needed_headers: &[("anthropic-version", "2023-06-01")],
    passed_headers: &["anthropic-version", "anthropic-beta"],
    passed_query: &[("beta", "true", "beta=true")],
    paths: &[
        (Endpoint::Messages, "/v1/messages"),
        (Endpoint::CountMessageTokens, "/v1/messages/count_tokens"),
    ],
    models_path: "/v1/models?limit=1000",
    // Its list is near enough to OpenAI's.
    read_models: |body| {
        let list: ModelList = serde_json::from_slice(body)?;
        Ok(of_list(list, "anthropic"))
    },
    checks: &[],
    one_token: |model| {
        let messages = json!([{"role": "user", "content": "hi"}]);
        (Endpoint::Messages, json!({"model": model, "messages": messages, "max_tokens": 1}))
    },
    used_up: None,
    hosts: &["api.anthropic.com"],
};
