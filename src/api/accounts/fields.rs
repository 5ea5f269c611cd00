//! The members of an account as a client writes them: read one by one into a row, every problem noted with its member. The
//! same for creating, changing and importing, so that no way in is laxer than another.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::view::Allowance;
use crate::app::App;
use crate::edge::error::{ApiError, Result};
use crate::edge::input::Object;
use crate::gateway::Proxy;
use crate::messages::say;
use crate::providers::{self, Profile};
use crate::store::accounts::AccountRow;
use crate::store::users::User;

const LONGEST_CREDENTIAL: usize = 4_096;
const MOST_CREDENTIALS: usize = 100;
const MOST_HEADERS: usize = 32;
const LONGEST_HEADERS: usize = 8_192;
const MOST_NAMES: usize = 1_000;
const MOST_DRAINED: i64 = 64 << 20;

/// Headers that the gateway itself sets, that carry the credential, or that belong to one connection.
const OWN_HEADERS: &[&str] = &[
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "proxy-authorization",
    "proxy-authenticate",
    "proxy-connection",
    "cookie",
    "host",
    "accept",
    "accept-encoding",
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "user-agent",
    "forwarded",
    "via",
];

/// Whether an account is made or changed.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// All of it is given; what is absent gets its default.
    New,
    /// Only what is to change is given.
    Change,
}

/// Reads what is given into the row. Rules that need more than one member are in [`check_shareable`].
pub(super) fn read(app: &App, body: &mut Object, row: &mut AccountRow, mode: Mode) {
    let is_new = matches!(mode, Mode::New);
    if is_new {
        row.name = body.optional_text("name", 100).unwrap_or_default();
        row.is_enabled = body.optional_integer("status", 0, 1) != Some(0);
        row.provider = body.text("provider", 1, 20);
        row.is_shared = body.optional_integer("is_shared", 0, 1) == Some(1);
        if let Some(secret) = credentials(body) {
            row.credential = app.core.vault.encrypt(secret.expose_secret());
        }
        if !row.provider.is_empty() && Profile::named(&row.provider).is_none() {
            body.reject("provider", "Value error, expected 'openai', 'anthropic' or 'gemini'");
        }
    } else {
        if body.names("name") {
            row.name = body.text("name", 0, 100);
        }
        for name in ["provider", "credential", "credentials", "is_shared", "status"] {
            if body.names(name) {
                body.reject(name, "Value error, not changed in this way");
            }
        }
    }
    addresses(app, body, row);
    lists(body, row);
    numbers(body, row);
}

fn addresses(app: &App, body: &mut Object, row: &mut AccountRow) {
    if body.names("base_url") {
        let parsed = body.optional_text("base_url", 500).map(|text| providers::parse_base_url(&text));
        row.base_url = match parsed.transpose() {
            Ok(url) => url.map(|url| url.to_string()),
            Err(error) => {
                body.reject("base_url", format!("Value error, {error}"));
                None
            }
        };
    }
    if body.names("proxy") {
        let text = body.optional_text("proxy", 500);
        if let Some(Err(error)) = text.as_deref().map(Proxy::parse) {
            body.reject("proxy", format!("Value error, {error}"));
        }
        row.proxy = text.map(|text| app.core.vault.encrypt(&text));
    }
    if body.names("headers") {
        let headers: BTreeMap<String, String> =
            structured(body, "headers", "an object of header names and values");
        if let Err(problem) = check_headers(&headers) {
            body.reject("headers", problem);
        }
        let text = (!headers.is_empty()).then(|| json!(headers).to_string());
        row.headers = text.map(|text| app.core.vault.encrypt(&text));
    }
}

fn lists(body: &mut Object, row: &mut AccountRow) {
    if body.names("models") {
        row.models = body.optional_texts("models", 200, MOST_NAMES).map(|models| json!(models).to_string());
    }
    if body.names("disabled_models") {
        let models = body.optional_texts("disabled_models", 200, MOST_NAMES);
        row.disabled_models = models.map(|models| json!(models).to_string());
    }
    if body.names("aliases") {
        let expected = "an object from public to upstream model names";
        let aliases: BTreeMap<String, String> = structured(body, "aliases", expected);
        let unsound = |name: &String| name.is_empty() || name.len() > 200 || name.contains('\0');
        if aliases.iter().any(|(public, upstream)| unsound(public) || unsound(upstream)) {
            body.reject("aliases", "Value error, a model's name has 1 to 200 characters and no NUL");
        }
        if aliases.len() > MOST_NAMES {
            body.reject("aliases", "Value error, at most 1000 aliases");
        }
        row.aliases = (!aliases.is_empty()).then(|| json!(aliases).to_string());
    }
    if body.names("allowances") {
        let expected = "a list of {models, limit, unit, window}";
        let allowances: Vec<Allowance> = structured(body, "allowances", expected);
        let sound = |one: &Allowance| {
            one.limit > 0
                && (1..=MOST_NAMES).contains(&one.models.len())
                && one.models.iter().all(|name| !name.is_empty() && name.len() <= 200 && !name.contains('\0'))
        };
        if allowances.len() > 100 || !allowances.iter().all(sound) {
            body.reject("allowances", "Value error, each needs models and a limit above zero; at most 100");
        }
        row.allowances = (!allowances.is_empty()).then(|| json!(allowances).to_string());
    }
}

fn numbers(body: &mut Object, row: &mut AccountRow) {
    let small = |number: i64| i32::try_from(number).unwrap_or(i32::MAX);
    if body.names("priority") {
        row.priority = body.optional_integer("priority", -1_000, 1_000).map_or(0, small);
    }
    if body.names("weight") {
        row.weight = body.optional_integer("weight", 1, 1_000).map_or(1, small);
    }
    if body.names("max_concurrency") {
        row.max_concurrency = body.optional_integer("max_concurrency", 1, 100_000).map(small);
    }
    if body.names("drain_bytes") {
        row.drain_bytes = body.optional_integer("drain_bytes", 0, MOST_DRAINED).filter(|bytes| *bytes > 0);
    }
}

/// Reads a member by its type; a value that doesn't fit is a problem of that member.
fn structured<T: serde::de::DeserializeOwned + Default>(body: &mut Object, name: &str, expected: &str) -> T {
    let Some(value) = body.any(name) else { return T::default() };
    serde_json::from_value(value).unwrap_or_else(|_| {
        body.reject(name, format!("Value error, expected {expected}"));
        T::default()
    })
}

fn check_headers(headers: &BTreeMap<String, String>) -> Result<(), String> {
    let size: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MOST_HEADERS || size > LONGEST_HEADERS {
        return Err("Value error, at most 32 headers of 8 KiB together".to_owned());
    }
    for (name, value) in headers {
        let Ok(parsed) = name.parse::<HeaderName>() else {
            return Err("Value error, not the name of a header".to_owned());
        };
        let named = parsed.as_str();
        if OWN_HEADERS.contains(&named) || named.starts_with("x-forwarded-") || named.starts_with("proxy-") {
            return Err(format!("Value error, {named} can't be set by an account"));
        }
        if HeaderValue::from_str(value).is_err() {
            return Err(format!("Value error, the value of {named} can't stand in a header"));
        }
    }
    Ok(())
}

/// One or several credentials, one a line. None when there was a problem.
pub(super) fn credentials(body: &mut Object) -> Option<SecretString> {
    let (name, text) = if body.has("credentials") {
        if body.has("credential") {
            body.reject("credentials", "Value error, give either credential or credentials");
        }
        let list = body.optional_texts("credentials", LONGEST_CREDENTIAL, MOST_CREDENTIALS)?;
        if list.iter().any(|line| line.contains('\n')) {
            body.reject("credentials", "Value error, one credential an entry");
        }
        ("credentials", SecretString::from(list.join("\n")))
    } else {
        ("credential", body.secret("credential", 1, LONGEST_CREDENTIAL * 16))
    };
    let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
    let (count, sound) = lines.fold((0, true), |(count, sound), line| {
        (
            count + 1,
            sound && line.len() <= LONGEST_CREDENTIAL && line.bytes().all(|byte| byte.is_ascii_graphic()),
        )
    });
    if !sound {
        let msg = "Value error, a key has no spaces or non-ASCII characters; several stand one a line";
        body.reject(name, msg);
    } else if count > MOST_CREDENTIALS {
        body.reject(name, "Value error, at most 100 credentials");
    } else if count == 0 && (!text.expose_secret().is_empty() || name == "credentials") {
        body.reject(name, "Value error, there is no credential");
    }
    Some(text)
}

/// 0 or 1 in `is_shared`; anything else is refused as the original did.
pub(super) fn shared(is_shared: i64) -> Result<bool> {
    match is_shared {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(ApiError::bad_request("invalid_is_shared", say("invalid_is_shared")).nested()),
    }
}

/// Whether the account may stand in the shared pool: its owner may share (is not silenced, and of
/// the level that the policy asks for), and it points where shared accounts may.
pub(super) fn check_shareable(app: &App, owner: &User, row: &AccountRow) -> Result<()> {
    if owner.is_silenced || !app.core.config.policy.of(owner.trust_level).may_share {
        return Err(ApiError::forbidden("may_not_share", say("may_not_share")));
    }
    let url = providers::base_url(&row.provider, row.base_url.as_deref());
    if providers::may_be_shared(&url.map_err(ApiError::internal)?, &app.core.config.upstream) {
        return Ok(());
    }
    Err(ApiError::bad_request("host_not_shareable", say("host_not_shareable")))
}

/// What of an account may be taken away as a file: everything that makes another one like it, but no secret.
pub(super) fn exported(row: &AccountRow) -> Value {
    let stored = |text: &Option<String>| -> Value {
        text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
    };
    json!({
        "cookie_id": row.id,
        "name": row.name,
        "provider": row.provider,
        "base_url": row.base_url,
        "is_shared": i32::from(row.is_shared),
        "status": i32::from(row.is_enabled),
        "models": stored(&row.models),
        "aliases": stored(&row.aliases),
        "allowances": stored(&row.allowances),
        "priority": row.priority,
        "weight": row.weight,
        "max_concurrency": row.max_concurrency,
        "drain_bytes": row.drain_bytes,
        "disabled_models": stored(&row.disabled_models),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_replace_no_credential() {
        let one =
            |name: &str, value: &str| check_headers(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
        for name in [
            "Authorization",
            "X-API-Key",
            "x-goog-api-key",
            "Connection",
            "Host",
            "X-Forwarded-For",
            "a b",
            "",
        ] {
            assert!(one(name, "x").is_err(), "{name}");
        }
        assert!(one("x-title", "a\r\nauthorization: b").is_err());
        assert!(one("HTTP-Referer", "https://example.org").is_ok());
    }
}
