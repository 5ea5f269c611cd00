//! Settings of model calls: waiting for a place, models that stand in for others, prices.

use std::path::PathBuf;
use std::time::Duration;

use super::parse::Reader;

/// How calls wait and what stands in for what.
#[derive(Clone, Debug)]
pub struct CallsConfig {
    /// How long a call waits for a place on a busy account.
    pub queue_timeout: Duration,
    /// How many calls may wait on one instance.
    pub queue_size: usize,
    /// A model and the one that serves in its place when it can't be had, in the order of `MODEL_FALLBACKS`.
    pub fallbacks: Vec<(String, String)>,
    /// A call that waits so long for its first byte is sent to a second account; `None`: never.
    pub hedge_after: Option<Duration>,
    /// When a call counts as recorded.
    pub durability: Durability,
    /// A price table over the built-in one.
    pub prices_file: Option<PathBuf>,
}

/// When a call counts as recorded, so that its last byte may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When it is in the journal in the data directory.
    Journal,
    /// When the database has it, or is away.
    Database,
}

impl Reader<'_> {
    fn durability(&mut self) -> Option<Durability> {
        match self.text("USAGE_DURABILITY").as_deref() {
            Some("journal") => Some(Durability::Journal),
            Some("database") => Some(Durability::Database),
            _ => {
                self.problem("USAGE_DURABILITY", "must be journal or database");
                None
            }
        }
    }

    pub(super) fn calls(&mut self) -> Option<CallsConfig> {
        let queue_timeout = self.number("QUEUE_TIMEOUT_SECONDS", 0, 3_600).map(Duration::from_secs);
        let queue_size = self.number("QUEUE_SIZE", 0, 100_000);
        let hedge_after = self.number("HEDGE_AFTER_SECONDS", 0, 3_600).map(Duration::from_secs);
        let fallbacks = self.fallbacks();
        let durability = self.durability();
        Some(CallsConfig {
            queue_timeout: queue_timeout?,
            queue_size: usize::try_from(queue_size?).ok()?,
            fallbacks: fallbacks?,
            durability: durability?,
            hedge_after: hedge_after.map(|after| Some(after).filter(|after| !after.is_zero()))?,
            prices_file: self.text("PRICES_FILE").map(PathBuf::from),
        })
    }

    fn fallbacks(&mut self) -> Option<Vec<(String, String)>> {
        let listed = self.list("MODEL_FALLBACKS");
        let pair = |item: &String| {
            let (model, other) = item.split_once('=')?;
            let (model, other) = (model.trim(), other.trim());
            let sound = !model.is_empty() && !other.is_empty() && model != other;
            sound.then(|| (model.to_owned(), other.to_owned()))
        };
        let read: Option<Vec<_>> = listed.iter().map(pair).collect();
        if read.is_none() {
            self.problem("MODEL_FALLBACKS", "must be a comma-separated list of MODEL=OTHER_MODEL");
        }
        read
    }
}
