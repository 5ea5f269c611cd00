//! What was learnt of an answer so far. The path of every token goes through here, so nothing may allocate per event but
//! the growing sample of the text, and nothing is decoded before somebody asks.

use std::mem;

use super::Observed;
use super::digest::split_mark;
use crate::json::{Members, Value, nested, unescape};
use crate::sample::Sample;
use crate::sse::Event;
use crate::{Dialect, Usage};

/// The most bytes of a provider's error message that are kept.
const MAX_ERROR_BYTES: usize = 1000;

/// What an event means for the bytes that carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No data: a comment or a stray blank line.
    Nothing,
    Content,
    /// A chunk that has usage and no choices.
    UsageOnly,
    /// The event that ends the answer, or may.
    Terminal,
}

/// What was learnt so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    usage: Option<Usage>,
    /// Usage came in the event that is being read.
    usage_is_new: bool,
    /// Text came after the last usage.
    usage_is_stale: bool,
    /// The last usage came together with the end of the answer, or after it.
    usage_is_final: bool,
    pub(super) saw_end: bool,
    pub(super) finished: bool,
    any_content: bool,
    error: Option<String>,
    text: Sample,
    /// The event that is being read is a digest, in which long strings end with a mark.
    pub(super) is_digest: bool,
}

impl Tally {
    /// Looks into a complete event, given with its line ends.
    pub(super) fn inspect(&mut self, dialect: Dialect, raw: &[u8]) -> Verdict {
        let event = Event::parse(raw);
        if event.data.is_empty() && event.name.is_empty() {
            return Verdict::Nothing;
        }
        let verdict = self.read(dialect, event.name, &event.data);
        self.saw_end |= verdict == Verdict::Terminal && dialect.protocol().has_end_event;
        verdict
    }

    /// Looks into the data of an event, or into a whole body.
    pub(super) fn read(&mut self, dialect: Dialect, name: &[u8], data: &[u8]) -> Verdict {
        let verdict = (dialect.protocol().read)(self, name, data);
        if mem::take(&mut self.usage_is_new) {
            self.usage_is_stale = false;
            self.usage_is_final = self.finished || verdict == Verdict::UsageOnly;
        }
        if name == b"error" && self.error.is_none() {
            self.error = Some(message(data, data));
        }
        verdict
    }

    /// The answer says this: the raw content of a string.
    pub(crate) fn add_text(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        self.any_content = true;
        (self.usage_is_stale, self.usage_is_final) = (self.usage.is_some(), false);
        let (text, left_out) = if self.is_digest { split_mark(text) } else { (text, 0) };
        self.text.add(text);
        self.text.add_unseen(left_out);
    }

    /// The answer has something that is no text.
    pub(crate) fn add_other(&mut self) {
        self.any_content = true;
    }

    /// The answer, or one of several, ends for this reason. Some services say in every chunk that there is none.
    pub(crate) fn finish(&mut self, reason: &[u8]) {
        self.finished |= !reason.is_empty();
    }

    /// The provider has counted; `object` begins with the brace of its usage.
    pub(crate) fn add_usage(&mut self, dialect: Dialect, object: &[u8]) {
        if let Some(found) = Usage::from_object(dialect, object) {
            self.usage = Some(self.usage.unwrap_or_default().at_least(found));
            self.usage_is_new = true;
        }
    }

    /// The provider reports an error, unless the member says nothing: some services add an empty one to good answers.
    /// `rest` begins with the member's value.
    pub(crate) fn note_error(&mut self, rest: &[u8], value: Value<'_>) {
        let whole = match value {
            Value::Text(text) => text,
            Value::Object => nested(rest, 0),
            Value::Array | Value::Scalar(_) => b"",
        };
        let says = |value| match value {
            Value::Text(text) => !text.is_empty(),
            Value::Scalar(word) => !matches!(word, b"null" | b"false" | b"0" | b""),
            Value::Object | Value::Array => false,
        };
        let says_something = match value {
            Value::Object => Members::new(whole).any(|member| says(member.value)),
            _ => !whole.is_empty(),
        };
        if says_something && self.error.is_none() {
            self.error = Some(message(whole, whole));
        }
    }

    pub(super) fn any_content(&self) -> bool {
        self.any_content
    }

    /// Hands over what was learnt; what decides about the end of the stream stays.
    pub(super) fn observed(&mut self, is_complete: bool, bytes: u64) -> Observed {
        Observed {
            usage: self.usage,
            usage_is_whole: !self.usage_is_stale && (is_complete || self.usage_is_final),
            delivered: mem::take(&mut self.text),
            any_content: self.any_content,
            is_complete,
            provider_error: self.error.take(),
            bytes,
        }
    }
}

/// The message of an error object, or else the text as it is; cut to a bound.
fn message(object: &[u8], whole: &[u8]) -> String {
    let named = Members::new(object).find_map(|member| match (member.key, member.value) {
        (b"message", Value::Text(text)) => Some(text),
        _ => None,
    });
    let raw = named.unwrap_or(whole);
    unescape(&raw[..raw.len().min(MAX_ERROR_BYTES)])
}
