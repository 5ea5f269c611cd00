//! Millpond through its front door: a real server on a real port, in both shapes.
//!
//! Every test made by `both_shapes!` runs on SQLite alone and on PostgreSQL with Redis. The clustered half needs
//! TEST_DATABASE_URL and `redis-server`, which `scripts/test` provides.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that can't go on has failed")]

mod access;
mod accounts;
mod accounts_check;
mod accounts_drain;
mod accounts_openrouter;
mod accounts_transfer;
mod admin;
mod allowances;
mod attacks;
mod audit;
mod auth;
mod clients;
mod counters;
mod database;
mod document;
mod edge;
mod freshness;
mod gateway;
mod gateway_attempts;
mod gateway_dialects;
mod gateway_hedge;
mod gateway_proxy;
mod gateway_streams;
mod harness;
mod health;
mod house;
mod input;
mod journal;
mod keys;
mod lifecycle;
mod limits;
mod link;
mod people;
mod permits;
mod plugin;
mod process;
mod provider;
mod quotas;
mod recorder;
mod settings;
mod signin;
mod signin_identities;
mod signin_provider;
mod store;
mod store_faults;
mod store_plans;
mod transactions;
mod upstream;
mod upstream_provider;
mod vectors;
mod weaknesses;
mod weaknesses_errors;
mod weaknesses_metering;
mod weaknesses_pool;
mod weaknesses_secrets;
