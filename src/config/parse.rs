//! Turns variables into values and collects every problem on the way. No defaults are hidden elsewhere.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use url::Url;

use super::{AppEnv, DatabaseConfig, HttpConfig, OauthConfig, PluginConfig, PrivateUpstream, UpstreamConfig};

/// Environment variables with upper-case names; an empty value counts as absent.
#[derive(Clone, Debug, Default)]
pub struct Variables(HashMap<String, String>);

impl Variables {
    /// The process environment over `.env` in the working directory.
    pub fn from_process() -> Self {
        let mut variables = Self::default();
        if let Ok(file) = dotenvy::dotenv_iter() {
            for (name, value) in file.flatten() {
                variables.set(&name, value);
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
        self.0.insert(name.to_ascii_uppercase(), value.into());
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
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
}

impl<'a> Reader<'a> {
    pub(super) fn new(variables: &'a Variables) -> Self {
        Self { variables, problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, name: &str, what: &str) {
        self.problems.push(format!("{name}: {what}"));
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(ToOwned::to_owned)
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.variables.get(name).map(SecretString::from)
    }

    /// A whole number within bounds; the default when absent, `None` and a problem when wrong.
    pub(super) fn number(&mut self, name: &str, default: u64, least: u64, most: u64) -> Option<u64> {
        let Some(text) = self.variables.get(name) else { return Some(default) };
        match text.parse::<u64>() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.problem(name, &format!("must be a whole number from {least} to {most}"));
                None
            }
        }
    }

    pub(super) fn seconds(&mut self, name: &str, default: u64) -> Option<Duration> {
        self.number(name, default, 1, 86_400).map(Duration::from_secs)
    }

    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text = self.variables.get(name).unwrap_or("");
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(ToOwned::to_owned).collect()
    }

    pub(super) fn url(&mut self, name: &str, default: Option<&str>) -> Option<String> {
        let text = self.variables.get(name).or(default)?.to_owned();
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(text),
            _ => {
                self.problem(name, "must be an http:// or https:// address");
                None
            }
        }
    }

    pub(super) fn app_env(&mut self) -> Option<AppEnv> {
        match self.variables.get("APP_ENV").unwrap_or("development").to_ascii_lowercase().as_str() {
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
        match self.variables.get("LOG_LEVEL").unwrap_or("INFO").to_ascii_uppercase().as_str() {
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
        let Some(text) = self.variables.get("DATABASE_URL") else {
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
        let text = self.variables.get("REDIS_URL")?.to_owned();
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
        let algorithm = match self.variables.get("JWT_ALGORITHM").unwrap_or("HS256") {
            "HS256" => Some(Algorithm::HS256),
            "HS384" => Some(Algorithm::HS384),
            "HS512" => Some(Algorithm::HS512),
            _ => {
                self.problem("JWT_ALGORITHM", "must be HS256, HS384 or HS512");
                None
            }
        };
        let hours = self.number("JWT_EXPIRE_HOURS", 24, 1, 10_000_000);
        let days = self.number("REFRESH_TOKEN_EXPIRE_DAYS", 7, 1, 400_000);
        Some((algorithm?, Duration::from_secs(hours? * 3_600), Duration::from_secs(days? * 86_400)))
    }

    pub(super) fn http(&mut self) -> Option<HttpConfig> {
        let host = self.variables.get("HOST").unwrap_or("0.0.0.0").parse::<IpAddr>();
        if host.is_err() {
            self.problem("HOST", "must be an IP address such as 127.0.0.1 or ::");
        }
        let port = self.number("PORT", 8008, 0, 65_535).and_then(|port| u16::try_from(port).ok());
        let max_body_bytes = self.number("MAX_BODY_BYTES", 32 * 1024 * 1024, 1_024, 1 << 32);
        let shutdown_grace = self.number("SHUTDOWN_GRACE_SECONDS", 30, 0, 86_400).map(Duration::from_secs);
        let trusted_proxies = self.networks("TRUSTED_PROXIES");
        let metrics_address = self.variables.get("METRICS_ADDR").map(str::parse::<SocketAddr>).transpose();
        if metrics_address.is_err() {
            self.problem("METRICS_ADDR", "must be an address with a port such as 127.0.0.1:9090");
        }
        Some(HttpConfig {
            address: SocketAddr::new(host.ok()?, port?),
            max_body_bytes: usize::try_from(max_body_bytes?).ok()?,
            cors_origins: self.list("CORS_ORIGINS"),
            trusted_proxies,
            shutdown_grace: shutdown_grace?,
            metrics_address: metrics_address.ok()?,
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
        let connect_timeout = self.seconds("UPSTREAM_CONNECT_TIMEOUT_SECONDS", 10);
        let first_byte_timeout = self.seconds("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", 600);
        let idle_timeout = self.seconds("UPSTREAM_IDLE_TIMEOUT_SECONDS", 120);
        let deadline = self.seconds("REQUEST_DEADLINE_SECONDS", 1_200);
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
        let redirect_uri = self.url("OAUTH_REDIRECT_URI", None);
        if client_secret.is_none() || redirect_uri.is_none() {
            self.problem("OAUTH_CLIENT_ID", "needs OAUTH_CLIENT_SECRET and OAUTH_REDIRECT_URI beside it");
        }
        Some(OauthConfig {
            client_id,
            client_secret: client_secret?,
            redirect_uri: redirect_uri?,
            authorize_url: self
                .url("OAUTH_AUTHORIZATION_ENDPOINT", Some("https://connect.linux.do/oauth2/authorize"))?,
            token_url: self.url("OAUTH_TOKEN_ENDPOINT", Some("https://connect.linux.do/oauth2/token"))?,
            user_url: self.url("OAUTH_USER_INFO_ENDPOINT", Some("https://connect.linux.do/api/user"))?,
        })
    }

    pub(super) fn github(&mut self) -> Option<OauthConfig> {
        let client_id = self.text("GITHUB_CLIENT_ID")?;
        let client_secret = self.secret("GITHUB_CLIENT_SECRET");
        let redirect_uri = self.url("GITHUB_REDIRECT_URI", None);
        if client_secret.is_none() || redirect_uri.is_none() {
            self.problem("GITHUB_CLIENT_ID", "needs GITHUB_CLIENT_SECRET and GITHUB_REDIRECT_URI beside it");
        }
        Some(OauthConfig {
            client_id,
            client_secret: client_secret?,
            redirect_uri: redirect_uri?,
            authorize_url: self
                .url("GITHUB_AUTHORIZE_URL", Some("https://github.com/login/oauth/authorize"))?,
            token_url: self.url("GITHUB_TOKEN_URL", Some("https://github.com/login/oauth/access_token"))?,
            user_url: self.url("GITHUB_USER_API_URL", Some("https://api.github.com/user"))?,
        })
    }

    pub(super) fn plugin(&mut self) -> Option<PluginConfig> {
        let base_url = self.url("PLUGIN_API_BASE_URL", Some("http://localhost:8045"))?;
        Some(PluginConfig { base_url, admin_key: self.secret("PLUGIN_API_ADMIN_KEY") })
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
