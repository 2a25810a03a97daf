//! `chains list`.

use clap::Subcommand;
use quorate_chains::{Chain, LookupError};
use quorate_keys::Scheme;
use quorate_node::similar;
use serde::Serialize;

use crate::failure::{Failure, Tip};
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// All chains whose transactions can be signed, and what each can be called.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    /// The CAIP-2 id.
    id: &'static str,
    /// Short names that mean this chain and no other.
    aliases: Vec<&'static str>,
    schemes: &'static [Scheme],
    test: bool,
}

/// Short names that mean this chain and no other.
fn aliases(chain: Chain) -> Vec<&'static str> {
    let means_it = |alias: &&&str| quorate_chains::find(alias) == Ok(chain);
    chain.net().aliases.iter().filter(means_it).copied().collect()
}

/// A chain by one of its names. Who means none, or several, is told names that mean one.
pub(crate) fn find(name: &str) -> anyhow::Result<Chain> {
    let error = match quorate_chains::find(name) {
        Ok(chain) => return Ok(chain),
        Err(error) => error,
    };
    let list = "`quorate chains list` shows those that there are, and what each can be called";
    let (text, tip) = match error {
        LookupError::Unknown { name, .. } => {
            // All of them by their ids are too many to be read in one line.
            let known: Vec<_> = quorate_chains::chains().flat_map(aliases).collect();
            let near = similar::nearest(&name, known).map(|near| format!("did you mean '{near}'? "));
            (format!("unknown chain '{name}'"), near.unwrap_or_default() + list)
        }
        LookupError::Ambiguous { name, .. } => {
            let meant = |chain: &Chain| {
                let net = chain.net();
                net.aliases.contains(&name.as_str())
                    || net.slip44.to_string() == name.trim_start_matches("slip44:")
            };
            let shown = |chain: Chain| {
                let called = aliases(chain).first().copied().unwrap_or(chain.net().id);
                format!("'{called}' ({})", chain.net().name)
            };
            let candidates: Vec<_> = quorate_chains::chains().filter(meant).map(shown).collect();
            (format!("'{name}' can be {}: say which", candidates.join(" or ")), list.to_owned())
        }
        error => (error.to_string(), list.to_owned()),
    };
    Err(anyhow::Error::from(Failure::Usage(format!("--chain: {text}"))).context(Tip(tip)))
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::List(arguments) = command;
    let row = |chain: Chain| {
        let net = chain.net();
        Row { name: net.name, id: net.id, aliases: aliases(chain), schemes: net.schemes, test: net.test }
    };
    let chains: Vec<Row> = quorate_chains::chains().map(row).collect();
    output::print(arguments.json, &chains, || {
        let row = |chain: &Row| {
            let schemes: Vec<_> = chain.schemes.iter().map(ToString::to_string).collect();
            let test = if chain.test { "test" } else { "main" };
            vec![
                chain.name.into(),
                chain.id.into(),
                chain.aliases.join(", "),
                schemes.join(", "),
                test.into(),
            ]
        };
        let rows: Vec<_> = chains.iter().map(row).collect();
        output::table(&["CHAIN", "ID (CAIP-2)", "ALIASES", "SCHEMES", "NETWORK"], &rows)
    })
}
