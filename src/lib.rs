//! Millpond shares AI accounts fairly: one endpoint, one key, a pool that recovers, every request on record.
//!
//! | room | what happens there |
//! | --- | --- |
//! | [`config`], [`cli`] | what the operator says |
//! | [`server`], [`router`] | connections and routes |
//! | [`edge`] | errors, reading bodies, request log, headers, the API's description |
//! | [`auth`] | who calls |
//! | [`audit`] | who did what to whom |
//! | [`api`] | what people and the console call |
//! | [`gateway`] | the model endpoints: call, admission, selection, upstream, relay, journal |
//! | [`messages`] | words for people, in two languages |
//! | [`store`], [`state`] | SQL; shared volatile state |
//! | [`providers`] | addresses of providers, and which of them shared accounts may use |
//! | [`core`] | configuration, clock, store, state, tasks, vault, audit: what every room may use |
//! | [`app`], [`tasks`], [`vault`], [`clock`], [`ids`], [`names`] | what holds it together |
//!
//! Arrows go one way: `api` uses `gateway`, which uses `auth`, which uses `edge` and `core`. The pure crates `millpond_wire`
//! and `millpond_pool` know nothing of this one. docs/ARCHITECTURE.md walks through a request.

pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod core;
pub mod edge;
pub mod gateway;
pub mod ids;
pub mod messages;
pub mod names;
pub mod providers;
pub mod router;
pub mod server;
pub mod state;
pub mod store;
pub mod tasks;
pub mod vault;
