//! What the API shows of the node's state.

use std::time::{Duration, Instant};

use quorate_keys::Secret;
use quorate_request::{Health, NodeView, Readiness, WalletStatus, WalletView};

use crate::engine::Engine;
use crate::store::{Batch, Table};
use crate::wallets::Wallet;

const PROBE_EVERY: Duration = Duration::from_secs(1);

impl Engine {
    /// A wallet, as the API shows it.
    pub(crate) fn wallet_view(&self, wallet: &Wallet) -> WalletView {
        let public = &wallet.public;
        let members = public.committee.members();
        WalletView {
            wallet_id: wallet.id.clone(),
            curve: public.group_key.curve().to_string(),
            scheme: wallet.scheme.to_string(),
            protocol: wallet.method.name().to_owned(),
            public_key: wallet.public_key.as_bytes().to_vec().into(),
            group_key: public.group_key.as_bytes().to_vec().into(),
            chain_code: (*public.chain_code.as_bytes()).into(),
            addresses: wallet.addresses(),
            threshold: public.committee.threshold().get(),
            total: u16::try_from(members.len()).unwrap_or(u16::MAX),
            parties: self.names(members.iter().map(|member| &member.identity)),
            epoch: public.epoch,
            status: WalletStatus::Active,
            presignatures: crate::protocols::presigning(wallet.scheme, wallet.method)
                .map(|_| self.ready_presignatures(&wallet.generation())),
        }
    }

    /// The nodes of the cluster as this one sees them, by name.
    pub(crate) fn node_views(&self) -> Vec<NodeView> {
        let states = self.transport.peers();
        let caught = self.caught_by_node();
        let mut views: Vec<_> = self
            .peers
            .all()
            .iter()
            .map(|peer| {
                let this_node = peer.identity == self.me;
                let state = states.iter().find(|state| state.identity == peer.identity);
                NodeView {
                    name: peer.name.to_string(),
                    identity: peer.identity,
                    this_node,
                    connected: this_node || state.is_some_and(quorate_transport::PeerState::is_connected),
                    last_heard_ms: state
                        .and_then(|state| state.last_heard)
                        .map(|heard| u64::try_from(heard.elapsed().as_millis()).unwrap_or(u64::MAX)),
                    queued_frames: state.map_or(0, |state| state.queued_frames as u64),
                    refused_connections: state.map_or(0, |state| state.incoming.failures),
                    excluded: self.is_excluded(&peer.identity),
                    caught: caught.get(&peer.identity).cloned().unwrap_or_default(),
                }
            })
            .collect();
        views.sort_by(|left, right| left.name.cmp(&right.name));
        views
    }

    /// Says that the process runs.
    pub(crate) fn health(&self) -> Health {
        Health {
            status: "ok".into(),
            node: self.config.node_id.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// Why the store takes no writes. Tried once a second at the most: each try waits for the disk, and anybody may ask.
    async fn probe(&self) -> Option<String> {
        let mut probed = self.probed.lock().await;
        if let Some((when, refused)) = &*probed
            && when.elapsed() < PROBE_EVERY
        {
            return refused.clone();
        }
        let batch = Batch::new().put(Table::Meta, "probe", 0, Secret::new(Vec::new()));
        let refused = self.store.commit(batch).await.err().map(|error| error.to_string());
        *probed = Some((Instant::now(), refused.clone()));
        refused
    }

    /// Whether requests can be served: a majority of the nodes is reachable and the store takes writes.
    pub(crate) async fn readiness(&self) -> Readiness {
        let total = self.peers.len();
        let reachable = self.reachable().len();
        let mut reasons = Vec::new();
        if reachable <= total / 2 {
            reasons.push(format!("{reachable} of {total} nodes can be reached, no majority"));
        }
        let refused = self.probe().await;
        let store_writable = refused.is_none();
        reasons.extend(refused);
        if self.is_draining() {
            reasons.push("the node is shutting down".into());
        }
        let count = |nodes: usize| u16::try_from(nodes).unwrap_or(u16::MAX);
        Readiness {
            ready: reasons.is_empty(),
            reachable: count(reachable),
            total: count(total),
            store_writable,
            reasons,
        }
    }
}
