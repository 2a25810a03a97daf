//! Puts a node together, starts it, and stops it without losing anything.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_broker::BrokerError;
use quorate_discovery::{ConsulError, Health};
use quorate_http::tls::Tls;
use quorate_session::Registry;
use quorate_transport::Incoming;
use quorate_transport::{direct, nats};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::api::{self, Api};
use crate::approvals::Approvals;
use crate::audit::Audit;
use crate::authority::Authority;
use crate::auxiliary::Auxiliaries;
use crate::barrier::{Barrier, NoBarrier};
use crate::config::{self, Config, ConfigError};
use crate::engine::{Engine, Parts};
use crate::initiators::Changes;
use crate::links::{Links, bind, tell_health};
use crate::pairings::Pairings;
use crate::protocols;
use crate::readers::Readers;
use crate::spendings::Spendings;
use crate::standing::Standings;
use crate::store::{Store, StoreError};
use crate::wallets::Wallets;
use crate::work::Workers;
use quorate_identity::key_file::{self, IdentityError};
use quorate_identity::peers::{Peers, PeersError};
use rand_core::OsRng;

/// How long requests in progress may take to end when the node stops.
const DRAIN: Duration = Duration::from_secs(10);

/// What tests put in place of a node's own parts. A node outside tests uses the default.
#[derive(Clone)]
pub struct Joints {
    /// The protocols.
    pub registry: Registry,
    /// Told of every step.
    pub barrier: Arc<dyn Barrier>,
    /// How direct connections with peers are kept.
    pub direct: direct::Options,
    /// How frames go over NATS.
    pub nats: nats::Options,
    /// Leaves the process's memory to those whom the operating system lets read it, and to core dumps: for tests that search
    /// it for secrets.
    pub readable_memory: bool,
}

impl Default for Joints {
    fn default() -> Self {
        Self {
            registry: protocols::registry(),
            barrier: Arc::new(NoBarrier),
            direct: direct::Options::default(),
            nats: nats::Options::default(),
            readable_memory: false,
        }
    }
}

/// Sockets that listen already.
#[derive(Debug)]
pub struct Sockets {
    /// For peers, where they connect to this node.
    pub peers: Option<TcpListener>,
    /// For the API.
    pub api: TcpListener,
}

/// A running node.
pub struct Node {
    engine: Arc<Engine>,
    links: Links,
    api_address: SocketAddr,
    stop: watch::Sender<bool>,
    api: JoinHandle<()>,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// Starts a node as configured: opens its identity and store, listens for peers, and serves the API.
    ///
    /// # Errors
    /// [`NodeError`], naming the file, address or setting that has to be changed. Nothing is left running.
    pub async fn start(config: Config, joints: Joints) -> Result<Self, NodeError> {
        let peers = Peers::load(&config.peers_path)?;
        Self::start_among(config, peers, joints).await
    }

    /// Starts a node among the given peers.
    ///
    /// # Errors
    /// As for [`Node::start`].
    pub async fn start_among(config: Config, peers: Peers, joints: Joints) -> Result<Self, NodeError> {
        let peers_socket = match config.transport {
            config::Transport::Direct => Some(bind(config.listen).await?),
            config::Transport::Nats(_) => None,
        };
        let sockets = Sockets { peers: peers_socket, api: bind(config.api_listen).await? };
        Self::start_on(sockets, config, peers, joints).await
    }

    /// Starts a node on sockets that listen already, whatever addresses the configuration names.
    ///
    /// # Errors
    /// As for [`Node::start`].
    pub async fn start_on(
        sockets: Sockets,
        mut config: Config,
        peers: Peers,
        joints: Joints,
    ) -> Result<Self, NodeError> {
        config.check_peers(&peers)?;
        let source = std::mem::replace(&mut config.passphrase, config::PassphraseSource::Unset);
        let passphrase = source.read()?;
        let identity = Arc::new(key_file::load_node(&config.identity_path, &passphrase)?);
        let listed = peers.by_name(config.node_id.as_str()).map(|peer| peer.identity);
        if listed != Some(identity.identity()) {
            return Err(NodeError::OtherIdentity {
                node: config.node_id.to_string(),
                file: config.identity_path.display().to_string(),
                peers: config.peers_path.display().to_string(),
            });
        }
        let authority = Authority::load(&config, &peers)?;
        let readers = config.read_readers()?;
        let tls = config.api_tls.clone().map(Tls::load).transpose().map_err(ConfigError::from)?;
        let audit = Arc::new(Audit::open(&config.data_dir, Arc::clone(&identity), peers.cluster())?);
        let store = Arc::new(Store::open(&config.db_path, &passphrase)?);
        let wallets = Wallets::load(Arc::clone(&store))?.keeping(config.keep_epochs);
        let auxiliaries = Auxiliaries::load(Arc::clone(&store))?;
        let pairings = Pairings::load(Arc::clone(&store))?;
        let spendings = Spendings::load(Arc::clone(&store), authority.horizon())?;
        let changes = Changes::load(Arc::clone(&store))?;
        authority.change_initiators(|| changes.all());
        let approvals = Arc::new(Approvals::load(Arc::clone(&store), &authority)?);
        let (head, lost) = (audit.signed_head(), spendings.is_incomplete());
        let standings = Standings::load(Arc::clone(&store), head, lost, &mut OsRng)?;
        let foreground = Workers::foreground(config.work_threads).map_err(NodeError::Threads)?;
        let background = Workers::background(config.work_threads).map_err(NodeError::Threads)?;
        let searchers = Workers::background(config.work_threads.min(2)).map_err(NodeError::Threads)?;

        let api_address = sockets
            .api
            .local_addr()
            .map_err(|source| NodeError::Listen { address: config.api_listen, source })?;
        let (mut links, incoming) =
            Links::start(&config, &peers, Arc::clone(&identity), sockets.peers, joints.direct, joints.nats)
                .await?;
        let parts = Parts {
            identity,
            config,
            peers,
            authority,
            approvals,
            changes,
            audit,
            registry: joints.registry,
            barrier: joints.barrier,
            transport: Arc::clone(&links.transport),
            store,
            wallets,
            auxiliaries,
            pairings,
            spendings,
            standings,
            foreground,
            background,
            searchers,
        };
        let signer = Arc::clone(&parts.identity);
        let engine = Engine::new(parts)?;
        let (health, healthy) = watch::channel(Health::Unready("it starts".to_owned()));
        links.discover(&engine.config, &engine.peers, signer, healthy)?;
        let api = Served { listener: sockets.api, tls, readers, address: api_address };
        Ok(Self::run(engine, links, incoming, health, api))
    }

    fn run(
        engine: Arc<Engine>,
        links: Links,
        incoming: Incoming,
        health: watch::Sender<Health>,
        api: Served,
    ) -> Self {
        let Served { listener, tls, readers, address: api_address } = api;
        let (stop, stopped) = watch::channel(false);
        let tasks = vec![
            tokio::spawn(Arc::clone(&engine).listen(incoming)),
            tokio::spawn(Arc::clone(&engine).recover()),
            tokio::spawn(Arc::clone(&engine).compare()),
            tokio::spawn(Arc::clone(&engine).forget()),
            tokio::spawn(Arc::clone(&engine).keep_backups()),
            tokio::spawn(Arc::clone(&engine).prepare()),
            tokio::spawn(Arc::clone(&engine).keep_pairs()),
            tokio::spawn(Arc::clone(&engine).keep_fresh()),
            tokio::spawn(Arc::clone(&engine).settle_pairs()),
            tokio::spawn(Arc::clone(&engine).tell_approvals()),
            tokio::spawn(Arc::clone(&engine).tell_spendings()),
            tokio::spawn(Arc::clone(&engine).tell_standing()),
            tokio::spawn(Arc::clone(&engine).learn_spendings()),
            tokio::spawn(Arc::clone(&engine.primes).fill()),
            tokio::spawn(tell_health(Arc::clone(&engine), health)),
        ];
        engine.audit.started(engine.config.node_id.as_str(), engine.authority.policy_digest());
        let tls_of_api = match &tls {
            None => "none",
            Some(tls) if tls.is_mutual() => "mutual",
            Some(_) => "server",
        };
        let api = Api::new(Arc::clone(&engine), readers, &engine.config);
        let api = tokio::spawn(api::serve(listener, tls, api, stopped));
        tracing::info!(node = %engine.config.node_id, identity = %engine.me, peers = links.at, api = %api_address, tls = tls_of_api, "node started");
        if tls_of_api == "none" && !api_address.ip().is_loopback() {
            tracing::warn!(api = %api_address, "the API faces a network in plain HTTP: set api_tls_cert and api_tls_key, or put TLS in front");
        }
        Self { engine, links, api_address, stop, api, tasks }
    }

    /// Where peers connect: the address of this node, or the broker's.
    #[must_use]
    pub fn peers_at(&self) -> &str {
        &self.links.at
    }

    /// Where the API is served.
    #[must_use]
    pub fn api_address(&self) -> SocketAddr {
        self.api_address
    }

    /// Whether a majority of the nodes can be reached and the store takes writes.
    #[must_use]
    pub async fn is_ready(&self) -> bool {
        self.engine.readiness().await.ready
    }

    /// How many nodes can be reached, this one included.
    #[must_use]
    pub fn reachable(&self) -> usize {
        self.engine.reachable().len()
    }

    /// Stops: takes no new requests, lets those in progress end for a while, then closes everything.
    pub async fn stop(self) {
        if tokio::time::timeout(DRAIN, self.engine.drain()).await.is_err() {
            tracing::warn!("stopping with requests in progress; their clients can repeat them elsewhere");
        }
        self.engine.close();
        self.engine.primes.stop();
        self.stop.send_replace(true);
        self.links.close().await;
        self.tasks.iter().for_each(JoinHandle::abort);
        if let Err(error) = self.api.await {
            tracing::warn!(%error, "the API broke off");
        }
        if let Err(error) = self.engine.pairings.save().await {
            tracing::error!(%error, "who was caught cheating was not noted");
        }
        self.engine.store.close().await;
        self.engine.audit.stopped();
        self.engine.audit.close().await;
        tracing::info!("node stopped");
    }
}

/// The API that is to be served.
struct Served {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    readers: Readers,
    address: SocketAddr,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The peers file.
    #[error(transparent)]
    Peers(#[from] PeersError),
    /// The identity file.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The identity is another one than the peers know.
    #[error("the identity in {file} is not the one that {peers} lists for {node}: correct one of the two")]
    OtherIdentity {
        /// The node's name.
        node: String,
        /// The identity file.
        file: String,
        /// The peers file.
        peers: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] quorate_audit::AuditError),
    /// There are no threads to compute on.
    #[error("threads can't be started: {0}; lower work_threads, or raise the limit of the operating system")]
    Threads(std::io::Error),
    /// An address can't be listened on.
    #[error("can't listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Direct connections.
    #[error(transparent)]
    Direct(#[from] direct::StartError),
    /// NATS.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// Frames over NATS.
    #[error(transparent)]
    Nats(#[from] nats::StartError),
    /// Consul.
    #[error(transparent)]
    Consul(#[from] ConsulError),
}
