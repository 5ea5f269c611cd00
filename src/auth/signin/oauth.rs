//! Linux.do and GitHub: plain OAuth 2 with each one's habits, byte for byte as AntiHub spoke with them.
//!
//! The order of parameters, Basic credentials that are not form-encoded, an optional `token_type`, and errors inside a 200
//! are why this is not done by an OAuth crate.

use std::time::Duration;

use axum::http::header::ACCEPT;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use url::form_urlencoded::Serializer;

use super::http::{Answer, Http};
use super::{Failure, Profile, ProviderTokens, clean_avatar, clean_text};
use crate::config::OauthConfig;

const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const LONGEST_NAME: usize = 100;

fn address(base: &str, members: &[(&str, &str)]) -> String {
    let query = Serializer::new(String::new()).extend_pairs(members).finish();
    let separator = if base.contains('?') { '&' } else { '?' };
    format!("{base}{separator}{query}")
}

pub(super) fn linux_do_address(config: &OauthConfig, state: &str) -> String {
    let members = [
        ("client_id", config.client_id.as_str()),
        ("response_type", "code"),
        ("state", state),
        ("redirect_uri", &config.redirect_uri),
    ];
    address(&config.authorize_url, &members)
}

pub(super) fn github_address(config: &OauthConfig, state: &str) -> String {
    let members = [
        ("client_id", config.client_id.as_str()),
        ("redirect_uri", &config.redirect_uri),
        ("state", state),
        ("scope", "read:user user:email"),
    ];
    address(&config.authorize_url, &members)
}

pub(super) async fn linux_do(http: &Http, config: &OauthConfig, code: &str) -> Result<Profile, Failure> {
    let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &config.redirect_uri)];
    let request = http
        .post(&config.token_url)
        .basic_auth(&config.client_id, Some(config.client_secret.expose_secret()))
        .form(&form);
    let answer = http.send(request).await.map_err(Failure::ExchangeUnreachable)?;
    let tokens = tokens(&object(&answer).map_err(Failure::Exchange)?, HOUR)?;
    let request = http.get(&config.user_url).bearer_auth(tokens.access.expose_secret());
    let answer = http.send(request).await.map_err(Failure::ProfileUnreachable)?;
    let person = object(&answer).map_err(Failure::Profile)?;
    let level = person.get("trust_level").and_then(Value::as_i64).unwrap_or(0).clamp(0, 100);
    Ok(Profile {
        subject: number(&person)?,
        username: clean_text(person.get("username"), LONGEST_NAME)
            .or_else(|| clean_text(person.get("name"), LONGEST_NAME)),
        avatar_url: clean_avatar(person.get("avatar_url")).or_else(|| clean_avatar(person.get("avatar"))),
        trust_level: i32::try_from(level).ok(),
        silenced: person.get("silenced").and_then(Value::as_bool),
        tokens,
    })
}

pub(super) async fn github(http: &Http, config: &OauthConfig, code: &str) -> Result<Profile, Failure> {
    let form = [
        ("client_id", config.client_id.as_str()),
        ("client_secret", config.client_secret.expose_secret()),
        ("code", code),
        ("redirect_uri", &config.redirect_uri),
    ];
    let request = http.post(&config.token_url).header(ACCEPT, "application/json").form(&form);
    let answer = http.send(request).await.map_err(Failure::ExchangeUnreachable)?;
    let given = object(&answer).map_err(Failure::Exchange)?;
    if let Some(error) = given.get("error") {
        let reason = clean_text(given.get("error_description"), 200).or_else(|| clean_text(Some(error), 200));
        return Err(Failure::Refused(reason.unwrap_or_default()));
    }
    let tokens = tokens(&given, YEAR)?;
    let request = http
        .get(&config.user_url)
        .bearer_auth(tokens.access.expose_secret())
        .header(ACCEPT, "application/vnd.github.v3+json");
    let answer = http.send(request).await.map_err(Failure::ProfileUnreachable)?;
    let person = object(&answer).map_err(Failure::Profile)?;
    Ok(Profile {
        subject: number(&person)?,
        username: clean_text(person.get("login"), LONGEST_NAME),
        avatar_url: clean_avatar(person.get("avatar_url")),
        trust_level: None,
        silenced: None,
        tokens,
    })
}

/// The object that a provider answered with 200; or why there is none, without a word of the answer.
fn object(answer: &Answer) -> Result<Map<String, Value>, String> {
    if answer.status != axum::http::StatusCode::OK {
        return Err(format!("the provider answered {}", answer.status));
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(format!("the provider answered {} bytes that are no JSON object", answer.body.len())),
    }
}

fn tokens(given: &Map<String, Value>, default_life: Duration) -> Result<ProviderTokens, Failure> {
    let text = |name: &str| given.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    // What can't stand in a header can't be a token.
    let access = text("access_token").filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
    let access = access.ok_or_else(|| Failure::Exchange("no access token came".to_owned()))?;
    let seconds = given.get("expires_in").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
    Ok(ProviderTokens {
        access: SecretString::from(access),
        refresh: text("refresh_token").map(SecretString::from),
        kind: clean_text(given.get("token_type"), 50).unwrap_or_else(|| "bearer".to_owned()),
        life: seconds.map_or(default_life, |seconds| Duration::from_secs(seconds.min(YEAR.as_secs() * 10))),
    })
}

/// Both number their people. Without a number there is nobody: AntiHub made one account "None" of all of them.
fn number(person: &Map<String, Value>) -> Result<String, Failure> {
    let text = match person.get("id") {
        Some(Value::Number(number)) => number.as_u64().map(|number| number.to_string()),
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    text.filter(|text| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| Failure::Profile("the person has no number".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_numbers_name_a_person() {
        let subject = |id: Value| number(json!({"id": id}).as_object().unwrap()).ok();
        assert_eq!(subject(json!(71)), Some("71".to_owned()));
        assert_eq!(subject(json!("71")), Some("71".to_owned()));
        for bad in
            [json!(null), json!(""), json!("github:71"), json!(-1), json!(1.5), json!([1]), json!(true)]
        {
            assert_eq!(subject(bad), None);
        }
    }
}
