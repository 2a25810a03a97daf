//! Mutual TLS 1.3 between nodes whose certificates are pinned to their identities.

mod certificate;
mod key_log;
mod pin;

use std::io;
use std::sync::Arc;

use quorate_keys::{Identity, SigningIdentity};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, KeyLog, ServerConfig};
use rustls_pki_types::ServerName;

pub(crate) use self::certificate::HandshakeKey;
pub(crate) use self::key_log::KeyLogFile;
pub(crate) use self::pin::{PinError, certified_identity};
use self::pin::{PinnedPeer, PinnedPeers};

/// The only application protocol: HTTP/2, for gRPC.
pub(crate) const ALPN: &[u8] = b"h2";

/// The name TLS asks for. It is never sent (no SNI) and never checked: the key is what is pinned.
const SERVER_NAME: &str = "node.quorate.invalid";

/// What a node shows of itself in a handshake, in either role.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    resolver: Arc<SingleCertAndKey>,
    provider: Arc<CryptoProvider>,
    key_log: Option<Arc<KeyLogFile>>,
}

/// Credentials could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Config(#[from] rustls::Error),
}

impl Credentials {
    /// The credentials of an identity: its self-signed certificate and its key.
    pub(crate) fn new(
        signer: Arc<SigningIdentity>,
        key_log: Option<Arc<KeyLogFile>>,
    ) -> Result<Self, TlsError> {
        let key = HandshakeKey::new(signer);
        let certificate = key.certificate()?;
        let certified = CertifiedKey::new(vec![certificate], Arc::new(key));
        Ok(Self { resolver: Arc::new(certified.into()), provider: Arc::new(provider()), key_log })
    }

    /// The configuration of the listening side, which admits the given peers and nobody else.
    pub(crate) fn server(
        &self,
        peers: impl IntoIterator<Item = Identity>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(PinnedPeers::new(peers)))
            .with_cert_resolver(Arc::clone(&self.resolver) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Every connection proves the identities anew.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        if let Some(log) = &self.key_log {
            config.key_log = Arc::clone(log) as Arc<dyn KeyLog>;
        }
        Ok(Arc::new(config))
    }

    /// The configuration for dialling one peer, which accepts that peer and nobody else.
    pub(crate) fn client(&self, peer: Identity) -> Result<Arc<ClientConfig>, TlsError> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedPeer::new(peer)))
            .with_client_cert_resolver(Arc::clone(&self.resolver) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        if let Some(log) = &self.key_log {
            config.key_log = Arc::clone(log) as Arc<dyn KeyLog>;
        }
        Ok(Arc::new(config))
    }
}

/// The server name handed to TLS when dialling.
pub(crate) fn server_name() -> Result<ServerName<'static>, rustls_pki_types::InvalidDnsNameError> {
    ServerName::try_from(SERVER_NAME)
}

/// The TLS error that an I/O error on a TLS stream carries, if it does.
pub(crate) fn error_in(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// AES-256-GCM or ChaCha20-Poly1305 under an ephemeral key agreement, the hybrid with ML-KEM-768 first so
/// that recorded traffic stays closed to a later quantum computer.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    }
}

#[cfg(test)]
mod tests {
    use rustls::client::danger::ServerCertVerifier;
    use rustls::sign::SigningKey;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::direct::RefusalReason;
    use crate::testing::signer;

    fn credentials(n: u8) -> Credentials {
        Credentials::new(Arc::new(signer(n)), None).unwrap()
    }

    /// The certificate of `shown` with the key of `held`: a copied certificate.
    fn stolen(shown: u8, held: u8) -> Credentials {
        let certificate = HandshakeKey::new(Arc::new(signer(shown))).certificate().unwrap();
        let key: Arc<dyn SigningKey> = Arc::new(HandshakeKey::new(Arc::new(signer(held))));
        let resolver = Arc::new(CertifiedKey::new(vec![certificate], key).into());
        Credentials { resolver, ..credentials(held) }
    }

    /// Runs a handshake in memory: what the client and the server make of it.
    async fn handshake(
        client: Arc<ClientConfig>,
        server: Arc<ServerConfig>,
    ) -> (io::Result<()>, io::Result<()>) {
        let (near, far) = duplex(1 << 16);
        let client = async {
            let mut stream = TlsConnector::from(client).connect(server_name().unwrap(), near).await?;
            stream.read_u8().await.map(drop)
        };
        let server = async {
            let mut stream = TlsAcceptor::from(server).accept(far).await?;
            stream.write_u8(1).await?;
            stream.flush().await
        };
        tokio::join!(client, server)
    }

    #[tokio::test]
    async fn peers_that_pin_each_other_agree_on_tls_1_3_with_a_hybrid_key_exchange() {
        let (near, far) = duplex(1 << 16);
        let connector = TlsConnector::from(credentials(1).client(signer(2).identity()).unwrap());
        let acceptor = TlsAcceptor::from(credentials(2).server([signer(1).identity()]).unwrap());
        let connect = connector.connect(server_name().unwrap(), near);
        let (client, server) = tokio::join!(connect, acceptor.accept(far));
        let (client, server) = (client.unwrap(), server.unwrap());
        let session = client.get_ref().1;
        assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert_eq!(
            session.negotiated_key_exchange_group().unwrap().name(),
            rustls::NamedGroup::X25519MLKEM768
        );
        assert_eq!(session.alpn_protocol(), Some(ALPN));
        assert_eq!(server.get_ref().1.server_name(), None, "no name is sent");
    }

    #[tokio::test]
    async fn a_copied_certificate_without_its_key_is_refused_by_both_sides() {
        let good = credentials(2).server([signer(1).identity()]).unwrap();
        let (_, server) = handshake(stolen(1, 9).client(signer(2).identity()).unwrap(), good).await;
        assert!(server.unwrap_err().to_string().contains("BadSignature"));
        let bad = stolen(2, 9).server([signer(1).identity()]).unwrap();
        let (client, _) = handshake(credentials(1).client(signer(2).identity()).unwrap(), bad).await;
        assert!(client.unwrap_err().to_string().contains("BadSignature"));
    }

    #[tokio::test]
    async fn a_client_without_a_certificate_or_with_one_of_another_kind_is_refused() {
        let server = || credentials(2).server([signer(1).identity()]).unwrap();
        let verifier: Arc<dyn ServerCertVerifier> = Arc::new(PinnedPeer::new(signer(2).identity()));
        let builder = || {
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[&TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::clone(&verifier))
        };
        let (_, refused) = handshake(Arc::new(builder().with_no_client_auth()), server()).await;
        let reason = RefusalReason::of(&refused.unwrap_err());
        assert_eq!(reason, RefusalReason::Certificate("none was presented".to_owned()));

        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let other = builder().with_client_auth_cert(vec![certificate.der().clone()], key).unwrap();
        let (_, refused) = handshake(Arc::new(other), server()).await;
        // Only Ed25519 is asked for, so that a client with another key has none to present.
        assert!(matches!(RefusalReason::of(&refused.unwrap_err()), RefusalReason::Certificate(_)));
    }
}
