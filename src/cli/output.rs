//! What commands say: answers on stdout, in words or as JSON, complaints on stderr.

use std::io::Write as _;

use serde_json::Value;

/// In which form a command answers.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Output {
    /// Answer in JSON, for scripts
    #[arg(long)]
    json: bool,
}

impl Output {
    /// One answer: JSON for scripts, words for people.
    pub(super) fn answer(self, json: &Value, words: &str) {
        if self.json { Self::say(&json.to_string()) } else { Self::say(words) }
    }

    /// Whether JSON is wanted.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// A line on stdout. Nobody listening is no error.
    pub(super) fn say(line: &str) {
        writeln!(std::io::stdout().lock(), "{line}").ok();
    }

    /// A line on stderr.
    pub(super) fn complain(line: &str) {
        writeln!(std::io::stderr().lock(), "millpond: {line}").ok();
    }
}
