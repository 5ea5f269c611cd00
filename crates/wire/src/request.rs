//! What all request heads have in common: picking a few members out of a body in one strict pass without building a
//! tree, checking them, and changing a value in place. Which members matter is the dialects' business.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{ErrorKind, WireError};

/// A model name longer than this many bytes is refused: it is kept with every usage row.
const MAX_MODEL_BYTES: usize = 256;

/// Why a request body was refused; always the client's fault (400).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// A sentence for people, safe to show.
    pub message: String,
    /// The member at fault, as a path.
    pub param: Option<&'static str>,
    /// A word for programs, as OpenAI's API uses it.
    pub code: &'static str,
}

impl RequestError {
    pub(crate) fn new(code: &'static str, param: &'static str, message: String) -> Self {
        Self { message, param: Some(param), code }
    }

    pub(crate) fn missing(param: &'static str) -> Self {
        Self::new("missing_required_parameter", param, format!("Missing required parameter: '{param}'."))
    }

    pub(crate) fn wrong_type(param: &'static str, expected: &str) -> Self {
        Self::new("invalid_type", param, format!("Invalid type for '{param}': expected {expected}."))
    }

    fn not_json(reason: &str) -> Self {
        let message = format!("The body of your request is not valid JSON: {reason}");
        Self { message, param: None, code: "invalid_json" }
    }
}

impl From<RequestError> for WireError {
    fn from(error: RequestError) -> Self {
        Self {
            kind: ErrorKind::InvalidRequest,
            message: error.message,
            code: Some(Cow::Borrowed(error.code)),
            param: error.param.map(str::to_owned),
        }
    }
}

/// A member's value as it stands in the body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// What to call it in an error.
    pub(crate) name: &'static str,
    raw: &'a str,
}

/// The values of the named members of the object that `text` is, in the order of `names`; all others are skipped.
///
/// A member that occurs twice is refused, and so is one that differs from a name only in case: which of them counts
/// depends on the parser (Go's folds case, most take the last), and what is metered must be what is served.
pub(crate) fn pick<'a, const N: usize>(
    body: &'a [u8],
    names: [&'static str; N],
) -> Result<[Option<Field<'a>>; N], RequestError> {
    let text = std::str::from_utf8(body).map_err(|_| RequestError::not_json("it is not UTF-8."))?;
    if text.trim_ascii_start().starts_with(|first: char| matches!(first, '[' | '"' | '0'..='9')) {
        return Err(RequestError::not_json("an object is expected."));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let picked = reader
        .deserialize_map(Picker { names })
        .and_then(|picked| reader.end().map(|()| picked))
        .map_err(|error| RequestError::not_json(&format!("{error}.")))?;
    if let Some(name) = picked.repeated {
        let message = format!("Duplicate parameter: '{name}' was given more than once.");
        return Err(RequestError::new("duplicate_parameter", name, message));
    }
    Ok(picked.fields)
}

struct Picker<const N: usize> {
    names: [&'static str; N],
}

struct Picked<'a, const N: usize> {
    fields: [Option<Field<'a>>; N],
    repeated: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, const N: usize> Visitor<'de> for Picker<N> {
    type Value = Picked<'de, N>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = Picked { fields: [None; N], repeated: None };
        while let Some(Key(key)) = map.next_key()? {
            let Some(index) = self.names.iter().position(|name| same_name(&key, name)) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let name = self.names[index];
            let raw = map.next_value::<&'de RawValue>()?.get();
            if key != name || picked.fields[index].is_some() {
                picked.repeated = Some(name);
            }
            picked.fields[index] = Some(Field { name, raw });
        }
        Ok(picked)
    }
}

/// Equality as the laxest common parser sees it: ASCII case is folded, and so are the two other letters (long s,
/// Kelvin sign) whose simple fold is an ASCII letter.
fn same_name(key: &str, name: &str) -> bool {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key == name || key.chars().map(fold).eq(name.chars().map(fold))
}

impl<'a> Field<'a> {
    pub(crate) fn is_null(self) -> bool {
        self.raw == "null"
    }

    /// The same field under the path that it has in the whole body.
    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.raw.as_bytes()
    }

    /// Where the value lies in `body`, which must be the text that it was picked from.
    pub(crate) fn range_in(self, body: &[u8]) -> Range<usize> {
        let start = (self.raw.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
        start..start + self.raw.len()
    }

    pub(crate) fn string(self) -> Result<Cow<'a, str>, RequestError> {
        if !self.raw.starts_with('"') {
            return Err(RequestError::wrong_type(self.name, "a string"));
        }
        let Key(text) = serde_json::from_str(self.raw)
            .map_err(|_| RequestError::wrong_type(self.name, "a string of valid Unicode"))?;
        Ok(text)
    }

    pub(crate) fn bool(self) -> Result<bool, RequestError> {
        match self.raw {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(RequestError::wrong_type(self.name, "a boolean")),
        }
    }

    /// A whole number of at least `least`; `10.0` and `1e3` are whole numbers too.
    pub(crate) fn integer(self, least: u64) -> Result<u64, RequestError> {
        let wrong = || RequestError::wrong_type(self.name, "an integer");
        let value = match self.raw.parse::<u64>() {
            Ok(value) => value,
            Err(_) if self.raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                let number = self.raw.parse::<f64>().map_err(|_| wrong())?;
                if number.fract() != 0.0 || number > MAX_EXACT {
                    return Err(wrong());
                }
                if number < 0.0 {
                    return Err(self.too_small(least));
                }
                number as u64
            }
            Err(_) => return Err(wrong()),
        };
        if value < least { Err(self.too_small(least)) } else { Ok(value) }
    }

    fn too_small(self, least: u64) -> RequestError {
        let message =
            format!("Invalid '{}': integer below minimum value, expected at least {least}.", self.name);
        RequestError::new("integer_below_min_value", self.name, message)
    }

    pub(crate) fn array(self) -> Result<&'a [u8], RequestError> {
        if self.raw.starts_with('[') {
            Ok(self.raw.as_bytes())
        } else {
            Err(RequestError::wrong_type(self.name, "an array"))
        }
    }

    /// Members of this value, which must be an object.
    pub(crate) fn pick<const N: usize>(
        self,
        names: [&'static str; N],
    ) -> Result<[Option<Field<'a>>; N], RequestError> {
        if !self.raw.starts_with('{') {
            return Err(RequestError::wrong_type(self.name, "an object"));
        }
        pick(self.raw.as_bytes(), names)
    }
}

/// The largest integer below which every float is exact (2^53).
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// The field unless it is absent or null.
pub(crate) fn given(field: Option<Field<'_>>) -> Option<Field<'_>> {
    field.filter(|field| !field.is_null())
}

/// Checks the `model` member: a printable, not too long, not empty string.
pub(crate) fn model<'a>(field: Option<Field<'a>>) -> Result<(Cow<'a, str>, Field<'a>), RequestError> {
    let field = given(field).ok_or_else(|| RequestError::missing("model"))?;
    let name = field.string()?;
    if name.is_empty() {
        return Err(RequestError::missing("model"));
    }
    if name.len() > MAX_MODEL_BYTES {
        let message =
            format!("Invalid 'model': string too long, at most {MAX_MODEL_BYTES} bytes are allowed.");
        return Err(RequestError::new("string_above_max_length", "model", message));
    }
    if name.chars().any(char::is_control) {
        let message = "Invalid 'model': control characters are not allowed.".to_owned();
        return Err(RequestError::new("invalid_value", "model", message));
    }
    Ok((name, field))
}

/// A text member that only helps to recognise a caller or a conversation; anything but a string counts as absent.
pub(crate) fn hint(field: Option<Field<'_>>) -> Option<Cow<'_, str>> {
    field.and_then(|field| field.string().ok())
}

/// `metadata.user_id`, where clients of both OpenAI's and Anthropic's dialect name their end user.
pub(crate) fn metadata_user_id(metadata: Option<Field<'_>>) -> Result<Option<Cow<'_, str>>, RequestError> {
    let Some(metadata) = given(metadata).filter(|field| field.bytes().starts_with(b"{")) else {
        return Ok(None);
    };
    let [user_id] = metadata.pick(["user_id"])?;
    Ok(hint(user_id))
}

/// A change to a body: new bytes for a range of it (an empty range inserts).
pub(crate) type Edit = (Range<usize>, Cow<'static, [u8]>);

/// The edit that puts another model name in the place of the one at `at`.
pub(crate) fn model_edit(at: &Range<usize>, name: &str) -> Edit {
    (at.clone(), Cow::Owned(serde_json::Value::from(name).to_string().into_bytes()))
}

/// Applies edits that do not overlap; without any, the same bytes come back uncopied.
pub(crate) fn apply<const N: usize>(body: &Bytes, mut edits: [Option<Edit>; N]) -> Bytes {
    if edits.iter().all(Option::is_none) {
        return body.clone();
    }
    edits.sort_by_key(|edit| edit.as_ref().map(|(range, _)| range.start));
    let added: usize = edits.iter().flatten().map(|(_, new)| new.len()).sum();
    let mut out = Vec::with_capacity(body.len() + added);
    let mut done = 0;
    for (range, new) in edits.iter().flatten() {
        out.extend_from_slice(body.get(done..range.start).unwrap_or_default());
        out.extend_from_slice(new);
        done = range.end;
    }
    out.extend_from_slice(body.get(done..).unwrap_or_default());
    out.into()
}
