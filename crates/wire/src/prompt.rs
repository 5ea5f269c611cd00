//! What is said to a model: where it stands in the body, how it begins, the most tokens that it can cost, and an estimate
//! of those that it did. Only byte ranges are kept, so the question costs nothing until somebody asks it.

use std::ops::Range;

use crate::json::{Member, Members, Value};
use crate::{Dialect, bound, tokens};

/// At most so many bytes of a conversation's beginning are looked at to recognise it.
const MAX_OPENING_BYTES: usize = 8 << 10;

/// Where the prompt stands in a request's body, whose bytes every question needs again.
#[derive(Clone, Debug)]
pub struct Prompt {
    pub(crate) dialect: Dialect,
    /// The array of messages or contents.
    pub(crate) messages: Range<usize>,
    /// The system prompt, where it stands apart.
    pub(crate) system: Option<Range<usize>>,
    /// The definitions of tools.
    pub(crate) tools: Option<Range<usize>>,
}

impl Prompt {
    /// The most input tokens that the request can cost.
    pub fn most_tokens(&self, body: &[u8]) -> u64 {
        bound::most_input_tokens(self.dialect, part(body, &self.messages), body.len())
    }

    /// An estimate of the input tokens, for an answer whose provider reports none. It tokenises, so it takes its time.
    pub fn estimate_tokens(&self, body: &[u8], model: &str) -> u64 {
        let parts = [Some(&self.messages), self.system.as_ref(), self.tools.as_ref()];
        tokens::estimate_prompt(
            self.dialect,
            model,
            parts.into_iter().flatten().map(|range| part(body, range)),
        )
    }

    /// Hands out what the conversation begins with, and keeps beginning with: the system prompt and the first thing the
    /// user said. Only texts count, because clients move cache marks about between turns.
    pub(crate) fn opening(&self, body: &[u8], mut take: impl FnMut(&[u8])) {
        let mut left = MAX_OPENING_BYTES;
        let mut take = |text: &[u8]| {
            let text = text.get(..left).unwrap_or(text);
            left -= text.len();
            take(text);
            left > 0
        };
        if let Some(system) = &self.system
            && !Members::new(part(body, system)).filter_map(prose).all(&mut take)
        {
            return;
        }
        let mut asked = false;
        for member in Members::new(part(body, &self.messages)) {
            match (member.depth, member.key, member.value) {
                (2, b"role", _) if asked => return,
                (2, b"role", Value::Text(role)) => asked = role == b"user",
                _ => {
                    if !prose(member).is_none_or(&mut take) {
                        return;
                    }
                }
            }
        }
    }
}

fn part<'a>(body: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    body.get(range.clone()).unwrap_or_default()
}

fn prose(member: Member<'_>) -> Option<&[u8]> {
    match member.value {
        Value::Text(text) if matches!(member.key, b"" | b"text" | b"content") => Some(text),
        _ => None,
    }
}
