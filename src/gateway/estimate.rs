//! The most that a call is expected to use, of which everything that is set aside for it is made.

use millpond_pool::pricing::Tokens;
use millpond_pool::units::{Cost, MicroUsd};

use super::Gateway;
use super::request::ModelRequest;

/// Output tokens reserved for an answer whose length neither the client nor the table of models bounds, and the most for
/// one that only the client does.
const USUAL_OUTPUT: u64 = 16_384;
const LONGEST_OUTPUT: u64 = 262_144;

/// The most that a call is expected to use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) tokens: i64,
    /// The same without what hardly any answer needs: a rate is for what is usual, a quota for what is possible.
    pub(crate) usual_tokens: i64,
    /// Unknown where the model's price is.
    pub(crate) micro_usd: Option<MicroUsd>,
}

impl Estimate {
    /// The same as a cost.
    pub(crate) fn cost(&self) -> Cost {
        Cost { requests: 1, tokens: self.tokens, micro_usd: self.micro_usd }
    }
}

/// The most that a call is expected to use when a model serves it.
pub(crate) fn estimate(gateway: &Gateway, asked: &ModelRequest, model: &str, body: &[u8]) -> Estimate {
    let prices = &gateway.prices;
    let price = prices.of(model);
    if asked.endpoint.only_counts() {
        return Estimate { tokens: 0, usual_tokens: 0, micro_usd: price.map(|_| MicroUsd(0)) };
    }
    let head = &asked.head;
    let (asked_for, possible) = (head.output_limit, prices.output_limit(model));
    let most = match (asked_for, possible) {
        (Some(asked_for), possible) => asked_for.min(possible.unwrap_or(LONGEST_OUTPUT)),
        (None, possible) => possible.unwrap_or(USUAL_OUTPUT),
    };
    let usual = if asked_for.is_some() { most } else { most.min(USUAL_OUTPUT) };
    let input = head.prompt.most_tokens(body);
    let output = most.saturating_mul(head.answers);
    let micro_usd = price.map(|price| price.cost(&Tokens { input, output, ..Tokens::default() }));
    let all = |output: u64| i64::try_from(input.saturating_add(output)).unwrap_or(i64::MAX);
    Estimate { tokens: all(output), usual_tokens: all(usual.saturating_mul(head.answers)), micro_usd }
}
