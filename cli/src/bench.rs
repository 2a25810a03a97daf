//! `bench`: how fast a cluster makes signatures and wallets, through its API.
//!
//! Without `--remote` it starts a cluster of its own for this: one process for each node, with encrypted stores on disk and
//! mutual TLS, as `node start` runs them.

mod load;
mod plot;
mod presigning;
mod report;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Subcommand};
use quorate_client::Client;
use quorate_request::{KeygenRequest, SignRequest, WalletId};

use crate::cluster::Target;
use crate::failure::Failure;
use crate::local::{ProcessCluster, Reaching, ScratchFolder};
use crate::progress::Progress;
use crate::{address, arguments, output};
use load::{Load, Pace, Tally};
use report::Report;

/// How long answers are waited for that have not come when the time is over: a little longer than a node with default
/// settings works on a request.
const PATIENCE: Duration = Duration::from_secs(35);

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Signatures per second, and how long one takes.
    Sign(Sign),
    /// Key generations per second, and how long one takes.
    Keygen(Keygen),
}

const EXAMPLES: &str = "\
Examples:
  quorate bench sign --clients 8 --plot latency.svg
  quorate bench sign --rate 50 --duration 60 --nodes 5
  quorate bench sign --curve secp256k1 --rate 5 --presign    # ECDSA, from presignatures
  quorate bench sign --curve secp256k1 --protocol dkls23     # ECDSA, with nothing made ahead
  quorate bench sign --remote --api http://10.0.0.1:8080 --wallet treasury";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sign {
    /// Sign with this wallet of the cluster at --api; a new one if left out.
    #[arg(
        long,
        value_name = "NAME",
        requires = "remote",
        conflicts_with_all = ["threshold", "total", "curve", "protocol"]
    )]
    wallet: Option<WalletId>,
    /// For ECDSA: make so many presignatures before anything is measured, or, with --rate, as many as will be needed. They
    /// are reported apart. Signatures beyond them make theirs while they are measured.
    #[arg(
        long,
        value_name = "NUMBER",
        num_args = 0..=1,
        default_missing_value = "0",
        value_parser = arguments::number::<u32>(0..=1_000_000)
    )]
    presign: Option<u32>,
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
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 3,
        value_parser = arguments::nodes(),
        conflicts_with = "remote"
    )]
    nodes: u16,
    #[command(flatten)]
    reaching: Reaching,
    /// How many nodes hold a share of a wallet; all if left out.
    #[arg(long, value_name = "NUMBER", value_parser = arguments::nodes())]
    total: Option<u16>,
    /// How many of them must sign; a majority if left out.
    #[arg(long, value_name = "NUMBER", value_parser = arguments::nodes())]
    threshold: Option<u16>,
    /// The curve of the wallets' keys.
    #[arg(long, default_value = "ed25519", value_parser = arguments::curves())]
    curve: String,
    /// Signing protocol; the curve's default if left out.
    #[arg(long)]
    protocol: Option<String>,
    /// Clients that ask one request after the other (a closed loop). One alone shows how long a request takes on an idle
    /// cluster.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 1,
        value_parser = arguments::number::<u16>(1..=4096),
        conflicts_with = "rate"
    )]
    clients: u16,
    /// Requests per second, whether or not earlier ones have been answered (an open loop).
    #[arg(long, value_name = "PER_SECOND", value_parser = arguments::number::<u32>(1..=100_000))]
    rate: Option<u32>,
    /// How long to measure, in seconds.
    #[arg(
        long,
        default_value_t = 10,
        value_name = "SECONDS",
        value_parser = arguments::number::<u64>(1..=86_400)
    )]
    duration: u64,
    /// How long to run before measuring, in seconds.
    #[arg(
        long,
        default_value_t = 2,
        value_name = "SECONDS",
        value_parser = arguments::number::<u64>(0..=3_600)
    )]
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
            protocol: self.protocol.clone(),
            wallet_id: None,
            parties: None,
        })
    }
}

/// Refuses options that would not be heeded: those of the cluster that is asked, where one is started. Set in the
/// environment they are for other commands.
pub(crate) fn check(matches: &ArgMatches, command: &mut clap::Command) -> Result<(), clap::Error> {
    let Some(("bench", matches)) = matches.subcommand() else { return Ok(()) };
    let Some((name, matches)) = matches.subcommand() else { return Ok(()) };
    if matches.get_flag("remote") {
        return Ok(());
    }
    for option in [
        "api",
        "initiator",
        "initiator_command",
        "initiator_key",
        "initiator_timeout",
        "peers",
        "passphrase_file",
    ] {
        if matches.value_source(option) == Some(ValueSource::CommandLine) {
            let option = option.replace('_', "-");
            let text = format!("--{option} is for a cluster that is there already: say --remote, too");
            let command =
                command.find_subcommand_mut("bench").and_then(|bench| bench.find_subcommand_mut(name));
            return Err(command.map_or_else(
                || clap::Error::raw(ErrorKind::MissingRequiredArgument, &text),
                |command| command.error(ErrorKind::MissingRequiredArgument, &text),
            ));
        }
    }
    Ok(())
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Sign(arguments) => {
            let Sign { wallet, presign, common } = arguments;
            let presign = presign.map(|count| presigning::enough(count, &load_of(&common))).transpose()?;
            measure(common, Kind::Sign { wallet, presign }).await
        }
        Command::Keygen(Keygen { common }) => measure(common, Kind::Keygen).await,
    }
}

/// What is measured.
enum Kind {
    Sign { wallet: Option<WalletId>, presign: Option<u32> },
    Keygen,
}

/// The cluster that is measured.
enum Subject {
    Started(Box<ProcessCluster>, ScratchFolder),
    Remote,
}

async fn measure(common: Common, kind: Kind) -> anyhow::Result<()> {
    let json = common.json;
    // A file that can't be written must not cost the measurement.
    if let Some(file) = &common.plot {
        let opened = File::options().write(true).create(true).truncate(false).open(file);
        drop(opened.with_context(|| file.display().to_string())?);
    }
    if !common.remote {
        // What can't be is said before anything is started.
        common.keygen(common.nodes.into())?;
    }
    let (subject, clients) = if common.remote {
        (Subject::Remote, common.target.clients()?)
    } else {
        let scratch = ScratchFolder::new()?;
        let cluster = ProcessCluster::start(scratch.path(), common.nodes, &common.reaching, json).await?;
        let clients = cluster.clients();
        (Subject::Started(Box::new(cluster), scratch), clients)
    };
    let first = clients.first().context("no clients")?;
    // What the cluster says of a wrong address, key or peers file is explained as elsewhere.
    let preparing = Progress::of(json, "asking the cluster for its nodes");
    let nodes = first.nodes().await.map_err(|error| common.target.explained(error))?.len();
    drop(preparing);
    let keygen = common.keygen(nodes)?;
    let mut report = Report::new(&common, &keygen, &kind_name(&kind));
    let watch = |tally: Arc<Tally>| Progress::show(json, move || tally.progress());
    let sample = async || subject.usage().await;
    let measured = match kind {
        Kind::Keygen => {
            let keygen = Arc::new(keygen);
            let ask = move |client: Client, _: u64| {
                let request = KeygenRequest::clone(&keygen);
                async move { client.keygen(request).await.map(drop) }
            };
            load::run(&load_of(&common), &clients, ask, sample, watch).await
        }
        Kind::Sign { wallet, presign } => {
            let wallet = match wallet {
                Some(wallet) => {
                    let read = first.wallet(&wallet).await;
                    read.map_err(|error| common.target.explained(error))?.wallet_id
                }
                None => {
                    let _making = Progress::of(json, format!("{} nodes make a wallet", keygen.total));
                    first.keygen(keygen).await?.wallet_id
                }
            };
            let view = first.wallet(&wallet).await?;
            report.wallet(&view);
            let pinned = Arc::new(address::pinned(&view)?);
            if let Some(count) = presign {
                let asked = presigning::asked(&clients, common.pace());
                let presigned = presigning::make(asked, &wallet, count, json).await;
                report.presigned(presigned.map_err(|error| common.target.explained(error))?);
            }
            let ask = move |client: Client, number: u64| {
                // Of every scheme: those that sign messages of any length sign one of 32 bytes.
                let request = SignRequest::digest(wallet.clone(), message(number));
                let pinned = Arc::clone(&pinned);
                // What is counted was verified.
                async move { client.sign_with(&pinned, request).await.map(drop) }
            };
            load::run(&load_of(&common), &clients, ask, sample, watch).await
        }
    };
    report.measured(&measured);
    if let (Some(before), Some(after)) = &measured.samples {
        report.nodes(before, after);
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
    output::print(json, &report, || report.to_string())?;
    if measured.latencies.is_empty() {
        let reason = measured.failures.keys().next().map_or("it took too long", String::as_str);
        bail!("no request was answered: {reason}");
    }
    Ok(())
}

impl Subject {
    async fn usage(&self) -> Option<Vec<report::Usage>> {
        let Self::Started(cluster, _) = self else { return None };
        let mut usage: Vec<_> = cluster.processes().map(|(name, pid)| report::Usage::of(name, pid)).collect();
        let ask = |client: Client| tokio::spawn(async move { client.read_unsigned("/metrics").await });
        let asked: Vec<_> = cluster.clients().into_iter().map(ask).collect();
        for (usage, answer) in usage.iter_mut().zip(asked) {
            if let Ok(Ok(answer)) = answer.await {
                usage.metrics(&String::from_utf8_lossy(&answer.body));
            }
        }
        Some(usage)
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Sign { .. } => "sign".into(),
        Kind::Keygen => "keygen".into(),
    }
}

fn load_of(common: &Common) -> Load {
    Load {
        pace: common.pace(),
        warm_up: Duration::from_secs(common.warm_up),
        duration: Duration::from_secs(common.duration),
        patience: PATIENCE,
    }
}

/// Every request signs something else.
fn message(number: u64) -> [u8; 32] {
    let mut message = [0; 32];
    message.split_at_mut(8).0.copy_from_slice(&number.to_be_bytes());
    message
}
