//! Small commands: migrate, config check, generate-encryption-key, openapi.

use clap::Subcommand;

use super::Result;
use super::open::Opened;
use super::output::Output;
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Show every setting (secrets masked) and where it comes from, or every problem at once
    Check,
}

/// Brings the database up to date.
pub(super) async fn migrate() -> Result {
    let opened = Opened::new().await?;
    let applied = opened.store.applied_migrations().await?;
    Output::say(&format!("{} is up to date ({} migrations).", opened.store.backend(), applied.len()));
    opened.close().await
}

/// Prints a new Fernet key.
pub(super) fn generate_encryption_key() -> Result {
    Output::say(&crate::config::generate_encryption_key());
    Ok(())
}

/// Looks at the configuration.
pub(super) fn config(command: &ConfigCommand) -> Result {
    match command {
        ConfigCommand::Check => {
            for one in Config::load()?.in_force {
                let unused = if one.has_effect { "" } else { ", without effect in this version" };
                Output::say(&format!("{:<36} {}  ({}{unused})", one.variable, one.value, one.origin));
            }
            Ok(())
        }
    }
}

/// Prints the OpenAPI document.
pub(super) fn openapi() -> Result {
    Output::say(&crate::router::described().document.to_pretty_json()?);
    Ok(())
}
