//! What each provider is, as one table a provider: its addresses and paths, how it takes credentials, which headers it
//! needs, what its lists look like, and which hosts a *shared* account may use. Who shares an account could read what others
//! send through it, so shared ones go to well-known services only.

mod anthropic;
mod gemini;
mod openai;

use millpond_pool::account::Provider;
use millpond_wire::limits::Limit;
use millpond_wire::models::{Model, ModelList};
use millpond_wire::{Dialect, Endpoint};
use serde_json::Value;
use url::Url;

use crate::config::UpstreamConfig;

/// What a provider is.
pub struct Profile {
    /// How the pool knows it.
    pub provider: Provider,
    /// Its name in the database and on the wire.
    pub name: &'static str,
    /// Who is said to run a model that its account names itself.
    pub maker: &'static str,
    /// What its API speaks.
    pub dialect: Dialect,
    /// The prefix of its own paths at its own address.
    pub public_url: &'static str,
    /// The header that takes a credential, and what stands before the credential in it.
    pub credential_header: &'static str,
    pub credential_prefix: &'static str,
    /// Where its clients put their key, besides a bearer token.
    pub client_key: ClientKey,
    /// Headers that it insists on, and what is sent where the client gave none.
    pub needed_headers: &'static [(&'static str, &'static str)],
    /// Headers of a client that go on to it.
    pub passed_headers: &'static [&'static str],
    /// Members of a client's query that go on to it: name, value, and both as they are sent.
    pub passed_query: &'static [(&'static str, &'static str, &'static str)],
    /// What its endpoints are called behind the prefix; `{model}` stands for the model's name.
    pub paths: &'static [(Endpoint, &'static str)],
    /// Where it lists its models.
    pub models_path: &'static str,
    /// Reads that list.
    pub read_models: fn(&[u8]) -> serde_json::Result<Vec<Model>>,
    /// Where else than in the list of models a good credential shows.
    pub checks: &'static [Check],
    /// The cheapest call of a model.
    pub one_token: fn(&str) -> (Endpoint, Value),
    /// What a 429 says in its body that is used up, and when it is whole again, at a moment in milliseconds.
    pub used_up: Option<fn(&[u8], i64) -> Vec<Limit>>,
    /// Services that run models for the public under their own name and speak its dialect. A leading dot stands for any
    /// host below.
    pub hosts: &'static [&'static str],
}

/// Where clients of a dialect put their key; a header decides alone, the query only where no header holds anything.
pub struct ClientKey {
    pub header: Option<&'static str>,
    pub query: Option<&'static str>,
}

/// What only a good credential gets, at a service whose list of models anybody gets.
pub struct Check {
    /// The service by the name that linked accounts bear.
    pub service: &'static str,
    pub host: &'static str,
    pub path: &'static str,
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

static ALL: [&Profile; 3] = [&openai::PROFILE, &anthropic::PROFILE, &gemini::PROFILE];

impl Profile {
    /// The provider of this name, if this version serves it.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|profile| profile.name == name)
    }

    /// The provider whose accounts are called in a dialect. Translation would add others.
    pub fn of(dialect: Dialect) -> &'static Self {
        match dialect {
            Dialect::OpenAi => &openai::PROFILE,
            Dialect::Anthropic => &anthropic::PROFILE,
            Dialect::Gemini => &gemini::PROFILE,
        }
    }

    /// What an endpoint is called behind the prefix; `None` if the provider has no such endpoint.
    pub fn path(&self, endpoint: Endpoint) -> Option<&'static str> {
        self.paths.iter().find(|(one, _)| *one == endpoint).map(|(_, path)| *path)
    }

    /// The path of what only a good credential gets, for an account at `base` that was linked through `service`.
    pub fn check_path(&self, base: &Url, service: Option<&str>) -> &'static str {
        let is_here = |check: &&Check| service == Some(check.service) || base.host_str() == Some(check.host);
        self.checks.iter().find(is_here).map_or(self.models_path, |check| check.path)
    }

    /// What of a client's query goes on.
    pub fn query<'q>(&self, given: impl Fn(&str) -> Option<&'q str>) -> Option<&'static str> {
        self.passed_query.iter().find(|(name, value, _)| given(name) == Some(value)).map(|(.., sent)| *sent)
    }
}

/// The models of a list in OpenAI's shape, whose makers may be left out.
fn of_list(list: ModelList, maker: &str) -> Vec<Model> {
    let mut models = list.data;
    for model in &mut models {
        model.object = "model".to_owned();
        if model.owned_by.is_empty() {
            model.owned_by = maker.to_owned();
        }
    }
    models
}

/// Why an address is no base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    #[error("base_url is not an absolute URL")]
    NotAbsolute,
    #[error("base_url must begin with http:// or https://")]
    Scheme,
    #[error("base_url must have no user, password, query or fragment")]
    Decorated,
}

/// A checked base URL, without a slash at its end.
pub fn parse_base_url(text: &str) -> Result<Url, BaseUrlError> {
    let mut url = Url::parse(text.trim()).map_err(|_| BaseUrlError::NotAbsolute)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(BaseUrlError::Scheme);
    }
    let decorated = !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some();
    if decorated {
        return Err(BaseUrlError::Decorated);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Where an account points: its own address, or its provider's public one.
pub fn base_url(provider: &str, own: Option<&str>) -> Result<Url, BaseUrlError> {
    let public = Profile::named(provider).unwrap_or(&openai::PROFILE).public_url;
    parse_base_url(own.unwrap_or(public))
}

/// Whether a shared account may point there: a well-known service over https, or what the operator allowed in
/// `SHARED_UPSTREAM_HOSTS`.
pub fn may_be_shared(url: &Url, config: &UpstreamConfig) -> bool {
    let Some(host) = url.host_str() else { return false };
    let matches = |known: &str| match known.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|below| below.ends_with('.')),
        None => host.eq_ignore_ascii_case(known),
    };
    let mut well_known = ALL.iter().flat_map(|profile| profile.hosts);
    config.shared_hosts.iter().any(|known| matches(known))
        || (url.scheme() == "https" && well_known.any(|known| matches(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_bare() {
        assert_eq!(
            parse_base_url("https://api.openai.com/v1/").unwrap().as_str(),
            openai::PROFILE.public_url
        );
        for (text, error) in [
            ("api.openai.com", BaseUrlError::NotAbsolute),
            ("file:///etc/passwd", BaseUrlError::Scheme),
            ("ftp://example.org", BaseUrlError::Scheme),
            ("https://me:secret@example.org", BaseUrlError::Decorated),
            ("https://example.org/?key=x", BaseUrlError::Decorated),
        ] {
            assert_eq!(parse_base_url(text), Err(error), "{text}");
        }
    }
}
