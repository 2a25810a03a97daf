//! The `quorate` command for tests: the real one, with a barrier that tests control, and with what it broadcasts
//! written down.

use std::process::ExitCode;
use std::sync::Arc;

use quorate_node::Joints;
use quorate_tests::{barrier, observed, tie};

fn main() -> ExitCode {
    tie::watch();
    let mut joints = Joints::default();
    joints.registry = observed::observe(&joints.registry);
    // Root may take core images of any process; others only of those that allow it.
    joints.readable_memory = !rustix::process::geteuid().is_root();
    if let Some(barrier) = barrier::Ordered::from_environment() {
        joints.barrier = Arc::new(barrier);
    }
    quorate_cli::main(std::env::args_os(), joints)
}
