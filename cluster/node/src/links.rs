//! How a node reaches the others, and is found by them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quorate_broker::Broker;
use quorate_discovery::{Announcement, Discovery, Health};
use quorate_identity::peers::Peers;
use quorate_keys::{Identity, SigningIdentity};
use quorate_transport::direct::{self, Direct, PeerAddress};
use quorate_transport::nats::{self, Nats};
use quorate_transport::{Incoming, Transport};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::config::{self, Config};
use crate::engine::Engine;
use crate::node::NodeError;

/// How often those who are told how this node is are told anew.
const HEALTH: Duration = Duration::from_secs(1);

/// How this node reaches the others.
pub(crate) struct Links {
    pub(crate) transport: Arc<dyn Transport>,
    /// Where they are met.
    pub(crate) at: String,
    broker: Option<Broker>,
    /// Direct connections, which can be led to where a peer was found.
    direct: Option<Arc<Direct>>,
    discovery: Option<Discovery>,
}

impl Links {
    pub(crate) async fn start(
        config: &Config,
        peers: &Peers,
        identity: Arc<SigningIdentity>,
        socket: Option<TcpListener>,
        direct: direct::Options,
        nats: nats::Options,
    ) -> Result<(Self, Incoming), NodeError> {
        match &config.transport {
            config::Transport::Direct => {
                let socket = match socket {
                    Some(socket) => socket,
                    None => bind(config.listen).await?,
                };
                let addresses = peers.all().iter().map(|peer| PeerAddress {
                    identity: peer.identity,
                    address: peer.address.as_str().to_owned(),
                });
                let (direct, incoming) = Direct::start(identity, socket, addresses, direct)?;
                let at = direct.local_address().to_string();
                let transport = Arc::clone(&direct) as _;
                Ok((Self { transport, at, broker: None, direct: Some(direct), discovery: None }, incoming))
            }
            config::Transport::Nats(options) => {
                let broker = Broker::connect(options, &format!("quorate {}", config.node_id)).await?;
                let identities = peers.all().iter().map(|peer| peer.identity);
                let cluster = *peers.cluster().as_bytes();
                let (nats, incoming) =
                    Nats::start(identity, cluster, broker.clone(), identities, nats).await?;
                let at = broker.servers().to_owned();
                let links = Self { transport: nats, at, broker: Some(broker), direct: None, discovery: None };
                Ok((links, incoming))
            }
        }
    }

    /// Announces this node, and looks for the others, where the configuration says so.
    pub(crate) fn discover(
        &mut self,
        config: &Config,
        peers: &Peers,
        signer: Arc<SigningIdentity>,
        health: watch::Receiver<Health>,
    ) -> Result<(), NodeError> {
        let (Some(consul), Some(listed)) = (&config.consul, peers.by_name(config.node_id.as_str())) else {
            return Ok(());
        };
        let announcement = Announcement {
            signer,
            cluster: *peers.cluster().as_bytes(),
            name: config.node_id.to_string(),
            address: consul.advertise.as_ref().unwrap_or(&listed.address).as_str().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let mut options = consul.options.clone();
        options.kept = Some(config.data_dir.join("addresses.json"));
        let identities = peers.all().iter().map(|peer| peer.identity).collect();
        let direct = self.direct.clone();
        let found = move |peer: &Identity, address: &str| {
            if let Some(direct) = &direct {
                direct.redirect(peer, address);
            }
        };
        self.discovery = Some(Discovery::start(&options, &announcement, identities, health, found)?);
        Ok(())
    }

    pub(crate) async fn close(&self) {
        if let Some(discovery) = &self.discovery {
            discovery.leave().await;
        }
        self.transport.close().await;
        if let Some(broker) = &self.broker {
            broker.close().await;
        }
    }
}

/// Tells how this node is, while anybody wants to know.
pub(crate) async fn tell_health(engine: Arc<Engine>, health: watch::Sender<Health>) {
    while !health.is_closed() {
        let readiness = engine.readiness().await;
        let now = if readiness.ready { Health::Ready } else { Health::Unready(readiness.reasons.join("; ")) };
        health.send_if_modified(|before| std::mem::replace(before, now.clone()) != now);
        tokio::time::sleep(HEALTH).await;
    }
}

pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, NodeError> {
    TcpListener::bind(address).await.map_err(|source| NodeError::Listen { address, source })
}
