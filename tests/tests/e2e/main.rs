//! End-to-end tests: real node processes, real mutual TLS, real signals.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::needless_pass_by_value
)]

mod approvals;
mod authority;
mod backup;
mod byzantine;
mod clients;
mod clients_tls;
mod commands;
mod consul;
mod crash;
mod disk;
mod dkls23;
mod ecdsa;
mod events;
mod gateway;
mod graceful;
mod happy;
mod initiators;
#[path = "../../../chains/tests/js/library.rs"]
mod library;
mod local;
mod nats;
mod payment;
mod policy;
mod refusals;
mod resharing;
mod secrecy;
mod silent;
#[path = "../../../cli/src/demo/spending.rs"]
mod spending;
mod storage;
mod tls;
#[path = "../../../cluster/client/tests/support/tls_proxy.rs"]
mod tls_proxy;
mod transactions;
mod windows;

use quorate_tests::{Program, Setup};

/// The `quorate` command, with the joints of tests.
fn program() -> Program {
    Program::at(env!("CARGO_BIN_EXE_quorate-under-test"))
}

/// A cluster to be made of `count` nodes.
fn cluster(count: usize) -> Setup {
    Setup::new(&program(), count)
}

/// Adds a row to the fault table.
fn observed(section: &str, cells: &[&str]) {
    quorate_tests::report::row(env!("CARGO_TARGET_TMPDIR"), section, cells);
}

/// Whether there is time for more.
fn slow() -> bool {
    std::env::var_os("QUORATE_SLOW").is_some()
}

/// Waits until this holds.
async fn eventually(holds: impl AsyncFn() -> bool) {
    let begun = std::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it does not come true");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
