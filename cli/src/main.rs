//! The `quorate` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    quorate_cli::main(std::env::args_os(), quorate_node::Joints::default())
}
