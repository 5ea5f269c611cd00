//! Glob patterns for model names: `*` stands for any run of characters, everything else for itself. No regular
//! expressions, so that no member's pattern can make matching slow.

use serde::{Deserialize, Serialize};

/// A model name, or a glob that stands for many.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// The pattern of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a plain name without any `*`.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// The characters before the first `*`, with which every matching name begins.
    pub fn literal_prefix(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// Whether a name is meant by this pattern.
    pub fn matches(&self, name: &str) -> bool {
        glob_matches(&self.0, name)
    }

    /// Whether one name may be meant by both. Of two globs only the beginnings are compared, so it may say yes too often.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.is_exact(), other.is_exact()) {
            (true, _) => other.matches(&self.0),
            (_, true) => self.matches(&other.0),
            _ => {
                let (one, two) = (self.literal_prefix(), other.literal_prefix());
                one.starts_with(two) || two.starts_with(one)
            }
        }
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Whether `name` is meant by the glob `pattern`.
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && pattern[p] == name[n] {
            p += 1;
            n += 1;
        } else if let Some((after, taken)) = star {
            // The last star takes one character more; earlier ones never need to be tried again.
            star = Some((after, taken + 1));
            p = after + 1;
            n = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_run() {
        for (pattern, name, expected) in [
            ("gpt-4o", "gpt-4o", true),
            ("gpt-4o", "gpt-4o-mini", false),
            ("gpt-4o*", "gpt-4o", true),
            ("claude-*-thinking", "claude-opus-4-5-thinking", true),
            ("claude-*-thinking", "claude-opus-4-5", false),
            ("*", "", true),
            ("*a*b", "xaybzb", true),
            ("*a*b", "xaybz", false),
            ("", "x", false),
        ] {
            assert_eq!(Pattern::from(pattern).matches(name), expected, "{pattern} {name}");
        }
        assert_eq!(Pattern::from("claude-*-x").literal_prefix(), "claude-");
    }

    #[test]
    fn patterns_overlap() {
        for (one, two, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a*", "abc", true),
            ("a*", "b", false),
            ("a*", "ab*", true),
            ("a*", "b*", false),
            ("*", "x*y", true),
        ] {
            let (one, two) = (Pattern::from(one), Pattern::from(two));
            assert_eq!((one.overlaps(&two), two.overlaps(&one)), (expected, expected), "{one:?} {two:?}");
        }
    }
}
