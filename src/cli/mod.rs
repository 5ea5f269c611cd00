//! The command line: what an operator types. Each command is a file; what it answers goes through `output`.
//!
//! Exit codes: 0 done, 1 it failed (the reason is on stderr), 2 the command line is wrong.

mod audit;
mod data_dir;
mod demo;
mod key;
mod logging;
mod maintenance;
mod open;
mod output;
mod serve;
mod simulated;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use output::Output;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Shares AI accounts fairly: one endpoint, one key, a pool that recovers, every request on record.
#[derive(Debug, Parser)]
#[command(name = "millpond", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server. With nothing configured it keeps everything in ./data; see docs/CONFIGURATION.md
    Serve,
    /// Try it: a throw-away server with people, a key, accounts and a simulated provider
    Demo(demo::Options),
    /// Bring the database up to date. `serve` does so by itself
    Migrate,
    /// Create and change people
    #[command(subcommand)]
    User(user::Command),
    /// Create, list and revoke API keys
    #[command(subcommand)]
    Key(key::Command),
    /// Check the audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Print a new value for PLUGIN_API_ENCRYPTION_KEY
    GenerateEncryptionKey,
    /// Look at the configuration
    #[command(subcommand)]
    Config(maintenance::ConfigCommand),
    /// Print the OpenAPI document
    Openapi,
}

/// Runs the command of this process's arguments.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::from(error)),
    };
    match runtime.block_on(execute(arguments.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &Failure) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    Output::complain(&text);
    ExitCode::FAILURE
}

async fn execute(command: Command) -> Result {
    match command {
        Command::Serve => serve::run().await,
        Command::Demo(options) => demo::run(options).await,
        Command::Migrate => maintenance::migrate().await,
        Command::User(command) => user::run(command).await,
        Command::Key(command) => key::run(command).await,
        Command::Audit(command) => audit::run(command).await,
        Command::GenerateEncryptionKey => maintenance::generate_encryption_key(),
        Command::Config(command) => maintenance::config(&command),
        Command::Openapi => maintenance::openapi(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
