//! What was learnt from an answer, and what it used by that.

use super::tally::Tally;
use crate::sample::Sample;
use crate::{Dialect, Usage};

/// What was learnt from an answer, whole or cut short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The largest counts that the provider reported, if it reported any. What came before the answer's end may be a
    /// placeholder: see [`reported`](Self::reported).
    pub usage: Option<Usage>,
    /// Whether the counts are those of all that went out.
    pub(crate) usage_is_whole: bool,
    /// Content, reasoning and tool arguments that went out, for an estimate.
    pub delivered: Sample,
    /// Whether any content came: text, a tool call, or media.
    pub any_content: bool,
    /// Whether the answer came to its end: by the event that says so, or by a reason why it finished.
    pub is_complete: bool,
    /// The message of an error that the provider sent instead of an answer, or inside of one.
    pub provider_error: Option<String>,
    /// All bytes that came from the provider.
    pub bytes: u64,
}

impl Observed {
    /// The counts of the provider, where nothing is to be added to them: it counted the input and all of the output.
    pub fn reported(&self) -> Option<Usage> {
        self.usage.filter(|usage| self.counts_output(usage) && usage.input_tokens > 0)
    }

    /// What the call used, as far as the provider counted, filled up with estimates of what it left out: the input where it
    /// reported none (`input` estimates that), and the text that went out where its counts are older or nothing.
    pub fn estimated(&self, model: &str, input: impl FnOnce() -> u64) -> Usage {
        let mut usage = self.usage.unwrap_or_default();
        if !self.counts_output(&usage) {
            usage.output_tokens = usage.output_tokens.max(self.delivered.estimate_tokens(model));
        }
        if usage.input_tokens == 0 {
            usage.input_tokens = input();
        }
        usage
    }

    /// The same without reading any text, at four bytes a token; `input` is used where the provider reported none.
    pub fn estimated_by_bytes(&self, input: u64) -> Usage {
        let mut usage = self.usage.unwrap_or_default();
        if !self.counts_output(&usage) {
            usage.output_tokens = usage.output_tokens.max(self.delivered.bytes().div_ceil(4));
        }
        if usage.input_tokens == 0 {
            usage.input_tokens = input;
        }
        usage
    }

    fn counts_output(&self, usage: &Usage) -> bool {
        self.usage_is_whole && (usage.output_tokens > 0 || self.delivered.is_empty())
    }
}

/// Learns the same from the complete body of an answer that was not streamed.
pub fn observe_body(dialect: Dialect, body: &[u8]) -> Observed {
    let mut tally = Tally::default();
    tally.read(dialect, b"", body.trim_ascii_start());
    tally.observed(true, body.len() as u64)
}
