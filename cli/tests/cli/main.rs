//! The command line from outside, without a cluster of several machines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod audit;
mod bench;
mod commands;
mod golden;
mod node;
mod output;
mod policy;
mod reader;
mod signer;
mod terminal;

use std::process::{Command, Stdio};

/// How a command ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// The program in an environment that says nothing but the passphrase, without a terminal.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.env_clear().env("QUORATE_PASSPHRASE", "open sesame").args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Ended {
    let output = command(arguments).output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
