//! Model groups: models that draw on one quota, because their providers sell them as one. Only names are looked at here.

use serde::{Deserialize, Serialize};

/// Models that draw on one quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Anthropic's.
    Claude,
    /// Google's.
    Gemini,
    /// OpenAI's.
    Gpt,
    /// Everybody else's together.
    Other,
}

impl Group {
    /// Every group, in the order of its discriminants.
    pub const ALL: [Self; 4] = [Self::Claude, Self::Gemini, Self::Gpt, Self::Other];

    /// The group of a model, whatever vendor stands before its name.
    pub fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if begins(&["claude"]) {
            Self::Claude
        } else if begins(&["gemini"]) {
            Self::Gemini
        } else if begins(&["gpt-", "chatgpt-", "o1", "o3", "o4", "codex"]) {
            Self::Gpt
        } else {
            Self::Other
        }
    }

    /// Whether a name or pattern may stand for a model of this group.
    pub fn may_mean(self, pattern: &str) -> bool {
        pattern.starts_with('*') || Self::of(pattern) == self
    }

    /// The group's name on the wire and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Gemini => "gemini",
            Self::Gpt => "gpt",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_belong_to_groups() {
        assert_eq!(Group::of("claude-opus-4-5"), Group::Claude);
        assert_eq!(Group::of("openai/gpt-4o"), Group::Gpt);
        assert_eq!(Group::of("qwen3"), Group::Other);
        for (place, group) in Group::ALL.into_iter().enumerate() {
            assert_eq!(group as usize, place);
            assert_eq!(serde_json::to_string(&group).unwrap(), format!("\"{}\"", group.name()));
        }
        assert!(Group::Gemini.may_mean("*") && !Group::Gemini.may_mean("gpt-*"));
    }
}
