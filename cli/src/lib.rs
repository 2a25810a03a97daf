//! The quorate command line: every command in a file of its own.
//!
//! Exit codes: 0 success, 1 failure, 2 usage, 3 a file or setting is wrong, 4 the cluster refused the request, 5 the
//! cluster could not serve it (unreachable, too few nodes, time-out), 6 a verification failed. With `--json` an error is
//! one line of JSON with `code` and `message`, the last one on standard error.
// Results go to standard output; everything else goes through the log, to standard error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod address;
mod bench;
mod chains;
mod cluster;
mod demo;
mod dev;
mod evidence;
mod failure;
mod gateway;
mod identity;
mod judge;
mod local;
mod manual;
mod node;
mod output;
mod passphrase;
mod peers;
mod sign;
mod transaction;
mod verify;
mod wallet;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use quorate_node::Joints;

/// Threshold signing: wallets whose private key never exists anywhere.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, propagate_version = true, after_help = failure::EXIT_CODES)]
struct Arguments {
    /// Say more: once for details, twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 900)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what it does: a cluster of three nodes makes wallets and signs, judged by independent libraries.
    Demo(demo::Arguments),
    /// Run a whole cluster on this machine for development, behind a gateway on loopback.
    Dev(dev::Arguments),
    /// Serve the plain HTTP API for callers who can't sign: it signs for them with its initiator key.
    Gateway(gateway::Arguments),
    /// Set up, start and ask nodes.
    #[command(subcommand)]
    Node(node::Command),
    /// The list of a cluster's nodes.
    #[command(subcommand)]
    Peers(peers::Command),
    /// Identities of nodes.
    #[command(subcommand)]
    Identity(identity::Command),
    /// Keys that may request.
    #[command(subcommand)]
    Initiator(identity::InitiatorCommand),
    /// Make and show wallets, and their addresses.
    #[command(subcommand)]
    Wallet(wallet::Command),
    /// The chains whose transactions can be signed.
    #[command(subcommand)]
    Chains(chains::Command),
    /// Sign a message or a transaction with a wallet.
    Sign(sign::Arguments),
    /// Verify a signature, with no cluster.
    Verify(verify::Arguments),
    /// Measure how fast a cluster signs and makes wallets.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Judge evidence against a node, with no cluster.
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// Print a script for a shell, which then completes commands and options.
    Completions(manual::Completions),
    /// Write the manual pages of all commands.
    Man(manual::Man),
}

/// Runs the command line. Tests hand in other joints for the nodes that it starts.
pub fn main(arguments: impl IntoIterator<Item = OsString>, joints: Joints) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Looked for by hand: it counts when the rest can't be read, too.
    let json = arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return failure::arguments(&error, json),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::fail(&anyhow::anyhow!("the runtime can't start: {error}"), json),
    };
    let result = runtime.block_on(run(arguments, joints));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::fail(&error, json),
    }
}

async fn run(arguments: Arguments, joints: Joints) -> anyhow::Result<()> {
    let verbose = arguments.verbose;
    match arguments.command {
        Command::Demo(arguments) => {
            output::log(verbose, "error", false);
            demo::run(arguments, joints).await
        }
        Command::Dev(arguments) => {
            output::log(verbose, "warn", false);
            dev::run(arguments, joints).await
        }
        Command::Gateway(arguments) => {
            output::log(verbose, "warn", false);
            gateway::run(arguments).await
        }
        Command::Node(command) => node::run(command, verbose, joints).await,
        Command::Peers(command) => peers::run(command),
        Command::Identity(command) => {
            output::log(verbose, "warn", false);
            identity::run(command)
        }
        Command::Initiator(command) => {
            output::log(verbose, "warn", false);
            identity::run_initiator(command)
        }
        Command::Wallet(command) => {
            output::log(verbose, "warn", false);
            wallet::run(command).await
        }
        Command::Sign(arguments) => {
            output::log(verbose, "warn", false);
            sign::run(arguments).await
        }
        Command::Bench(command) => {
            output::log(verbose, "error", false);
            bench::run(command).await
        }
        Command::Chains(command) => chains::run(&command),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Evidence(command) => evidence::run(&command, &joints.registry),
        Command::Completions(arguments) => manual::completions(&arguments),
        Command::Man(arguments) => manual::man(&arguments),
    }
}
