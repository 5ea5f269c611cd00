//! What providers' errors mean: the rules that come with the program, or an operator's own file.

use millpond_pool::rules::{EMBEDDED, Rules};

use super::parse::Reader;

/// Reads `ERROR_RULES_FILE`, or takes the embedded rules.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Rules> {
    const NAME: &str = "ERROR_RULES_FILE";
    let text = match reader.text(NAME) {
        None => EMBEDDED.to_owned(),
        Some(path) => match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                reader.problem(NAME, &format!("can't be read: {error}"));
                return None;
            }
        },
    };
    match Rules::parse(&text) {
        Ok(rules) => Some(rules),
        Err(error) => {
            reader.problem(NAME, &error.to_string());
            None
        }
    }
}
