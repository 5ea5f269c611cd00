//! Turns variables into values and collects every problem on the way. Defaults are those of the list in `settings`.

#[cfg(test)]
use std::cell::RefCell;
#[cfg(test)]
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use url::Url;

use super::settings::{InForce, Origin, SETTINGS, Setting, Unset};
use super::{AppEnv, DatabaseConfig, HttpConfig, OauthConfig, PrivateUpstream, UpstreamConfig};

/// Environment variables with upper-case names; an empty value counts as absent.
#[derive(Clone, Debug, Default)]
pub struct Variables(HashMap<String, (String, Origin)>);

impl Variables {
    /// The process environment over `.env` in the working directory.
    pub fn from_process() -> Self {
        let mut variables = Self::default();
        if let Ok(file) = dotenvy::dotenv_iter() {
            for (name, value) in file.flatten() {
                variables.set_from(Origin::EnvFile, &name, value);
            }
        }
        for (name, value) in std::env::vars_os() {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                variables.set(name, value);
            }
        }
        variables
    }

    /// Sets one variable, replacing what it was.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.set_from(Origin::Environment, name, value);
    }

    fn set_from(&mut self, origin: Origin, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_ascii_uppercase(), (value.into(), origin));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.trim()).filter(|value| !value.is_empty())
    }

    /// Every setting as an operator may see it: what was set, then what was not.
    pub(super) fn in_force(&self) -> Vec<InForce> {
        let given = |(name, (_, origin)): (&String, &(String, Origin))| {
            Some(InForce::given(Setting::of(name)?, name, self.get(name)?, *origin))
        };
        let mut in_force: Vec<InForce> = self.0.iter().filter_map(given).collect();
        let absent = SETTINGS.iter().filter(|setting| self.get(setting.name).is_none());
        in_force.extend(absent.map(InForce::absent));
        in_force.sort_by(|one, other| one.variable.cmp(&other.variable));
        in_force
    }
}

/// A range of addresses such as `10.0.0.0/8`; a lone address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/PREFIX`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let base: IpAddr = address.parse().ok()?;
        let longest = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { base, prefix })
    }

    /// Whether the address lies in the range. An IPv4 address mapped into IPv6 counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                shift == 32 || u32::from(base) >> shift == u32::from(address) >> shift
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                shift == 128 || u128::from(base) >> shift == u128::from(address) >> shift
            }
            _ => false,
        }
    }
}

/// Reads variables and remembers what was wrong with them.
pub(super) struct Reader<'a> {
    variables: &'a Variables,
    pub(super) problems: Vec<String>,
    /// For the test that holds the list of settings to what is read.
    #[cfg(test)]
    pub(super) asked: RefCell<BTreeSet<String>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(variables: &'a Variables) -> Self {
        Self {
            variables,
            problems: Vec::new(),
            #[cfg(test)]
            asked: RefCell::default(),
        }
    }

    /// What is set, or else the setting's default.
    fn get(&self, name: &str) -> Option<&'a str> {
        let setting = Setting::of(name);
        #[cfg(test)]
        self.asked.borrow_mut().insert(setting.map_or(name, |setting| setting.name).to_owned());
        self.variables.get(name).or(match setting?.default {
            Unset::Value(value) => Some(value),
            Unset::None | Unset::Derived(_) => None,
        })
    }

    /// Every setting as an operator may see it.
    pub(super) fn in_force(&self) -> Vec<InForce> {
        self.variables.in_force()
    }

    pub(super) fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(format!("{name}: {what}"));
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(ToOwned::to_owned)
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(SecretString::from)
    }

    /// A whole number within bounds; `None` and a problem when wrong.
    pub(super) fn number(&mut self, name: &str, least: u64, most: u64) -> Option<u64> {
        match self.get(name).unwrap_or_default().parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.problem(name, &format!("must be a whole number from {least} to {most}"));
                None
            }
        }
    }

    pub(super) fn seconds(&mut self, name: &str) -> Option<Duration> {
        self.number(name, 1, 86_400).map(Duration::from_secs)
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text = self.get(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(ToOwned::to_owned).collect()
    }

    pub(super) fn url(&mut self, name: &str) -> Option<String> {
        let text = self.get(name)?.to_owned();
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(text),
            _ => {
                self.problem(name, "must be an http:// or https:// address");
                None
            }
        }
    }

    pub(super) fn app_env(&mut self) -> Option<AppEnv> {
        match self.get("APP_ENV").unwrap_or_default().to_ascii_lowercase().as_str() {
            "development" => Some(AppEnv::Development),
            "staging" => Some(AppEnv::Staging),
            "production" => Some(AppEnv::Production),
            _ => {
                self.problem("APP_ENV", "must be development, staging or production");
                None
            }
        }
    }

    pub(super) fn log_level(&mut self) -> Option<tracing::Level> {
        match self.get("LOG_LEVEL").unwrap_or_default().to_ascii_uppercase().as_str() {
            "DEBUG" => Some(tracing::Level::DEBUG),
            "INFO" => Some(tracing::Level::INFO),
            "WARNING" => Some(tracing::Level::WARN),
            "ERROR" | "CRITICAL" => Some(tracing::Level::ERROR),
            _ => {
                self.problem("LOG_LEVEL", "must be DEBUG, INFO, WARNING, ERROR or CRITICAL");
                None
            }
        }
    }

    pub(super) fn database(&mut self, data_dir: &Path) -> Option<DatabaseConfig> {
        let Some(text) = self.get("DATABASE_URL") else {
            return Some(DatabaseConfig::Sqlite { path: data_dir.join("millpond.db") });
        };
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Some(DatabaseConfig::Sqlite { path: path.into() });
        }
        // SQLAlchemy writes the driver into the scheme: postgresql+asyncpg://
        let plain = text.replacen("+asyncpg", "", 1).replacen("+psycopg", "", 1);
        match Url::parse(&plain) {
            Ok(url) if matches!(url.scheme(), "postgres" | "postgresql") => {
                Some(DatabaseConfig::Postgres { url: plain.into() })
            }
            _ => {
                self.problem(
                    "DATABASE_URL",
                    "must begin with postgresql:// (or postgresql+asyncpg://) or sqlite:",
                );
                None
            }
        }
    }

    pub(super) fn redis_url(&mut self) -> Option<SecretString> {
        let text = self.get("REDIS_URL")?.to_owned();
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "redis" | "rediss") => Some(text.into()),
            _ => {
                self.problem("REDIS_URL", "must begin with redis:// or rediss://");
                None
            }
        }
    }

    /// Algorithm and the lives of access and refresh tokens.
    pub(super) fn token_lives(&mut self) -> Option<(Algorithm, Duration, Duration)> {
        let algorithm = match self.get("JWT_ALGORITHM").unwrap_or_default() {
            "HS256" => Some(Algorithm::HS256),
            "HS384" => Some(Algorithm::HS384),
            "HS512" => Some(Algorithm::HS512),
            _ => {
                self.problem("JWT_ALGORITHM", "must be HS256, HS384 or HS512");
                None
            }
        };
        let hours = self.number("JWT_EXPIRE_HOURS", 1, 10_000_000);
        let days = self.number("REFRESH_TOKEN_EXPIRE_DAYS", 1, 400_000);
        Some((algorithm?, Duration::from_secs(hours? * 3_600), Duration::from_secs(days? * 86_400)))
    }

    pub(super) fn http(&mut self) -> Option<HttpConfig> {
        let host = self.get("HOST").unwrap_or_default().parse::<IpAddr>();
        if host.is_err() {
            self.problem("HOST", "must be an IP address such as 127.0.0.1 or ::");
        }
        let port = self.number("PORT", 0, 65_535).and_then(|port| u16::try_from(port).ok());
        let max_body_bytes = self.number("MAX_BODY_BYTES", 1_024, 1 << 32);
        let shutdown_grace = self.number("SHUTDOWN_GRACE_SECONDS", 0, 86_400).map(Duration::from_secs);
        let client_timeout = self.seconds("CLIENT_TIMEOUT_SECONDS");
        let connections_per_address = self.number("CONNECTIONS_PER_ADDRESS", 0, 1_000_000);
        let trusted_proxies = self.networks("TRUSTED_PROXIES");
        Some(HttpConfig {
            address: SocketAddr::new(host.ok()?, port?),
            max_body_bytes: usize::try_from(max_body_bytes?).ok()?,
            cors_origins: self.list("CORS_ORIGINS"),
            trusted_proxies,
            shutdown_grace: shutdown_grace?,
            client_timeout: client_timeout?,
            connections_per_address: usize::try_from(connections_per_address?).ok()?,
        })
    }

    fn networks(&mut self, name: &str) -> Vec<Network> {
        let parsed: Vec<_> = self.list(name).iter().map(|item| Network::parse(item)).collect();
        if parsed.iter().any(Option::is_none) {
            self.problem(name, "must be a comma-separated list of addresses or CIDR ranges");
        }
        parsed.into_iter().flatten().collect()
    }

    pub(super) fn upstream(&mut self) -> Option<UpstreamConfig> {
        let connect_timeout = self.seconds("UPSTREAM_CONNECT_TIMEOUT_SECONDS");
        let first_byte_timeout = self.seconds("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS");
        let idle_timeout = self.seconds("UPSTREAM_IDLE_TIMEOUT_SECONDS");
        let deadline = self.seconds("REQUEST_DEADLINE_SECONDS");
        let allow_private =
            self.list("ALLOW_PRIVATE_UPSTREAMS").into_iter().map(|item| match Network::parse(&item) {
                Some(network) => PrivateUpstream::Network(network),
                None => PrivateUpstream::Host(item.to_ascii_lowercase()),
            });
        Some(UpstreamConfig {
            connect_timeout: connect_timeout?,
            first_byte_timeout: first_byte_timeout?,
            idle_timeout: idle_timeout?,
            deadline: deadline?,
            allow_private: allow_private.collect(),
            ca_file: self.text("UPSTREAM_CA_FILE").map(PathBuf::from),
            shared_hosts: self
                .list("SHARED_UPSTREAM_HOSTS")
                .iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
        })
    }

    pub(super) fn linux_do(&mut self) -> Option<OauthConfig> {
        let client_id = self.text("OAUTH_CLIENT_ID")?;
        let client_secret = self.secret("OAUTH_CLIENT_SECRET");
        let redirect_uri = self.url("OAUTH_REDIRECT_URI");
        if client_secret.is_none() || redirect_uri.is_none() {
            self.problem("OAUTH_CLIENT_ID", "needs OAUTH_CLIENT_SECRET and OAUTH_REDIRECT_URI beside it");
        }
        Some(OauthConfig {
            client_id,
            client_secret: client_secret?,
            redirect_uri: redirect_uri?,
            authorize_url: self.url("OAUTH_AUTHORIZATION_ENDPOINT")?,
            token_url: self.url("OAUTH_TOKEN_ENDPOINT")?,
            user_url: self.url("OAUTH_USER_INFO_ENDPOINT")?,
        })
    }

    pub(super) fn github(&mut self) -> Option<OauthConfig> {
        let client_id = self.text("GITHUB_CLIENT_ID")?;
        let client_secret = self.secret("GITHUB_CLIENT_SECRET");
        let redirect_uri = self.url("GITHUB_REDIRECT_URI");
        if client_secret.is_none() || redirect_uri.is_none() {
            self.problem("GITHUB_CLIENT_ID", "needs GITHUB_CLIENT_SECRET and GITHUB_REDIRECT_URI beside it");
        }
        Some(OauthConfig {
            client_id,
            client_secret: client_secret?,
            redirect_uri: redirect_uri?,
            authorize_url: self.url("GITHUB_AUTHORIZE_URL")?,
            token_url: self.url("GITHUB_TOKEN_URL")?,
            user_url: self.url("GITHUB_USER_API_URL")?,
        })
    }

    /// Checks what has no effect.
    pub(super) fn without_effect(&mut self) {
        if self.get("METRICS_ADDR").is_some_and(|text| text.parse::<SocketAddr>().is_err()) {
            self.problem("METRICS_ADDR", "must be an address with a port such as 127.0.0.1:9090");
        }
        self.url("PLUGIN_API_BASE_URL");
        self.secret("PLUGIN_API_ADMIN_KEY");
    }
}

/// A URL with its password replaced, for showing to an operator.
pub(super) fn mask_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "***".into() };
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".into();
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_what_they_should() {
        let ten = Network::parse("10.0.0.0/8").unwrap();
        assert!(ten.contains("10.255.0.1".parse().unwrap()));
        assert!(ten.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!(Network::parse("::1").unwrap().contains("::1".parse().unwrap()));
        assert_eq!(Network::parse("10.0.0.0/33"), None);
    }

    #[test]
    fn masks_passwords_only() {
        assert_eq!(mask_url("postgres://u:secret@h:5432/d"), "postgres://u:***@h:5432/d");
        assert_eq!(mask_url("redis://h:1/0"), "redis://h:1/0");
    }
}
