//! What selection has to know of an account, and nothing else: no credential, no address, no name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::units::Units;

/// An account's id, as it is on the wire.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// The id of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A member's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MemberId(pub i64);

/// The protocol that an account's service speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// OpenAI or anything compatible.
    OpenAi,
    /// Anthropic messages.
    Anthropic,
    /// Gemini generateContent.
    Gemini,
}

/// One part of an account's allowance as selection sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The upstream models that draw on it.
    pub models: Vec<Pattern>,
    /// Its size, by which accounts get their part of the calls.
    pub capacity: Units,
}

/// An account as selection sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub id: AccountId,
    /// The member whose it is, and who may use it whether it is shared or not.
    pub owner: MemberId,
    /// The protocol it speaks.
    pub provider: Provider,
    /// Whether everybody may use it.
    pub shared: bool,
    /// Whether its owner, an administrator and its provider let it be used at all.
    pub enabled: bool,
    /// The models it serves by public name; `None` means any.
    pub models: Option<Vec<Pattern>>,
    /// Public names that stand for other names upstream.
    pub aliases: BTreeMap<String, String>,
    /// Models that its owner switched off, by public name.
    pub off: Vec<Pattern>,
    /// Accounts of a higher priority are used first; lower ones only when no higher one can be used.
    pub priority: i32,
    /// How often it is drawn compared with others of its priority and size, 1 to 1000.
    pub weight: u32,
    /// How many calls may run on it at once; `None` means any number.
    pub max_concurrency: Option<u32>,
    /// Its allowances; all that name a model count for it, a model that none names is unlimited.
    pub allowances: Vec<Share>,
}

impl Account {
    /// An enabled account that serves any model without limits.
    pub fn new(id: AccountId, owner: MemberId, provider: Provider) -> Self {
        Self {
            id,
            owner,
            provider,
            shared: false,
            enabled: true,
            models: None,
            aliases: BTreeMap::new(),
            off: Vec::new(),
            priority: 0,
            weight: 1,
            max_concurrency: None,
            allowances: Vec::new(),
        }
    }

    /// Whether the account serves a model of this public name.
    pub fn serves(&self, model: &str) -> bool {
        let Some(models) = &self.models else { return true };
        self.aliases.contains_key(model) || models.iter().any(|pattern| pattern.matches(model))
    }

    /// Whether its owner switched a model of this public name off.
    pub fn is_off(&self, model: &str) -> bool {
        self.off.iter().any(|pattern| pattern.matches(model))
    }

    /// The name that a public model has upstream.
    pub fn upstream<'a>(&'a self, model: &'a str) -> &'a str {
        self.aliases.get(model).map_or(model, String::as_str)
    }

    /// The places of the allowances that an upstream model draws on.
    pub fn allowances_for<'a>(&'a self, upstream: &'a str) -> impl Iterator<Item = usize> + 'a {
        let named = move |share: &Share| share.models.iter().any(|pattern| pattern.matches(upstream));
        let places = self.allowances.iter().enumerate().filter(move |(_, share)| named(share));
        places.map(|(place, _)| place)
    }
}
