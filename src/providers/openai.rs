//! OpenAI, and the services that imitate it.

use millpond_pool::account::Provider;
use millpond_wire::models::ModelList;
use millpond_wire::{Dialect, Endpoint};
use serde_json::json;

use super::{Check, ClientKey, Profile, of_list};

pub(super) static PROFILE: Profile = Profile {
    provider: Provider::OpenAi,
    name: "openai",
    maker: "openai",
    dialect: Dialect::OpenAi,
    // The prefix before `/chat/completions`.
    public_url: "https://api.openai.com/v1",
    credential_header: "authorization",
    credential_prefix: "Bearer ",
    client_key: ClientKey { header: None, query: None },
    needed_headers: &[],
    passed_headers: &[],
    passed_query: &[],
    paths: &[(Endpoint::ChatCompletions, "/chat/completions")],
    models_path: "/models",
    read_models: |body| {
        let list: ModelList = serde_json::from_slice(body)?;
        Ok(of_list(list, "openai"))
    },
    // OpenRouter shows its models to anybody.
    checks: &[Check { service: "openrouter", host: "openrouter.ai", path: "/key" }],
    one_token: |model| {
        let messages = json!([{"role": "user", "content": "hi"}]);
        (Endpoint::ChatCompletions, json!({"model": model, "messages": messages, "max_tokens": 1}))
    },
    used_up: None,
    hosts: &[
        "api.openai.com",
        ".openai.azure.com",
        "openrouter.ai",
        "api.deepseek.com",
        "api.groq.com",
        "api.mistral.ai",
        "api.x.ai",
        "api.together.xyz",
        "api.fireworks.ai",
        "api.cerebras.ai",
        "api.cohere.ai",
        "api.perplexity.ai",
        "api.moonshot.ai",
        "api.moonshot.cn",
        "api.siliconflow.cn",
        "dashscope.aliyuncs.com",
        "dashscope-intl.aliyuncs.com",
        "open.bigmodel.cn",
        "ark.cn-beijing.volces.com",
        "integrate.api.nvidia.com",
    ],
};
