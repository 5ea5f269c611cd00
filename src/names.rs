//! Names of people: which are accepted at registration, and which count as the same.
//!
//! Pure: no database, no messages. Names that AntiHub or a sign-in provider gave are kept as they are; their claims
//! are made here as well, so that nobody registers a name that looks like theirs.

use unicode_normalization::UnicodeNormalization as _;

/// Why a name can't be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    #[error("a name has 3 to 50 characters")]
    Length,
    #[error("a name has letters, digits, '.', '_' and '-' and begins and ends with a letter or digit")]
    Characters,
    #[error("the letters of a name come from one alphabet")]
    MixedAlphabets,
}

/// Small letters that look like Latin ones, as they are or as capitals.
const LOOKALIKES: &[(char, &str)] = &[
    ('a', "аαɑ"),
    ('b', "вьβ"),
    ('c', "сϲ"),
    ('d', "ԁɗ"),
    ('e', "еε"),
    ('g', "ɡց"),
    ('h', "һհн"),
    ('i', "іιıɩӏ"),
    ('j', "јϳ"),
    ('k', "кκ"),
    ('m', "мμ"),
    ('n', "ոη"),
    ('o', "оοօ"),
    ('p', "рρ"),
    ('q', "ԛ"),
    ('s', "ѕ"),
    ('t', "тτ"),
    ('u', "υս"),
    ('v', "ѵν"),
    ('w', "ѡԝω"),
    ('x', "хχ"),
    ('y', "уүγ"),
    ('z', "ζ"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
}

/// The alphabet of a letter, for those that can be taken for one another.
fn alphabet(letter: char) -> Option<Alphabet> {
    match letter {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{250}'..='\u{2af}' | '\u{1e00}'..='\u{1eff}' => {
            Some(Alphabet::Latin)
        }
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Alphabet::Greek),
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' | '\u{2de0}'..='\u{2dff}' => Some(Alphabet::Cyrillic),
        '\u{530}'..='\u{58f}' => Some(Alphabet::Armenian),
        _ => None,
    }
}

/// A name in plain letters: compatibility forms such as full-width letters become ordinary ones.
pub fn plain(name: &str) -> String {
    name.nfkc().collect()
}

/// The name as it is registered.
pub fn accept(name: &str) -> Result<String, NameProblem> {
    let name = plain(name);
    if !(3..=50).contains(&name.chars().count()) {
        return Err(NameProblem::Length);
    }
    let ends = [name.chars().next(), name.chars().next_back()];
    if !ends.into_iter().flatten().all(char::is_alphanumeric)
        || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'))
    {
        return Err(NameProblem::Characters);
    }
    let mut alphabets = name.chars().filter_map(alphabet);
    let first = alphabets.next();
    if alphabets.any(|other| Some(other) != first) {
        return Err(NameProblem::MixedAlphabets);
    }
    Ok(name)
}

/// What a name looks like: without capitals, compatibility forms and lookalikes of Latin letters.
fn skeleton(name: &str) -> String {
    let small = plain(name).to_lowercase();
    let latin = |letter: char| {
        let found = LOOKALIKES.iter().find(|(_, lookalikes)| lookalikes.contains(letter));
        found.map_or(letter, |(latin, _)| *latin)
    };
    small.chars().map(latin).collect()
}

/// What a person of this name claims; a name is free when all of it is.
pub fn claims(name: &str) -> Vec<String> {
    let mut claims = vec![name.to_lowercase()];
    let skeleton = skeleton(name);
    if skeleton != claims[0] {
        claims.push(skeleton);
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(accept("Ada_1").as_deref(), Ok("Ada_1"));
        assert_eq!(accept("小明明").as_deref(), Ok("小明明"));
        assert_eq!(accept("Ａｄａ").as_deref(), Ok("Ada"));
        assert_eq!(accept("ab"), Err(NameProblem::Length));
        assert_eq!(accept("a b c"), Err(NameProblem::Characters));
        assert_eq!(accept("ada\r\nx"), Err(NameProblem::Characters));
        assert_eq!(accept("_ada"), Err(NameProblem::Characters));
        assert_eq!(accept("ad\u{200b}a"), Err(NameProblem::Characters));
        assert_eq!(accept("pаypal"), Err(NameProblem::MixedAlphabets));
    }

    #[test]
    fn lookalikes_claim_the_same() {
        assert_eq!(claims("ada"), ["ada"]);
        assert_eq!(claims("ADA"), ["ada"]);
        assert_eq!(claims("сор").last().map(String::as_str), Some("cop"));
    }
}
