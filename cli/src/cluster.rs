//! How commands reach a cluster: signed to its nodes, or plainly to a gateway.

use std::path::PathBuf;

use anyhow::Context;
use quorate_client::Client;
use quorate_keys::SigningIdentity;
use quorate_node::identity::{self, IdentityKind};
use quorate_node::peers::Peers;
use quorate_request::ClusterId;
use rand_core::OsRng;

use crate::passphrase::Source;

/// Which cluster, and as whom.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Target {
    /// Address of a gateway or node; may be repeated for nodes of one cluster.
    #[arg(
        long,
        value_name = "URL",
        env = "QUORATE_API",
        default_value = "http://127.0.0.1:8080",
        value_delimiter = ','
    )]
    api: Vec<http::Uri>,
    /// Initiator key to sign requests with. Without one the address must be a gateway's, which signs.
    #[arg(long, value_name = "FILE", env = "QUORATE_INITIATOR", requires = "peers")]
    initiator: Option<PathBuf>,
    /// The cluster's peers file, for its id.
    #[arg(long, value_name = "FILE", env = "QUORATE_PEERS")]
    peers: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Source,
}

impl Target {
    /// A client of the cluster.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let (cluster, initiator) = match (&self.initiator, &self.peers) {
            (Some(file), Some(peers)) => {
                let peers = Peers::load(peers)?;
                let initiator = identity::load(file, IdentityKind::Initiator, &self.passphrase.read()?)?;
                (*peers.cluster(), initiator)
            }
            // A gateway signs for itself; this signature means nothing to it.
            _ => (ClusterId::from_bytes([0; 32]), SigningIdentity::generate(&mut OsRng)),
        };
        Client::new(self.api.clone(), cluster, initiator).context("--api")
    }
}
