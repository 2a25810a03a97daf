//! A node that cheats, for the end-to-end tests. Never published, never for a node that holds anything.
//!
//! It is the `quorate` command with another registry of protocols: everything around the protocols, and every check of
//! what it receives, is that of an honest node. `QUORATE_TEST_CHEAT` says how it cheats ([`Plan`]); without it the node
//! is honest. For the tests of secrecy it can note the randomness that its sessions draw (`QUORATE_TEST_RANDOMNESS`, a
//! folder), from which a test recomputes nonces, and its TLS secrets (`QUORATE_TEST_KEY_LOG`, a file), with which a test
//! decrypts recorded traffic, and hold and log a secret that must be found (`QUORATE_TEST_PLANT`, hex).

// It stands outside the product and ends on the spot when a test is wrong.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod complaint;
mod dealing;
mod envelopes;
mod forgery;
mod liars;
mod plan;
mod registry;
mod rewrite;
mod tape;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;

use plan::Plan;
use quorate_node::Joints;
use quorate_tests::tie;

fn main() -> ExitCode {
    tie::watch();
    witness::plant();
    let plan = match std::env::var("QUORATE_TEST_CHEAT").map_or(Ok(None), |text| text.parse().map(Some)) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("QUORATE_TEST_CHEAT: {error}");
            return ExitCode::from(2);
        }
    };
    let mut joints = Joints::default();
    if let Some(Plan { cheat, operation }) = plan {
        joints.registry = registry::cheating(cheat, operation);
    } else if let Some(folder) = std::env::var_os("QUORATE_TEST_RANDOMNESS") {
        joints.registry = witness::registry(PathBuf::from(folder));
    }
    joints.direct.key_log = std::env::var_os("QUORATE_TEST_KEY_LOG").map(PathBuf::from);
    quorate_cli::main(std::env::args_os(), joints)
}
