//! What providers report of their limits beside an answer: OpenAI's `x-ratelimit-*` and those who imitate it,
//! Anthropic's `anthropic-ratelimit-*`, and everybody's `Retry-After`. Headers come in as a function from a name in lower
//! case to its value, the present moment as milliseconds since the Unix epoch.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use crate::refusal::duration_millis;

/// One limit with what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What it counts, as the header says: `requests`, `tokens`, `input-tokens`, `output-tokens`.
    pub counts: &'static str,
    /// The limit.
    pub limit: i64,
    /// What is left.
    pub remaining: i64,
    /// When it is whole again, in milliseconds since the epoch.
    pub reset_millis: i64,
}

/// Numbers beyond this are not moments in seconds but in milliseconds.
const SECONDS_END: i64 = 100_000_000_000;
/// Numbers below this are not moments but lengths of time in seconds.
const MOMENTS_BEGIN: i64 = 1_000_000_000;

/// The limits that an answer reports. What is not complete and sound is left out.
pub fn limits<'h>(header: impl Fn(&str) -> Option<&'h str>, now_millis: i64) -> Vec<Limit> {
    let families: [(&str, &[&'static str]); 2] = [
        ("x-ratelimit", &["requests", "tokens"]),
        ("anthropic-ratelimit", &["requests", "tokens", "input-tokens", "output-tokens"]),
    ];
    let number =
        |name: &str| header(name).and_then(|text| text.trim().parse::<i64>().ok()).filter(|n| *n >= 0);
    let mut found = Vec::new();
    for (family, kinds) in families {
        for &counts in kinds {
            // `x-ratelimit-limit-requests`, but `anthropic-ratelimit-requests-limit`.
            let name = |what: &str| match family {
                "x-ratelimit" => format!("{family}-{what}-{counts}"),
                _ => format!("{family}-{counts}-{what}"),
            };
            let reset = header(&name("reset")).and_then(|text| moment(text, now_millis));
            if let (Some(limit), Some(remaining), Some(reset_millis)) =
                (number(&name("limit")).filter(|limit| *limit > 0), number(&name("remaining")), reset)
            {
                found.push(Limit { counts, limit, remaining: remaining.min(limit), reset_millis });
            }
        }
    }
    // Without a kind, as OpenRouter and others do.
    let reset = header("x-ratelimit-reset").and_then(|text| moment(text, now_millis));
    if let (Some(limit), Some(remaining), Some(reset_millis)) =
        (number("x-ratelimit-limit").filter(|limit| *limit > 0), number("x-ratelimit-remaining"), reset)
    {
        found.push(Limit { counts: "requests", limit, remaining: remaining.min(limit), reset_millis });
    }
    found
}

/// How long the provider wants to be left alone, in milliseconds: what it says outright, else until the last of its
/// used-up limits is whole again.
pub fn wait_millis<'h>(header: impl Fn(&str) -> Option<&'h str>, now_millis: i64) -> Option<i64> {
    let exact = || header("retry-after-ms")?.trim().parse::<f64>().ok().filter(|millis| *millis >= 0.0);
    if let Some(millis) = exact() {
        // The cast saturates.
        return Some(millis.ceil() as i64);
    }
    if let Some(millis) = header("retry-after").and_then(|text| retry_after(text, now_millis)) {
        return Some(millis);
    }
    let used_up = limits(&header, now_millis).into_iter().filter(|limit| limit.remaining == 0);
    let wait = used_up.map(|limit| limit.reset_millis.saturating_sub(now_millis)).max()?;
    (wait > 0).then_some(wait)
}

/// `Retry-After`: seconds, or a date.
fn retry_after(text: &str, now_millis: i64) -> Option<i64> {
    let text = text.trim();
    if let Some(seconds) = text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0) {
        return Some((seconds * 1_000.0).ceil() as i64);
    }
    let date = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(date.as_millisecond().saturating_sub(now_millis).max(0))
}

/// A reset: RFC 3339, a length of time (`6m0s`), seconds or milliseconds since the epoch, or seconds from now.
fn moment(text: &str, now_millis: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return match number {
            0..MOMENTS_BEGIN => Some(now_millis.saturating_add(number * 1_000)),
            MOMENTS_BEGIN..SECONDS_END => Some(number * 1_000),
            SECONDS_END.. => Some(number),
            _ => None,
        };
    }
    if let Some(millis) = duration_millis(text) {
        return Some(now_millis.saturating_add(millis));
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-11-26T10:00:00Z
    const NOW: i64 = 1_764_151_200_000;

    fn of<'a>(headers: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<&'a str> {
        |name| headers.iter().find(|(one, _)| *one == name).map(|(_, value)| *value)
    }

    #[test]
    fn openai_reports_lengths_of_time() {
        let headers = [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ];
        let requests = Limit { counts: "requests", limit: 60, remaining: 59, reset_millis: NOW + 1_000 };
        let tokens =
            Limit { counts: "tokens", limit: 150_000, remaining: 149_984, reset_millis: NOW + 360_000 };
        assert_eq!(limits(of(&headers), NOW), [requests, tokens]);
        assert_eq!(wait_millis(of(&headers), NOW), None, "nothing is used up");
    }

    #[test]
    fn anthropic_reports_moments() {
        let headers = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2025-11-26T10:00:12Z"),
            ("anthropic-ratelimit-input-tokens-limit", "30000"),
            ("anthropic-ratelimit-input-tokens-remaining", "12000"),
            ("anthropic-ratelimit-input-tokens-reset", "2025-11-26T10:00:36Z"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
        ];
        let found = limits(of(&headers), NOW);
        assert_eq!(
            found[0],
            Limit { counts: "requests", limit: 50, remaining: 0, reset_millis: NOW + 12_000 }
        );
        assert_eq!((found.len(), found[1].counts, found[1].reset_millis), (2, "input-tokens", NOW + 36_000));
        assert_eq!(wait_millis(of(&headers), NOW), Some(12_000), "until the used-up one is whole");
    }

    #[test]
    fn others_report_without_a_kind() {
        let headers = [
            ("x-ratelimit-limit", "20"),
            ("x-ratelimit-remaining", "25"),
            ("x-ratelimit-reset", "1764151260000"),
        ];
        let limit = Limit { counts: "requests", limit: 20, remaining: 20, reset_millis: NOW + 60_000 };
        assert_eq!(limits(of(&headers), NOW), [limit]);
    }

    #[test]
    fn waits_are_read_in_every_shape() {
        for (headers, wait) in [
            (&[("retry-after", "7")][..], Some(7_000)),
            (&[("retry-after", "1.5")], Some(1_500)),
            (&[("retry-after", "Wed, 26 Nov 2025 10:00:30 GMT")], Some(30_000)),
            (&[("retry-after", "Wed, 26 Nov 2025 09:00:00 GMT")], Some(0)),
            (&[("retry-after", "7"), ("retry-after-ms", "6800")], Some(6_800)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-1")], None),
            (&[], None),
        ] {
            assert_eq!(wait_millis(of(headers), NOW), wait, "{headers:?}");
        }
    }

    #[test]
    fn nonsense_is_left_out() {
        let headers = [
            ("x-ratelimit-limit-requests", "0"),
            ("x-ratelimit-remaining-requests", "1"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-limit-tokens", "9"),
            ("x-ratelimit-remaining-tokens", "-3"),
            ("x-ratelimit-reset-tokens", "never"),
        ];
        assert_eq!(limits(of(&headers), NOW), []);
    }
}
