//! `identity generate|show` and `initiator generate|show`.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use quorate_identity::envelope::KdfParams;
use quorate_identity::key_file::IdentityKind;
use quorate_keys::Identity;
use rand_core::OsRng;
use serde::Serialize;

use crate::failure::{Failure, Tip};
use crate::output;
use crate::passphrase::Source;
use crate::progress::Progress;

/// No identity file comes near; what is longer is something else.
const MAX_FILE: u64 = 64 * 1024;

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
    let Generate { out, json, passphrase } = arguments;
    // Before a passphrase is thought of, typed, and typed again.
    writable(out)?;
    let passphrase = passphrase.choose()?;
    let sealing = Progress::of(*json, "sealing the key under the passphrase");
    let made =
        quorate_identity::key_file::generate(out, kind, &passphrase, KdfParams::default(), &mut OsRng)?;
    drop(sealing);
    report(made.identity(), out, *json)
}

fn show(arguments: &Show, kind: IdentityKind) -> anyhow::Result<()> {
    report(stated(&arguments.file, kind)?, &arguments.file, arguments.json)
}

/// The public identity in a file of this kind.
pub(crate) fn stated(file: &Path, kind: IdentityKind) -> anyhow::Result<Identity> {
    recognise(file, kind)?;
    Ok(quorate_identity::key_file::stated_identity(file, kind)?)
}

/// Sees to it that a new file can be made here, as far as that can be told.
fn writable(file: &Path) -> Result<(), Failure> {
    let shown = file.display();
    if file.symlink_metadata().is_ok() {
        return Err(Failure::Setting(format!("{shown} exists already and is never overwritten")));
    }
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            Err(Failure::Setting(format!("{shown}: there is no folder {}", folder.display())))
        }
        _ => Ok(()),
    }
}

/// Refuses what is no identity file of this kind. Whoever loads one sees to it that nobody else can read it, and says that
/// it is damaged: neither is right for a file that was named by mistake.
pub(crate) fn recognise(file: &Path, kind: IdentityKind) -> anyhow::Result<()> {
    let shown = file.display();
    let wrong = |text: String| anyhow::Error::from(Failure::Setting(text));
    let (what, command) = match kind {
        IdentityKind::Initiator => ("an initiator's key", "quorate initiator generate"),
        _ => ("a node's identity", "quorate identity generate"),
    };
    let make = || Tip(format!("`{command} --out FILE` makes one"));
    let found = match file.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(wrong(format!("there is no file {shown}")).context(make()));
        }
        Err(error) => return Err(wrong(format!("{shown}: {error}"))),
    };
    if found.is_dir() {
        return Err(wrong(format!("{shown} is a folder, not the file with {what}")));
    }
    if !found.is_file() {
        // A pipe can be read only once.
        return Ok(());
    }
    let mut bytes = Vec::new();
    let opened =
        std::fs::File::open(file).and_then(|opened| opened.take(MAX_FILE + 1).read_to_end(&mut bytes));
    opened.map_err(|error| wrong(format!("{shown}: {error}")))?;
    if bytes.is_empty() {
        return Err(wrong(format!("{shown} is empty: if it was {what}, restore it from a copy")));
    }
    // One that is damaged still looks like it, and its loader says what is wrong with it.
    let text = std::str::from_utf8(&bytes).ok().map(str::trim_start);
    let looks_like_it = text.is_some_and(|text| text.starts_with('{') && text.contains("\"sealed\""));
    if bytes.len() as u64 > MAX_FILE || !looks_like_it {
        return Err(wrong(format!("{shown} is not a file with {what}")).context(make()));
    }
    let stated: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    match stated.as_ref().and_then(|stated| stated.get("kind")?.as_str()) {
        Some("initiator identity") if kind == IdentityKind::Node => {
            Err(wrong(format!("{shown} holds an initiator's key, not {what}")))
        }
        Some("node identity") if kind == IdentityKind::Initiator => {
            Err(wrong(format!("{shown} holds a node's identity, not {what}")))
        }
        _ => Ok(()),
    }
}

fn report(identity: Identity, file: &Path, json: bool) -> anyhow::Result<()> {
    output::print(json, &Report { identity, file }, || identity.to_string())
}
