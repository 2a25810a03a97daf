//! `identity generate|show` and `initiator generate|show`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use quorate_keys::Identity;
use quorate_node::identity::{self, IdentityKind};
use quorate_node::store::KdfParams;
use rand_core::OsRng;
use serde::Serialize;

use crate::output;
use crate::passphrase::Source;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the identity of a node.
    Generate(Generate),
    /// Show the public identity in a file.
    Show(Show),
}

#[derive(Debug, Subcommand)]
pub(crate) enum InitiatorCommand {
    /// Make a key that may request, once nodes are told of it.
    Generate(Generate),
    /// Show the public key in a file.
    Show(Show),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Generate {
    /// Where to write it; never over a file that exists.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: Source,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The identity file.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    identity: Identity,
    file: &'a Path,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Generate(arguments) => generate(&arguments, IdentityKind::Node),
        Command::Show(arguments) => show(&arguments, IdentityKind::Node),
    }
}

pub(crate) fn run_initiator(command: InitiatorCommand) -> anyhow::Result<()> {
    match command {
        InitiatorCommand::Generate(arguments) => generate(&arguments, IdentityKind::Initiator),
        InitiatorCommand::Show(arguments) => show(&arguments, IdentityKind::Initiator),
    }
}

fn generate(arguments: &Generate, kind: IdentityKind) -> anyhow::Result<()> {
    let passphrase = arguments.passphrase.choose()?;
    let made = identity::generate(&arguments.out, kind, &passphrase, KdfParams::default(), &mut OsRng)?;
    report(made.identity(), &arguments.out, arguments.json)
}

fn show(arguments: &Show, kind: IdentityKind) -> anyhow::Result<()> {
    report(identity::stated_identity(&arguments.file, kind)?, &arguments.file, arguments.json)
}

fn report(identity: Identity, file: &Path, json: bool) -> anyhow::Result<()> {
    output::print(json, &Report { identity, file }, || identity.to_string())
}
