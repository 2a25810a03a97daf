//! The quorate command line: every command in a file of its own.
//!
//! Exit codes: 0 success, 1 failure, 2 usage, 3 a file or setting is wrong, 4 the cluster refused the request, 5 the
//! cluster could not serve it (unreachable, too few nodes, time-out) or approvals are missing, 6 a verification failed, 130
//! interrupted. With `--json` an error is one line of JSON with `code` and `message`, the last one on standard error.
// Results go to standard output; everything else goes through the log, to standard error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod address;
mod arguments;
mod audit;
mod authorizer;
mod auxiliary;
mod backup;
mod bench;
mod chains;
mod cluster;
mod demo;
mod dev;
mod evidence;
mod failure;
mod following;
mod gateway;
mod hardening;
mod identity;
mod initiator;
mod judge;
mod local;
mod manual;
mod node;
mod output;
mod passphrase;
mod peers;
mod policy;
mod presign;
mod progress;
mod reader;
mod recovery;
mod reshare;
mod session;
mod sign;
mod signer;
mod suggest;
mod transaction;
mod verify;
mod wallet;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use quorate_node::Joints;

use failure::Failure;
use node::Signals;
use output::Log;

/// Threshold signing: wallets whose private key never exists anywhere.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, after_help = failure::EXIT_CODES)]
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
    /// Keys that may request, and changes of them.
    #[command(subcommand)]
    Initiator(initiator::Command),
    /// Keys that approve, what waits for them, and their words.
    #[command(subcommand)]
    Authorizer(authorizer::Command),
    /// Programs that read by a token, without a key.
    #[command(subcommand)]
    Reader(reader::Command),
    /// Make and show wallets, and their addresses.
    #[command(subcommand)]
    Wallet(wallet::Command),
    /// The chains whose transactions can be signed.
    #[command(subcommand)]
    Chains(chains::Command),
    /// Sign a message or a transaction with a wallet.
    Sign(sign::Arguments),
    /// Deal a wallet's shares anew, to the nodes that hold them.
    Refresh(reshare::Refresh),
    /// Have other nodes hold a wallet's shares, or another number of them sign.
    Reshare(reshare::Reshare),
    /// Undo a wallet's last resharing: have those hold its shares who did before.
    Rollback(reshare::Rollback),
    /// Encrypted copies of a node: make, list, verify and try them.
    #[command(subcommand)]
    Backup(backup::Command),
    /// Make a node of a backup again.
    Restore(backup::Restore),
    /// A node's passphrase, split among people of whom so many bring it back.
    #[command(subcommand)]
    Recovery(recovery::Command),
    /// Make presignatures of an ECDSA wallet, so that its signatures take milliseconds.
    Presign(presign::Arguments),
    /// What nodes need to sign for ECDSA wallets: have it made anew.
    #[command(subcommand)]
    Auxiliary(auxiliary::Command),
    /// What became of requests, such as those that nobody waited for.
    #[command(subcommand)]
    Session(session::Command),
    /// What nodes sign, and for whom: read a policy, and ask it.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Verify a signature, with no cluster.
    Verify(verify::Arguments),
    /// Measure how fast a cluster signs and makes wallets.
    #[command(subcommand)]
    Bench(bench::Command),
    /// Judge evidence against a node, with no cluster.
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// What a node has done and decided: show, verify and export its audit log.
    #[command(subcommand)]
    Audit(audit::Command),
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
    let arguments = match parse(&arguments) {
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

fn parse(arguments: &[OsString]) -> Result<Arguments, clap::Error> {
    let mut command = Arguments::command();
    let matches = command.try_get_matches_from_mut(arguments);
    let matches = matches.map_err(|error| suggest::plausible(error, &mut command, arguments))?;
    bench::check(&matches, &mut command)?;
    Arguments::from_arg_matches(&matches)
}

/// Runs what starts processes and leaves files in a scratch folder, until it ends or a signal comes: then they go, too.
async fn interruptible<T>(
    signals: &mut Signals,
    running: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::select! {
        () = signals.heard() => Err(Failure::Interrupted.into()),
        ended = running => ended,
    }
}

async fn run(arguments: Arguments, joints: Joints) -> anyhow::Result<()> {
    let verbose = arguments.verbose;
    match arguments.command {
        Command::Demo(arguments) => {
            output::log(verbose, "error", Log::Brief);
            interruptible(&mut Signals::listen()?, demo::run(arguments, joints)).await
        }
        Command::Dev(arguments) => {
            output::log(verbose, "warn", Log::Timed);
            dev::run(arguments, joints).await
        }
        Command::Gateway(arguments) => {
            output::log(verbose, "warn", Log::Timed);
            gateway::run(arguments).await
        }
        Command::Node(command) => node::run(command, verbose, joints).await,
        Command::Peers(command) => {
            output::log(verbose, "warn", Log::Brief);
            peers::run(command)
        }
        Command::Identity(command) => {
            output::log(verbose, "warn", Log::Brief);
            identity::run(command)
        }
        Command::Initiator(command) => {
            output::log(verbose, "warn", Log::Brief);
            initiator::run(command).await
        }
        Command::Authorizer(command) => {
            output::log(verbose, "warn", Log::Brief);
            authorizer::run(command).await
        }
        Command::Wallet(command) => {
            output::log(verbose, "warn", Log::Brief);
            wallet::run(command).await
        }
        Command::Sign(arguments) => {
            output::log(verbose, "warn", Log::Brief);
            sign::run(arguments).await
        }
        Command::Refresh(arguments) => {
            output::log(verbose, "warn", Log::Brief);
            reshare::refresh(arguments).await
        }
        Command::Reshare(arguments) => {
            output::log(verbose, "warn", Log::Brief);
            reshare::reshare(arguments).await
        }
        Command::Rollback(arguments) => {
            output::log(verbose, "warn", Log::Brief);
            reshare::rollback(arguments).await
        }
        Command::Backup(command) => {
            output::log(verbose, "warn", Log::Brief);
            backup::run(command).await
        }
        Command::Restore(arguments) => {
            output::log(verbose, "warn", Log::Brief);
            backup::restore(&arguments)
        }
        Command::Recovery(command) => {
            output::log(verbose, "warn", Log::Brief);
            recovery::run(command)
        }
        Command::Presign(arguments) => {
            output::log(verbose, "warn", Log::Brief);
            presign::run(arguments).await
        }
        Command::Auxiliary(command) => {
            output::log(verbose, "warn", Log::Brief);
            auxiliary::run(command).await
        }
        Command::Session(command) => {
            output::log(verbose, "warn", Log::Brief);
            session::run(command).await
        }
        Command::Bench(command) => {
            output::log(verbose, "error", Log::Brief);
            interruptible(&mut Signals::listen()?, bench::run(command)).await
        }
        Command::Chains(command) => chains::run(&command),
        Command::Policy(command) => policy::run(command),
        Command::Reader(command) => reader::run(command),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Evidence(command) => evidence::run(&command, &joints.registry),
        Command::Audit(command) => audit::run(&command),
        Command::Completions(arguments) => manual::completions(&arguments),
        Command::Man(arguments) => manual::man(&arguments),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Commands without a result that a program would read.
    const WITHOUT_JSON: &[(&str, &str)] = &[
        ("quorate node start", "a service: what it says are logs, as JSON with log_format: json"),
        ("quorate completions", "the result is a script"),
        ("quorate man", "the results are files, whose names are known"),
    ];

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, clap::Command)>) {
        if !command.has_subcommands() {
            found.push((path.to_owned(), command.clone()));
        }
        for inner in command.get_subcommands() {
            leaves(inner, &format!("{path} {}", inner.get_name()), found);
        }
    }

    #[test]
    fn every_command_with_a_result_gives_it_as_json_too() {
        let mut found = Vec::new();
        leaves(&Arguments::command(), "quorate", &mut found);
        assert!(found.len() > 20, "{}", found.len());
        let without = |name: &str| WITHOUT_JSON.iter().find(|(exception, _)| *exception == name);
        for (name, command) in &found {
            let takes_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
            match without(name) {
                Some((_, reason)) => assert!(!takes_json, "{name} has --json now: {reason} is no reason"),
                None => assert!(takes_json, "{name} has no --json"),
            }
        }
        for (name, _) in WITHOUT_JSON {
            assert!(found.iter().any(|(known, _)| known == name), "there is no {name}");
        }
    }

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }
}
