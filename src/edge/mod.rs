//! The edge, under all rooms that answer requests: the one error and how each dialect writes it, reading what a client
//! sent, the request's id and log line, the layer around model routes, who is connected, headers for browsers, and the
//! pages of the API's description. No business rules, and nothing here knows who calls.

pub(crate) mod body;
pub mod cors;
pub mod dialect;
pub mod error;
pub mod headers;
pub mod input;
pub mod model_routes;
pub mod openapi;
pub mod read_body;
pub mod request_log;
pub mod visitors;
