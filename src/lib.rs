//! Millpond.
pub mod clock; pub mod config; pub mod ids; pub mod state; pub mod store; pub mod tasks;
