//! What providers report of their limits beside an answer: OpenAI's `x-ratelimit-*` and those who imitate it,
//! Anthropic's `anthropic-ratelimit-*`, Google's 429 bodies, and everybody's `Retry-After`. Headers come in as a function from a name in lower
//! case to its value, the present moment as milliseconds since the Unix epoch.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use serde_json::Value;

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

/// What is counted, and the headers that name its limit, what is left, and when it is whole again. The last is without a
/// kind, as OpenRouter and others have it.
const HEADERS: [(&str, [&str; 3]); 7] = [
    (
        "requests",
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    ),
    ("tokens", ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]),
    (
        "requests",
        [
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ],
    ),
    (
        "tokens",
        [
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ],
    ),
    (
        "input-tokens",
        [
            "anthropic-ratelimit-input-tokens-limit",
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ],
    ),
    (
        "output-tokens",
        [
            "anthropic-ratelimit-output-tokens-limit",
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
        ],
    ),
    ("requests", ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]),
];

/// The limits that an answer reports. What is not complete and sound is left out.
pub fn limits<'h>(header: impl Fn(&str) -> Option<&'h str>, now_millis: i64) -> Vec<Limit> {
    let number =
        |name: &str| header(name).and_then(|text| text.trim().parse::<i64>().ok()).filter(|n| *n >= 0);
    let read = |(counts, [limit, remaining, reset]): (&'static str, [&str; 3])| {
        let limit = number(limit).filter(|limit| *limit > 0)?;
        let remaining = number(remaining)?.min(limit);
        let reset_millis = moment(header(reset)?, now_millis)?;
        Some(Limit { counts, limit, remaining, reset_millis })
    };
    HEADERS.into_iter().filter_map(read).collect()
}

/// Where Google's days begin, by the rule that has held there since 2007, so that no table of time zones is needed.
const PACIFIC: &str = "PST8PDT,M3.2.0,M11.1.0";

/// The limits that Google says are used up in the body of a 429 (`google.rpc.QuotaFailure` beside `google.rpc.RetryInfo`).
/// Those of a day are whole again at its end, all others after the delay.
pub fn used_up_at_google(body: &[u8], now_millis: i64) -> Vec<Limit> {
    let Ok(read) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let error = read.get(0).unwrap_or(&read).get("error");
    let details = || error.and_then(|error| error.get("details")?.as_array()).into_iter().flatten();
    let delay = details().find_map(|detail| duration_millis(detail.get("retryDelay")?.as_str()?));
    let violations = details().filter_map(|detail| detail.get("violations")?.as_array()).flatten();
    let limit = |violation: &Value| {
        let id = violation.get("quotaId")?.as_str()?;
        let value = violation.get("quotaValue")?;
        let limit = value.as_i64().or_else(|| value.as_str()?.parse().ok()).filter(|limit| *limit > 0)?;
        let reset_millis = match id.contains("PerDay") {
            true => next_pacific_midnight(now_millis)?,
            false => now_millis.saturating_add(delay?),
        };
        let counts = if id.contains("Token") { "tokens" } else { "requests" };
        Some(Limit { counts, limit, remaining: 0, reset_millis })
    };
    violations.filter_map(limit).collect()
}

fn next_pacific_midnight(now_millis: i64) -> Option<i64> {
    let zone = TimeZone::posix(PACIFIC).ok()?;
    let now = Timestamp::from_millisecond(now_millis).ok()?.to_zoned_datetime(zone);
    Some(now.tomorrow().ok()?.start_of_day().ok()?.timestamp().as_millisecond())
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
    fn google_says_what_is_used_up() {
        let body = |delay: &str, id: &str, value: &str| {
            format!(
                r#"{{"error":{{"code":429,"status":"RESOURCE_EXHAUSTED","details":[
                {{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{{"quotaMetric":"m","quotaId":"{id}",
                "quotaDimensions":{{"model":"gemini-2.5-flash"}},"quotaValue":{value}}}]}},
                {{"@type":"type.googleapis.com/google.rpc.RetryInfo"{delay}}}]}}}}"#
            )
        };
        let found = |delay, id, value| used_up_at_google(body(delay, id, value).as_bytes(), NOW);
        let delay = r#","retryDelay":"34.5s""#;
        let limit = |counts, limit, reset_millis| [Limit { counts, limit, remaining: 0, reset_millis }];
        let minute = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier";
        assert_eq!(found(delay, minute, "\"10\""), limit("requests", 10, NOW + 34_500));
        assert_eq!(found("", minute, "10"), [], "nobody knows until when");
        // In winter the day there ends at eight in the morning of UTC, which is past ten hours before.
        let day = "GenerateContentInputTokensPerModelPerDay-FreeTier";
        assert_eq!(found(delay, day, "250000"), limit("tokens", 250_000, NOW + 22 * 3_600_000));
        assert_eq!(found(delay, minute, "0"), []);
        for other in ["", "[]", "{}", r#"{"error":{"details":{}}}"#, r#"[{"error":{"details":[1]}}]"#] {
            assert_eq!(used_up_at_google(other.as_bytes(), NOW), []);
        }
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
