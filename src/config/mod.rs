//! Settings: environment variables and `.env`, read once at start into plain structs.
//!
//! The names and defaults are AntiHub's (docs/CONFIGURATION.md lists them) plus Millpond's own. A wrong value is
//! reported with the variable's name and never with the value of a secret; all problems are reported together.

mod calls;
mod openrouter;
mod parse;
mod people;
mod policy;
mod rules;
mod secrets;
mod sign_in;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

pub use calls::{CallsConfig, Durability};
pub use openrouter::OpenRouterConfig;
pub use parse::{Network, Variables};
pub use people::{PeopleConfig, Registration};
pub use policy::{ContributionPolicy, LevelPolicy, Limits, Policy};
pub use secrets::generate_encryption_key;
pub use sign_in::{OidcConfig, SignInConfig};

/// Everything that is wrong with the settings, one line each.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not usable:\n{}", .problems.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    /// One sentence a problem, each beginning with the variable's name.
    pub problems: Vec<String>,
}

/// Where Millpond runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppEnv {
    Development,
    Staging,
    Production,
}

/// The SQL database.
#[derive(Clone, Debug)]
pub enum DatabaseConfig {
    Sqlite { path: PathBuf },
    Postgres { url: SecretString },
}

/// How tokens are signed and how long they live.
#[derive(Clone, Debug)]
pub struct TokenConfig {
    pub access_secret: SecretString,
    pub refresh_secret: SecretString,
    pub algorithm: jsonwebtoken::Algorithm,
    pub access_life: Duration,
    pub refresh_life: Duration,
}

/// What the server accepts.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub address: SocketAddr,
    pub max_body_bytes: usize,
    /// Origins that browsers may call from; empty means none but our own.
    pub cors_origins: Vec<String>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    pub shutdown_grace: Duration,
    /// Where `/metrics` will be served, apart from the public address.
    pub metrics_address: Option<SocketAddr>,
}

/// Deadlines of calls to providers, and which private hosts accounts may point at.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    pub connect_timeout: Duration,
    /// Silence before an answer that counts as a failure of the account.
    pub first_byte_timeout: Duration,
    pub idle_timeout: Duration,
    pub deadline: Duration,
    pub allow_private: Vec<PrivateUpstream>,
    /// Authorities whose certificates are believed besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Hosts that shared accounts may point at besides the well-known providers.
    pub shared_hosts: Vec<String>,
}

impl UpstreamConfig {
    /// How long what is set aside for a call lives, in milliseconds, if nobody settles it.
    pub fn reservation_life_ms(&self) -> i64 {
        i64::try_from((self.deadline + Duration::from_secs(60)).as_millis()).unwrap_or(i64::MAX)
    }
}

/// One entry of `ALLOW_PRIVATE_UPSTREAMS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivateUpstream {
    Host(String),
    Network(Network),
}

/// The external Plug-in API; served natively when absent.
#[derive(Clone, Debug)]
pub struct PluginConfig {
    pub base_url: String,
    pub admin_key: Option<SecretString>,
}

/// One OAuth 2 client with its endpoints.
#[derive(Clone, Debug)]
pub struct OauthConfig {
    pub client_id: String,
    pub client_secret: SecretString,
    pub redirect_uri: String,
    pub authorize_url: String,
    pub token_url: String,
    pub user_url: String,
}

/// The settings of this process.
#[derive(Clone, Debug)]
pub struct Config {
    pub app_env: AppEnv,
    pub log_level: tracing::Level,
    pub data_dir: PathBuf,
    pub database: DatabaseConfig,
    pub redis_url: Option<SecretString>,
    pub tokens: TokenConfig,
    /// Fernet key for everything that must be readable again.
    pub encryption_key: SecretString,
    pub http: HttpConfig,
    pub upstream: UpstreamConfig,
    pub calls: CallsConfig,
    pub linux_do: Option<OauthConfig>,
    pub github: Option<OauthConfig>,
    /// Sign-in at OpenID Connect providers, and what all external sign-in has in common.
    pub sign_in: SignInConfig,
    pub plugin: PluginConfig,
    pub openrouter: OpenRouterConfig,
    /// What providers' errors mean.
    pub error_rules: millpond_pool::rules::Rules,
    pub policy: Policy,
    pub people: PeopleConfig,
}

impl Config {
    /// Reads the process environment and `.env`, makes the data directory and, outside production, missing secrets.
    pub fn load() -> Result<Self, ConfigError> {
        Self::from_variables(&Variables::from_process())
    }

    /// The same from given variables; tests and the demo build theirs here.
    pub fn from_variables(variables: &Variables) -> Result<Self, ConfigError> {
        let mut reader = parse::Reader::new(variables);
        let config = Self::read(&mut reader);
        match config {
            Some(config) if reader.problems.is_empty() => Ok(config),
            _ => Err(ConfigError { problems: reader.problems }),
        }
    }

    fn read(reader: &mut parse::Reader<'_>) -> Option<Self> {
        let app_env = reader.app_env();
        let log_level = reader.log_level();
        let data_dir = PathBuf::from(reader.text("DATA_DIR").unwrap_or_else(|| "data".into()));
        let database = reader.database(&data_dir);
        let redis_url = reader.redis_url();
        let http = reader.http();
        let upstream = reader.upstream();
        let calls = reader.calls();
        let linux_do = reader.linux_do();
        let github = reader.github();
        let sign_in = reader.sign_in(app_env);
        let plugin = reader.plugin();
        let openrouter = reader.openrouter();
        let error_rules = rules::read(reader);
        let policy = reader.policy();
        let people = reader.people();
        let tokens = reader.token_lives();
        // Secrets come last: they may write to the data directory, which a wrong configuration must not do.
        let secrets = if app_env == Some(AppEnv::Production) || !reader.problems.is_empty() {
            secrets::from_variables(reader, app_env == Some(AppEnv::Production))
        } else {
            secrets::from_variables_or_files(reader, &data_dir)
        }?;
        let (algorithm, access_life, refresh_life) = tokens?;
        Some(Self {
            app_env: app_env?,
            log_level: log_level?,
            data_dir,
            database: database?,
            redis_url,
            tokens: TokenConfig {
                access_secret: secrets.access,
                refresh_secret: secrets.refresh,
                algorithm,
                access_life,
                refresh_life,
            },
            encryption_key: secrets.encryption,
            http: http?,
            upstream: upstream?,
            calls: calls?,
            linux_do,
            github,
            sign_in: sign_in?,
            plugin: plugin?,
            openrouter: openrouter?,
            error_rules: error_rules?,
            policy: policy?,
            people: people?,
        })
    }

    /// The effective settings as lines of `NAME=value`, secrets masked.
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let database = match &self.database {
            DatabaseConfig::Sqlite { path } => format!("sqlite:{}", path.display()),
            DatabaseConfig::Postgres { url } => parse::mask_url(url.expose_secret()),
        };
        let redis = self
            .redis_url
            .as_ref()
            .map_or("(none: in process)".into(), |url| parse::mask_url(url.expose_secret()));
        vec![
            ("APP_ENV", format!("{:?}", self.app_env).to_lowercase()),
            ("LOG_LEVEL", self.log_level.to_string()),
            ("DATA_DIR", self.data_dir.display().to_string()),
            ("DATABASE_URL", database),
            ("REDIS_URL", redis),
            ("HOST:PORT", self.http.address.to_string()),
            ("JWT_SECRET_KEY", "***".into()),
            ("REFRESH_TOKEN_SECRET_KEY", "***".into()),
            ("PLUGIN_API_ENCRYPTION_KEY", "***".into()),
            ("JWT_EXPIRE_HOURS", (self.tokens.access_life.as_secs() / 3600).to_string()),
            ("REFRESH_TOKEN_EXPIRE_DAYS", (self.tokens.refresh_life.as_secs() / 86_400).to_string()),
            ("MAX_BODY_BYTES", self.http.max_body_bytes.to_string()),
            ("SHUTDOWN_GRACE_SECONDS", self.http.shutdown_grace.as_secs().to_string()),
            ("CORS_ORIGINS", self.http.cors_origins.join(",")),
            ("Linux.do sign-in", configured(self.linux_do.is_some())),
            ("GitHub sign-in", configured(self.github.is_some())),
        ]
    }

    /// Whether the API's description and its two readers are served.
    pub fn serves_docs(&self) -> bool {
        self.app_env != AppEnv::Production
    }
}

fn configured(yes: bool) -> String {
    if yes { "configured".into() } else { "not configured".into() }
}

/// The address that a server on every interface is reached at from this machine.
pub fn local_url(address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        IpAddr::V6(ip) => format!("[{ip}]"),
        IpAddr::V4(ip) => ip.to_string(),
    };
    format!("http://{host}:{}", address.port())
}
