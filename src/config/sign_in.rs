//! Sign-in at OpenID Connect providers (`OIDC_*`, more of them with `_2`, `_3` …), and the settings that every external
//! sign-in shares.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::AppEnv;
use super::parse::Reader;

/// One OpenID Connect provider.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// What stands in paths: lower-case letters, digits and dashes.
    pub name: String,
    /// What people read.
    pub label: String,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretString,
    pub redirect_uri: String,
    /// Besides `openid`.
    pub scopes: Vec<String>,
}

/// External sign-in as a whole.
#[derive(Clone, Debug)]
pub struct SignInConfig {
    /// How long one call to a provider may take.
    pub deadline: Duration,
    /// Where a browser is sent when its sign-in is done.
    pub return_url: String,
    pub oidc: Vec<OidcConfig>,
}

/// The longest list of OpenID Connect providers.
const MOST_PROVIDERS: usize = 32;
/// Names that belong to the other two.
const RESERVED: [&str; 2] = ["linuxdo", "github"];

impl Reader<'_> {
    pub(super) fn sign_in(&mut self, app_env: Option<AppEnv>) -> Option<SignInConfig> {
        let deadline = self.number("SIGN_IN_TIMEOUT_SECONDS", 1, 120).map(Duration::from_secs);
        let return_url = self.text("SIGN_IN_RETURN_URL").unwrap_or_default();
        if !is_return_url(&return_url) {
            self.problem("SIGN_IN_RETURN_URL", "must be an http(s) address or a path, without a fragment");
        }
        let mut oidc: Vec<OidcConfig> = Vec::new();
        for number in 1..=MOST_PROVIDERS {
            let suffix = if number == 1 { String::new() } else { format!("_{number}") };
            let Some(provider) = self.oidc(number, &suffix, app_env) else { continue };
            if RESERVED.contains(&provider.name.as_str())
                || oidc.iter().any(|other| other.name == provider.name || other.issuer == provider.issuer)
            {
                self.problem(&format!("OIDC_NAME{suffix}"), "another provider has this name or issuer");
            }
            oidc.push(provider);
        }
        Some(SignInConfig { deadline: deadline?, return_url, oidc })
    }

    fn oidc(&mut self, number: usize, suffix: &str, app_env: Option<AppEnv>) -> Option<OidcConfig> {
        let named = |name: &str| format!("OIDC_{name}{suffix}");
        let issuer = self.url(&named("ISSUER"))?;
        if app_env == Some(AppEnv::Production) && !issuer.starts_with("https://") {
            self.problem(&named("ISSUER"), "must be an https:// address in production");
        }
        let client_id = self.text(&named("CLIENT_ID"));
        let client_secret = self.secret(&named("CLIENT_SECRET"));
        let redirect_uri = self.url(&named("REDIRECT_URI"));
        if client_id.is_none() || client_secret.is_none() || redirect_uri.is_none() {
            let needs = format!(
                "needs {}, {} and {} beside it",
                named("CLIENT_ID"),
                named("CLIENT_SECRET"),
                named("REDIRECT_URI")
            );
            self.problem(&named("ISSUER"), &needs);
        }
        let label = self.text(&named("NAME")).unwrap_or_else(|| match number {
            1 => "oidc".to_owned(),
            _ => format!("oidc-{number}"),
        });
        let name = path_name(&label);
        if name.is_empty() || name.len() > 40 {
            self.problem(&named("NAME"), "must hold some letters a-z or digits, and be no longer than 40");
        }
        let scopes = self.text(&named("SCOPES")).unwrap_or_default();
        Some(OidcConfig {
            name,
            label,
            issuer,
            client_id: client_id?,
            client_secret: client_secret?,
            redirect_uri: redirect_uri?,
            scopes: scopes
                .split_whitespace()
                .filter(|scope| *scope != "openid")
                .map(ToOwned::to_owned)
                .collect(),
        })
    }
}

/// `Company SSO` as `company-sso`.
fn path_name(label: &str) -> String {
    let mut name = String::new();
    for letter in label.chars() {
        if letter.is_ascii_alphanumeric() {
            name.push(letter.to_ascii_lowercase());
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_end_matches('-').to_owned()
}

/// The fragment is ours: it takes the code or the problem to the front end.
fn is_return_url(text: &str) -> bool {
    let is_path = text.starts_with('/') && !text.starts_with("//") && !text.contains('\\');
    let is_url = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    (is_path || is_url) && text.is_ascii() && !text.contains(['#', ' ', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_paths() {
        assert_eq!(path_name("Company SSO"), "company-sso");
        assert_eq!(path_name(" (Keycloak) "), "keycloak");
        assert_eq!(path_name("公司"), "");
    }

    #[test]
    fn browsers_are_sent_to_paths_and_web_addresses_only() {
        for good in ["/", "/console/", "https://front.example/after?x=1", "http://localhost:3000"] {
            assert!(is_return_url(good), "{good}");
        }
        for bad in ["", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/a#b", "/a\r\nb: c"] {
            assert!(!is_return_url(bad), "{bad}");
        }
    }
}
