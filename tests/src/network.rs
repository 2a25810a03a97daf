//! The network between the nodes of a cluster, of which a node can be cut off.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Cluster;

/// A way from each node to each other node.
pub struct Network {
    /// By node and node; `true` where it is cut.
    ways: BTreeMap<(usize, usize), watch::Sender<bool>>,
}

impl Network {
    /// Lays the ways of a cluster whose nodes don't run yet: each gets a peers file of its own.
    ///
    /// # Panics
    /// When the nodes' files are not those of a new cluster.
    pub async fn lay(cluster: &Cluster) -> Self {
        let peers = std::fs::read_to_string(&cluster.peers_file).expect("the peers file");
        let mut ways = BTreeMap::new();
        for (from, node) in (1..).zip(cluster.nodes()) {
            let mut own = peers.clone();
            for (to, other) in (1..).zip(cluster.nodes()) {
                if from != to {
                    let (cut, is_cut) = watch::channel(false);
                    own = own.replace(&other.peers, &way(other.peers.clone(), is_cut).await);
                    ways.insert((from, to), cut);
                }
            }
            let file = node.folder.join("peers.yaml");
            std::fs::write(&file, own).expect("room for a peers file");
            let config = std::fs::read_to_string(node.config()).expect("a configuration");
            let shared = cluster.peers_file.display().to_string();
            assert!(config.contains(&shared), "{config}");
            std::fs::write(node.config(), config.replace(&shared, &file.display().to_string()))
                .expect("room for a configuration");
        }
        Self { ways }
    }

    /// Cuts a node off from all others.
    pub fn cut_off(&self, node: usize) {
        for ((from, to), cut) in &self.ways {
            if *from == node || *to == node {
                cut.send_replace(true);
            }
        }
    }

    /// Nothing is cut any more.
    pub fn heal(&self) {
        self.ways.values().for_each(|cut| _ = cut.send_replace(false));
    }
}

/// Where connections to a node are taken, while that is not cut.
async fn way(node: String, is_cut: watch::Receiver<bool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((from, _)) = listener.accept().await {
            let (node, mut cut) = (node.clone(), is_cut.clone());
            if *cut.borrow_and_update() {
                continue;
            }
            tokio::spawn(async move {
                // It may not listen yet: its peers dial again.
                let Ok(to) = TcpStream::connect(&node).await else { return };
                let ((read_from, write_from), (read_to, write_to)) = (from.into_split(), to.into_split());
                tokio::select! {
                    _ = async { tokio::join!(pass(read_from, write_to), pass(read_to, write_from)) } => {}
                    _ = cut.wait_for(|cut| *cut) => {}
                }
            });
        }
    });
    address
}

async fn pass(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if to.write_all(buffer.get(..read).unwrap_or_default()).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}
