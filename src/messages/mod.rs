//! Words for people under `/api`, in Chinese and English: one catalogue file a language, chosen by `Accept-Language`.
//!
//! Code names a sentence by its key; the sentence is written when the answer is, in the language of the request that is
//! being answered. Error codes and everything on the model endpoints stay English and must not come from here.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use axum::http::{HeaderMap, header};
use serde::{Serialize, Serializer};

tokio::task_local! {
    static ANSWERING_IN: Language;
}

/// A language that there is a catalogue for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// AntiHub's language, and ours where a client asks for none.
    #[default]
    Chinese,
    English,
}

type Catalogue = HashMap<String, String>;

fn read(text: &str) -> Catalogue {
    toml::from_str(text).unwrap_or_default()
}

static CHINESE: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("zh.toml")));
static ENGLISH: LazyLock<Catalogue> = LazyLock::new(|| read(include_str!("en.toml")));

impl Language {
    /// The language that the client likes best of those that we speak (RFC 9110, section 12.5.4).
    pub fn wanted(headers: &HeaderMap) -> Self {
        let list = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let mut best = (Self::default(), 0.0);
        for choice in list.split(',') {
            let mut parts = choice.split(';').map(str::trim);
            let language = match parts.next().and_then(|tag| tag.split('-').next()) {
                Some(tag) if tag.eq_ignore_ascii_case("zh") => Self::Chinese,
                Some(tag) if tag.eq_ignore_ascii_case("en") => Self::English,
                _ => continue,
            };
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
            if weight.as_ref().is_ok_and(|weight| *weight > best.1) {
                best = (language, weight.unwrap_or_default());
            }
        }
        best.0
    }

    /// Runs a request's work with this as the language of its answer.
    pub async fn answering<F: Future>(self, work: F) -> F::Output {
        ANSWERING_IN.scope(self, work).await
    }

    /// The language of the request that is being answered.
    pub fn of_this_answer() -> Self {
        ANSWERING_IN.try_with(|language| *language).unwrap_or_default()
    }

    fn catalogue(self) -> &'static Catalogue {
        match self {
            Self::Chinese => &CHINESE,
            Self::English => &ENGLISH,
        }
    }
}

/// A sentence for a person, not yet in any language. It serialises in the language of the answer.
#[derive(Clone, Debug)]
pub struct Text(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Listed { key: &'static str, arguments: Box<[(&'static str, String)]> },
    AsItIs(Cow<'static, str>),
}

/// The sentence that the catalogues have under this key.
pub fn say(key: &'static str) -> Text {
    Text(Kind::Listed { key, arguments: Box::default() })
}

impl Text {
    /// Fills `{name}` in the sentence.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        if let Kind::Listed { arguments, .. } = &mut self.0 {
            let mut more = std::mem::take(arguments).into_vec();
            more.push((name, value.to_string()));
            *arguments = more.into();
        }
        self
    }

    /// The sentence in a language. A key that no catalogue has stands for itself; a test keeps that from happening.
    pub fn written_in(&self, language: Language) -> Cow<'_, str> {
        let (key, arguments) = match &self.0 {
            Kind::AsItIs(text) => return Cow::Borrowed(text),
            Kind::Listed { key, arguments } => (*key, arguments),
        };
        let sentence = language.catalogue().get(key).map_or(key, String::as_str);
        if arguments.is_empty() {
            return Cow::Borrowed(sentence);
        }
        let filled = arguments
            .iter()
            .fold(sentence.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value));
        Cow::Owned(filled)
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for Text {
    fn from(text: T) -> Self {
        Self(Kind::AsItIs(text.into()))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written_in(Language::of_this_answer()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(list: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, list.parse().unwrap());
        Language::wanted(&headers)
    }

    #[test]
    fn the_best_liked_language_is_spoken() {
        assert_eq!(Language::wanted(&HeaderMap::new()), Language::Chinese);
        assert_eq!(wanted("*"), Language::Chinese);
        assert_eq!(wanted("de, en;q=0.8, zh;q=0.7"), Language::English);
        assert_eq!(wanted("en;q=0.5,zh-CN"), Language::Chinese);
        assert_eq!(wanted("EN-us"), Language::English);
        assert_eq!(wanted("en;q=none, fr"), Language::Chinese);
    }

    #[test]
    fn both_catalogues_say_the_same_things() {
        let placeholders = |text: &str| {
            let mut names: Vec<_> = text
                .split('{')
                .skip(1)
                .filter_map(|part| part.split_once('}'))
                .map(|(name, _)| name.to_owned())
                .collect();
            names.sort();
            names
        };
        let shape = |catalogue: &Catalogue| {
            let mut entries: Vec<_> =
                catalogue.iter().map(|(key, text)| (key.clone(), placeholders(text))).collect();
            entries.sort();
            entries
        };
        assert!(!CHINESE.is_empty());
        assert_eq!(shape(&CHINESE), shape(&ENGLISH));
    }

    /// The program's own text, without its tests.
    fn sources(dir: &std::path::Path, found: &mut Vec<(std::path::PathBuf, String)>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path, code));
            }
        }
    }

    #[test]
    fn every_sentence_is_in_the_catalogues() {
        let mut all = Vec::new();
        sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
        let mut said = 0;
        for (path, code) in &all {
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let chinese = line.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
                assert!(
                    !chinese,
                    "{} has a sentence that belongs into the catalogues: {line}",
                    path.display()
                );
                let spoken = line.replace("Output::say(", "");
                let keys = spoken.split("say(\"").skip(1).filter_map(|rest| rest.split('"').next());
                // A choice of two: `say(if … { "one" } else { "other" })`.
                let choice =
                    spoken.split("say(if ").skip(1).flat_map(|rest| rest.split('"').skip(1).step_by(2));
                for key in keys.chain(choice) {
                    assert!(
                        CHINESE.contains_key(key),
                        "{} says {key:?}, which is in no catalogue",
                        path.display()
                    );
                    said += 1;
                }
            }
        }
        assert!(said > 50, "{said}");
    }

    #[test]
    fn sentences_are_filled() {
        let text = say("invalid_request");
        assert_ne!(text.written_in(Language::Chinese), text.written_in(Language::English));
        assert_eq!(Text::from("as it is").with("x", 1).written_in(Language::English), "as it is");
    }
}
