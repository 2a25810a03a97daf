//! A whole cluster on this machine: nodes with separate identities and encrypted stores, real mutual TLS on loopback.

mod processes;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use quorate_broker::Servers;
use quorate_client::Client;
use quorate_identity::key_file::{self, IdentityKind};
use quorate_identity::peers::{Peer, Peers};
use quorate_keys::{Identity, KeyType, Principal, SigningPrincipal};
use quorate_node::config::{Config, Overrides};
use quorate_node::store::{KdfParams, Passphrase, Store};
use quorate_node::{Joints, Node, Sockets};
use rand_core::{OsRng, RngCore};
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::progress::Progress;
pub(crate) use processes::ProcessCluster;

/// How long the nodes may take to find each other.
const READY: Duration = Duration::from_secs(30);
const PEERS_FILE: &str = "peers.yaml";
const PASSPHRASE_FILE: &str = "passphrase";
const POLICY_FILE: &str = "policy.yaml";
const INITIATOR_FILE: &str = "initiator.json";

/// How the nodes of a local cluster reach each other.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Reaching {
    /// How the nodes reach each other: over mutual TLS, or through NATS.
    #[arg(long, value_enum, default_value_t)]
    transport: Transport,
    /// Where NATS is, for --transport nats.
    #[arg(long, value_name = "URL", default_value_t = Servers::default())]
    nats_url: Servers,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Transport {
    #[default]
    Direct,
    Nats,
}

impl Reaching {
    fn settings(&self) -> Vec<(&'static str, String)> {
        match self.transport {
            Transport::Direct => Vec::new(),
            Transport::Nats => {
                vec![("transport", "nats".to_owned()), ("nats.url", self.nats_url.to_string())]
            }
        }
    }

    /// In words.
    pub(crate) fn shown(&self) -> &'static str {
        match self.transport {
            Transport::Direct => "mutual TLS",
            Transport::Nats => "through NATS",
        }
    }
}

/// Running nodes and a client that may ask them.
pub(crate) struct LocalCluster {
    pub(crate) nodes: Vec<LocalNode>,
    pub(crate) client: Client,
    pub(crate) peers: Peers,
}

/// One of them.
pub(crate) struct LocalNode {
    pub(crate) name: String,
    pub(crate) identity: Identity,
    pub(crate) node: Node,
}

impl LocalCluster {
    /// Starts `count` nodes with their files in `folder`: those of an earlier run, or new ones. `ahead`: whether they make things before they
    /// are needed, as nodes do. `rules`: those of a policy, in YAML, by which they sign; without them they sign whatever the client
    /// asks for.
    pub(crate) async fn start(
        folder: &Path,
        count: u16,
        joints: &Joints,
        ahead: bool,
        rules: Option<&str>,
        reaching: &Reaching,
        quiet: bool,
    ) -> anyhow::Result<Self> {
        let Prepared { identities, initiator, sockets, peers } = prepare(folder, count, quiet).await?;
        let _starting = Progress::of(quiet, format!("{count} nodes start and connect to each other"));
        let authority = authority(folder, initiator.principal(), rules)?;
        let mut nodes = Vec::new();
        for ((number, identity), sockets) in (1..=count).zip(identities).zip(sockets) {
            let config = config(folder, number, authority.clone(), ahead, reaching)?;
            let node = Node::start_on(sockets, config, peers.clone(), joints.clone()).await?;
            nodes.push(LocalNode { name: format!("node{number}"), identity, node });
        }
        let endpoints = nodes.iter().map(|node| format!("http://{}", node.node.api_address()).parse());
        let client = Client::new(endpoints.collect::<Result<_, _>>()?, *peers.cluster(), initiator)?;
        let cluster = Self { nodes, client, peers };
        cluster.wait_until_connected().await?;
        Ok(cluster)
    }

    async fn wait_until_connected(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while self.nodes.iter().any(|node| node.node.reachable() < self.nodes.len()) {
            if started.elapsed() > READY {
                bail!("the nodes did not find each other within {} s", READY.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Stops all nodes, requests in progress first; at the same time, so that none complains that another is gone.
    pub(crate) async fn stop(self) {
        let mut stopping: tokio::task::JoinSet<()> =
            self.nodes.into_iter().map(|node| async move { node.node.stop().await }).collect();
        while stopping.join_next().await.is_some() {}
    }
}

/// A folder that is deleted when dropped.
pub(crate) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("quorate-{:016x}", OsRng.next_u64()));
        std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // Processes that are being killed may still write.
        for _ in 0..20 {
            match std::fs::remove_dir_all(&self.0) {
                Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(error) => {
                    return tracing::warn!(folder = %self.0.display(), %error, "could not be removed");
                }
                Ok(()) => return,
            }
        }
        tracing::warn!(folder = %self.0.display(), "could not be removed: something writes to it");
    }
}

/// The files of a cluster, and the addresses at which its nodes will be reached.
struct Prepared {
    identities: Vec<Identity>,
    initiator: SigningPrincipal,
    sockets: Vec<Sockets>,
    peers: Peers,
}

/// Makes the files of `count` nodes in `folder`, or takes those of an earlier run.
async fn prepare(folder: &Path, count: u16, quiet: bool) -> anyhow::Result<Prepared> {
    make_folder(folder)?;
    let passphrase = passphrase(folder)?;
    let made = Arc::new(AtomicU16::new(0));
    let shown = Arc::clone(&made);
    let _making = Progress::show(quiet, move || {
        format!("keys and stores: {} of {count} nodes have theirs", shown.load(Ordering::Relaxed))
    });
    let mut identities = Vec::new();
    for number in 1..=count {
        identities.push(open(folder, number, &passphrase)?);
        made.fetch_add(1, Ordering::Relaxed);
        // Signals are heard in between.
        tokio::task::yield_now().await;
    }
    let initiator = initiator(folder, &passphrase)?;
    let mut sockets = Vec::new();
    for _ in 0..count {
        sockets.push(Sockets { peers: Some(listen().await?), api: listen().await? });
    }
    let peers = peers(folder, &identities, &sockets)?;
    Ok(Prepared { identities, initiator, sockets, peers })
}

/// Makes a folder that somebody named, unless it is there.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() && !folder.is_dir() {
        return Err(Failure::Setting(format!("{} is a file, not a folder", folder.display())).into());
    }
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

async fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.context("no free port on loopback")
}

/// The passphrase of all nodes of a development cluster, beside their files: it protects nothing.
fn passphrase(folder: &Path) -> anyhow::Result<Passphrase> {
    let file = folder.join(PASSPHRASE_FILE);
    if !file.exists() {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        write_private(&file, hex::encode(bytes).as_bytes())?;
    }
    Ok(quorate_node::config::PassphraseSource::File(file).read()?)
}

/// Writes a file that its owner alone may read.
fn write_private(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    opened.and_then(|mut opened| opened.write_all(content)).with_context(|| file.display().to_string())
}

fn node_folder(folder: &Path, number: u16) -> PathBuf {
    folder.join(format!("node{number}"))
}

/// Opens or makes the files of a node.
fn open(folder: &Path, number: u16, passphrase: &Passphrase) -> anyhow::Result<Identity> {
    let folder = node_folder(folder, number);
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let file = folder.join("identity.json");
    // The cheapest allowed: the passphrase is a random key that lies next to the files.
    let identity = if file.exists() {
        key_file::stated_node(&file)?
    } else {
        key_file::generate_node(&file, passphrase, KdfParams::FLOOR, &mut OsRng)?.identity()
    };
    let store = folder.join("store.redb");
    if !store.exists() {
        drop(Store::create(&store, passphrase, KdfParams::FLOOR)?);
    }
    Ok(identity)
}

fn initiator(folder: &Path, passphrase: &Passphrase) -> anyhow::Result<SigningPrincipal> {
    let file = folder.join(INITIATOR_FILE);
    let kind = IdentityKind::Initiator;
    if file.exists() {
        Ok(key_file::load(&file, kind, passphrase)?)
    } else {
        let kdf = KdfParams::FLOOR;
        Ok(key_file::generate(&file, kind, KeyType::Ed25519, passphrase, kdf, &mut OsRng)?)
    }
}

/// The peers: the cluster id stays, the addresses are those of this run.
fn peers(folder: &Path, identities: &[Identity], sockets: &[Sockets]) -> anyhow::Result<Peers> {
    let mut nodes = Vec::new();
    for ((number, identity), sockets) in (1_u16..).zip(identities).zip(sockets) {
        let name = format!("node{number}").parse().map_err(|error| anyhow!("{error}"))?;
        let socket = sockets.peers.as_ref().context("no socket for peers")?;
        let address = socket.local_addr()?.to_string();
        let address = address.parse().map_err(|error| anyhow!("{error}"))?;
        nodes.push(Peer { name, identity: *identity, address });
    }
    let file = folder.join(PEERS_FILE);
    let peers = if file.exists() {
        let before = Peers::load(&file)?;
        if before.len() != nodes.len() {
            let count = before.len();
            let text =
                format!("{} is a cluster of {count} nodes: start it with --nodes {count}", folder.display());
            return Err(Failure::Usage(text).into());
        }
        std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
        Peers::new(*before.cluster(), nodes)?
    } else {
        Peers::generate(nodes, &mut OsRng)?
    };
    peers.save_new(&file)?;
    Ok(peers)
}

/// Settings of nodes that make nothing before it is needed, and keep nobody waiting: they leave the processors to what is shown
/// or measured.
const NOTHING_AHEAD: [(&str, &str); 4] =
    [("auxiliary_at_start", "false"), ("prime_pool", "0"), ("presign_pool", "0"), ("client_rate", "0")];

/// The setting that says who may ask for what: an initiator for everything, or for what a policy of these rules allows.
fn authority(
    folder: &Path,
    initiator: Principal,
    rules: Option<&str>,
) -> anyhow::Result<(&'static str, String)> {
    let Some(rules) = rules else { return Ok(("initiators", initiator.to_string())) };
    let file = folder.join(POLICY_FILE);
    let operations = "[keygen, sign, refresh, reshare, presign, auxiliary, read]";
    let head = format!(
        "version: 1\n\ninitiators:\n  client:\n    key: \"{initiator}\"\n    operations: {operations}\n\n"
    );
    std::fs::write(&file, head + rules).with_context(|| file.display().to_string())?;
    Ok(("policy_path", file.display().to_string()))
}

/// The settings of a node, but for where it listens.
fn settings(
    folder: &Path,
    number: u16,
    authority: (&'static str, String),
    reaching: &Reaching,
) -> Vec<(&'static str, String)> {
    let own = node_folder(folder, number);
    let path = |path: PathBuf| path.display().to_string();
    let own = [
        ("node_id", format!("node{number}")),
        ("identity_path", path(own.join("identity.json"))),
        ("db_path", path(own.join("store.redb"))),
        ("data_dir", path(own)),
        ("peers_path", path(folder.join(PEERS_FILE))),
        ("passphrase_file", path(folder.join(PASSPHRASE_FILE))),
        ("reshare_without_authorizers", true.to_string()),
        authority,
    ];
    own.into_iter().chain(reaching.settings()).collect()
}

fn config(
    folder: &Path,
    number: u16,
    authority: (&'static str, String),
    ahead: bool,
    reaching: &Reaching,
) -> anyhow::Result<Config> {
    let overrides = Overrides::new().set("listen", "127.0.0.1:0").set("api_listen", "127.0.0.1:0");
    let settings = settings(folder, number, authority, reaching);
    let overrides = settings.into_iter().fold(overrides, |all, (key, value)| all.set(key, value));
    let nothing_ahead = NOTHING_AHEAD.iter().filter(|_| !ahead);
    let overrides = nothing_ahead.fold(overrides, |all, (key, value)| all.set(key, value));
    Ok(Config::load(None, std::iter::empty(), &overrides)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_passphrase_is_its_owners_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let content = || {
            passphrase(folder.path()).unwrap();
            std::fs::read(folder.path().join(PASSPHRASE_FILE)).unwrap()
        };
        assert_eq!(content(), content());
        let mode = std::fs::metadata(folder.path().join(PASSPHRASE_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
