//! `recovery`: so many of several people can bring a node's passphrase back.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use quorate_age::{AgeError, Recipient};
use quorate_identity::files::{self, Access};
use quorate_identity::key_file;
use quorate_node::config::{Config, Overrides, PassphraseSource};
use quorate_node::store::Passphrase;
use quorate_recovery::{RecoveryError, RecoveryShare, Threshold, combine, split};
use rand_core::OsRng;
use serde::Serialize;

use crate::failure::Failure;
use crate::{backup, output, passphrase};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Split a node's passphrase among people, so many of whom bring it back together.
    Split(Split),
    /// Bring a passphrase back from the shares of enough people.
    Combine(Combine),
}

const SPLIT_EXAMPLES: &str = "\
Each of them gets one file, encrypted to their age recipient (`quorate backup generate-key`, or
`age-keygen`). Fewer than the threshold learn nothing of the passphrase. Who has it and the store,
or a backup and its key, has the shares of that node: give them to people of whom so many don't
conspire, and none to a node. A new passphrase needs new files.

Example, for three people of whom any two are enough:
  quorate recovery split --config /etc/quorate/node.yaml --threshold 2 --out node3-recovery \\
    --recipient age1… --recipient age1… --recipient age1…";

#[derive(Debug, clap::Args)]
#[command(after_help = SPLIT_EXAMPLES)]
pub(crate) struct Split {
    /// The node's configuration file.
    #[arg(long, value_name = "FILE", env = "QUORATE_CONFIG")]
    config: PathBuf,
    /// How many have to come together, at least 2.
    #[arg(long, value_name = "NUMBER")]
    threshold: u16,
    /// One of the people, by what to encrypt to.
    #[arg(long = "recipient", value_name = "RECIPIENT", required = true)]
    recipients: Vec<Recipient>,
    /// The folder to write their files to; it is made if it is not there. Nothing is written over.
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: passphrase::Source,
}

const COMBINE_EXAMPLES: &str = "\
Do it on the machine that needs the passphrase. Who does not want to bring a key there hands on
what is in the file, encrypted to a key of that machine (`quorate backup generate-key`):
  age --decrypt -i mine.txt node3-recovery-1-of-3.age | age -r age1… > for-the-machine.age

Example:
  quorate recovery combine for-the-machine.age another.age --identity machine.txt \\
    --config /etc/quorate/node.yaml --out node3.passphrase";

#[derive(Debug, clap::Args)]
#[command(after_help = COMBINE_EXAMPLES)]
pub(crate) struct Combine {
    /// The files, of at least as many people as have to come together.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The age identities that decrypt them.
    #[arg(long = "identity", value_name = "FILE")]
    identities: Vec<PathBuf>,
    /// The configuration file of the node that it is of: the passphrase has to open its identity.
    #[arg(long, value_name = "FILE", env = "QUORATE_CONFIG")]
    config: Option<PathBuf>,
    /// Where to write the passphrase. Nothing is written over.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Split(arguments) => split_one(&arguments),
        Command::Combine(arguments) => combine_some(&arguments),
    }
}

fn setting(error: impl std::fmt::Display) -> Failure {
    Failure::Setting(error.to_string())
}

#[derive(Serialize)]
struct Dealt {
    of: String,
    threshold: u16,
    files: Vec<PathBuf>,
}

fn split_one(arguments: &Split) -> anyhow::Result<()> {
    let threshold = Threshold::new(arguments.threshold).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut config = Config::load(Some(&arguments.config), std::env::vars(), &Overrides::new())?;
    let passphrase = match std::mem::replace(&mut config.passphrase, PassphraseSource::Unset) {
        PassphraseSource::Unset => arguments.passphrase.read()?,
        source => source.read()?,
    };
    // Of no other than the node's.
    let identity = key_file::load_node(&config.identity_path, &passphrase)?.identity();
    let secret = passphrase.secret();
    if secret.expose().ends_with(b"\r") || secret.expose().ends_with(b"\n") {
        return Err(
            setting("the passphrase ends with a line break, which no file of a passphrase can").into()
        );
    }
    let of = format!("the passphrase of node {}, {identity}", config.node_id);
    let contents = split(secret, &of, threshold, &arguments.recipients, &mut OsRng);
    let contents = contents.map_err(|error| Failure::Usage(error.to_string()))?;
    let folder = &arguments.out;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let name = |number| format!("{}-recovery-{number}-of-{}.age", config.node_id, contents.len());
    let names: Vec<_> = (1..=contents.len()).map(|number| folder.join(name(number))).collect();
    for (place, (path, content)) in names.iter().zip(&contents).enumerate() {
        if let Err(error) = files::write_new(path, content, Access::Private) {
            // All or none: a part of them would be of no use, and in the way.
            for written in names.iter().take(place) {
                std::fs::remove_file(written).ok();
            }
            return Err(anyhow::Error::new(error).context(path.display().to_string()));
        }
    }
    let dealt = Dealt { of, threshold: threshold.get(), files: names };
    output::print(arguments.json, &dealt, || {
        let all: Vec<_> = dealt.files.iter().map(|file| format!("file       {}", file.display())).collect();
        format!(
            "of         {}\nthreshold  {}\n{}\n\nNext: give each to whom it is encrypted to, and have `quorate recovery combine` tried once.",
            dealt.of,
            dealt.threshold,
            all.join("\n")
        )
    })
}

/// What is wrong with a share is that something does not hold; a missing file is something else.
fn judged(file: &Path, error: RecoveryError) -> anyhow::Error {
    let text = format!("{}: {error}", file.display());
    match error {
        RecoveryError::Io(source) | RecoveryError::Age(AgeError::Io(source))
            if !backup::is_content(&source) =>
        {
            anyhow::anyhow!(text)
        }
        RecoveryError::Age(AgeError::NoMatch) => Failure::Setting(text).into(),
        _ => Failure::NotVerified(text).into(),
    }
}

#[derive(Serialize)]
struct Combined<'a> {
    of: &'a str,
    threshold: u16,
    shares: usize,
    file: &'a Path,
    /// Whether it opens the identity of the node of the configuration; without one that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_identity: Option<bool>,
}

fn combine_some(arguments: &Combine) -> anyhow::Result<()> {
    let mut identities = Vec::new();
    for file in &arguments.identities {
        identities.extend(backup::identities(file)?);
    }
    let mut shares = Vec::new();
    for file in &arguments.files {
        let opened = File::open(file).with_context(|| file.display().to_string())?;
        shares.push(RecoveryShare::read(opened, &identities).map_err(|error| judged(file, error))?);
    }
    let secret = combine(&shares).map_err(|error| {
        let about = arguments.files.iter().zip(&shares).map(|(file, share)| {
            let (index, holders) = (share.index(), share.holders());
            format!("\n{}: share {index} of {holders} of {}", file.display(), output::printable(share.of()))
        });
        let text = format!("{error}{}", about.collect::<String>());
        match error {
            RecoveryError::TooFew { .. } => Failure::Setting(text),
            _ => Failure::NotVerified(text),
        }
    })?;
    let passphrase = Passphrase::new(secret.expose().clone())?;
    if let Some(config) = &arguments.config {
        let config = Config::load(Some(config), std::env::vars(), &Overrides::new())?;
        key_file::load_node(&config.identity_path, &passphrase)
            .map_err(|error| Failure::NotVerified(format!("what came back: {error}")))?;
    }
    files::write_new(&arguments.out, passphrase.secret().expose(), Access::Private)
        .with_context(|| arguments.out.display().to_string())?;
    let Some(first) = shares.first() else { return Ok(()) };
    let combined = Combined {
        of: first.of(),
        threshold: first.threshold().get(),
        shares: shares.len(),
        file: &arguments.out,
        opens_identity: arguments.config.as_ref().map(|_| true),
    };
    output::print(arguments.json, &combined, || {
        format!("of    {}\nfile  {}", output::printable(combined.of), combined.file.display())
    })
}
