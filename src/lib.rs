//! Millpond.
pub mod auth;
pub mod clock;
pub mod config;
pub mod error;
pub mod ids;
pub mod state;
pub mod store;
pub mod tasks;
