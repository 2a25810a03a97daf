//! Real servers for tests, each a process of its own with files of its own, that ends with the value that stands for it.
//!
//! Tests only: what can't be started is a panic that says what is missing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod certificates;
mod consul;
mod nats;
mod process;
mod relay;

pub use certificates::{Authority, Usage, write_private};
pub use consul::Consul;
pub use nats::Nats;
pub use process::free_port;
pub use relay::{Relay, Treatment};
