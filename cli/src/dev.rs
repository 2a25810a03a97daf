//! `dev`: a local cluster behind a gateway, until interrupted.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;
use quorate_client::gateway::{self, Access};
use quorate_keys::Identity;
use quorate_node::Joints;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::failure::Tip;
use crate::hardening::forbid_core_dumps;
use crate::local::{LocalCluster, Reaching, ScratchFolder};
use crate::node::Signals;
use crate::{arguments, interruptible, output};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How many nodes.
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = arguments::nodes())]
    nodes: u16,
    /// Port of the gateway on loopback; 0 for any free one.
    #[arg(long, default_value_t = 8080, value_parser = arguments::number::<u16>(0..=65535))]
    port: u16,
    /// Keep the cluster in this folder and find it there again. Without it nothing is kept.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    reaching: Reaching,
    /// Print the endpoints as one JSON object on one line.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Endpoints {
    gateway: String,
    cluster: String,
    data: PathBuf,
    nodes: Vec<NodeEndpoint>,
}

#[derive(Serialize)]
struct NodeEndpoint {
    name: String,
    identity: Identity,
    api: String,
    peers: String,
}

pub(crate) async fn run(arguments: Arguments, joints: Joints) -> anyhow::Result<()> {
    forbid_core_dumps();
    // The port first: nothing is left behind when it is taken.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("the gateway can't listen on {address}"))
        .context(Tip("choose another --port; 0 takes any that is free".into()))?;
    // From here on something would be left behind.
    let mut signals = Signals::listen()?;
    let scratch = arguments.data.is_none().then(ScratchFolder::new).transpose()?;
    let folder = match (&arguments.data, &scratch) {
        (Some(folder), _) => std::path::absolute(folder)?,
        (None, Some(scratch)) => scratch.path().to_owned(),
        (None, None) => anyhow::bail!("no folder"),
    };
    let starting = LocalCluster::start(
        &folder,
        arguments.nodes,
        &joints,
        true,
        None,
        &arguments.reaching,
        arguments.json,
    );
    let cluster = interruptible(&mut signals, starting).await?;
    let gateway = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let client = cluster.client.clone();
    let serving = tokio::spawn(async move {
        gateway::serve(listener, client, Access::default(), async {
            stopped.await.ok();
        })
        .await
    });

    let endpoint = |node: &crate::local::LocalNode| NodeEndpoint {
        name: node.name.clone(),
        identity: node.identity,
        api: format!("http://{}", node.node.api_address()),
        peers: node.node.peers_at().to_owned(),
    };
    let endpoints = Endpoints {
        gateway,
        cluster: cluster.peers.cluster().to_string(),
        data: folder,
        nodes: cluster.nodes.iter().map(endpoint).collect(),
    };
    output::print(arguments.json, &endpoints, || {
        welcome(&endpoints, scratch.is_some(), &arguments.reaching)
    })?;
    signals.heard().await;
    stop.send(()).ok();
    serving.await.context("the gateway ended unexpectedly")??;
    cluster.stop().await;
    Ok(())
}

fn welcome(endpoints: &Endpoints, scratch: bool, reaching: &Reaching) -> String {
    let Endpoints { gateway, nodes, data, .. } = endpoints;
    let rows: Vec<_> = nodes
        .iter()
        .map(|node| vec![node.name.clone(), node.api.clone(), node.peers.clone(), node.identity.to_string()])
        .collect();
    let kept = if scratch { "deleted when this ends; keep it with --data DIR" } else { "kept" };
    // A majority, as nodes want it, of at least two.
    let total = nodes.len();
    let threshold = (total / 2 + 1).max(2);
    let keygen = format!("{{\"threshold\": {threshold}, \"total\": {total}, \"curve\": \"ed25519\"}}");
    // Of a wallet that all nodes hold, any will do.
    let signers: Vec<_> = nodes.iter().take(threshold).map(|node| format!("\\\"{}\\\"", node.name)).collect();
    format!(
        "{table}\n\n\
         The gateway signs whatever this machine asks for: {gateway}\n\
         Data: {data} ({kept})\n\n\
         Make a wallet, then sign with it:\n\n  \
         curl -s {gateway}/api/v1/keygen -d '{keygen}'\n\n  \
         KEY=$(curl -s {gateway}/api/v1/keygen -d '{keygen}' \
         | sed 's/.*\"public_key\":\"\\([^\"]*\\)\".*/\\1/')\n  \
         curl -s {gateway}/api/v1/sign -d \"{{\\\"public_key\\\": \\\"$KEY\\\", \
         \\\"message_hash\\\": \\\"0x{hash}\\\", \\\"signers\\\": [{signers}]}}\"\n\n  \
         curl -s {gateway}/api/v1/wallets\n  \
         curl -s {gateway}/api/v1/nodes\n\n\
         Or: quorate wallet list --api {gateway}\n\n\
         Ctrl-C stops the cluster.",
        table = output::table(
            &["NODE", "API (signed requests)", &format!("PEERS ({})", reaching.shown()), "IDENTITY"],
            &rows
        ),
        data = data.display(),
        hash = "11".repeat(32),
        signers = signers.join(", "),
    )
}
