//! `peers generate|list`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Subcommand;
use quorate_identity::peers::{NodeName, Peer, PeerAddress, Peers};
use quorate_keys::Identity;
use quorate_request::ClusterId;
use rand_core::OsRng;
use serde::Serialize;

use crate::{identity, output};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the peers file of a new cluster, with a fresh cluster id. Every node gets the same file.
    Generate(Generate),
    /// Show a peers file.
    List(List),
}

const EXAMPLES: &str = "\
Example:
  quorate peers generate --node node1=0x…@10.0.0.1:7000 --node node2=id2.json@10.0.0.2:7000";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
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
    name: NodeName,
    identity: Named,
    address: PeerAddress,
}

/// How an entry names an identity.
#[derive(Debug, Clone)]
enum Named {
    Directly(Identity),
    InFile(PathBuf),
}

impl FromStr for Entry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} is not NAME=IDENTITY@HOST:PORT");
        let (name, rest) = text.split_once('=').ok_or_else(form)?;
        let (identity, address) = rest.rsplit_once('@').ok_or_else(form)?;
        let identity = if identity.starts_with("0x") {
            Named::Directly(identity.parse().map_err(|error| format!("the identity: {error}"))?)
        } else {
            Named::InFile(identity.into())
        };
        Ok(Self {
            name: name.parse().map_err(|error| format!("{error}"))?,
            identity,
            address: address.parse().map_err(|error| format!("{error}"))?,
        })
    }
}

impl Entry {
    fn peer(self) -> anyhow::Result<Peer> {
        let identity = match self.identity {
            Named::Directly(identity) => identity,
            Named::InFile(file) => identity::stated_node(&file)?,
        };
        Ok(Peer { name: self.name, identity, address: self.address })
    }
}

#[derive(Serialize)]
struct Report<'a> {
    cluster: ClusterId,
    nodes: Vec<Row>,
    /// The file that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
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
            let nodes = arguments.nodes.into_iter().map(Entry::peer).collect::<anyhow::Result<Vec<_>>>()?;
            let peers = Peers::generate(nodes, &mut OsRng)?;
            peers.save_new(&arguments.out)?;
            show(&peers, Some(&arguments.out), arguments.json)
        }
        Command::List(arguments) => show(&Peers::load(&arguments.peers)?, None, arguments.json),
    }
}

/// Shows peers, and where they have just been written to.
fn show(peers: &Peers, written: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let row = |peer: &Peer| Row {
        name: peer.name.to_string(),
        identity: peer.identity,
        address: peer.address.to_string(),
    };
    let report =
        Report { cluster: *peers.cluster(), nodes: peers.all().iter().map(row).collect(), file: written };
    output::print(json, &report, || {
        let rows: Vec<_> = (report.nodes.iter())
            .map(|node| vec![node.name.clone(), node.identity.to_string(), node.address.clone()])
            .collect();
        let table = output::table(&["NODE", "IDENTITY", "ADDRESS"], &rows);
        let next = written.map_or_else(String::new, |file| {
            format!("\n\nWritten to {}: put the same file on every node.", file.display())
        });
        format!("cluster {}\n\n{table}{next}", report.cluster)
    })
}
