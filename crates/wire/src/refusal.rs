//! What a provider says when it refuses: its words for people, its words for programs, and how long it wants to be left
//! alone. It is read from what is bounded already and never fails; what it means is not decided here.

use serde_json::Value;

/// Words that are kept.
const LONGEST_WORDS: usize = 300;
/// Codes that are kept, and how long each may be.
const CODES: usize = 8;
const LONGEST_CODE: usize = 100;
/// A run without punctuation that is at least so long and mixes letters and digits is taken for a secret.
const SECRET_LENGTH: usize = 16;
const PREFIXES: [&str; 8] = ["sk-", "sk_", "gsk_", "AIza", "xai-", "pplx-", "Bearer", "ya29."];

/// A provider's refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// Its sentence, empty if it has none.
    pub message: String,
    /// OpenAI's `error.code` and `error.type`, Anthropic's `error.type`, Google's `error.status` and reasons.
    pub codes: Vec<String>,
    /// Google's `retryDelay`, in milliseconds.
    pub retry_millis: Option<i64>,
}

impl Refusal {
    /// Reads the body of a refusal in any of the three dialects.
    pub fn read(body: &[u8]) -> Self {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            let text = String::from_utf8_lossy(body);
            // A page for browsers says nothing that is worth keeping.
            let message = if text.trim_start().starts_with('<') { "" } else { text.trim() };
            return Self { message: message.to_owned(), ..Self::default() };
        };
        // Google wraps the error of a stream that never began into a list.
        let value = value.as_array().and_then(|list| list.first()).unwrap_or(&value);
        let error = value.get("error").unwrap_or(value);
        let places = [error.get("message"), value.get("message"), value.get("detail"), Some(error)];
        let message = places.into_iter().flatten().find_map(Value::as_str).unwrap_or_default().to_owned();
        let mut refusal = Self { message, codes: Vec::new(), retry_millis: None };
        for name in ["code", "type", "status"] {
            refusal.code(error.get(name));
        }
        for detail in error.get("details").and_then(Value::as_array).into_iter().flatten() {
            refusal.code(detail.get("reason"));
            if let Some(delay) = detail.get("retryDelay").and_then(Value::as_str) {
                refusal.retry_millis = duration_millis(delay).or(refusal.retry_millis);
            }
        }
        refusal
    }

    fn code(&mut self, value: Option<&Value>) {
        let code =
            value.and_then(Value::as_str).filter(|code| !code.is_empty() && code.len() <= LONGEST_CODE);
        if let Some(code) =
            code.filter(|code| self.codes.len() < CODES && !self.codes.iter().any(|one| one == code))
        {
            self.codes.push(code.to_owned());
        }
    }

    /// The message as an account's owner may see it: one line, bounded, without these secrets.
    pub fn words(&self, secrets: &[&str]) -> String {
        scrub(&self.message, secrets)
    }
}

/// One bounded line in which the secrets, and whatever looks like one, are replaced by `***`.
fn scrub(text: &str, secrets: &[&str]) -> String {
    let known = secrets.iter().filter(|secret| secret.len() >= 4);
    let text = known.fold(text.to_owned(), |text, secret| text.replace(secret, "***"));
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        scrub_word(word, &mut line);
        if line.len() > 4 * LONGEST_WORDS {
            break;
        }
    }
    if line.chars().count() <= LONGEST_WORDS {
        return line;
    }
    line.chars().take(LONGEST_WORDS - 1).chain(['…']).collect()
}

/// Copies a word run by run; a run is what a key may consist of.
fn scrub_word(word: &str, line: &mut String) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*');
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_part(c) != is_part(first)).unwrap_or(rest.len());
        let (run, next) = rest.split_at(end);
        line.push_str(if is_part(first) && is_secret(run) { "***" } else { run });
        rest = next;
    }
}

fn is_secret(run: &str) -> bool {
    let long_prefix = PREFIXES.iter().any(|prefix| run.starts_with(prefix) && run.len() > prefix.len() + 2);
    let mixed = |piece: &str| {
        piece.len() >= SECRET_LENGTH
            && piece.bytes().any(|byte| byte.is_ascii_digit())
            && piece.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    long_prefix || run.contains("**") || run.split(['-', '_']).any(mixed)
}

/// A length of time as Google (`34.074824224s`) and Go (`6m0s`, `1h2m`, `120ms`) write it, in milliseconds rounded up.
pub fn duration_millis(text: &str) -> Option<i64> {
    let mut millis = 0.0_f64;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let scale = match &rest[..end] {
            "ms" => 1.0,
            "s" => 1_000.0,
            "m" => 60_000.0,
            "h" => 3_600_000.0,
            "d" => 86_400_000.0,
            _ => return None,
        };
        millis += number * scale;
        rest = &rest[end..];
    }
    // The cast saturates.
    Some(millis.ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_the_three_dialects_are_read() {
        let cases = [
            (
                r#"{"error":{"message":"Too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
                "Too long",
                &["context_length_exceeded", "invalid_request_error"][..],
                None,
            ),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#,
                "Overloaded",
                &["overloaded_error"],
                None,
            ),
            (
                r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[
                {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED"},
                {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}]}}"#,
                "You exceeded your current quota",
                &["RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"],
                Some(34_070),
            ),
            (
                r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#,
                "The model is overloaded.",
                &["UNAVAILABLE"],
                None,
            ),
            (r#"{"detail":"Not authenticated"}"#, "Not authenticated", &[], None),
            (r#"{"error":"no such key"}"#, "no such key", &[], None),
            ("upstream connect error", "upstream connect error", &[], None),
            ("<html><body>502</body></html>", "", &[], None),
            ("", "", &[], None),
        ];
        for (body, message, codes, retry_millis) in cases {
            let codes = codes.iter().map(|code| (*code).to_owned()).collect();
            let expected = Refusal { message: message.to_owned(), codes, retry_millis };
            assert_eq!(Refusal::read(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn words_hold_no_credentials() {
        for (text, words) in [
            (
                "Incorrect API key provided: sk-proj-abc. See https://platform.openai.com/account/api-keys.",
                "Incorrect API key provided: ***. See https://platform.openai.com/account/api-keys.",
            ),
            ("Incorrect API key provided: abcd****wxyz.", "Incorrect API key provided: ***."),
            ("key=AIzaSyD3xampleXYZ and my-Secret1", "key=*** and ***"),
            ("org org-A1b2C3d4E5f6G7h8I9 reached", "org *** reached"),
            (
                "The model `claude-3-5-sonnet-20241022` and gpt-4o-mini-2024-07-18\nare busy",
                "The model `claude-3-5-sonnet-20241022` and gpt-4o-mini-2024-07-18 are busy",
            ),
        ] {
            assert_eq!(scrub(text, &["my-Secret1"]), words);
        }
        assert_eq!(scrub(&"wörter ".repeat(500), &[]).chars().count(), LONGEST_WORDS);
    }

    #[test]
    fn lengths_of_time_are_read() {
        for (text, millis) in [
            ("1s", Some(1_000)),
            ("6m0s", Some(360_000)),
            ("120ms", Some(120)),
            ("1h2m3.5s", Some(3_723_500)),
            ("34.074824224s", Some(34_075)),
            ("99999999999999999999h", Some(i64::MAX)),
            ("12", None),
            ("s", None),
            ("", None),
            ("1.2.3s", None),
        ] {
            assert_eq!(duration_millis(text), millis, "{text}");
        }
    }
}
