//! What a call costs in money and how long an answer can get, by a table that is kept as data. A model that the table
//! does not name has no price, which is not the same as costing nothing, and no known limit, which is not the same as
//! none. Prices are whole micro-dollars per million tokens and a cost is rounded up once, so it is exact to less than
//! one micro-dollar. Surcharges for very long prompts, for long-lived cache entries and for tools are not in the table.

use std::collections::HashMap;

use serde::Deserialize;

use crate::pattern::Pattern;
use crate::units::{AMOUNT_LIMIT, MicroUsd};

/// The table that comes with the program.
const BUILT_IN: &str = include_str!("../data/prices.json");
/// A price above this (a million dollars per million tokens) is a mistake.
const HIGHEST: u64 = 1_000_000_000_000;
/// An output limit above this many tokens is a mistake, and so is 0.
const LONGEST: u64 = 10_000_000;
const MILLION: u128 = 1_000_000;

/// Why a price table can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// It is no JSON of the right shape.
    #[error("not a price table: {0}")]
    Json(#[from] serde_json::Error),
    /// A number is out of bounds.
    #[error("a price of {0} is above {HIGHEST} micro-dollars per million tokens")]
    TooHigh(String),
    /// A limit is out of bounds.
    #[error("an output limit of {0} is not between 1 and {LONGEST} tokens")]
    OutputLimit(String),
}

/// Tokens by what they are billed as. Cached and written ones are part of `input`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// All input tokens.
    pub input: u64,
    /// Those of the input that were read from a cache.
    pub cache_read: u64,
    /// Those of the input that were written to a cache.
    pub cache_write: u64,
    /// All output tokens.
    pub output: u64,
}

/// Micro-dollars per million tokens of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Price {
    input: u64,
    output: u64,
    /// The same as `input` where the provider has no price of its own for it.
    cache_read: Option<u64>,
    cache_write: Option<u64>,
}

impl Price {
    /// What so many tokens cost, rounded up.
    pub fn cost(&self, tokens: &Tokens) -> MicroUsd {
        let read = tokens.cache_read.min(tokens.input);
        let written = tokens.cache_write.min(tokens.input - read);
        let plain = tokens.input - read - written;
        let billed = [
            (plain, self.input),
            (read, self.cache_read.unwrap_or(self.input)),
            (written, self.cache_write.unwrap_or(self.input)),
            (tokens.output, self.output),
        ];
        let sum: u128 = billed.into_iter().map(|(count, price)| u128::from(count) * u128::from(price)).sum();
        let micro = i64::try_from(sum.div_ceil(MILLION)).unwrap_or(AMOUNT_LIMIT);
        MicroUsd(micro.min(AMOUNT_LIMIT))
    }
}

/// The table as it is written.
#[derive(Deserialize)]
struct Table {
    prices: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    models: Vec<Pattern>,
    #[serde(flatten)]
    price: Price,
    max_output: Option<u64>,
}

impl Row {
    /// Refuses numbers that can only be mistakes.
    fn check(&self) -> Result<(), PriceError> {
        let name = || self.models.first().map_or("?", Pattern::as_str).to_owned();
        let price = &self.price;
        let all = [Some(price.input), Some(price.output), price.cache_read, price.cache_write];
        if all.into_iter().flatten().any(|one| one > HIGHEST) {
            return Err(PriceError::TooHigh(name()));
        }
        if self.max_output.is_some_and(|limit| !(1..=LONGEST).contains(&limit)) {
            return Err(PriceError::OutputLimit(name()));
        }
        Ok(())
    }
}

/// What is known of models by their names or by patterns of them.
#[derive(Debug)]
struct ByModel<T> {
    exact: HashMap<String, T>,
    /// A later table's before an earlier one's, and of one table the longest literal beginning first.
    patterns: Vec<(Pattern, T)>,
}

impl<T> Default for ByModel<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), patterns: Vec::new() }
    }
}

impl<T: Copy> ByModel<T> {
    /// Puts what one table says over what is known.
    fn add(&mut self, rows: Vec<(Pattern, T)>) {
        let (exact, mut patterns): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(model, _)| model.is_exact());
        self.exact.retain(|name, _| !patterns.iter().any(|(pattern, _)| pattern.matches(name)));
        self.exact.extend(exact.into_iter().map(|(model, value)| (model.as_str().to_owned(), value)));
        patterns.sort_by_key(|(model, _)| std::cmp::Reverse(model.literal_prefix().len()));
        patterns.append(&mut self.patterns);
        self.patterns = patterns;
    }

    /// What is known of a model, whatever vendor stands before its name.
    fn of(&self, model: &str) -> Option<T> {
        let bare = model.rsplit('/').next().filter(|bare| *bare != model);
        self.find(model).or_else(|| self.find(bare?))
    }

    fn find(&self, model: &str) -> Option<T> {
        let matching = || self.patterns.iter().find(|(pattern, _)| pattern.matches(model));
        self.exact.get(model).copied().or_else(|| matching().map(|(_, value)| *value))
    }
}

/// The prices and the output limits of all models that are known.
#[derive(Debug, Default)]
pub struct Prices {
    prices: ByModel<Price>,
    /// Apart from the prices, so that a row without a limit leaves the one that is known.
    output_limits: ByModel<u64>,
}

impl Prices {
    /// The table that comes with the program.
    pub fn built_in() -> Result<Self, PriceError> {
        let mut prices = Self::default();
        prices.add(BUILT_IN)?;
        Ok(prices)
    }

    /// Puts a table of the same form over what is known; its rows win. Either all of it counts or nothing.
    pub fn add(&mut self, json: &str) -> Result<(), PriceError> {
        let table: Table = serde_json::from_str(json)?;
        table.prices.iter().try_for_each(Row::check)?;
        let (mut prices, mut output_limits) = (Vec::new(), Vec::new());
        for Row { models, price, max_output } in table.prices {
            for model in models {
                output_limits.extend(max_output.map(|limit| (model.clone(), limit)));
                prices.push((model, price));
            }
        }
        self.prices.add(prices);
        self.output_limits.add(output_limits);
        Ok(())
    }

    /// The price of a model, whatever vendor stands before its name.
    pub fn of(&self, model: &str) -> Option<Price> {
        self.prices.of(model)
    }

    /// The largest number of tokens that a model can answer with at once, reasoning included, where it is known.
    pub fn output_limit(&self, model: &str) -> Option<u64> {
        self.output_limits.of(model)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn micro(model: &str, tokens: Tokens) -> Option<i64> {
        Some(Prices::built_in().unwrap().of(model)?.cost(&tokens).0)
    }

    #[test]
    fn well_known_models_have_prices() {
        let tokens = Tokens { input: 1_000_000, output: 1_000_000, ..Tokens::default() };
        assert_eq!(micro("gpt-4o", tokens), Some(12_500_000));
        assert_eq!(micro("gpt-4o-2024-08-06", tokens), Some(12_500_000));
        assert_eq!(micro("openai/gpt-4o-mini", tokens), Some(750_000));
        assert_eq!(micro("claude-sonnet-4-5-20250929", tokens), Some(18_000_000));
        assert_eq!(micro("gemini-2.5-flash", tokens), Some(2_800_000));
        let cached = Tokens { input: 1_000_000, cache_read: 900_000, cache_write: 100_000, output: 0 };
        assert_eq!(micro("claude-sonnet-4-5", cached), Some(270_000 + 375_000));
        assert_eq!(micro("gpt-4o", Tokens { input: 1, ..Tokens::default() }), Some(3), "2.5 is rounded up");
        assert_eq!(micro("gpt-4o", Tokens::default()), Some(0));
    }

    #[test]
    fn unknown_is_unknown() {
        for model in ["", "no-such-model", "gpt-4o-audio-preview", "vendor/gpt-4o:free", "claude-opus-9"] {
            assert_eq!(micro(model, Tokens::default()), None, "{model}");
        }
    }

    #[test]
    fn what_has_a_price_of_its_own_does_not_get_its_neighbours() {
        for model in [
            "gpt-4o-mini-2024-07-18.ft-1",
            "gpt-6.1-sol-pro",
            "claude-opus-5-7",
            "gemini-2.5-pro-preview-tts",
            "gemini-2.5-flash-lite-preview-tts",
        ] {
            assert_eq!(micro(model, Tokens::default()), None, "{model}");
        }
    }

    #[test]
    fn a_file_wins_over_the_built_in_table() {
        let mut prices = Prices::built_in().unwrap();
        prices.add(r#"{"prices":[{"models":["gpt-4o","mine-*"],"input":7000000,"output":0}]}"#).unwrap();
        let tokens = Tokens { input: 1, ..Tokens::default() };
        assert_eq!(prices.of("gpt-4o").unwrap().cost(&tokens), MicroUsd(7));
        assert_eq!(prices.of("mine-1").unwrap().cost(&tokens), MicroUsd(7));
        prices.add(r#"{"prices":[{"models":["gpt-4*"],"input":9000000,"output":0}]}"#).unwrap();
        assert_eq!(prices.of("gpt-4o").unwrap().cost(&tokens), MicroUsd(9));
        assert!(prices.add(r#"{"prices":[{"models":["x"],"input":-1,"output":0}]}"#).is_err());
        assert!(prices.add(r#"{"prices":[{"models":["x"],"input":99999999999999,"output":0}]}"#).is_err());
    }

    #[test]
    fn a_table_may_say_its_rows_in_any_order() {
        let exact = r#"{"models":["mine-1"],"input":1,"output":0}"#;
        let pattern = r#"{"models":["mine-*"],"input":2,"output":0}"#;
        for rows in [[exact, pattern], [pattern, exact]] {
            let mut prices = Prices::default();
            prices.add(&format!(r#"{{"prices":[{}]}}"#, rows.join(","))).unwrap();
            assert_eq!(prices.of("mine-1").map(|price| price.input), Some(1));
            assert_eq!(prices.of("mine-2").map(|price| price.input), Some(2));
        }
    }

    #[test]
    fn answers_have_known_lengths() {
        let prices = Prices::built_in().unwrap();
        assert_eq!(prices.output_limit("gpt-4o"), Some(16_384));
        assert_eq!(prices.output_limit("openai/gpt-4o-2024-08-06"), Some(16_384));
        assert_eq!(prices.output_limit("claude-sonnet-4-5-20250929"), Some(64_000));
        for model in ["", "no-such-model", "vendor/gpt-4o:free", "text-embedding-3-small"] {
            assert_eq!(prices.output_limit(model), None, "{model}");
        }
    }

    #[test]
    fn a_file_may_leave_output_limits_as_they_are() {
        let mut prices = Prices::built_in().unwrap();
        prices.add(r#"{"prices":[{"models":["gpt-4*","mine"],"input":7000000,"output":0}]}"#).unwrap();
        assert_eq!(prices.of("gpt-4o").map(|price| price.input), Some(7_000_000));
        assert_eq!(prices.output_limit("gpt-4o"), Some(16_384));
        assert_eq!(prices.output_limit("mine"), None);
        prices.add(r#"{"prices":[{"models":["gpt-4*"],"input":0,"output":0,"max_output":5}]}"#).unwrap();
        assert_eq!(prices.output_limit("gpt-4o"), Some(5));
    }

    #[test]
    fn absurd_output_limits_are_refused_with_the_whole_table() {
        let mut prices = Prices::default();
        for limit in ["0", "10000001", "-1", "\"many\""] {
            let row = format!(r#"{{"models":["x"],"input":0,"output":0,"max_output":{limit}}}"#);
            let table = format!(r#"{{"prices":[{{"models":["y"],"input":0,"output":0}},{row}]}}"#);
            assert!(prices.add(&table).is_err(), "{limit}");
            assert_eq!(prices.of("y"), None, "{limit}");
        }
        prices.add(r#"{"prices":[{"models":["x"],"input":0,"output":0,"max_output":10000000}]}"#).unwrap();
        assert_eq!(prices.output_limit("x"), Some(LONGEST));
    }

    #[test]
    fn the_built_in_table_names_each_model_once() {
        let table: Table = serde_json::from_str(BUILT_IN).unwrap();
        let mut names = std::collections::HashSet::new();
        for row in &table.prices {
            let limits = 1..=LONGEST;
            assert!(row.max_output.is_none_or(|limit| limits.contains(&limit)), "{:?}", row.models);
            assert!(row.models.iter().all(|model| names.insert(model.clone())), "{:?}", row.models);
        }
    }

    fn price() -> impl Strategy<Value = Price> {
        let one = 0..=HIGHEST;
        (one.clone(), one.clone(), prop::option::of(one.clone()), prop::option::of(one)).prop_map(
            |(input, output, cache_read, cache_write)| Price { input, output, cache_read, cache_write },
        )
    }

    proptest! {
        #[test]
        fn costs_are_exact_and_grow(price in price(), counts in any::<[u32; 4]>(), more in any::<u32>()) {
            let [plain, cache_read, cache_write, output] = counts.map(u64::from);
            let tokens = Tokens { input: plain + cache_read + cache_write, cache_read, cache_write, output };
            let cost = price.cost(&tokens).0;
            let exact = u128::from(plain) * u128::from(price.input)
                + u128::from(cache_read) * u128::from(price.cache_read.unwrap_or(price.input))
                + u128::from(cache_write) * u128::from(price.cache_write.unwrap_or(price.input))
                + u128::from(output) * u128::from(price.output);
            prop_assert!((0..=AMOUNT_LIMIT).contains(&cost));
            if cost < AMOUNT_LIMIT {
                let billed = u128::try_from(cost).unwrap() * MILLION;
                prop_assert!(billed >= exact && billed - exact < MILLION);
            }
            let more = u64::from(more);
            let longer = price.cost(&Tokens { output: output + more, ..tokens }).0;
            let larger = price.cost(&Tokens { input: tokens.input + more, ..tokens }).0;
            prop_assert!(longer >= cost && larger >= cost);
        }

        #[test]
        fn nothing_overflows(price in price(), counts in any::<[u64; 4]>()) {
            let [input, cache_read, cache_write, output] = counts;
            let cost = price.cost(&Tokens { input, cache_read, cache_write, output }).0;
            prop_assert!((0..=AMOUNT_LIMIT).contains(&cost));
        }
    }
}
