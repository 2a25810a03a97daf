//! `bench`: how fast a cluster makes signatures and wallets, through its API.
//!
//! Without `--api` it starts a cluster of its own for this: one process for each node, with encrypted stores on disk and
//! mutual TLS, as `node start` runs them.

mod load;
mod plot;
mod report;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Subcommand;
use quorate_client::Client;
use quorate_keys::{PublicKey, Scheme, Signature};
use quorate_request::{Hex, KeygenRequest, SignRequest, WalletId};

use crate::cluster::Target;
use crate::failure::Failure;
use crate::local::{ProcessCluster, ScratchFolder};
use crate::output;
use load::{Load, Pace};
use report::Report;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Signatures per second, and how long one takes.
    Sign(Sign),
    /// Key generations per second, and how long one takes.
    Keygen(Keygen),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    /// Sign with this wallet; a new one if left out.
    #[arg(long)]
    wallet: Option<WalletId>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Keygen {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Common {
    /// Nodes of the cluster that is started for the measurement.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=100))]
    nodes: u16,
    /// How many nodes hold a share of a wallet; all if left out.
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=100))]
    total: Option<u16>,
    /// How many of them must sign; a majority if left out.
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=100))]
    threshold: Option<u16>,
    /// Curve: ed25519 or secp256k1.
    #[arg(long, default_value = "ed25519")]
    curve: String,
    /// Signing protocol; the curve's default if left out.
    #[arg(long)]
    protocol: Option<String>,
    /// Clients that ask one request after the other (a closed loop). One alone shows how long a request takes on an idle
    /// cluster.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4096), conflicts_with = "rate")]
    clients: u16,
    /// Requests per second, whether or not earlier ones have been answered (an open loop).
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
    /// How long to measure, in seconds.
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    duration: u64,
    /// How long to run before measuring, in seconds.
    #[arg(long, default_value_t = 2, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(0..=3_600))]
    warm_up: u64,
    /// Write a plot of the latencies to this file, as SVG.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Measure the cluster at --api instead of starting one.
    #[arg(long)]
    remote: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Common {
    fn pace(&self) -> Pace {
        self.rate.map_or(Pace::Closed { clients: self.clients }, |rate| Pace::Open { rate })
    }

    fn keygen(&self, nodes: usize) -> anyhow::Result<KeygenRequest> {
        let total = self.total.unwrap_or(u16::try_from(nodes).unwrap_or(u16::MAX));
        let threshold = self.threshold.unwrap_or(total / 2 + 1);
        if threshold > total {
            let text = format!("--threshold {threshold} is more than the {total} nodes that hold a share");
            return Err(Failure::Usage(text).into());
        }
        Ok(KeygenRequest {
            session_id: None,
            threshold,
            total,
            curve: self.curve.clone(),
            protocol: self.protocol.clone().or_else(|| (self.curve == "secp256k1").then(|| "frost".into())),
            wallet_id: None,
            parties: None,
        })
    }
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Sign(arguments) => {
            let Sign { wallet, common } = arguments;
            measure(common, Kind::Sign(wallet)).await
        }
        Command::Keygen(Keygen { common }) => measure(common, Kind::Keygen).await,
    }
}

/// What is measured.
enum Kind {
    Sign(Option<WalletId>),
    Keygen,
}

/// The cluster that is measured.
enum Subject {
    Started(Box<ProcessCluster>, ScratchFolder),
    Remote,
}

async fn measure(common: Common, kind: Kind) -> anyhow::Result<()> {
    let (subject, clients) = if common.remote {
        (Subject::Remote, common.target.clients()?)
    } else {
        let scratch = ScratchFolder::new()?;
        let cluster = ProcessCluster::start(scratch.path(), common.nodes).await?;
        let clients = cluster.clients();
        (Subject::Started(Box::new(cluster), scratch), clients)
    };
    let first = clients.first().context("no clients")?;
    let nodes = first.nodes().await?.len();
    let keygen = common.keygen(nodes)?;
    let mut report = Report::new(&common, &keygen, &kind_name(&kind));
    let before = subject.usage();
    let measured = match kind {
        Kind::Keygen => {
            let keygen = Arc::new(keygen);
            let ask = move |client: Client, _: u64| {
                let request = KeygenRequest::clone(&keygen);
                async move { client.keygen(request).await.map(drop) }
            };
            load::run(&load_of(&common), &clients, ask).await
        }
        Kind::Sign(wallet) => {
            let wallet = match wallet {
                Some(wallet) => first.wallet(&wallet).await?.wallet_id,
                None => first.keygen(keygen).await?.wallet_id,
            };
            let view = first.wallet(&wallet).await?;
            report.wallet(&view);
            let key = Scheme::from_str(&view.scheme)
                .ok()
                .and_then(|scheme| PublicKey::from_bytes(scheme, view.public_key.as_bytes()).ok())
                .context("the cluster names a wallet's key that is none")?;
            let ask = move |client: Client, number: u64| {
                let message = message(number);
                let request = SignRequest {
                    wallet_id: Some(wallet.clone()),
                    message: Some(Hex::from(message.to_vec())),
                    ..SignRequest::default()
                };
                async move {
                    let signed = client.sign(request).await?;
                    // What is counted was verified.
                    let signature = Signature::from_bytes(*signed.signature.as_bytes());
                    key.verify(&message, &signature).map_err(|_| load::wrong())
                }
            };
            load::run(&load_of(&common), &clients, ask).await
        }
    };
    report.measured(&measured);
    if let (Some(before), Some(after)) = (before, subject.usage()) {
        report.nodes(&before, &after);
    }
    if let Subject::Started(cluster, _scratch) = subject {
        report.started(cluster.ready_after);
        cluster.stop().await;
    }
    if let Some(file) = &common.plot {
        let title = report.title();
        std::fs::write(file, plot::svg(&title, &measured.latencies))
            .with_context(|| file.display().to_string())?;
    }
    output::print(common.json, &report, || report.to_string())?;
    if measured.latencies.is_empty() {
        let reason = measured.failures.keys().next().map_or("it took too long", String::as_str);
        bail!("no request was answered: {reason}");
    }
    Ok(())
}

impl Subject {
    fn usage(&self) -> Option<Vec<report::Usage>> {
        match self {
            Self::Started(cluster, _) => {
                Some(cluster.processes().map(|(name, pid)| report::Usage::of(name, pid)).collect())
            }
            Self::Remote => None,
        }
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Sign(_) => "sign".into(),
        Kind::Keygen => "keygen".into(),
    }
}

fn load_of(common: &Common) -> Load {
    Load {
        pace: common.pace(),
        warm_up: Duration::from_secs(common.warm_up),
        duration: Duration::from_secs(common.duration),
        started: Instant::now(),
    }
}

/// Every request signs something else.
fn message(number: u64) -> [u8; 32] {
    let mut message = [0; 32];
    message.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
    message
}
