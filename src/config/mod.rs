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
mod settings;
mod sign_in;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

pub use calls::{CallsConfig, Durability};
pub use openrouter::OpenRouterConfig;
pub use parse::{Network, Variables};
pub use people::{PeopleConfig, Registration};
pub use policy::{ContributionPolicy, LevelPolicy, Limits, Policy};
pub use secrets::generate_encryption_key;
pub use settings::{InForce, Origin};
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
    /// A client that neither sends nor takes a byte for so long, while it should, is cut off.
    pub client_timeout: Duration,
    /// Connections of one address on which nothing was called with success yet; 0 is no bound.
    pub connections_per_address: usize,
}

impl HttpConfig {
    /// Whether somebody's word about the client in front of them is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }
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
    pub openrouter: OpenRouterConfig,
    /// What providers' errors mean.
    pub error_rules: millpond_pool::rules::Rules,
    pub policy: Policy,
    pub people: PeopleConfig,
    /// Every setting as an operator may see it.
    pub in_force: Vec<InForce>,
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
        let data_dir = PathBuf::from(reader.text("DATA_DIR").unwrap_or_default());
        let database = reader.database(&data_dir);
        let redis_url = reader.redis_url();
        let http = reader.http();
        let upstream = reader.upstream();
        let calls = reader.calls();
        let linux_do = reader.linux_do();
        let github = reader.github();
        let sign_in = reader.sign_in(app_env);
        reader.without_effect();
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
            openrouter: openrouter?,
            error_rules: error_rules?,
            policy: policy?,
            people: people?,
            in_force: reader.in_force(),
        })
    }

    /// What the operator set that does nothing in this version.
    pub fn without_effect(&self) -> impl Iterator<Item = &str> {
        let given = |one: &&InForce| !one.has_effect && one.origin != Origin::Default;
        self.in_force.iter().filter(given).map(|one| one.variable.as_str())
    }

    /// Whether the API's description and its two readers are served.
    pub fn serves_docs(&self) -> bool {
        self.app_env != AppEnv::Production
    }
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
