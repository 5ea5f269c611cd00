//! Signing in elsewhere: Linux.do and GitHub as AntiHub's dashboards call them, and any OpenID Connect provider.
//!
//! [`begin`] sends a browser to a provider and remembers that in [`pending`]; [`complete`] takes the browser's code to the
//! provider ([`oauth`], [`oidc`]), and [`people`] finds or makes the person. Cookies, pages and routes are in
//! `api::sso`; passwords are in `auth::sessions`.

pub(crate) mod http;
mod oauth;
mod oidc;
pub mod pending;
pub mod people;
pub mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use secrecy::SecretString;
use serde_json::Value;

use crate::auth::Auth;
use crate::config::{Config, OauthConfig, Registration};
use crate::edge::error::{ApiError, Result};
use crate::messages::{Text, say};
use http::Http;
pub use oidc::OidcProvider;

/// What external sign-in needs while the program runs.
#[derive(Debug)]
pub struct SignIn {
    http: Http,
    oidc: Vec<Arc<OidcProvider>>,
}

impl SignIn {
    /// The configured providers. None is called before somebody signs in there.
    pub fn new(config: &Config) -> Result<Self, reqwest::Error> {
        let oidc = config.sign_in.oidc.iter().cloned().map(|provider| Arc::new(OidcProvider::new(provider)));
        Ok(Self { http: Http::new(config.sign_in.deadline)?, oidc: oidc.collect() })
    }

    /// The client for cold paths to configured services.
    pub(crate) fn http(&self) -> &Http {
        &self.http
    }
}

/// One way to sign in that is configured.
#[derive(Clone, Debug)]
pub enum Way<'a> {
    LinuxDo(&'a OauthConfig),
    GitHub(&'a OauthConfig),
    Oidc(&'a Arc<OidcProvider>),
}

impl<'a> Way<'a> {
    /// Every configured way.
    pub fn all(auth: &'a Auth) -> Vec<Self> {
        let linux_do = auth.core.config.linux_do.iter().map(Self::LinuxDo);
        let github = auth.core.config.github.iter().map(Self::GitHub);
        linux_do.chain(github).chain(auth.signin.oidc.iter().map(Self::Oidc)).collect()
    }

    /// The way with this name.
    pub fn named(auth: &'a Auth, name: &str) -> Result<Self> {
        Self::all(auth).into_iter().find(|way| way.name() == name).ok_or_else(|| {
            ApiError::new(
                StatusCode::NOT_FOUND,
                "sign_in_not_configured",
                say("sign_in_not_configured").with("provider", name.chars().take(60).collect::<String>()),
            )
        })
    }

    /// What stands in paths.
    pub fn name(&self) -> &'a str {
        match self {
            Self::LinuxDo(_) => "linuxdo",
            Self::GitHub(_) => "github",
            Self::Oidc(provider) => &provider.config.name,
        }
    }

    /// What people read.
    pub fn label(&self) -> &'a str {
        match self {
            Self::LinuxDo(_) => "Linux.do",
            Self::GitHub(_) => "GitHub",
            Self::Oidc(provider) => &provider.config.label,
        }
    }

    /// What identities are kept under.
    pub fn provider(&self) -> &'a str {
        match self {
            Self::LinuxDo(_) | Self::GitHub(_) => self.name(),
            Self::Oidc(provider) => &provider.config.issuer,
        }
    }

    /// `linuxdo`, `github` or `oidc`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LinuxDo(_) => "linuxdo",
            Self::GitHub(_) => "github",
            Self::Oidc(_) => "oidc",
        }
    }

    fn redirect_uri(&self) -> &'a str {
        match self {
            Self::LinuxDo(config) | Self::GitHub(config) => &config.redirect_uri,
            Self::Oidc(provider) => &provider.config.redirect_uri,
        }
    }

    /// Whether the browser comes back over TLS, so that its cookie may ask for that.
    pub fn is_secure(&self) -> bool {
        self.redirect_uri().starts_with("https://")
    }

    /// The error for a state that nobody made, that is used up or expired, or that another browser was given.
    pub fn invalid_state(&self) -> ApiError {
        let message = match self {
            Self::LinuxDo(_) => say("sign_in_linux_do_state"),
            Self::GitHub(_) => say("sign_in_github_state"),
            Self::Oidc(_) => say("sign_in_oidc_state"),
        };
        ApiError::bad_request("invalid_oauth_state", message)
    }
}

/// A person as a provider describes them, and the tokens that it gave for them.
#[derive(Debug)]
pub struct Profile {
    /// Their identifier there: the only thing that tells one from another.
    pub subject: String,
    pub username: Option<String>,
    pub avatar_url: Option<String>,
    /// Linux.do only.
    pub trust_level: Option<i32>,
    /// Linux.do only.
    pub silenced: Option<bool>,
    pub tokens: ProviderTokens,
}

/// What a token endpoint gave.
#[derive(Debug)]
pub struct ProviderTokens {
    pub access: SecretString,
    pub refresh: Option<SecretString>,
    pub kind: String,
    pub life: Duration,
}

/// What a browser brings back from a provider.
#[derive(Clone, Debug)]
pub struct Returned {
    pub code: String,
    pub state: String,
}

/// How a sign-in failed at the provider.
#[derive(Debug)]
enum Failure {
    /// The code was not exchanged: refused, or an answer that is none.
    Exchange(String),
    /// GitHub said why, in words for people.
    Refused(String),
    ExchangeUnreachable(http::HttpProblem),
    /// There is no usable description of the person.
    Profile(String),
    ProfileUnreachable(http::HttpProblem),
    /// The ID token is not what it should be.
    Proof(String),
    /// An OpenID Connect provider's own description can't be had.
    Discovery(String),
}

impl Failure {
    /// The words are the contract's for Linux.do and GitHub; causes are for the operator only.
    fn into_error(self, way: &Way<'_>) -> ApiError {
        let message = self.message(way);
        let (status, code) = match (&self, way) {
            (Self::Discovery(_), _)
            | (Self::ExchangeUnreachable(_) | Self::ProfileUnreachable(_), Way::Oidc(_)) => {
                (StatusCode::BAD_GATEWAY, "sign_in_provider_unreachable")
            }
            (Self::ExchangeUnreachable(_) | Self::ProfileUnreachable(_), _) => {
                (StatusCode::BAD_REQUEST, "sign_in_provider_unreachable")
            }
            (Self::Exchange(_) | Self::Refused(_), _) => (StatusCode::BAD_REQUEST, "sign_in_code_refused"),
            (Self::Profile(_), _) => (StatusCode::BAD_REQUEST, "sign_in_profile_unusable"),
            (Self::Proof(_), _) => (StatusCode::BAD_REQUEST, "sign_in_proof_invalid"),
        };
        let error = ApiError::new(status, code, message);
        match self {
            Self::ExchangeUnreachable(problem) | Self::ProfileUnreachable(problem) => error.because(problem),
            Self::Exchange(cause) | Self::Profile(cause) | Self::Proof(cause) | Self::Discovery(cause) => {
                error.because(cause)
            }
            Self::Refused(_) => error,
        }
    }

    fn message(&self, way: &Way<'_>) -> Text {
        let of_oidc = |key: &'static str| say(key).with("provider", way.label());
        match (self, way) {
            (Self::Refused(reason), _) => say("sign_in_github_refused").with("reason", reason),
            (Self::Exchange(_), Way::LinuxDo(_)) => say("sign_in_linux_do_exchange"),
            (Self::Exchange(_), Way::GitHub(_)) => say("sign_in_github_exchange"),
            (Self::Exchange(_), Way::Oidc(_)) => of_oidc("sign_in_oidc_exchange"),
            (Self::ExchangeUnreachable(_), Way::LinuxDo(_)) => say("sign_in_linux_do_exchange_unreachable"),
            (Self::ExchangeUnreachable(_), Way::GitHub(_)) => say("sign_in_github_exchange_unreachable"),
            (Self::Profile(_), Way::LinuxDo(_)) => say("sign_in_linux_do_profile"),
            (Self::Profile(_), Way::GitHub(_)) => say("sign_in_github_profile"),
            (Self::Profile(_), Way::Oidc(_)) => of_oidc("sign_in_oidc_profile"),
            (Self::ProfileUnreachable(_), Way::LinuxDo(_)) => say("sign_in_linux_do_profile_unreachable"),
            (Self::ProfileUnreachable(_), Way::GitHub(_)) => say("sign_in_github_profile_unreachable"),
            (Self::Proof(_), _) => of_oidc("sign_in_oidc_proof"),
            (Self::Discovery(_) | Self::ExchangeUnreachable(_) | Self::ProfileUnreachable(_), _) => {
                of_oidc("sign_in_oidc_unreachable")
            }
        }
    }
}

/// Whether signing in elsewhere may make a person who is not yet known here.
pub fn may_register(auth: &Auth) -> bool {
    match auth.core.config.people.registration {
        Registration::Sso | Registration::Open => true,
        Registration::Closed | Registration::Invite => false,
    }
}

/// Sends a browser away: the address of the provider's page, and the state that it will come back with.
pub async fn begin(auth: &Auth, way: &Way<'_>, pending: pending::Pending) -> Result<(String, String)> {
    let state = pending::random_text();
    let (address, pending) = match way {
        Way::LinuxDo(config) => (oauth::linux_do_address(config, &state), pending),
        Way::GitHub(config) => (oauth::github_address(config, &state), pending),
        Way::Oidc(provider) => {
            let asked = provider.ask(auth, &state).await.map_err(|failure| failure.into_error(way))?;
            let proof =
                pending::Proof { nonce: asked.nonce, verifier: auth.core.vault.encrypt(&asked.verifier) };
            (asked.address, pending::Pending { proof: Some(proof), ..pending })
        }
    };
    pending::keep(auth, way, &state, &pending).await?;
    Ok((address, state))
}

/// Takes a code back to its provider and returns the person as described there.
pub async fn fetch(
    auth: &Auth,
    way: &Way<'_>,
    returned: &Returned,
    pending: &pending::Pending,
) -> Result<Profile> {
    let fetched = match way {
        Way::LinuxDo(config) => oauth::linux_do(&auth.signin.http, config, &returned.code).await,
        Way::GitHub(config) => oauth::github(&auth.signin.http, config, &returned.code).await,
        Way::Oidc(provider) => {
            let proof = pending.proof.as_ref().ok_or_else(|| way.invalid_state())?;
            let verifier = auth.core.vault.decrypt(&proof.verifier).map_err(|_| way.invalid_state())?;
            provider.fetch(auth, &returned.code, &proof.nonce, &verifier).await
        }
    };
    fetched.map_err(|failure| {
        let error = failure.into_error(way);
        let cause = error.private_cause().unwrap_or_default();
        tracing::warn!(provider = way.name(), code = error.code(), cause, "a sign-in failed at its provider");
        error
    })
}

/// A text of an answer, cut to what a column takes and a page can show.
fn clean_text(value: Option<&Value>, longest: usize) -> Option<String> {
    let text: String =
        value?.as_str()?.trim().chars().filter(|letter| !letter.is_control()).take(longest).collect();
    (!text.is_empty()).then_some(text)
}

/// An avatar is shown by other people's browsers: only web addresses, only as long as the column.
fn clean_avatar(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    let url = url::Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && text.chars().count() <= 512).then(|| text.to_owned())
}
