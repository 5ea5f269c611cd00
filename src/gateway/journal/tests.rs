//! The journal as a whole, without a server.
