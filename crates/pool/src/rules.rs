//! What a provider's failure means: for the call (stop, or go on to another account) and for the account (nothing, a
//! failure that counts, a rest). The rules are data, `rules/errors.toml` by default; the first that matches decides.
//! How long a provider asks to be left alone is read elsewhere; nothing here knows HTTP.

use std::ops::RangeInclusive;

use serde::{Deserialize, Deserializer};

use crate::account::Provider;

/// The rules that come with the program.
pub const EMBEDDED: &str = include_str!("../rules/errors.toml");

/// The longest rest that a provider is believed where the rule doesn't say.
const A_DAY: u64 = 86_400;
const SECOND: i64 = 1_000;

/// Why a file of rules can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// No TOML, an unknown member, or a value that isn't meant.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// A rule that contradicts itself.
    #[error("rule {0} ({1}): {2}")]
    Rule(usize, String, &'static str),
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The provider answered with this status.
    Status(u16),
    /// No answer in time.
    Timeout,
    /// No connection, or it broke off.
    Broken,
    /// The host has no address that may be connected to.
    Forbidden,
}

/// A failed attempt as the rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// The protocol of the account.
    pub provider: Provider,
    /// How it failed.
    pub trouble: Trouble,
    /// The provider's own words for programs.
    pub codes: &'a [String],
    /// The provider's sentence for people.
    pub message: &'a str,
    /// The whole answer as text; bounded by whoever read it.
    pub text: &'a str,
    /// How long the provider wants to be left alone, in milliseconds.
    pub wait_millis: Option<i64>,
}

/// What becomes of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// The client gets the provider's answer.
    Stop,
    /// Another account is tried.
    GoOn,
}

/// How much of an account is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// The model that was asked for, on this account.
    Model,
    /// The credential that was sent.
    Credential,
    /// All of it.
    Account,
}

/// What becomes of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Nothing: it is healthy.
    None,
    /// One failure is counted.
    Circuit(Reach),
    /// It rests for so many milliseconds.
    Rest(Reach, i64),
    /// It rests until its owner changes something.
    UntilChanged(Reach),
}

/// What a rule says of a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The rule's name.
    pub cause: &'a str,
    /// What becomes of the call.
    pub then: Then,
    /// What becomes of the account.
    pub harm: Harm,
}

/// All rules, in order.
#[derive(Clone, Debug)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rule: Vec<Rule>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    name: String,
    #[serde(default)]
    providers: Vec<Provider>,
    #[serde(default)]
    status: Vec<Status>,
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default, deserialize_with = "lower_case")]
    text: Vec<String>,
    #[serde(default, deserialize_with = "lower_case")]
    begins: Vec<String>,
    then: Then,
    harm: Option<Kind>,
    scope: Option<Reach>,
    seconds: Option<u64>,
    #[serde(default)]
    provider_time: bool,
    at_most: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Circuit,
    Rest,
    UntilChanged,
}

#[derive(Clone, Debug)]
enum Status {
    Codes(RangeInclusive<u16>),
    Without(Trouble),
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u16),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(code) => return Ok(Self::Codes(code..=code)),
            Written::Text(text) => text,
        };
        let range = || {
            let (first, last) = text.split_once('-')?;
            Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
        };
        match text.as_str() {
            "timeout" => Ok(Self::Without(Trouble::Timeout)),
            "broken" => Ok(Self::Without(Trouble::Broken)),
            "forbidden" => Ok(Self::Without(Trouble::Forbidden)),
            _ => range().map(Self::Codes).ok_or_else(|| {
                serde::de::Error::custom(
                    "a status is a number, a range \"500-599\", timeout, broken or forbidden",
                )
            }),
        }
    }
}

fn lower_case<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    Ok(texts.iter().map(|text| text.to_lowercase()).collect())
}

impl Rules {
    /// Reads rules from TOML and refuses those that contradict themselves.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let file: File = toml::from_str(text)?;
        for (place, rule) in file.rule.iter().enumerate() {
            if let Some(problem) = rule.problem() {
                return Err(RulesError::Rule(place + 1, rule.name.clone(), problem));
            }
        }
        Ok(Self(file.rule))
    }

    /// The names of all rules, for a page of causes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|rule| rule.name.as_str())
    }

    /// What the first rule that matches says. Without one the client gets the answer and the account is healthy; a
    /// failure without any answer is tried elsewhere.
    pub fn judge(&self, failed: &Failed<'_>) -> Verdict<'_> {
        let (text, message) = (failed.text.to_lowercase(), failed.message.to_lowercase());
        if let Some(rule) = self.0.iter().find(|rule| rule.matches(failed, &text, &message)) {
            return Verdict { cause: &rule.name, then: rule.then, harm: rule.harm(failed.wait_millis) };
        }
        let then = if matches!(failed.trouble, Trouble::Status(_)) { Then::Stop } else { Then::GoOn };
        Verdict { cause: "refused", then, harm: Harm::None }
    }
}

impl Rule {
    fn problem(&self) -> Option<&'static str> {
        let has_reach = self.scope.is_some();
        if self.name.is_empty() {
            return Some("it has no name");
        }
        let said = [&self.codes, &self.text, &self.begins];
        if self.providers.is_empty() && self.status.is_empty() && said.iter().all(|list| list.is_empty()) {
            return Some("it matches everything: give providers, status, codes, text or begins");
        }
        match self.harm {
            None if has_reach || self.seconds.is_some() || self.provider_time => {
                Some("scope, seconds and provider_time need a harm")
            }
            Some(_) if !has_reach => Some("a harm needs a scope"),
            Some(Kind::Rest) if self.seconds.is_none() => Some("a rest needs seconds"),
            Some(Kind::Circuit) if self.scope == Some(Reach::Credential) => {
                Some("a circuit is of a model or of the account")
            }
            _ => None,
        }
    }

    fn matches(&self, failed: &Failed<'_>, lower: &str, message: &str) -> bool {
        let status = |status: &Status| match (status, failed.trouble) {
            (Status::Codes(range), Trouble::Status(code)) => range.contains(&code),
            (Status::Without(trouble), met) => *trouble == met,
            _ => false,
        };
        (self.providers.is_empty() || self.providers.contains(&failed.provider))
            && (self.status.is_empty() || self.status.iter().any(status))
            && (self.codes.is_empty() || self.codes.iter().any(|code| failed.codes.contains(code)))
            && (self.text.is_empty() || self.text.iter().any(|text| lower.contains(text.as_str())))
            && (self.begins.is_empty() || self.begins.iter().any(|text| message.starts_with(text.as_str())))
    }

    fn harm(&self, wait_millis: Option<i64>) -> Harm {
        let (Some(kind), Some(reach)) = (self.harm, self.scope) else { return Harm::None };
        match kind {
            Kind::Circuit => Harm::Circuit(reach),
            Kind::UntilChanged => Harm::UntilChanged(reach),
            Kind::Rest => {
                let longest = millis(self.at_most.unwrap_or(A_DAY));
                let said =
                    wait_millis.filter(|_| self.provider_time).map(|wait| wait.clamp(1, longest.max(1)));
                Harm::Rest(reach, said.unwrap_or_else(|| millis(self.seconds.unwrap_or(1))))
            }
        }
    }
}

fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND)
}
