//! A cluster of node processes, made with the commands that an operator would use.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use quorate_client::{Client, RetryPolicy};
use quorate_identity::key_file::{self, IdentityKind};
use quorate_identity::peers::Peers;
use quorate_keys::SigningPrincipal;
use quorate_node::config::PassphraseSource;
use quorate_request::{ClusterId, KeygenRequest, KeygenResponse, SignRequest, WalletId, WalletView};
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::node::{NodeProcess, write_private};
use crate::ports;
use crate::program::Program;
use crate::raw::Raw;

/// Clusters that run at a time: CI has two cores, and a cluster waits most of its time.
static PLACES: Semaphore = Semaphore::const_new(3);

/// How long nodes may take to find each other.
const READY: Duration = Duration::from_secs(60);

/// A cluster to be made.
#[derive(Debug, Clone)]
pub struct Setup {
    program: Program,
    count: usize,
    settings: Vec<(String, String)>,
    programs: Vec<(usize, Program)>,
    environment: Vec<(usize, String, String)>,
}

impl Setup {
    /// A cluster of `count` nodes `node1`, `node2`, … that run this program.
    #[must_use]
    pub fn new(program: &Program, count: usize) -> Self {
        let (settings, programs, environment) = (Vec::new(), Vec::new(), Vec::new());
        // Silence is noticed sooner than an operator would want, so that tests need not wait.
        Self { program: program.clone(), count, settings, programs, environment }
            .setting("round_timeout", "2s")
            .setting("request_timeout", "20s")
            // Minutes of processor time, for the few that need it.
            .setting("auxiliary_at_start", "false")
            .setting("prime_pool", "0")
            .setting("presign_pool", "0")
    }

    /// A setting of all nodes.
    #[must_use]
    pub fn setting(mut self, key: &str, value: &str) -> Self {
        self.settings.retain(|(other, _)| other != key);
        self.settings.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Another program for one node (counted from 1).
    #[must_use]
    pub fn node_program(mut self, node: usize, program: &Program) -> Self {
        self.programs.push((node, program.clone()));
        self
    }

    /// An environment variable of one node (counted from 1).
    #[must_use]
    pub fn node_env(mut self, node: usize, name: &str, value: &str) -> Self {
        self.environment.push((node, name.to_owned(), value.to_owned()));
        self
    }

    /// Makes the cluster, starts its nodes, and waits until all are connected with all.
    pub async fn start(self) -> Cluster {
        let cluster = self.make().await;
        cluster.nodes.iter().for_each(NodeProcess::start);
        cluster.ready().await;
        cluster
    }

    /// Makes the files of the cluster and starts nothing.
    ///
    /// # Panics
    /// When a command fails.
    pub async fn make(self) -> Cluster {
        let place = PLACES.acquire().await.expect("never closed");
        let folder = TempDir::with_prefix("quorate-e2e-").unwrap();
        let path = folder.path();
        let passphrase = path.join("initiator.passphrase");
        write_private(&passphrase, "of the initiator");
        let initiator_file = path.join("initiator.json");
        self.program
            .succeed([
                "initiator".as_ref(),
                "generate".as_ref(),
                "--out".as_ref(),
                initiator_file.as_os_str(),
                "--passphrase-file".as_ref(),
                passphrase.as_os_str(),
            ])
            .await;
        let passphrase = PassphraseSource::File(passphrase).read().unwrap();
        let initiator = key_file::load(&initiator_file, IdentityKind::Initiator, &passphrase).unwrap();

        let peers_file = path.join("peers.yaml");
        let nodes: Vec<_> = (1..=self.count).map(|number| self.node(path, number)).collect();
        let initiator_id = initiator.principal().to_string();
        let inits = nodes.iter().map(|node| init(node, &peers_file, &initiator_id));
        futures_in_order(inits).await;
        let mut arguments = vec!["peers".to_owned(), "generate".to_owned()];
        for node in &nodes {
            let identity = node.folder.join("identity.json");
            arguments.extend([
                "--node".to_owned(),
                format!("{}={}@{}", node.name, identity.display(), node.peers),
            ]);
        }
        arguments.extend(["--out".to_owned(), peers_file.display().to_string()]);
        self.program.succeed(arguments).await;
        for node in &nodes {
            let settings: String =
                self.settings.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
            let config = std::fs::read_to_string(node.config()).unwrap();
            std::fs::write(node.config(), config + &settings).unwrap();
        }
        let id = *Peers::load(&peers_file).unwrap().cluster();
        Cluster { nodes, id, initiator, peers_file, initiator_file, folder, place: Mutex::new(Some(place)) }
    }

    fn node(&self, folder: &Path, number: usize) -> NodeProcess {
        let name = format!("node{number}");
        let folder = folder.join(&name);
        std::fs::create_dir(&folder).unwrap();
        let program = self.programs.iter().find(|(node, _)| *node == number);
        let environment = self.environment.iter().filter(|(node, ..)| *node == number);
        let environment = environment.map(|(_, name, value)| (name.clone(), value.clone())).collect();
        let node = NodeProcess {
            name,
            folder,
            api: format!("127.0.0.1:{}", ports::free()),
            peers: format!("127.0.0.1:{}", ports::free()),
            program: program.map_or(&self.program, |(_, program)| program).clone(),
            environment,
            process: Mutex::new(None),
        };
        write_private(&node.passphrase_file(), &format!("of {}", node.name));
        node
    }
}

async fn init(node: &NodeProcess, peers_file: &Path, initiator: &str) {
    let folder = node.folder.to_str().unwrap();
    let (peers_file, passphrase) = (peers_file.to_str().unwrap(), node.passphrase_file());
    let passphrase = passphrase.to_str().unwrap();
    let (listen, api) = (node.peers.as_str(), node.api.as_str());
    node.program
        .succeed([
            "node",
            "init",
            "--name",
            &node.name,
            "--data",
            folder,
            "--peers",
            peers_file,
            "--listen",
            listen,
            "--api-listen",
            api,
            "--initiator",
            initiator,
            "--passphrase-file",
            passphrase,
        ])
        .await;
}

async fn futures_in_order(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    for future in futures {
        future.await;
    }
}

/// A running cluster. Its processes and files go when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<NodeProcess>,
    /// Its id.
    pub id: ClusterId,
    /// The key that all nodes take requests from.
    pub initiator: SigningPrincipal,
    /// Its peers file.
    pub peers_file: PathBuf,
    /// The initiator's file; its passphrase is in `initiator.passphrase` next to it.
    pub initiator_file: PathBuf,
    folder: TempDir,
    place: Mutex<Option<SemaphorePermit<'static>>>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                let log = node.log();
                let start = log.lines().count().saturating_sub(60);
                let tail: Vec<_> = log.lines().skip(start).collect();
                println!("--- {}\n{}", node.name, tail.join("\n"));
            }
        }
        self.nodes.clear();
        drop(self.place.lock().map(|mut place| place.take()));
    }
}

impl Cluster {
    /// The folder of all its files.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A node, counted from 1.
    #[must_use]
    pub fn node(&self, number: usize) -> &NodeProcess {
        &self.nodes[number - 1]
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[NodeProcess] {
        &self.nodes
    }

    /// The initiator's key once more.
    #[must_use]
    pub fn initiator(&self) -> SigningPrincipal {
        let key_type = self.initiator.principal().key_type();
        SigningPrincipal::from_secret(key_type, &self.initiator.secret()).unwrap()
    }

    /// A client that asks these nodes, in this order, with usual patience.
    #[must_use]
    pub fn client(&self, nodes: &[usize]) -> Client {
        self.client_with(nodes, RetryPolicy { deadline: Duration::from_secs(60), ..RetryPolicy::default() })
    }

    /// A client that takes the first answer, or none, for the last word.
    #[must_use]
    pub fn client_once(&self, node: usize) -> Client {
        let policy = RetryPolicy { attempts: 1, deadline: Duration::from_secs(60), ..RetryPolicy::default() };
        self.client_with(&[node], policy)
    }

    /// A client with its own patience.
    ///
    /// # Panics
    /// Never, with nodes of this cluster.
    #[must_use]
    pub fn client_with(&self, nodes: &[usize], policy: RetryPolicy) -> Client {
        let endpoints = nodes.iter().map(|node| format!("http://{}", self.node(*node).api).parse().unwrap());
        Client::builder(endpoints.collect()).policy(policy).signing(self.id, self.initiator()).unwrap()
    }

    /// Plain HTTP to a node's API, for requests made by hand.
    #[must_use]
    pub fn raw(&self, node: usize) -> Raw {
        Raw::new(&self.node(node).api, self.id, self.initiator())
    }

    /// Plain HTTP to an API of this cluster at another address: a gateway's.
    #[must_use]
    pub fn raw_at(&self, address: &str) -> Raw {
        Raw::new(address, self.id, self.initiator())
    }

    /// Waits until all nodes that run are connected with all that run.
    pub async fn ready(&self) {
        let running: Vec<_> =
            (1..=self.nodes.len()).filter(|number| self.node(*number).is_running()).collect();
        self.connected(&running).await;
    }

    /// Waits until these nodes are connected with each other, all of them.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn connected(&self, numbers: &[usize]) {
        let started = Instant::now();
        for number in numbers {
            let node = self.node(*number);
            loop {
                assert!(node.is_running(), "{} does not run; its log:\n{}", node.name, node.log());
                let policy = RetryPolicy {
                    attempts: 1,
                    deadline: Duration::from_secs(2),
                    read_timeout: Duration::from_secs(2),
                    ..RetryPolicy::default()
                };
                let client = self.client_with(&[*number], policy);
                if let Ok(views) = client.nodes().await {
                    let others = numbers.iter().map(|other| &self.node(*other).name);
                    if others
                        .clone()
                        .all(|name| views.iter().any(|view| view.name == *name && view.connected))
                    {
                        break;
                    }
                }
                assert!(
                    started.elapsed() < READY,
                    "{} is not connected; its log:\n{}",
                    node.name,
                    node.log()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Starts a node again that has ended, and waits until it is connected with all that run.
    pub async fn restart(&self, number: usize) {
        self.node(number).kill();
        self.node(number).start();
        self.ready().await;
    }

    /// Makes a wallet.
    ///
    /// # Panics
    /// When that fails.
    pub async fn wallet(&self, id: &str, threshold: u16, total: u16, curve: &str) -> KeygenResponse {
        let all: Vec<_> = (1..=self.nodes.len()).collect();
        self.client(&all).keygen(keygen(id, threshold, total, curve)).await.expect("key generation")
    }

    /// Waits until all nodes know a wallet: the answer comes when its proposer does.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn known_everywhere(&self, wallet: &WalletId) {
        let started = Instant::now();
        for number in 1..=self.nodes.len() {
            while self.client(&[number]).wallet(wallet).await.is_err() {
                assert!(started.elapsed() < READY, "node{number} never hears of {wallet}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// The wallets as one node shows them.
    ///
    /// # Panics
    /// When it does not.
    pub async fn wallets_of(&self, node: usize) -> Vec<WalletView> {
        self.client(&[node]).wallets().await.expect("wallets")
    }
}

/// A request for a wallet of this name.
///
/// # Panics
/// When the name can't be one.
#[must_use]
pub fn keygen(id: &str, threshold: u16, total: u16, curve: &str) -> KeygenRequest {
    KeygenRequest {
        session_id: None,
        threshold,
        total,
        curve: curve.to_owned(),
        protocol: (curve == "secp256k1").then(|| "frost".to_owned()),
        wallet_id: Some(id.parse().unwrap()),
        parties: None,
    }
}

/// A request for a signature.
#[must_use]
pub fn sign(wallet: &WalletId, message: &[u8]) -> SignRequest {
    SignRequest {
        wallet_id: Some(wallet.clone()),
        message: Some(message.to_vec().into()),
        ..SignRequest::default()
    }
}
