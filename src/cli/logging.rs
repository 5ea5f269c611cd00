//! Where log lines go: stderr, readable in development, JSON in production.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use crate::config::{AppEnv, Config};

/// Sets the process's subscriber. A second call changes nothing.
pub(super) fn start(config: &Config) {
    let level = LevelFilter::from_level(config.log_level);
    // Other crates' details are theirs; their warnings concern us.
    let filter = EnvFilter::new(format!("warn,millpond={level}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match config.app_env {
        AppEnv::Production => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        _ => builder.with_target(false).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was already set up");
    }
}
