//! `identity`: `generate|show`; and the same of initiators and authorizers.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use quorate_identity::envelope::KdfParams;
use quorate_identity::key_file::{self, IdentityError, IdentityKind, KeyFile};
use quorate_keys::{Identity, KeyType, Principal};
use rand_core::OsRng;
use serde::Serialize;

use crate::failure::{Failure, Tip};
use crate::output;
use crate::passphrase::Source;
use crate::progress::Progress;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the identity of a node.
    Generate(Generate),
    /// Show the public identity in a file.
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
pub(crate) struct GenerateKey {
    /// The type of the key.
    #[arg(long, value_enum, default_value_t = Type::Ed25519)]
    key_type: Type,
    #[command(flatten)]
    file: Generate,
}

/// As [`KeyType`], for arguments.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Type {
    Ed25519,
    P256,
}

impl From<Type> for KeyType {
    fn from(key_type: Type) -> Self {
        match key_type {
            Type::Ed25519 => Self::Ed25519,
            Type::P256 => Self::P256,
        }
    }
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
    identity: Principal,
    file: &'a Path,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Generate(arguments) => generate(&arguments, IdentityKind::Node, KeyType::Ed25519),
        Command::Show(arguments) => show(&arguments, IdentityKind::Node),
    }
}

/// Makes a key of one kind or another.
pub(crate) fn generate_key(arguments: &GenerateKey, kind: IdentityKind) -> anyhow::Result<()> {
    generate(&arguments.file, kind, arguments.key_type.into())
}

fn generate(arguments: &Generate, kind: IdentityKind, key_type: KeyType) -> anyhow::Result<()> {
    let Generate { out, json, passphrase } = arguments;
    // Before a passphrase is thought of, typed, and typed again.
    writable(out)?;
    let passphrase = passphrase.choose()?;
    let sealing = Progress::of(*json, "sealing the key under the passphrase");
    let made = key_file::generate(out, kind, key_type, &passphrase, KdfParams::default(), &mut OsRng)?;
    drop(sealing);
    report(made.principal(), out, *json)
}

/// Shows the public key in a file.
pub(crate) fn show(arguments: &Show, kind: IdentityKind) -> anyhow::Result<()> {
    report(read(&arguments.file, kind)?.stated(), &arguments.file, arguments.json)
}

/// The public identity in the file of a node.
pub(crate) fn stated_node(file: &Path) -> anyhow::Result<Identity> {
    key_file::stated_node(file).map_err(|error| advised(error, IdentityKind::Node))
}

/// A file of this kind, or what to do about there being none.
pub(crate) fn read(file: &Path, kind: IdentityKind) -> anyhow::Result<KeyFile> {
    KeyFile::read(file, kind).map_err(|error| advised(error, kind))
}

fn advised(error: IdentityError, kind: IdentityKind) -> anyhow::Error {
    let command = match kind {
        IdentityKind::Initiator => "quorate initiator generate",
        IdentityKind::Authorizer => "quorate authorizer generate",
        _ => "quorate identity generate",
    };
    match error {
        IdentityError::NotFound { .. } | IdentityError::NotAKeyFile { .. } => {
            anyhow::Error::from(error).context(Tip(format!("`{command} --out FILE` makes one")))
        }
        error => error.into(),
    }
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

fn report(identity: Principal, file: &Path, json: bool) -> anyhow::Result<()> {
    output::print(json, &Report { identity, file }, || identity.to_string())
}
