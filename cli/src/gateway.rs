//! `gateway`: the plain HTTP API for callers who can't sign.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use quorate_client::gateway::{self, Access, DEFAULT_ADDRESS, Networks, Rate, Tls, TlsFiles, Tokens};
use quorate_keys::Principal;
use quorate_request::ClusterId;
use serde::Serialize;
use tokio::net::TcpListener;

use crate::cluster::Trust;
use crate::failure::{Failure, Tip};
use crate::hardening::{forbid_core_dumps, lock_memory};
use crate::node::Signals;
use crate::output::{self, Weight};
use crate::passphrase::Source;
use crate::signer::{Elsewhere, Signing};
use crate::{arguments, signer};

const EXAMPLES: &str = "\
Example:
  quorate gateway --api http://10.0.0.1:8080,http://10.0.0.2:8080 \\
      --initiator initiator.json --peers peers.yaml

For other machines than this one:
  quorate gateway --listen 10.0.0.9:8080 --allow-from 10.0.0.0/24 --token-file tokens \\
      --tls-cert cert.pem --tls-key key.pem --api … --initiator … --peers …";

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
    /// Networks whose callers are served, such as 10.0.0.0/8,fd00::/8, or any. Needed with a --listen
    /// that is not an address of this machine alone; without it, programs of this machine are served.
    #[arg(long, value_name = "CIDR,…")]
    allow_from: Option<Networks>,
    /// File with tokens, one in each line. Callers must show one: Authorization: Bearer.
    #[arg(long, value_name = "FILE", conflicts_with = "no_token")]
    token_file: Option<PathBuf>,
    /// Ask callers from other machines for no token.
    #[arg(long)]
    no_token: bool,
    /// Requests that are served of one address, a second; twice as many at once.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Certificate in PEM for callers: the API is served by TLS. Read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM. Others may not read it.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Print what is served as one JSON object on one line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: Source,
}

#[derive(Serialize)]
struct Served {
    gateway: String,
    /// From where it is asked.
    callers: String,
    /// How many tokens there are; none is asked for if there are none.
    tokens: usize,
    cluster: ClusterId,
    initiator: Principal,
    nodes: Vec<String>,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    forbid_core_dumps();
    lock_memory().log();
    let listen = arguments.listen;
    // Before anything is asked for or opened.
    if let Some(text) = arguments.misses() {
        return Err(Failure::Usage(text).into());
    }
    let access = arguments.access()?;
    let Signing { cluster, initiator, client } = signer::signing_client(
        arguments.trust.client(&arguments.api)?,
        arguments.elsewhere.held(arguments.initiator.as_deref()),
        &arguments.peers,
        &arguments.passphrase,
    )?;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the gateway can't listen on {listen}"))
        .context(Tip("choose another --listen; port 0 takes any that is free".into()))?;
    let nodes = arguments.api.iter().map(|uri| uri.to_string().trim_end_matches('/').to_owned()).collect();
    let scheme = if access.tls.is_some() { "https" } else { "http" };
    let served = Served {
        gateway: format!("{scheme}://{}", listener.local_addr()?),
        callers: access.networks.to_string(),
        tokens: access.tokens.as_ref().map_or(0, Tokens::count),
        cluster,
        initiator,
        nodes,
    };
    // Who reads that it is served may stop it at once.
    let mut signals = Signals::listen()?;
    output::print(arguments.json, &served, || welcome(&served))?;
    if access.networks != Networks::Loopback {
        let missing = [
            (
                access.tokens.is_none(),
                "whoever reaches this address can sign with every wallet of the cluster",
            ),
            (access.tls.is_none(), "callers and their tokens are not protected on the way here: no TLS"),
        ];
        for (_, text) in missing.into_iter().filter(|(is_missing, _)| *is_missing) {
            // Nobody is left to tell when standard error is closed.
            writeln!(std::io::stderr(), "{} {text}", Weight::Warning.word(output::colours())).ok();
        }
    }
    gateway::serve(listener, client, access, async move { signals.heard().await }).await?;
    Ok(())
}

impl Arguments {
    /// What is missing for others than this machine to be served.
    fn misses(&self) -> Option<String> {
        let listen = self.listen;
        if listen.ip().is_loopback() {
            return None;
        }
        let faces = format!(
            "--listen {listen} is not an address of this machine alone, and a gateway signs whatever it is asked for"
        );
        if self.allow_from.is_none() {
            return Some(format!("{faces}: --allow-from names the networks of its callers, or any"));
        }
        if self.token_file.is_none() && !self.no_token {
            return Some(format!(
                "{faces}: --token-file names tokens that callers show, or --no-token asks for none"
            ));
        }
        None
    }

    fn access(&self) -> anyhow::Result<Access> {
        let tokens = self.token_file.as_ref().map(Tokens::from_file).transpose().context("--token-file")?;
        let files = self.tls_cert.clone().zip(self.tls_key.clone());
        let files = files.map(|(certificate, key)| TlsFiles { certificate, key, client_authorities: None });
        let tls = files.map(Tls::load).transpose().context("--tls-cert, --tls-key")?;
        let rate = self.rate.and_then(|rate| Rate::new(rate, Duration::from_secs(1), rate.saturating_mul(2)));
        Ok(Access { networks: self.allow_from.clone().unwrap_or_default(), tokens, rate, tls })
    }
}

fn welcome(served: &Served) -> String {
    let Served { gateway, cluster, initiator, nodes, callers, tokens } = served;
    let reach = match callers.as_str() {
        "loopback" => "programs of this machine".to_owned(),
        "any" => "whoever reaches it".to_owned(),
        networks => format!("callers from {networks}"),
    };
    let (reach, show) = match tokens {
        0 => (reach, ""),
        _ => (format!("{reach} that show a token"), " -H 'Authorization: Bearer …'"),
    };
    format!(
        "gateway    {gateway} (for {reach})\ncluster    {cluster}\nnodes      {}\nsigns as   {initiator}\n\n\
         Try: curl -s {gateway}/api/v1/wallets{show}\n\
         Ctrl-C stops it, requests in progress first.",
        nodes.join(", ")
    )
}
