//! The node: authority, proposer, sessions, store and API.

pub mod config;
pub mod identity;
pub mod peers;
pub mod store;
