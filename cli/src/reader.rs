//! `reader generate`: tokens for programs that read by one.

use clap::Subcommand;
use quorate_node::readers::{TokenReader, token_sha256};
use rand_core::{OsRng, RngCore as _};
use serde::Serialize;

use crate::failure::Failure;
use crate::output;

/// What a token begins with, so that programs that look for secrets in the wrong places know it.
const PREFIX: &str = "quorate_reader_";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a token for a program that reads wallets, sessions and nodes, and can't sign.
    Generate(Generate),
}

const EXAMPLES: &str = "\
A node takes the entry in the file that its setting api_readers_path names, and reads that file when
it starts. The token itself is shown once, and kept nowhere.

Examples:
  quorate reader generate grafana
  quorate reader generate desk --wallets 'hot-*,till'";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Generate {
    /// What the reader is called.
    #[arg(value_name = "NAME")]
    name: String,
    /// Names of the wallets that it may read of, with * for any characters; all if left out.
    #[arg(long, value_name = "PATTERN,…", value_delimiter = ',')]
    wallets: Option<Vec<String>>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    name: &'a str,
    /// Of the program.
    token: &'a str,
    token_sha256: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wallets: Option<&'a [String]>,
    /// Of the node.
    entry: String,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    let Command::Generate(Generate { name, wallets, json }) = command;
    TokenReader::new(&name, wallets.clone()).map_err(Failure::Usage)?;
    let mut secret = [0; 32];
    OsRng.try_fill_bytes(&mut secret)?;
    let token = format!("{PREFIX}{}", hex::encode(secret));
    let token_sha256 = token_sha256(&token);
    let limited = wallets.as_ref().map(|wallets| {
        let quoted: Vec<_> = wallets.iter().map(|pattern| format!("\"{pattern}\"")).collect();
        format!("\n  wallets: [{}]", quoted.join(", "))
    });
    let entry = format!("{name}:\n  token_sha256: {token_sha256}{}", limited.unwrap_or_default());
    let made = Made { name: &name, token: &token, token_sha256, wallets: wallets.as_deref(), entry };
    output::print(json, &made, || {
        format!(
            "The token of {name}, shown once:\n\n  {}\n\nFor the file that api_readers_path of each node names:\n\n{}",
            made.token, made.entry
        )
    })
}
