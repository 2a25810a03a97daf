//! As whom commands ask: with a key in a file, or with one that is held elsewhere.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use quorate_client::{Client, ClientBuilder, SignerCommand};
use quorate_identity::key_file::IdentityKind;
use quorate_identity::peers::Peers;
use quorate_keys::Principal;
use quorate_request::ClusterId;

use crate::failure::Failure;
use crate::passphrase::Source;
use crate::{arguments, identity};

/// An initiator key that is held elsewhere.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Elsewhere {
    /// Command that signs requests, for a key in a KMS or on a security key: run by the shell, it reads what is to be signed and
    /// writes the signature. Its key is that of --initiator-key.
    #[arg(
        long,
        value_name = "COMMAND",
        env = "QUORATE_INITIATOR_COMMAND",
        requires_all = ["initiator_key", "peers"]
    )]
    pub(crate) initiator_command: Option<String>,
    /// The public key of the key that --initiator-command signs with.
    #[arg(
        long,
        value_name = "KEY",
        env = "QUORATE_INITIATOR_KEY",
        requires = "initiator_command",
        conflicts_with = "initiator"
    )]
    initiator_key: Option<Principal>,
    /// How long --initiator-command may take.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        value_parser = arguments::number::<u64>(1..=600)
    )]
    initiator_timeout: u64,
}

/// A client that signs, and what it signs with.
pub(crate) struct Signing {
    pub(crate) cluster: ClusterId,
    pub(crate) initiator: Principal,
    pub(crate) client: Client,
}

/// The key that a command signs with.
#[derive(Clone, Copy)]
pub(crate) enum Held<'a> {
    /// In a file of this kind.
    File(&'a Path, IdentityKind),
    /// Elsewhere: this one, by a command line that may take so long.
    Elsewhere(Principal, &'a str, Duration),
}

impl Elsewhere {
    /// The initiator's key in a file, or else that which is held elsewhere.
    pub(crate) fn held<'a>(&'a self, file: Option<&'a Path>) -> Option<Held<'a>> {
        if let Some(file) = file {
            return Some(Held::File(file, IdentityKind::Initiator));
        }
        let (line, key) = self.initiator_command.as_deref().zip(self.initiator_key)?;
        Some(Held::Elsewhere(key, line, Duration::from_secs(self.initiator_timeout)))
    }
}

/// A client that signs with a key, for the cluster of a peers file.
pub(crate) fn signing_client(
    builder: ClientBuilder,
    held: Option<Held<'_>>,
    peers: &Path,
    passphrase: &Source,
) -> anyhow::Result<Signing> {
    let cluster = *Peers::load(peers)?.cluster();
    let (initiator, client) = match held {
        Some(Held::File(file, kind)) => {
            // Before anybody is asked for the passphrase of something else.
            let key = identity::read(file, kind)?.open(&passphrase.read()?)?;
            (key.principal(), builder.signing(cluster, key))
        }
        Some(Held::Elsewhere(key, line, timeout)) => {
            (key, builder.signing(cluster, SignerCommand::shell(key, line).timeout(timeout)))
        }
        None => return Err(Failure::Usage("there is nothing to sign with".into()).into()),
    };
    Ok(Signing { cluster, initiator, client: client.context("--api")? })
}
