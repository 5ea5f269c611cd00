//! Reading what a client sent, with the errors of the original (FastAPI with pydantic): 422 and a list of what is
//! wrong where. What was sent is never repeated.
//!
//! The syntax of a body is checked before the caller is known, its members after.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequest, FromRequestParts, Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::core::Core;
use crate::edge::error::{ApiError, FieldError, Result};
pub use crate::edge::read_body::read;

/// The members of a JSON body, read one by one; every problem is collected.
#[derive(Clone, Debug, Default)]
pub struct Object {
    members: Map<String, Value>,
    problems: Vec<FieldError>,
}

/// A JSON object as body; an absent body is a problem.
#[derive(Debug)]
pub struct Body(pub Object);

impl<S: Send + Sync> FromRequest<S> for Body
where
    Arc<Core>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let core = Arc::<Core>::from_ref(state);
        let value = parse(&parts.headers, &read(body, &core.config).await?)?;
        object(value).map(Self)
    }
}

/// Whether a content type is JSON; none at all is read as JSON.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

/// The error for a body that is not JSON by its own account.
pub fn unsupported_media_type() -> ApiError {
    let message = "The body must be JSON: send 'Content-Type: application/json'.";
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
}

/// The value of a JSON body; nothing where the body is empty.
pub fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Option<Value>> {
    if body.is_empty() {
        return Ok(None);
    }
    if !is_json(headers) {
        let form = headers
            .get(CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form"));
        // A form is what people send by mistake; it has always been told what is missing.
        return if form { Ok(Some(Value::Null)) } else { Err(unsupported_media_type()) };
    }
    serde_json::from_slice(body).map(Some).map_err(|error| {
        let offset = offset(body, error.line(), error.column());
        let loc = vec![json!("body"), json!(offset)];
        ApiError::validation(vec![FieldError {
            kind: "json_invalid",
            loc,
            msg: "JSON decode error".to_owned(),
        }])
    })
}

/// serde counts lines and columns from 1, the contract counts from the beginning of the body.
fn offset(body: &[u8], line: usize, column: usize) -> usize {
    let before: usize =
        body.split_inclusive(|byte| *byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (before + column).min(body.len())
}

/// The value as an object.
pub fn object(value: Option<Value>) -> Result<Object> {
    let problem = |kind, msg: &str| {
        ApiError::validation(vec![FieldError { kind, loc: vec![json!("body")], msg: msg.to_owned() }])
    };
    match value {
        None => Err(problem("missing", "Field required")),
        Some(Value::Object(members)) => Ok(Object { members, problems: Vec::new() }),
        Some(_) => Err(problem(
            "model_attributes_type",
            "Input should be a valid dictionary or object to extract fields from",
        )),
    }
}

impl From<Map<String, Value>> for Object {
    fn from(members: Map<String, Value>) -> Self {
        Self { members, problems: Vec::new() }
    }
}

impl Object {
    fn problem(&mut self, name: &str, kind: &'static str, msg: impl Into<String>) {
        self.problems.push(FieldError { kind, loc: vec![json!("body"), json!(name)], msg: msg.into() });
    }

    /// Whether a member is there and not null.
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether a member is there, null or not.
    pub fn names(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A member that must be there.
    fn required(&mut self, name: &str) -> Option<Value> {
        let value = self.members.remove(name);
        if value.is_none() {
            self.problem(name, "missing", "Field required");
        }
        value
    }

    fn optional(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    fn as_text(&mut self, name: &str, value: Value, shortest: usize, longest: usize) -> Option<String> {
        let Value::String(text) = value else {
            self.problem(name, "string_type", "Input should be a valid string");
            return None;
        };
        let length = text.chars().count();
        if length < shortest {
            let plural = if shortest == 1 { "" } else { "s" };
            let msg = format!("String should have at least {shortest} character{plural}");
            self.problem(name, "string_too_short", msg);
        } else if length > longest {
            self.problem(name, "string_too_long", format!("String should have at most {longest} characters"));
        } else if text.contains('\0') {
            self.problem(name, "value_error", "Value error, NUL characters are not allowed");
        } else {
            return Some(text);
        }
        None
    }

    /// A text that must be there, its length counted in characters. Empty when there was a problem.
    pub fn text(&mut self, name: &str, shortest: usize, longest: usize) -> String {
        let value = self.required(name);
        value.and_then(|value| self.as_text(name, value, shortest, longest)).unwrap_or_default()
    }

    /// A text that may be absent or null.
    pub fn optional_text(&mut self, name: &str, longest: usize) -> Option<String> {
        let value = self.optional(name)?;
        self.as_text(name, value, 0, longest)
    }

    /// A text that must be there and must not be seen.
    pub fn secret(&mut self, name: &str, shortest: usize, longest: usize) -> SecretString {
        SecretString::from(self.text(name, shortest, longest))
    }

    /// A text that may be absent or null and must not be seen.
    pub fn optional_secret(&mut self, name: &str, longest: usize) -> Option<SecretString> {
        self.optional_text(name, longest).map(SecretString::from)
    }

    /// A truth value that may be absent or null.
    pub fn optional_boolean(&mut self, name: &str) -> Option<bool> {
        self.has(name).then(|| self.boolean(name))
    }

    /// A truth value that must be there, written in any way that the original took.
    pub fn boolean(&mut self, name: &str) -> bool {
        let Some(value) = self.required(name) else { return false };
        let truth = truth(&value);
        if truth.is_none() {
            self.problem(name, "bool_parsing", "Input should be a valid boolean, unable to interpret input");
        }
        truth.unwrap_or_default()
    }

    fn as_integer(&mut self, name: &str, value: &Value, least: i64, most: i64) -> Option<i64> {
        let Some(number) = integer(value) else {
            self.problem(name, "int_parsing", "Input should be a valid integer");
            return None;
        };
        if number < least {
            self.problem(
                name,
                "greater_than_equal",
                format!("Input should be greater than or equal to {least}"),
            );
        } else if number > most {
            self.problem(name, "less_than_equal", format!("Input should be less than or equal to {most}"));
        } else {
            return Some(number);
        }
        None
    }

    /// A whole number that must be there. `least` when there was a problem.
    pub fn integer(&mut self, name: &str, least: i64, most: i64) -> i64 {
        let value = self.required(name);
        value.and_then(|value| self.as_integer(name, &value, least, most)).unwrap_or(least)
    }

    /// A whole number that may be absent or null.
    pub fn optional_integer(&mut self, name: &str, least: i64, most: i64) -> Option<i64> {
        let value = self.optional(name)?;
        self.as_integer(name, &value, least, most)
    }

    /// A moment in RFC 3339 that may be absent or null.
    pub fn optional_moment(&mut self, name: &str) -> Option<Timestamp> {
        let moment = match self.optional(name)? {
            Value::String(text) => Timestamp::parse(&text),
            _ => None,
        };
        if moment.is_none() {
            self.problem(name, "datetime_parsing", "Input should be a valid datetime with a time zone");
        }
        moment
    }

    /// A list of texts that may be absent or null.
    pub fn optional_texts(&mut self, name: &str, longest: usize, most: usize) -> Option<Vec<String>> {
        let Value::Array(items) = self.optional(name)? else {
            self.problem(name, "list_type", "Input should be a valid list");
            return None;
        };
        if items.len() > most {
            self.problem(name, "too_long", format!("List should have at most {most} items"));
            return None;
        }
        items.into_iter().map(|item| self.as_text(name, item, 1, longest)).collect()
    }

    /// Any value that may be absent or null, to be read by its own rules; report with [`Object::reject`].
    pub fn any(&mut self, name: &str) -> Option<Value> {
        self.optional(name)
    }

    /// Notes that a member breaks a rule of its own.
    pub fn reject(&mut self, name: &str, msg: impl Into<String>) {
        self.problem(name, "value_error", msg);
    }

    /// The collected problems as the answer, if there are any.
    pub fn finish(self) -> Result<()> {
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::validation(self.problems)) }
    }
}

/// The lax reading of pydantic.
fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::Number(number) => match number.as_f64()? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "t" | "yes" | "y" | "on" => Some(true),
            "0" | "false" | "f" | "no" | "n" | "off" => Some(false),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a fraction or a number out of range was refused before")]
fn integer(value: &Value) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64()?;
            (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// One segment of the path, decoded. What is no text is the name of nothing.
#[derive(Debug)]
pub struct Segment(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let segment = Path::<String>::from_request_parts(parts, state).await.ok().map(|Path(text)| text);
        let text = segment.filter(|text| !text.contains('\0'));
        text.map(Self).ok_or_else(|| ApiError::not_found("Not Found"))
    }
}

/// Several segments of the path, decoded.
#[derive(Debug)]
pub struct Segments<const N: usize>(pub [String; N]);

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for Segments<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let read = Path::<Vec<String>>::from_request_parts(parts, state).await.ok().map(|Path(list)| list);
        let sound = read.filter(|list| list.iter().all(|text| !text.contains('\0')));
        let segments = sound.and_then(|list| <[String; N]>::try_from(list).ok());
        segments.map(Self).ok_or_else(|| ApiError::not_found("Not Found"))
    }
}

/// The members of the query; of several with one name the last counts, and an empty one is absent.
#[derive(Debug)]
pub struct QueryMap(HashMap<String, String>);

impl QueryMap {
    /// The member's value, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The member's value, empty or not.
    pub fn given(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for QueryMap {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

/// A number in the path. One that no id can be is the id of nothing.
pub fn path_id(name: &str, text: &str) -> Result<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::validation(vec![FieldError {
            kind: "int_parsing",
            loc: vec![json!("path"), json!(name)],
            msg: "Input should be a valid integer, unable to parse string as an integer".to_owned(),
        }]));
    }
    Ok(text.parse().unwrap_or(-1))
}

/// The error for a query member that must be there.
pub fn query_missing(name: &str) -> ApiError {
    let loc = vec![json!("query"), json!(name)];
    ApiError::validation(vec![FieldError { kind: "missing", loc, msg: "Field required".to_owned() }])
}

/// The error for a query member that can't be read.
pub fn query_invalid(name: &str, kind: &'static str, msg: &str) -> ApiError {
    let loc = vec![json!("query"), json!(name)];
    ApiError::validation(vec![FieldError { kind, loc, msg: msg.to_owned() }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_counted_from_the_beginning() {
        let error = |text: &str| serde_json::from_str::<Value>(text).unwrap_err();
        let text = "{\n\"a\": x}";
        let error = error(text);
        assert_eq!(offset(text.as_bytes(), error.line(), error.column()), 8);
    }

    #[test]
    fn numbers_and_truths_are_read_as_before() {
        assert_eq!(integer(&json!("12")), Some(12));
        assert_eq!(integer(&json!(3.0)), Some(3));
        assert_eq!(integer(&json!(3.5)), None);
        assert_eq!(integer(&json!(1e300)), None);
        assert_eq!(truth(&json!("yes")), Some(true));
        assert_eq!(truth(&json!(2)), None);
    }
}
