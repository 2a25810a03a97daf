//! A process that ends with the test that started it, however that ends.
//!
//! The test holds the writing end of the process's standard input. When the test is gone, killed even, the pipe
//! is closed, and the process kills itself. So nothing has to be cleaned up by anybody.

use std::io::Read;

use rustix::process::{Signal, getpid, kill_process};

/// Set for processes that are tied.
pub const VARIABLE: &str = "QUORATE_TEST_TIED";

/// Ends this process when its standard input does, if its parent wants that.
pub fn watch() {
    if std::env::var_os(VARIABLE).is_none() {
        return;
    }
    std::thread::spawn(|| {
        let mut nothing = [0; 64];
        while std::io::stdin().read(&mut nothing).is_ok_and(|read| read > 0) {}
        kill_process(getpid(), Signal::KILL).ok();
    });
}
