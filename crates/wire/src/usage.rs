//! How many tokens a provider says a call used, in one shape for all dialects. Estimates are made in `tokens`, prices
//! elsewhere.

use crate::Dialect;
use crate::json::{Members, Value};

/// No call comes near this many tokens; a larger claim is cut to it, so that arithmetic on counts cannot overflow.
pub const MAX_TOKENS: u64 = 1_000_000_000;

/// Tokens of one call, as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input tokens, including those read from or written to a cache.
    pub input_tokens: u64,
    /// All output tokens, including reasoning.
    pub output_tokens: u64,
    /// The part of the input that was read from a cache.
    pub cached_tokens: u64,
    /// The part of the input that was written to a cache, where the provider bills that apart.
    pub cache_write_tokens: u64,
    /// The part of the output that was reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Reads a usage object, which begins with its brace; `None` if it counts nothing.
    pub(crate) fn from_object(dialect: Dialect, object: &[u8]) -> Option<Self> {
        let usage = dialect.protocol().usage.read(object);
        (usage.input_tokens > 0 || usage.output_tokens > 0).then(|| usage.sane())
    }

    /// The larger of both in each count. Providers count up in the course of a stream, and some repeat only a part
    /// of the counts at its end.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.max(other.input_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            cached_tokens: self.cached_tokens.max(other.cached_tokens),
            cache_write_tokens: self.cache_write_tokens.max(other.cache_write_tokens),
            reasoning_tokens: self.reasoning_tokens.max(other.reasoning_tokens),
        }
    }

    fn sane(self) -> Self {
        let input_tokens = self.input_tokens.min(MAX_TOKENS);
        let output_tokens = self.output_tokens.min(MAX_TOKENS);
        let cached_tokens = self.cached_tokens.min(input_tokens);
        Self {
            input_tokens,
            output_tokens,
            cached_tokens,
            cache_write_tokens: self.cache_write_tokens.min(input_tokens - cached_tokens),
            reasoning_tokens: self.reasoning_tokens.min(output_tokens),
        }
    }
}

/// What a name in a usage object counts. Of several names for one thing the largest number is taken; what stands `Beside`
/// a count is not in it yet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Input,
    InputBeside,
    Output,
    Total,
    Cached,
    CachedBeside,
    CacheWrite,
    CacheWriteBeside,
    Reasoning,
    ReasoningBeside,
}

/// How a dialect calls its counts: at which depth in the usage object, under which name.
pub(crate) struct Spellings {
    pub(crate) counts: &'static [(usize, &'static str, Count)],
}

impl Spellings {
    fn read(&self, object: &[u8]) -> Usage {
        let mut usage = Usage::default();
        let (mut total, mut beside, mut reasoning_beside) = (0, 0, 0);
        for (depth, key, n) in counts(object) {
            let spelled = |(at, name, _): &&(usize, &str, Count)| *at == depth && name.as_bytes() == key;
            let Some((_, _, count)) = self.counts.iter().find(spelled) else { continue };
            let (place, is_beside) = match count {
                Count::Input => (&mut usage.input_tokens, false),
                Count::InputBeside => (&mut beside, false),
                Count::Output => (&mut usage.output_tokens, false),
                Count::Total => (&mut total, false),
                Count::Cached => (&mut usage.cached_tokens, false),
                Count::CachedBeside => (&mut usage.cached_tokens, true),
                Count::CacheWrite => (&mut usage.cache_write_tokens, false),
                Count::CacheWriteBeside => (&mut usage.cache_write_tokens, true),
                Count::Reasoning => (&mut usage.reasoning_tokens, false),
                Count::ReasoningBeside => {
                    reasoning_beside = n.max(reasoning_beside);
                    (&mut usage.reasoning_tokens, false)
                }
            };
            *place = n.max(*place);
            beside += if is_beside { n } else { 0 };
        }
        usage.input_tokens += beside;
        // Some imitators leave reasoning out of their count of output and count it only in the total.
        usage.output_tokens =
            (usage.output_tokens + reasoning_beside).max(total.saturating_sub(usage.input_tokens));
        usage
    }
}

/// The counts directly in a usage object, and those one level down.
fn counts(object: &[u8]) -> impl Iterator<Item = (usize, &[u8], u64)> {
    Members::new(object).filter_map(|member| match member.value {
        Value::Scalar(text) if member.depth <= 2 => Some((member.depth, member.key, count(text)?)),
        _ => None,
    })
}

/// Reads a count; negative, fractional and absurd numbers are cut to what makes sense, anything else is no count.
fn count(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    if let Ok(exact) = text.parse::<u64>() {
        return Some(exact.min(MAX_TOKENS));
    }
    let number = text.parse::<f64>().ok()?;
    // A float that is too large, or negative, saturates in this conversion.
    Some((number as u64).min(MAX_TOKENS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::observe_body;

    fn from_body(dialect: Dialect, body: &[u8]) -> Option<Usage> {
        observe_body(dialect, body).usage
    }

    fn usage(input: u64, output: u64, cached: u64, reasoning: u64) -> Option<Usage> {
        Some(Usage {
            input_tokens: input,
            output_tokens: output,
            cached_tokens: cached,
            reasoning_tokens: reasoning,
            ..Usage::default()
        })
    }

    #[test]
    fn openai_chat() {
        let body = br#"{"id":"c","choices":[{"message":{"content":"\"usage\":{"}}],"usage":{"prompt_tokens":19,
            "completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},
            "completion_tokens_details":{"reasoning_tokens":4}}}"#;
        assert_eq!(from_body(Dialect::OpenAi, body), usage(19, 10, 8, 4));
    }

    #[test]
    fn imitators_of_openai() {
        let groq = br#"{"choices":[],"x_groq":{"id":"r","usage":{"prompt_tokens":3,"completion_tokens":4}}}"#;
        assert_eq!(from_body(Dialect::OpenAi, groq), usage(3, 4, 0, 0));
        let reasoning_apart = br#"{"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":17,
            "completion_tokens_details":{"reasoning_tokens":10}}}"#;
        assert_eq!(from_body(Dialect::OpenAi, reasoning_apart), usage(5, 12, 0, 10));
        let embeddings = br#"{"object":"list","data":[],"usage":{"prompt_tokens":8,"total_tokens":8}}"#;
        assert_eq!(from_body(Dialect::OpenAi, embeddings), usage(8, 0, 0, 0));
        let responses =
            br#"{"usage":{"input_tokens":9,"input_tokens_details":{"cached_tokens":1},"output_tokens":7}}"#;
        assert_eq!(from_body(Dialect::OpenAi, responses), usage(9, 7, 1, 0));
    }

    #[test]
    fn cached_and_reasoning_tokens_have_many_names() {
        let cached = usage(1000, 50, 800, 0);
        let written = usage(1000, 50, 800, 0).map(|usage| Usage { cache_write_tokens: 150, ..usage });
        let reasoned = usage(1000, 50, 0, 20);
        for (extra, expected) in [
            (r#""prompt_tokens_details":{"cached_tokens":800},"completion_tokens_details":null"#, cached),
            (r#""prompt_cache_hit_tokens":800,"prompt_cache_miss_tokens":200"#, cached),
            (r#""cached_tokens":800"#, cached),
            (r#""cached_tokens":0,"prompt_tokens_details":{"cached_tokens":800}"#, cached),
            (r#""num_cached_tokens":800"#, cached),
            (r#""cached_input_tokens":800"#, cached),
            (r#""prompt_tokens_details":{"cache_read_tokens":800}"#, cached),
            (r#""cache_read_input_tokens":800,"cache_creation_input_tokens":150"#, written),
            (r#""prompt_tokens_details":{"cached_tokens":800,"cache_write_tokens":150}"#, written),
            (r#""prompt_tokens_details":{"cached_tokens":800,"cache_creation_tokens":150}"#, written),
            (r#""prompt_tokens_details":{"cached_tokens":800,"cache_creation_input_tokens":150}"#, written),
            (r#""reasoning_tokens":20,"citation_tokens":5"#, reasoned),
            (r#""completion_tokens_details":{"reasoning_tokens":20}"#, reasoned),
        ] {
            let counts = format!(r#"{{"prompt_tokens":1000,"completion_tokens":50.0,{extra}}}"#);
            let places = [
                format!(r#"{{"choices":[],"usage":{counts}}}"#),
                format!(r#"{{"choices":[{{"index":0,"delta":{{}},"usage":{counts}}}]}}"#),
                // Some say it twice, which is not twice as much.
                format!(r#"{{"choices":[{{"usage":{counts}}}],"usage":{counts}}}"#),
            ];
            for body in places {
                assert_eq!(from_body(Dialect::OpenAi, body.as_bytes()), expected, "{body}");
            }
        }
        let snake = br#"{"usage_metadata":{"prompt_token_count":9,"candidates_token_count":3,"thoughts_token_count":4}}"#;
        assert_eq!(from_body(Dialect::Gemini, snake), usage(9, 7, 0, 4));
    }

    #[test]
    fn anthropic_adds_both_cache_counts() {
        let body = br#"{"type":"message","usage":{"input_tokens":3,"cache_creation_input_tokens":100,
            "cache_read_input_tokens":40,"cache_creation":{"ephemeral_5m_input_tokens":100},"output_tokens":12}}"#;
        let written = usage(143, 12, 40, 0).map(|usage| Usage { cache_write_tokens: 100, ..usage });
        assert_eq!(from_body(Dialect::Anthropic, body), written);
    }

    #[test]
    fn gemini_counts_thoughts_as_output() {
        let body = br#"{"candidates":[],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,
            "thoughtsTokenCount":20,"cachedContentTokenCount":2,"totalTokenCount":32}}"#;
        assert_eq!(from_body(Dialect::Gemini, body), usage(5, 27, 2, 20));
        let array = br#"[{"usageMetadata":{"promptTokenCount":5}},{"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":3}}]"#;
        assert_eq!(from_body(Dialect::Gemini, array), usage(5, 3, 0, 0));
    }

    #[test]
    fn nonsense_is_tolerated() {
        let huge =
            br#"{"usage":{"prompt_tokens":1e999999,"completion_tokens":-5,"prompt_tokens_details":null}}"#;
        assert_eq!(from_body(Dialect::OpenAi, huge), usage(MAX_TOKENS, 0, 0, 0));
        let digits = format!("{{\"usage\":{{\"prompt_tokens\":{}}}}}", "9".repeat(400));
        assert_eq!(from_body(Dialect::OpenAi, digits.as_bytes()), usage(MAX_TOKENS, 0, 0, 0));
        for nothing in
            ["", "null", "{", r#"{"usage":null}"#, r#"{"usage":{"prompt_tokens":"3"}}"#, r#"{"usage":{}}"#]
        {
            assert_eq!(from_body(Dialect::OpenAi, nothing.as_bytes()), None, "{nothing}");
        }
    }
}
