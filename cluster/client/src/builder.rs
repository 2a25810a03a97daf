//! How a client comes about: whom it asks, as whom, and with how much patience.

use std::path::Path;

use http::Uri;
use quorate_identity::envelope::Passphrase;
use quorate_identity::key_file::{self, IdentityKind};
use quorate_identity::peers::Peers;
use quorate_request::ClusterId;

use crate::client::{Client, Signer};
use crate::error::SetupError;
use crate::exchange::{Connecting, Exchange};
use crate::retry::RetryPolicy;
use crate::signer::RequestSigner;
use crate::token::BearerToken;
use quorate_tls::{Authorities, ClientCertificate};

/// A client to be made.
///
/// ```no_run
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use quorate_client::{Client, Passphrase, RetryPolicy};
///
/// let nodes = vec!["http://10.0.0.1:8080".parse()?, "http://10.0.0.2:8080".parse()?];
/// let passphrase = Passphrase::from_file("/run/secrets/passphrase")?;
/// let client = Client::builder(nodes)
///     .policy(RetryPolicy { attempts: 3, ..RetryPolicy::default() })
///     .signing_from("initiator.json", "peers.yaml", &passphrase)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    endpoints: Vec<Uri>,
    policy: RetryPolicy,
    connecting: Connecting,
}

impl ClientBuilder {
    pub(crate) fn new(endpoints: Vec<Uri>) -> Self {
        Self { endpoints, policy: RetryPolicy::default(), connecting: Connecting::default() }
    }

    /// How long it tries.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Who vouches for the servers behind `https://` endpoints: those that the system trusts, unless told otherwise.
    #[must_use]
    pub fn authorities(mut self, authorities: Authorities) -> Self {
        self.connecting.authorities = authorities;
        self
    }

    /// What it shows to servers behind `https://` endpoints that ask for a certificate.
    #[must_use]
    pub fn certificate(mut self, certificate: ClientCertificate) -> Self {
        self.connecting.certificate = Some(certificate);
        self
    }

    /// The token that it shows, of a gateway's callers or of a node's readers. Who signs needs none for nodes.
    #[must_use]
    pub fn token(mut self, token: BearerToken) -> Self {
        self.connecting.token = Some(token);
        self
    }

    /// A client that signs with this initiator key, for the nodes of this cluster: a [`SigningPrincipal`] in memory, or one that
    /// is held elsewhere.
    ///
    /// [`SigningPrincipal`]: quorate_keys::SigningPrincipal
    ///
    /// # Errors
    /// The caller's misuse: no endpoint, or one that is none. For `https://`, that no authorities are found.
    pub fn signing(self, cluster: ClusterId, initiator: impl RequestSigner) -> Result<Client, SetupError> {
        self.build(Some(Signer { cluster, initiator: Box::new(initiator) }))
    }

    /// A client that signs with the initiator key in a file, for the nodes of the cluster in a peers file.
    ///
    /// Derives a key from the passphrase: a tenth of a second of one core, not for an async worker thread.
    ///
    /// # Errors
    /// As [`Self::signing`]; a file that is missing, damaged or another one; a wrong passphrase. Each names its file.
    pub fn signing_from(
        self,
        initiator: impl AsRef<Path>,
        peers: impl AsRef<Path>,
        passphrase: &Passphrase,
    ) -> Result<Client, SetupError> {
        let cluster = *Peers::load(peers.as_ref())?.cluster();
        let initiator = key_file::load(initiator.as_ref(), IdentityKind::Initiator, passphrase)?;
        self.signing(cluster, initiator)
    }

    /// A client that signs nothing: for gateways, which sign for their callers. A node refuses it as unsigned.
    ///
    /// # Errors
    /// As [`Self::signing`].
    pub fn gateway(self) -> Result<Client, SetupError> {
        self.build(None)
    }

    fn build(self, signer: Option<Signer>) -> Result<Client, SetupError> {
        Ok(Client::assemble(signer, Exchange::new(self.endpoints, self.policy, self.connecting)?))
    }
}
