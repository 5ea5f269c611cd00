//! `millpond audit`: checks the audit log.

use clap::Subcommand;
use serde_json::json;

use super::Result;
use super::open::Opened;
use super::output::Output;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check every entry and both ends; exit code 1 when the log is broken
    Verify {
        /// Take the present end of a log that is otherwise good as the right one: after a backup was restored
        #[arg(long)]
        trust_end: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// Runs a command on the configured database.
pub(super) async fn run(command: Command) -> Result {
    let Command::Verify { trust_end, output } = command;
    let opened = Opened::new().await?;
    if trust_end {
        opened.audit.trust_end().await?;
    }
    let verdict = opened.audit.verify().await?;
    opened.close().await?;
    let broken = verdict.broken.as_ref();
    let json = json!({
        "ok": broken.is_none(),
        "entries": verdict.entries,
        "noted": verdict.noted,
        "broken_at": broken.map(|found| found.seq),
        "reason": broken.map(|found| &found.what),
    });
    let note = match verdict.noted {
        Some(seq) => format!("the data directory vouches for the first {seq}"),
        None => "the data directory has no note of its end".to_owned(),
    };
    if let Some(found) = broken {
        if output.is_json() {
            Output::say(&json.to_string());
        }
        return Err(format!("the audit log is broken at entry {}: {}", found.seq, found.what).into());
    }
    output.answer(&json, &format!("{} entries, unbroken; {note}.", verdict.entries));
    Ok(())
}
