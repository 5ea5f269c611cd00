//! Models that stand in for others, as `MODEL_FALLBACKS` has them.

/// A chain of models is followed so far.
const LONGEST_CHAIN: usize = 5;

/// What stands in for which model.
pub(crate) struct Fallbacks(Vec<(String, String)>);

impl Fallbacks {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The model, what stands in for it, what stands in for that, each once.
    pub(crate) fn chain<'a>(&'a self, model: &'a str) -> Vec<&'a str> {
        let mut chain = vec![model];
        let mut place = 0;
        while place < chain.len() && chain.len() < LONGEST_CHAIN {
            for (from, to) in &self.0 {
                if from == chain[place] && !chain.contains(&to.as_str()) && chain.len() < LONGEST_CHAIN {
                    chain.push(to);
                }
            }
            place += 1;
        }
        chain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_end() {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let fallbacks = Fallbacks::new(vec![pair("a", "b"), pair("b", "c"), pair("c", "a"), pair("a", "d")]);
        assert_eq!(fallbacks.chain("a"), ["a", "b", "d", "c"]);
        assert_eq!(fallbacks.chain("x"), ["x"]);
    }
}
