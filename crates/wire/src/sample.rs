//! A text of which only an even sample is kept, because it comes in pieces and nobody may need it: answers are estimated
//! only where their provider does not count them.

use crate::json::unescape;
use crate::tokens;

/// Text is kept or left out in blocks of so many bytes.
const BLOCK_BYTES: usize = 512;

/// At most so many blocks (8 KiB) are kept. An even number, so that every second one can be left out.
const MAX_BLOCKS: usize = 16;

/// The raw content of JSON strings, one after the other; beyond 8 KiB every second block, then every fourth, and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    kept: Vec<u8>,
    /// Of so many blocks, as a power of two, one is kept.
    step: u32,
    seen: u64,
    /// Bytes that were only counted.
    unseen: u64,
}

impl Sample {
    /// Takes the next piece of the text, escapes and all.
    pub(crate) fn add(&mut self, mut raw: &[u8]) {
        while !raw.is_empty() {
            let within = (self.seen % BLOCK_BYTES as u64) as usize;
            let (now, rest) = raw.split_at(raw.len().min(BLOCK_BYTES - within));
            if within == 0 && self.kept.len() == MAX_BLOCKS * BLOCK_BYTES && self.is_kept() {
                self.thin();
            }
            if self.is_kept() {
                self.kept.extend_from_slice(now);
            }
            self.seen += now.len() as u64;
            raw = rest;
        }
    }

    /// Counts text whose bytes are not at hand.
    pub(crate) fn add_unseen(&mut self, bytes: u64) {
        self.unseen = self.unseen.saturating_add(bytes);
    }

    /// How many bytes the text has, escapes included.
    pub fn bytes(&self) -> u64 {
        self.seen.saturating_add(self.unseen)
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// What is kept of the text, its escapes decoded; all of it up to 8 KiB.
    pub fn text(&self) -> String {
        unescape(&self.kept)
    }

    /// An estimate of the text's tokens, by what is kept of it. It tokenises, so it takes its time.
    pub fn estimate_tokens(&self, model: &str) -> u64 {
        let tokens = u128::from(tokens::estimate_tokens(model, &self.text()));
        let scaled = (tokens * u128::from(self.bytes())).div_ceil((self.kept.len() as u128).max(1));
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    fn is_kept(&self) -> bool {
        (self.seen / BLOCK_BYTES as u64).is_multiple_of(1 << self.step)
    }

    /// Leaves out every second block.
    fn thin(&mut self) {
        for (place, block) in (0..MAX_BLOCKS).step_by(2).enumerate() {
            let from = block * BLOCK_BYTES;
            self.kept.copy_within(from..from + BLOCK_BYTES, place * BLOCK_BYTES);
        }
        self.kept.truncate(MAX_BLOCKS / 2 * BLOCK_BYTES);
        self.step += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(text: &str, sizes: &[usize]) -> Sample {
        let (mut sample, mut rest, mut sizes) = (Sample::default(), text.as_bytes(), sizes.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*sizes.next().unwrap_or(&1)));
            sample.add(now);
            rest = later;
        }
        sample
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in "[a-z ]{0,300}", times in 0..200_usize, sizes in prop::collection::vec(1..5_000_usize, 1..8),
        ) {
            let text = text.repeat(times);
            let whole = sample(&text, &[text.len().max(1)]);
            prop_assert_eq!(&whole, &sample(&text, &sizes));
            prop_assert_eq!(whole.bytes(), text.len() as u64);
            prop_assert!(whole.kept.len() <= MAX_BLOCKS * BLOCK_BYTES);
            if text.len() <= MAX_BLOCKS * BLOCK_BYTES {
                prop_assert_eq!(whole.text(), text);
            }
        }
    }

    #[test]
    fn a_long_text_is_estimated_by_its_sample() {
        let words = "the little pond keeps its lilies under a grey sky and waits for rain ";
        let text = words.repeat(2_000) + &"荷塘里的青蛙在叫，荷叶下面有鱼。".repeat(2_000);
        let exact = tokens::estimate_tokens("m", &text);
        let estimate = sample(&text, &[37]).estimate_tokens("m");
        assert!(estimate.abs_diff(exact) * 20 < exact, "{estimate} for {exact}");
        let mut more = sample("word ", &[5]);
        more.add_unseen(5_000);
        assert_eq!((more.bytes(), more.estimate_tokens("m") > 1_000), (5_005, true));
        let mut unseen = Sample::default();
        unseen.add_unseen(9);
        assert_eq!((unseen.is_empty(), unseen.estimate_tokens("m")), (false, 0));
    }
}
