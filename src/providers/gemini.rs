//! Google's Gemini API.

use millpond_pool::account::Provider;
use millpond_wire::limits::used_up_at_google;
use millpond_wire::models::{GeminiModelList, Model};
use millpond_wire::{Dialect, Endpoint};
use serde_json::json;

use super::{ClientKey, Profile};

pub(super) static PROFILE: Profile = Profile {
    provider: Provider::Gemini,
    name: "gemini",
    maker: "google",
    dialect: Dialect::Gemini,
    // The prefix before `/v1beta/`.
    public_url: "https://generativelanguage.googleapis.com",
    credential_header: "x-goog-api-key",
    credential_prefix: "",
    client_key: ClientKey { header: Some("x-goog-api-key"), query: Some("key") },
    needed_headers: &[],
    passed_headers: &[],
    passed_query: &[("alt", "sse", "alt=sse")],
    paths: &[
        (Endpoint::GenerateContent, "/v1beta/models/{model}:generateContent"),
        (Endpoint::StreamGenerateContent, "/v1beta/models/{model}:streamGenerateContent"),
        (Endpoint::CountContentTokens, "/v1beta/models/{model}:countTokens"),
    ],
    models_path: "/v1beta/models?pageSize=1000",
    read_models: |body| {
        let list: GeminiModelList = serde_json::from_slice(body)?;
        Ok(list.models.iter().map(|model| Model::new(model.id(), 0, "google")).collect())
    },
    checks: &[],
    one_token: |_| {
        let contents = json!([{"role": "user", "parts": [{"text": "hi"}]}]);
        let body = json!({"contents": contents, "generationConfig": {"maxOutputTokens": 1}});
        (Endpoint::GenerateContent, body)
    },
    used_up: Some(used_up_at_google),
    hosts: &["generativelanguage.googleapis.com"],
};
