//! How commands reach a cluster: signed to its nodes, or plainly to a gateway.

use std::path::{Path, PathBuf};

use anyhow::Context;
use quorate_client::{Client, ClientError};
use quorate_keys::SigningIdentity;
use quorate_node::identity::{self, IdentityKind};
use quorate_node::peers::Peers;
use quorate_request::{ClusterId, ErrorCode};
use rand_core::OsRng;

use crate::failure::Failure;
use crate::passphrase::Source;

/// The cluster that is named where a gateway signs: nobody's.
const NO_CLUSTER: ClusterId = ClusterId::from_bytes([0; 32]);

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
    #[arg(long, value_name = "FILE", env = "QUORATE_PEERS", requires = "initiator")]
    peers: Option<PathBuf>,
    #[command(flatten)]
    passphrase: Source,
}

impl Target {
    /// Asks the cluster, and says what to do where the answer shows that it was asked in the wrong way.
    pub(crate) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> anyhow::Result<T> {
        question(&self.client()?).await.map_err(|error| self.explained(error))
    }

    fn client(&self) -> anyhow::Result<Client> {
        self.client_of(&self.api)
    }

    /// One client for each address, which asks it first.
    pub(crate) fn clients(&self) -> anyhow::Result<Vec<Client>> {
        let mut api = self.api.clone();
        let clients = (0..api.len()).map(|_| {
            let client = self.client_of(&api);
            api.rotate_left(1);
            client
        });
        clients.collect()
    }

    fn client_of(&self, api: &[http::Uri]) -> anyhow::Result<Client> {
        match (&self.initiator, &self.peers) {
            (Some(initiator), Some(peers)) => {
                signing_client(api, initiator, peers, &self.passphrase).map(|(_, client)| client)
            }
            // A gateway signs for itself; this signature means nothing to it.
            _ => {
                let nobody = SigningIdentity::generate(&mut OsRng);
                Client::new(api.to_vec(), NO_CLUSTER, nobody).context("--api")
            }
        }
    }

    fn explained(&self, error: ClientError) -> anyhow::Error {
        // A gateway would have signed for its own cluster; only a node takes our signature at its word.
        let asked_for_none = error.api().is_some_and(|body| {
            body.code == ErrorCode::WrongCluster && body.message.contains(&NO_CLUSTER.to_string())
        });
        if self.initiator.is_none() && asked_for_none {
            let api: Vec<_> =
                self.api.iter().map(|uri| uri.to_string().trim_end_matches('/').to_owned()).collect();
            let text = format!(
                "{} is a node, not a gateway, and takes signed requests only: give --initiator with the key to sign \
                 with, and --peers with the cluster's peers file",
                api.join(", ")
            );
            return Failure::Usage(text).into();
        }
        error.into()
    }
}

/// A client that signs with the key in a file, for the cluster of a peers file.
pub(crate) fn signing_client(
    api: &[http::Uri],
    initiator: &Path,
    peers: &Path,
    passphrase: &Source,
) -> anyhow::Result<(ClusterId, Client)> {
    let cluster = *Peers::load(peers)?.cluster();
    let initiator = identity::load(initiator, IdentityKind::Initiator, &passphrase.read()?)?;
    Ok((cluster, Client::new(api.to_vec(), cluster, initiator).context("--api")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_request::ErrorBody;

    fn refused(message: &str) -> ClientError {
        let code = ErrorCode::WrongCluster;
        ClientError::Api { status: code.status(), error: Box::new(ErrorBody::new(code, message)) }
    }

    #[test]
    fn a_node_that_was_taken_for_a_gateway_is_named() {
        let source = Source { passphrase_file: None };
        let api = vec![http::Uri::from_static("http://10.0.0.1:8080")];
        let mut target = Target { api, initiator: None, peers: None, passphrase: source };
        let told = |target: &Target, message: &str| target.explained(refused(message)).to_string();
        let none = format!("the request is for cluster {NO_CLUSTER}, this is cluster 0x12");
        let text = told(&target, &none);
        assert!(text.contains("http://10.0.0.1:8080 is a node") && text.contains("--initiator"), "{text}");
        // A gateway of another cluster is another matter, and so is a wrong peers file.
        assert!(told(&target, "the request is for cluster 0x34, this is cluster 0x12").contains("0x34"));
        target.initiator = Some("initiator.json".into());
        assert!(told(&target, &none).contains("this is cluster"));
    }
}
