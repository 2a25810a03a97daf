//! `peers generate|list`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use quorate_keys::Identity;
use quorate_node::identity::{self, IdentityKind};
use quorate_node::peers::{Peer, Peers};
use quorate_request::ClusterId;
use rand_core::OsRng;
use serde::Serialize;

use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the peers file of a new cluster, with a fresh cluster id. Every node gets the same file.
    Generate(Generate),
    /// Show a peers file.
    List(List),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Generate {
    /// A node: NAME=IDENTITY@HOST:PORT, where IDENTITY is 0x… or an identity file. Once for each node.
    #[arg(long = "node", value_name = "NODE", required = true)]
    nodes: Vec<Entry>,
    /// Where to write it; never over a file that exists.
    #[arg(long, value_name = "FILE", default_value = "peers.yaml")]
    out: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The peers file.
    #[arg(long, value_name = "FILE", default_value = "peers.yaml")]
    peers: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    identity: String,
    address: String,
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is not NAME=IDENTITY@HOST:PORT");
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let (identity, address) = rest.rsplit_once('@').ok_or_else(form)?;
        Ok(Self { name: name.into(), identity: identity.into(), address: address.into() })
    }
}

impl Entry {
    fn peer(&self) -> anyhow::Result<Peer> {
        let identity = if self.identity.starts_with("0x") {
            self.identity.parse::<Identity>().with_context(|| format!("node {}", self.name))?
        } else {
            identity::stated_identity(Path::new(&self.identity), IdentityKind::Node)?
        };
        let name = self.name.parse().map_err(|error| anyhow!("{error}"))?;
        let address = self.address.parse().map_err(|error| anyhow!("{error}"))?;
        Ok(Peer { name, identity, address })
    }
}

#[derive(Serialize)]
struct Report {
    cluster: ClusterId,
    nodes: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    identity: Identity,
    address: String,
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Generate(arguments) => {
            let nodes = arguments.nodes.iter().map(Entry::peer).collect::<anyhow::Result<Vec<_>>>()?;
            let peers = Peers::generate(nodes, &mut OsRng)?;
            peers.save_new(&arguments.out)?;
            show(&peers, arguments.json)
        }
        Command::List(arguments) => show(&Peers::load(&arguments.peers)?, arguments.json),
    }
}

fn show(peers: &Peers, json: bool) -> anyhow::Result<()> {
    let row = |peer: &Peer| Row {
        name: peer.name.to_string(),
        identity: peer.identity,
        address: peer.address.to_string(),
    };
    let report = Report { cluster: *peers.cluster(), nodes: peers.all().iter().map(row).collect() };
    output::print(json, &report, || {
        let rows: Vec<_> = (report.nodes.iter())
            .map(|node| vec![node.name.clone(), node.identity.to_string(), node.address.clone()])
            .collect();
        let table = output::table(&["NODE", "IDENTITY", "ADDRESS"], &rows);
        format!("cluster {}\n\n{table}", report.cluster)
    })
}
