//! Every variable in one list: what it is when nothing is said, and how it may be shown. Readers take defaults from here
//! and nowhere else; docs/CONFIGURATION.md is held against it by a test.

use std::fmt;

use super::parse::mask_url;

/// What a setting is when its variable is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unset {
    /// As if this had been set.
    Value(&'static str),
    /// Nothing.
    None,
    /// What follows from other settings, in words.
    Derived(&'static str),
}

/// How a value may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Plain,
    /// Without its password.
    Url,
    Never,
}

/// One variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) default: Unset,
    pub(super) shown: Shown,
    /// False for what is read and checked only, so that an AntiHub environment starts unchanged.
    pub(super) has_effect: bool,
    /// Whether there are more of it, with `_2`, `_3` … behind the name.
    pub(super) is_numbered: bool,
}

impl Setting {
    const fn new(name: &'static str, default: Unset) -> Self {
        Self { name, default, shown: Shown::Plain, has_effect: true, is_numbered: false }
    }

    const fn secret(self) -> Self {
        Self { shown: Shown::Never, ..self }
    }

    const fn url(self) -> Self {
        Self { shown: Shown::Url, ..self }
    }

    const fn unused(self) -> Self {
        Self { has_effect: false, ..self }
    }

    const fn numbered(self) -> Self {
        Self { is_numbered: true, ..self }
    }

    /// The setting of a variable, numbered or not.
    pub(super) fn of(variable: &str) -> Option<&'static Self> {
        let number =
            variable.rsplit_once('_').filter(|(_, number)| number.bytes().all(|b| b.is_ascii_digit()));
        let numbered =
            |(base, _): (&str, &str)| SETTINGS.iter().find(|one| one.is_numbered && one.name == base);
        SETTINGS.iter().find(|one| one.name == variable).or_else(|| number.and_then(numbered))
    }

    fn show(&self, value: &str) -> String {
        match self.shown {
            Shown::Plain => value.to_owned(),
            Shown::Url => mask_url(value),
            Shown::Never => "***".to_owned(),
        }
    }
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Environment,
    EnvFile,
    Default,
    /// From other settings.
    Derived,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::EnvFile => ".env file",
            Self::Default => "default",
            Self::Derived => "derived",
        })
    }
}

/// A setting in force, fit to be shown to an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    pub variable: String,
    pub value: String,
    pub origin: Origin,
    pub has_effect: bool,
}

impl InForce {
    /// A setting that the operator made.
    pub(super) fn given(setting: &Setting, variable: &str, value: &str, origin: Origin) -> Self {
        Self {
            variable: variable.to_owned(),
            value: setting.show(value),
            origin,
            has_effect: setting.has_effect,
        }
    }

    /// A setting that nobody made.
    pub(super) fn absent(setting: &Setting) -> Self {
        let (value, origin) = match setting.default {
            Unset::Value(value) => (setting.show(value), Origin::Default),
            Unset::None => ("(none)".to_owned(), Origin::Default),
            Unset::Derived(_) if setting.shown == Shown::Never => (setting.show(""), Origin::Derived),
            Unset::Derived(words) => (format!("({words})"), Origin::Derived),
        };
        Self { variable: setting.name.to_owned(), value, origin, has_effect: setting.has_effect }
    }
}

const fn value(name: &'static str, default: &'static str) -> Setting {
    Setting::new(name, Unset::Value(default))
}

const fn none(name: &'static str) -> Setting {
    Setting::new(name, Unset::None)
}

const fn derived(name: &'static str, words: &'static str) -> Setting {
    Setting::new(name, Unset::Derived(words))
}

/// Every variable that is read.
pub(super) const SETTINGS: &[Setting] = &[
    value("APP_ENV", "development"),
    value("LOG_LEVEL", "INFO"),
    value("HOST", "0.0.0.0"),
    value("PORT", "8008"),
    value("DATA_DIR", "data"),
    derived("DATABASE_URL", "SQLite in `DATA_DIR`").url(),
    none("REDIS_URL").url(),
    derived("JWT_SECRET_KEY", "generated").secret(),
    derived("REFRESH_TOKEN_SECRET_KEY", "`JWT_SECRET_KEY`").secret(),
    value("JWT_ALGORITHM", "HS256"),
    value("JWT_EXPIRE_HOURS", "24"),
    value("REFRESH_TOKEN_EXPIRE_DAYS", "7"),
    derived("PLUGIN_API_ENCRYPTION_KEY", "generated").secret(),
    value("MAX_BODY_BYTES", "33554432"),
    none("CORS_ORIGINS"),
    none("TRUSTED_PROXIES"),
    value("SHUTDOWN_GRACE_SECONDS", "30"),
    value("CLIENT_TIMEOUT_SECONDS", "60"),
    value("CONNECTIONS_PER_ADDRESS", "1000"),
    value("AUTH_GRACE_SECONDS", "300"),
    value("UPSTREAM_CONNECT_TIMEOUT_SECONDS", "10"),
    value("UPSTREAM_FIRST_BYTE_TIMEOUT_SECONDS", "600"),
    value("UPSTREAM_IDLE_TIMEOUT_SECONDS", "120"),
    value("REQUEST_DEADLINE_SECONDS", "1200"),
    value("QUEUE_TIMEOUT_SECONDS", "10"),
    value("QUEUE_SIZE", "1000"),
    value("HEDGE_AFTER_SECONDS", "0"),
    value("USAGE_DURABILITY", "journal"),
    none("MODEL_FALLBACKS"),
    none("PRICES_FILE"),
    none("UPSTREAM_CA_FILE"),
    none("ALLOW_PRIVATE_UPSTREAMS"),
    none("SHARED_UPSTREAM_HOSTS"),
    value("OPENROUTER_BASE_URL", "https://openrouter.ai"),
    // OpenRouter accepts https addresses and this one. Nothing needs to answer there: the address is what is needed.
    value("OPENROUTER_CALLBACK_URL", "http://localhost:3000/api/plugin-api/oauth/callback"),
    derived("ERROR_RULES_FILE", "built in"),
    value("REGISTRATION", "sso"),
    value("POLICY_REQUIRE_TOTP_FOR_ADMINS", "false"),
    value("POLICY_SIGN_IN_LEVEL", "0"),
    value("POLICY_SHARE_LEVEL", "0"),
    value("POLICY_POOL_LEVEL", "0"),
    value("POLICY_BASE_QUOTA", "1,2,3,4,5"),
    none("POLICY_QUOTA_CAP"),
    value("POLICY_REQUESTS_PER_MINUTE", "-"),
    value("POLICY_TOKENS_PER_MINUTE", "-"),
    value("POLICY_CONCURRENT_CALLS", "-"),
    value("POLICY_MONTHLY_USD", "-"),
    value("POLICY_DEFAULT_ALLOWANCE", "1"),
    value("CONTRIBUTION", "declared"),
    value("CONTRIBUTION_START", "0.1"),
    value("REFERENCE_REQUESTS", "1000"),
    value("REFERENCE_TOKENS", "5000000"),
    value("REFERENCE_USD", "5"),
    value("REFERENCE_WINDOW", "5h"),
    none("OAUTH_CLIENT_ID"),
    none("OAUTH_CLIENT_SECRET").secret(),
    none("OAUTH_REDIRECT_URI"),
    value("OAUTH_AUTHORIZATION_ENDPOINT", "https://connect.linux.do/oauth2/authorize"),
    value("OAUTH_TOKEN_ENDPOINT", "https://connect.linux.do/oauth2/token"),
    value("OAUTH_USER_INFO_ENDPOINT", "https://connect.linux.do/api/user"),
    none("GITHUB_CLIENT_ID"),
    none("GITHUB_CLIENT_SECRET").secret(),
    none("GITHUB_REDIRECT_URI"),
    value("GITHUB_AUTHORIZE_URL", "https://github.com/login/oauth/authorize"),
    value("GITHUB_TOKEN_URL", "https://github.com/login/oauth/access_token"),
    value("GITHUB_USER_API_URL", "https://api.github.com/user"),
    none("OIDC_ISSUER").numbered(),
    none("OIDC_CLIENT_ID").numbered(),
    none("OIDC_CLIENT_SECRET").secret().numbered(),
    none("OIDC_REDIRECT_URI").numbered(),
    derived("OIDC_NAME", "`oidc`, `oidc-2` …").numbered(),
    value("OIDC_SCOPES", "profile").numbered(),
    value("SIGN_IN_TIMEOUT_SECONDS", "30"),
    value("SIGN_IN_RETURN_URL", "/"),
    none("METRICS_ADDR").unused(),
    none("PLUGIN_API_BASE_URL").url().unused(),
    none("PLUGIN_API_ADMIN_KEY").secret().unused(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::Reader;
    use crate::config::{Config, Variables};

    /// The name and default columns of every row of the tables in docs/CONFIGURATION.md.
    fn documented() -> Vec<(String, String)> {
        let text = include_str!("../../docs/CONFIGURATION.md");
        let rows = text.lines().filter(|line| line.starts_with("| `"));
        let row = |line: &str| {
            let cells: Vec<String> =
                line.split(" | ").map(|cell| cell.trim_start_matches("| ").to_owned()).collect();
            let names: Vec<&str> =
                cells[0].trim_end_matches(" *").split(", ").map(|name| name.trim_matches('`')).collect();
            let defaults: Vec<&str> = cells[1].split(", ").collect();
            let default = |place: usize| match defaults.len() == names.len() {
                true => defaults[place].to_owned(),
                false => cells[1].clone(),
            };
            names
                .iter()
                .enumerate()
                .map(|(place, name)| ((*name).to_owned(), default(place)))
                .collect::<Vec<_>>()
        };
        rows.flat_map(row).collect()
    }

    #[test]
    fn the_documentation_has_every_variable_with_its_default() {
        let written = |setting: &Setting| match setting.default {
            Unset::Value(value) => format!("`{value}`"),
            Unset::None => "none".to_owned(),
            Unset::Derived(words) => words.to_owned(),
        };
        let mut expected: Vec<_> = SETTINGS.iter().map(|one| (one.name.to_owned(), written(one))).collect();
        let mut found = documented();
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_variable_of_the_list_is_read_and_no_other() {
        let mut variables = Variables::default();
        for (name, value) in [
            ("JWT_SECRET_KEY", "0123456789abcdef0123456789abcdef"),
            ("PLUGIN_API_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("APP_ENV", "production"),
            ("CONTRIBUTION", "proven"),
            ("PLUGIN_API_BASE_URL", "http://plugin.example"),
        ] {
            variables.set(name, value);
        }
        for (prefix, id) in [("OAUTH", "CLIENT_ID"), ("GITHUB", "CLIENT_ID"), ("OIDC", "ISSUER")] {
            variables.set(&format!("{prefix}_{id}"), "https://issuer.example");
            for name in ["CLIENT_ID", "CLIENT_SECRET", "REDIRECT_URI"] {
                variables.set(&format!("{prefix}_{name}"), "https://here.example/callback");
            }
        }
        let mut reader = Reader::new(&variables);
        assert!(Config::read(&mut reader).is_some(), "{:?}", reader.problems);
        let mut read: Vec<String> = reader.asked.into_inner().into_iter().collect();
        let mut listed: Vec<String> = SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
        read.sort_unstable();
        listed.sort_unstable();
        assert_eq!(read, listed);
    }

    #[test]
    fn what_is_in_force_tells_its_origin_and_no_secret() {
        let mut variables = Variables::default();
        variables.set("PORT", "1");
        variables.set("OIDC_CLIENT_SECRET_2", "very secret");
        variables.set("DATABASE_URL", "postgresql://u:very-secret@h/d");
        let in_force = variables.in_force();
        let find = |name: &str| in_force.iter().find(|one| one.variable == name).unwrap();
        assert_eq!((find("PORT").value.as_str(), find("PORT").origin), ("1", Origin::Environment));
        assert_eq!((find("HOST").value.as_str(), find("HOST").origin), ("0.0.0.0", Origin::Default));
        assert_eq!(find("JWT_SECRET_KEY").origin, Origin::Derived);
        assert_eq!(find("OIDC_CLIENT_SECRET_2").value, "***");
        assert!(!format!("{in_force:?}").contains("secret@"), "{in_force:?}");
    }
}
