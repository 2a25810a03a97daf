//! `node init|start|status|check-config`.

mod check_config;

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use quorate_identity::key_file;
use quorate_identity::peers::NodeName;
use quorate_keys::{Identity, Principal};
use quorate_node::config::{Config, ConfigError, LogFormat, Overrides, PassphraseSource};
use quorate_node::store::{KdfParams, Store};
use quorate_node::{Joints, Node};
use quorate_request::{NodeView, Readiness};
use rand_core::OsRng;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cluster::Target;
use crate::failure::{Failure, Tip};
use crate::hardening::{forbid_core_dumps, lock_memory};
use crate::output::Log;
use crate::progress::Progress;
use crate::{arguments, output, passphrase};

/// The configuration that `node init` writes.
const CONFIG_FILE: &str = "node.yaml";
const IDENTITY_FILE: &str = "identity.json";
const STORE_FILE: &str = "store.redb";
const PEERS_FILE: &str = "peers.yaml";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the files of a new node: identity, store, configuration.
    Init(Init),
    /// Run a node until it is interrupted.
    Start(Start),
    /// Check a node's configuration and the files it names, and start nothing.
    CheckConfig(check_config::Arguments),
    /// Ask a node how it is.
    Status(Status),
}

const EXAMPLES: &str = "\
Example:
  quorate node init --name node1 --data /var/lib/quorate --initiator 0x…";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// Name of the node in the peers file: a-z, 0-9 and -.
    #[arg(long)]
    name: NodeName,
    /// The folder of the node's files; made if there is none.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The cluster's peers file, as the node will find it: peers.yaml in the folder of --data unless it is said.
    #[arg(long, value_name = "FILE")]
    peers: Option<PathBuf>,
    /// Where to listen for peers.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7000", value_parser = arguments::listen)]
    listen: SocketAddr,
    /// Where to serve the API.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = arguments::listen)]
    api_listen: SocketAddr,
    /// The public key of one that may request; once for each.
    #[arg(long = "initiator", value_name = "KEY")]
    initiators: Vec<Principal>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    passphrase: passphrase::Source,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Start {
    /// The configuration file. Environment variables and --set win over it.
    #[arg(long, value_name = "FILE", env = "QUORATE_CONFIG")]
    config: Option<PathBuf>,
    /// A setting, as NAME=VALUE; may be repeated.
    #[arg(long = "set", value_name = "SETTING", value_parser = setting)]
    settings: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((key.into(), value.into()))
}

#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) async fn run(command: Command, verbose: u8, joints: Joints) -> anyhow::Result<()> {
    match command {
        Command::Init(arguments) => {
            output::log(verbose, "warn", Log::Brief);
            init(&arguments)
        }
        Command::Start(arguments) => start(arguments, verbose, joints).await,
        Command::CheckConfig(arguments) => {
            output::log(verbose, "error", Log::Brief);
            check_config::run(arguments)
        }
        Command::Status(arguments) => {
            output::log(verbose, "warn", Log::Brief);
            status(arguments).await
        }
    }
}

#[derive(Serialize)]
struct Made {
    identity: Identity,
    config: PathBuf,
    peers: PathBuf,
}

/// The settings that `node init` writes down.
#[derive(Serialize)]
struct Settings<'a> {
    node_id: &'a str,
    data_dir: PathBuf,
    peers_path: PathBuf,
    identity_path: PathBuf,
    db_path: PathBuf,
    listen: SocketAddr,
    api_listen: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "<[Principal]>::is_empty")]
    initiators: &'a [Principal],
}

fn init(arguments: &Init) -> anyhow::Result<()> {
    let data = std::path::absolute(&arguments.data)?;
    let [identity_path, db_path, config] =
        [IDENTITY_FILE, STORE_FILE, CONFIG_FILE].map(|name| data.join(name));
    // All of them first: a node is made as a whole or not at all.
    refuse_leftovers(&[&identity_path, &db_path, &config])?;
    let peers_path = match &arguments.peers {
        Some(path) => std::path::absolute(path)?,
        None => data.join(PEERS_FILE),
    };
    let passphrase = arguments.passphrase.choose()?;
    let settings = Settings {
        node_id: arguments.name.as_str(),
        data_dir: data.clone(),
        peers_path: peers_path.clone(),
        identity_path: identity_path.clone(),
        db_path: db_path.clone(),
        listen: arguments.listen,
        api_listen: arguments.api_listen,
        passphrase_file: arguments.passphrase.file()?,
        initiators: &arguments.initiators,
    };
    let settings = serde_norway::to_string(&settings)?;

    std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
    let mut files = Files(Vec::new());
    let kdf = KdfParams::default();
    let sealing = Progress::of(arguments.json, "sealing the identity and the store under the passphrase");
    let identity = key_file::generate_node(&identity_path, &passphrase, kdf, &mut OsRng)?;
    files.0.push(identity_path);
    drop(Store::create(&db_path, &passphrase, kdf)?);
    files.0.push(db_path);
    drop(sealing);
    let mut opened = File::create_new(&config).with_context(|| config.display().to_string())?;
    files.0.push(config.clone());
    opened.write_all(settings.as_bytes()).with_context(|| config.display().to_string())?;
    files.0.clear();

    let made = Made { identity: identity.identity(), config, peers: peers_path };
    output::print(arguments.json, &made, || {
        format!(
            "identity  {}\nconfig    {config}\npeers     {}\n\nNext: put the identity into the cluster's peers file \
             (`quorate peers generate`), put that file where `peers` says, then `quorate node start --config {config}`.",
            made.identity,
            made.peers.display(),
            config = made.config.display()
        )
    })
}

/// Nothing is written over, and a node is not made around what is there.
fn refuse_leftovers(files: &[&Path]) -> anyhow::Result<()> {
    let mut there = Vec::new();
    for file in files {
        if file.try_exists().with_context(|| file.display().to_string())? {
            there.push(file.display().to_string());
        }
    }
    if there.is_empty() {
        return Ok(());
    }
    let (exist, are) = if there.len() == 1 { ("exists", "is") } else { ("exist", "are") };
    let advice = if there.len() == files.len() {
        "this folder has its node, start it with `quorate node start`, or choose another --data"
    } else {
        "choose another --data, or move it away if it is left of a set-up that was cut short"
    };
    let text = format!("{} {exist} already and {are} never overwritten", there.join(", "));
    Err(anyhow::Error::from(Failure::Setting(text)).context(Tip(advice.into())))
}

/// The files of a node that is being made: removed, unless it is finished.
struct Files(Vec<PathBuf>);

impl Drop for Files {
    fn drop(&mut self) {
        for file in &self.0 {
            if let Err(error) = std::fs::remove_file(file) {
                tracing::warn!(file = %file.display(), %error, "could not be removed");
            }
        }
    }
}

async fn start(arguments: Start, verbose: u8, joints: Joints) -> anyhow::Result<()> {
    if !joints.readable_memory {
        forbid_core_dumps();
    }
    let locked = lock_memory();
    let overrides =
        arguments.settings.into_iter().fold(Overrides::new(), |all, (key, value)| all.set(&key, value));
    let file = arguments.config.as_deref();
    let mut config =
        Config::load(file, std::env::vars(), &overrides).map_err(|error| advised(error, file))?;
    let form = if matches!(config.log_format, LogFormat::Json) { Log::Json } else { Log::Timed };
    output::log(verbose, "info", form);
    if matches!(config.passphrase, PassphraseSource::Unset) {
        config.passphrase = PassphraseSource::Given(passphrase::prompt("Passphrase of the node: ")?);
    }
    locked.log();
    let node = Node::start(config, joints).await?;
    Signals::listen()?.heard().await;
    node.stop().await;
    Ok(())
}

/// SIGINT and SIGTERM, from when they are listened for: none is missed, and none ends the process by itself.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("signals can't be heard")?;
        let terminate = signal(SignalKind::terminate()).context("signals can't be heard")?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits for one of them.
    pub(crate) async fn heard(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[derive(Serialize)]
struct Report {
    node: String,
    version: String,
    #[serde(flatten)]
    readiness: Readiness,
    nodes: Vec<NodeView>,
}

async fn status(arguments: Status) -> anyhow::Result<()> {
    let asked = arguments.target.ask(arguments.json, "asking the node", async |client| {
        let health = client.health().await?;
        let (node, version) = (health.node, health.version);
        Ok(Report { node, version, readiness: client.ready().await?, nodes: client.nodes().await? })
    });
    let report = asked.await?;
    output::print(arguments.json, &report, || {
        let rows: Vec<_> = report.nodes.iter().map(row).collect();
        let mut text = format!(
            "{} ({}), {}: {} of {} nodes can be reached\n\n{}",
            report.node,
            report.version,
            if report.readiness.ready { "ready" } else { "not ready" },
            report.readiness.reachable,
            report.readiness.total,
            output::table(&["NODE", "STATE", "LAST HEARD", "QUEUED", "IDENTITY"], &rows)
        );
        for node in &report.nodes {
            for caught in &node.caught {
                text.push_str(&format!(
                    "\n! {} was caught cheating in the signing of wallet {}: {} does not sign with it there ({})",
                    node.name, caught.wallet_id, report.node, caught.reason
                ));
            }
        }
        for reason in &report.readiness.reasons {
            text.push_str(&format!("\n! {reason}"));
        }
        text
    })
}

fn row(node: &NodeView) -> Vec<String> {
    let state = match (node.this_node, node.excluded, node.connected) {
        (true, ..) => "this node",
        // It takes part in nothing any more, connected or not.
        (false, true, _) => "excluded",
        (false, false, true) => "connected",
        (false, false, false) => "unreachable",
    };
    let heard = node.last_heard_ms.map_or_else(|| "-".into(), ago);
    vec![node.name.clone(), state.into(), heard, node.queued_frames.to_string(), node.identity.to_string()]
}

/// How long ago, in the unit that fits.
fn ago(millis: u64) -> String {
    match millis / 1000 {
        0 => format!("{millis} ms ago"),
        seconds @ 1..120 => format!("{seconds} s ago"),
        seconds @ 120..7200 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3600),
    }
}

/// Says that no file was named, where a setting is missing for that.
fn advised(error: ConfigError, file: Option<&Path>) -> anyhow::Error {
    match (&error, file) {
        (ConfigError::Missing { .. }, None) => {
            let tip =
                "--config names the file that `quorate node init` wrote, node.yaml in the node's folder";
            anyhow::Error::from(error).context(Tip(tip.into()))
        }
        _ => error.into(),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

    #[test]
    fn no_core_image_is_made() {
        forbid_core_dumps();
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
