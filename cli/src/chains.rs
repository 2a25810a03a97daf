//! `chains list`.

use clap::Subcommand;
use quorate_keys::Scheme;
use serde::Serialize;

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

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::List(arguments) = command;
    let row = |chain: quorate_chains::Chain| {
        let net = chain.net();
        let means_it = |alias: &&&str| quorate_chains::find(alias) == Ok(chain);
        let aliases = net.aliases.iter().filter(means_it).copied().collect();
        Row { name: net.name, id: net.id, aliases, schemes: net.schemes, test: net.test }
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
