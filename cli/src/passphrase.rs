//! Passphrases: from a file, the environment or a prompt, never from the command line.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Context;
use quorate_identity::envelope::Passphrase;
use quorate_node::config::PassphraseSource;

use crate::failure::Failure;

/// Where a passphrase comes from.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Source {
    /// A file that holds the passphrase. Otherwise the environment variable QUORATE_PASSPHRASE, or a prompt.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl Source {
    /// A passphrase that exists already.
    pub(crate) fn read(&self) -> anyhow::Result<Passphrase> {
        match given(self.passphrase_file.as_deref())? {
            Some(passphrase) => Ok(passphrase),
            None => prompt("Passphrase: "),
        }
    }

    /// A new passphrase: asked for twice.
    pub(crate) fn choose(&self) -> anyhow::Result<Passphrase> {
        if let Some(passphrase) = given(self.passphrase_file.as_deref())? {
            return Ok(passphrase);
        }
        let first = ask("New passphrase: ")?;
        if *first != *ask("Once more: ")? {
            return Err(Failure::Setting("the two passphrases differ".into()).into());
        }
        Ok(Passphrase::new(first.as_bytes().to_vec())?)
    }

    /// The file, absolute, to be written into a configuration.
    pub(crate) fn file(&self) -> anyhow::Result<Option<PathBuf>> {
        Ok(self.passphrase_file.as_deref().map(std::path::absolute).transpose()?)
    }
}

fn given(file: Option<&Path>) -> anyhow::Result<Option<Passphrase>> {
    if let Some(file) = file {
        return Ok(Some(PassphraseSource::File(file.to_owned()).read()?));
    }
    match std::env::var("QUORATE_PASSPHRASE") {
        Ok(passphrase) => Ok(Some(Passphrase::new(passphrase.into_bytes()).context("QUORATE_PASSPHRASE")?)),
        Err(_) => Ok(None),
    }
}

/// Asks for a passphrase on the terminal.
pub(crate) fn prompt(text: &str) -> anyhow::Result<Passphrase> {
    Ok(Passphrase::new(ask(text)?.as_bytes().to_vec())?)
}

fn ask(text: &str) -> anyhow::Result<Zeroizing> {
    if !std::io::stdin().is_terminal() {
        let text = "no passphrase: use --passphrase-file or the environment variable QUORATE_PASSPHRASE";
        return Err(Failure::Setting(text.into()).into());
    }
    Ok(Zeroizing(rpassword::prompt_password(text)?))
}

/// A typed passphrase, erased when done with.
struct Zeroizing(String);

impl std::ops::Deref for Zeroizing {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Drop for Zeroizing {
    fn drop(&mut self) {
        drop(quorate_keys::Secret::new(std::mem::take(&mut self.0)));
    }
}
