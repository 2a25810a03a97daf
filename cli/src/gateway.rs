//! `gateway`: the plain HTTP API for callers who can't sign.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use quorate_client::gateway::{self, DEFAULT_ADDRESS, Exposure};
use quorate_keys::Principal;
use quorate_request::ClusterId;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::cluster::Trust;
use crate::failure::{Failure, Tip};
use crate::node::{Signals, forbid_core_dumps};
use crate::output::{self, Weight};
use crate::passphrase::Source;
use crate::signer::{Elsewhere, Signing};
use crate::{arguments, signer};

const EXAMPLES: &str = "\
Example:
  quorate gateway --api http://10.0.0.1:8080,http://10.0.0.2:8080 \\
      --initiator initiator.json --peers peers.yaml";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("signing").args(["initiator", "initiator_command"]))]
pub(crate) struct Arguments {
    /// Where to serve the API; port 0 for any free one.
    #[arg(long, value_name = "ADDRESS", default_value_t = DEFAULT_ADDRESS, value_parser = arguments::listen)]
    listen: SocketAddr,
    /// Addresses of the cluster's nodes; one that fails is passed over.
    #[arg(long, value_name = "URL,…", env = "QUORATE_API", value_delimiter = ',', required = true, value_parser = arguments::endpoint)]
    api: Vec<http::Uri>,
    #[command(flatten)]
    trust: Trust,
    /// Initiator key to sign requests with. Whoever reaches the gateway can ask for whatever this key may.
    #[arg(
        long,
        value_name = "FILE",
        env = "QUORATE_INITIATOR",
        required_unless_present = "initiator_command"
    )]
    initiator: Option<PathBuf>,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// The cluster's peers file, for its id.
    #[arg(long, value_name = "FILE", env = "QUORATE_PEERS")]
    peers: PathBuf,
    /// Who may reach the gateway: programs of this machine, or whoever the network lets through.
    #[arg(long, value_enum, default_value_t = Reach::Loopback)]
    exposure: Reach,
    /// Print what is served as one JSON object on one line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: Source,
}

/// Who may reach a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Reach {
    Loopback,
    Network,
}

#[derive(Serialize)]
struct Served {
    gateway: String,
    exposure: &'static str,
    cluster: ClusterId,
    initiator: Principal,
    nodes: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    forbid_core_dumps();
    let Arguments { listen, exposure, .. } = arguments;
    // Before anything is asked for or opened.
    if exposure == Reach::Loopback && !listen.ip().is_loopback() {
        let text = format!(
            "--listen {listen} is not an address of this machine alone, and a gateway signs whatever it is asked for: \
             if only those can reach it who may, say --exposure network"
        );
        return Err(Failure::Usage(text).into());
    }
    let Signing { cluster, initiator, client } = signer::signing_client(
        arguments.trust.client(&arguments.api)?,
        arguments.initiator.as_deref(),
        &arguments.elsewhere,
        &arguments.peers,
        &arguments.passphrase,
    )?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the gateway can't listen on {listen}"))
        .context(Tip("choose another --listen; port 0 takes any that is free".into()))?;
    let nodes = arguments.api.iter().map(|uri| uri.to_string().trim_end_matches('/').to_owned()).collect();
    let served = Served {
        gateway: format!("http://{}", listener.local_addr()?),
        exposure: match exposure {
            Reach::Loopback => "loopback",
            Reach::Network => "network",
        },
        cluster,
        initiator,
        nodes,
    };
    // Who reads that it is served may stop it at once.
    let mut signals = Signals::listen()?;
    output::print(arguments.json, &served, || welcome(&served))?;
    let exposure = match exposure {
        Reach::Loopback => Exposure::Loopback,
        Reach::Network => {
            // Nobody is left to tell when standard error is closed.
            let text = "whoever reaches this address can sign with every wallet of the cluster";
            writeln!(std::io::stderr(), "{} {text}", Weight::Warning.word(output::colours())).ok();
            Exposure::Network
        }
    };
    gateway::serve(listener, client, exposure, async move { signals.heard().await }).await?;
    Ok(())
}

fn welcome(served: &Served) -> String {
    let Served { gateway, cluster, initiator, nodes, exposure } = served;
    let reach = match *exposure {
        "network" => "whoever reaches it",
        _ => "programs of this machine",
    };
    format!(
        "gateway    {gateway} (for {reach})\ncluster    {cluster}\nnodes      {}\nsigns as   {initiator}\n\n\
         Try: curl -s {gateway}/api/v1/wallets\n\
         Ctrl-C stops it, requests in progress first.",
        nodes.join(", ")
    )
}
