//! Everything that the pool decides, as pure functions: who gets how much quota, which account serves a call, when an
//! account rests and when it is tried again, what a call costs. The clock and chance are arguments, so that every rule
//! can be put under property tests and a day simulated in a second. Nothing here reads, writes, waits or logs.
//!
//! | to know | look in |
//! | --- | --- |
//! | what is counted, and in which units | [`units`], [`group`], [`pricing`] |
//! | what a member may use of others' accounts | [`quota`] = [`bucket`] (hot) + [`sharing`] (cold) |
//! | how much a person, key or account may do at once | [`counters`] |
//! | which account serves a call | [`index`], [`account`] |
//! | who is next when all accounts are busy | [`fair`] |
//! | whether a failed call is sent once more | [`retry`] |

pub mod account;
pub mod allowance;
pub mod bucket;
pub mod counters;
pub mod fair;
pub mod group;
pub mod health;
pub mod index;
pub mod pattern;
pub mod pricing;
pub mod quota;
pub mod retry;
pub mod rules;
pub mod sharing;
pub mod units;
