//! End-to-end tests with real processes: what they have in common.
//!
//! A [`Cluster`] is made with the commands that an operator would use, and its nodes are processes of the test
//! binary `quorate-under-test`: the real command line with a [`barrier`] at which a node can be killed, and with
//! every nonce commitment written down ([`observed`]). Nothing of this is in the shipped binary.
// This crate is test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr
)]

pub mod barrier;
pub mod cluster;
pub mod judge;
pub mod network;
pub mod node;
pub mod observed;
pub mod ports;
pub mod program;
pub mod raw;
pub mod report;
pub mod tie;

pub use cluster::{Cluster, Setup};
pub use program::Program;
