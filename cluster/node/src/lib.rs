//! The node: authority, proposer, sessions, store and API.
//!
//! A node holds one share of each of its wallets, encrypted, and acts only on requests that an initiator signed for
//! its cluster, each of which it checks for itself. The life of a request, file by file:
//!
//! `api` parses it → `authority` checks it → `engine::proposer` chooses a committee → on every member `engine::member`
//! checks it again and promises → `engine::run` drives the session, storing what must be durable before what depends on
//! it leaves → the result is verified, stored in the `ledger` and answered.

mod api;
mod approvals;
mod audit;
mod authority;
mod auxiliary;
pub mod backup;
pub mod barrier;
mod cause;
mod clock;
pub mod config;
mod engine;
mod frame;
mod initiators;
mod job;
mod ledger;
mod links;
mod metrics;
mod node;
mod pairings;
mod presignatures;
mod primes;
mod protocols;
pub mod readers;
pub mod schedule;
pub mod similar;
mod spendings;
mod standing;
pub mod store;
pub mod testing;
mod wallets;
mod work;

pub use node::{Joints, Node, NodeError, Sockets};
pub use protocols::registry;
