//! What a single event says, found in one walk over its bytes. Only the few members that matter are looked at; the
//! path of every token goes through here, so nothing may allocate per event but the growing text.

use super::{MAX_TEXT_BYTES, Observed};
use crate::json::{Member, Members, Value, is_empty_array, nested, unescape};
use crate::sse::Event;
use crate::usage::is_usage;
use crate::{Dialect, Usage};

/// The most bytes of a provider's error message that are kept.
const MAX_ERROR_BYTES: usize = 1000;

/// What an event means for the bytes that carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No data: a comment or a stray blank line.
    Nothing,
    Content,
    /// OpenAI's chunk that has usage and no choices.
    UsageOnly,
    /// The event that ends the answer.
    Terminal,
}

/// What was learnt so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) usage: Option<Usage>,
    pub(super) saw_end: bool,
    pub(super) any_content: bool,
    finished: bool,
    error: Option<String>,
    /// Raw string content; escapes are decoded only when somebody wants to read it.
    text: Vec<u8>,
    more_text: u64,
}

/// Whether an event that is not complete yet is the terminal one; Gemini's show only when they are whole.
pub(super) fn begins_terminal(dialect: Dialect, partial: &[u8]) -> bool {
    let names: [&[u8]; 2] = match dialect {
        Dialect::OpenAi => [b"data: [DONE]", b"data:[DONE]"],
        Dialect::Anthropic => [b"event: message_stop", b"event:message_stop"],
        Dialect::Gemini => return false,
    };
    names.iter().any(|name| partial.starts_with(name))
}

impl Tally {
    /// Looks into a complete event, given with its line ends.
    pub(super) fn inspect(&mut self, dialect: Dialect, raw: &[u8]) -> Verdict {
        let event = Event::parse(raw);
        if event.data.is_empty() && event.name.is_empty() {
            return Verdict::Nothing;
        }
        let verdict = self.read(dialect, event.name, &event.data);
        match dialect {
            // Gemini has no event of its own for the end: the last one counts.
            Dialect::Gemini => self.saw_end = verdict == Verdict::Terminal,
            _ => self.saw_end |= verdict == Verdict::Terminal,
        }
        verdict
    }

    /// Looks into the data of an event, or into a whole body.
    pub(super) fn read(&mut self, dialect: Dialect, name: &[u8], data: &[u8]) -> Verdict {
        let verdict = match dialect {
            Dialect::OpenAi if data.starts_with(b"[DONE]") => Verdict::Terminal,
            Dialect::OpenAi => self.read_openai(data),
            Dialect::Anthropic => self.read_anthropic(name, data),
            Dialect::Gemini => self.read_gemini(data),
        };
        if name == b"error" && self.error.is_none() {
            self.error = Some(message(data, None));
        }
        verdict
    }

    fn read_openai(&mut self, data: &[u8]) -> Verdict {
        let (mut no_choices, mut has_usage, mut reasoned) = (false, false, false);
        for member in Members::new(data) {
            match (member.key, member.value) {
                (b"content" | b"refusal" | b"arguments", Value::Text(text)) => self.add_text(text),
                // The same reasoning may stand under several of these names in one event.
                (b"reasoning_content" | b"reasoning" | b"thinking_content" | b"text", Value::Text(text))
                    if !reasoned => {
                        self.add_text(text);
                        reasoned = !text.is_empty();
                    }
                (b"function" | b"audio" | b"image_url", Value::Object) => self.any_content = true,
                (b"finish_reason", Value::Text(_)) => self.finished = true,
                (b"choices", Value::Array) if member.depth == 1 => {
                    no_choices = is_empty_array(data, member.start);
                }
                (b"usage", Value::Object) if member.depth <= 3 => {
                    has_usage |= member.depth == 1;
                    self.add_usage(Dialect::OpenAi, data, &member);
                }
                (b"error", _) => self.note_error(data, &member),
                _ => {}
            }
        }
        if no_choices && has_usage { Verdict::UsageOnly } else { Verdict::Content }
    }

    fn read_anthropic(&mut self, name: &[u8], data: &[u8]) -> Verdict {
        let mut terminal = name == b"message_stop";
        for member in Members::new(data) {
            match (member.key, member.value) {
                (b"text" | b"thinking" | b"partial_json", Value::Text(text)) => self.add_text(text),
                (b"type", Value::Text(b"message_stop")) if member.depth == 1 => terminal = true,
                (b"type", Value::Text(b"tool_use" | b"server_tool_use")) => self.any_content = true,
                (b"stop_reason", Value::Text(_)) => self.finished = true,
                // In `message_start` it belongs to the message, in `message_delta` to the event.
                (b"usage", Value::Object) if member.depth <= 2 => {
                    self.add_usage(Dialect::Anthropic, data, &member);
                }
                (b"error", _) => self.note_error(data, &member),
                _ => {}
            }
        }
        if terminal { Verdict::Terminal } else { Verdict::Content }
    }

    fn read_gemini(&mut self, data: &[u8]) -> Verdict {
        let mut terminal = false;
        for member in Members::new(data) {
            match (member.key, member.value) {
                // Deeper texts are citations that repeat the answer.
                (b"text", Value::Text(text)) if member.depth == 6 => self.add_text(text),
                (b"code" | b"output", Value::Text(text)) if member.depth == 7 => self.add_text(text),
                (b"args", Value::Object) if member.depth == 7 => self.add_text(nested(data, member.start)),
                (b"functionCall" | b"inlineData", Value::Object) => self.any_content = true,
                (b"finishReason", Value::Text(_)) if member.depth == 3 => {
                    terminal = true;
                    self.finished = true;
                }
                (b"error", _) => self.note_error(data, &member),
                _ if member.depth == 1 && is_usage(Dialect::Gemini, &member) => {
                    self.add_usage(Dialect::Gemini, data, &member);
                }
                _ => {}
            }
        }
        if terminal { Verdict::Terminal } else { Verdict::Content }
    }

    /// Counts bytes of an event that is too large to be looked into as text.
    pub(super) fn count_unread(&mut self, bytes: usize) {
        self.more_text += bytes as u64;
        self.any_content = true;
    }

    pub(super) fn into_observed(self, bytes: u64) -> Observed {
        Observed {
            usage: self.usage,
            text: unescape(&self.text),
            more_text_bytes: self.more_text,
            any_content: self.any_content,
            saw_end: self.saw_end,
            finished: self.finished,
            provider_error: self.error,
            bytes,
        }
    }

    fn add_text(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        self.any_content = true;
        if self.text.len() + text.len() <= MAX_TEXT_BYTES {
            self.text.extend_from_slice(text);
        } else {
            self.more_text += text.len() as u64;
        }
    }

    fn add_usage(&mut self, dialect: Dialect, data: &[u8], member: &Member<'_>) {
        if let Some(found) = Usage::from_object(dialect, &data[member.start..]) {
            self.usage = Some(self.usage.unwrap_or_default().at_least(found));
        }
    }

    fn note_error(&mut self, data: &[u8], member: &Member<'_>) {
        let is_error = matches!(member.value, Value::Object | Value::Text(_)) && member.depth == 1;
        if is_error && self.error.is_none() {
            self.error = Some(message(&data[member.start..], Some(member)));
        }
    }
}

/// The message of an error object, an error that is itself a string, or else the text as it is; cut to a bound.
fn message(data: &[u8], member: Option<&Member<'_>>) -> String {
    let whole = match member.map(|member| member.value) {
        Some(Value::Text(text)) => text,
        Some(_) => nested(data, 0),
        None => data,
    };
    let named = Members::new(data).find_map(|member| match (member.key, member.value) {
        (b"message", Value::Text(text)) => Some(text),
        _ => None,
    });
    let raw = named.unwrap_or(whole);
    unescape(&raw[..raw.len().min(MAX_ERROR_BYTES)])
}
