//! Clients whose key is elsewhere: programs that sign, with OpenSSL as the one that has the keys.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use quorate_client::{
    Client, ClientError, Curve, KeygenRequest, Principal, RequestSigner, SignatureFuture, SignerCommand,
    SignerError,
};
use support::{CLUSTER, Node, Shared, initiator, initiator_on_p256};

/// The private keys of both initiators, for OpenSSL.
struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    fn new() -> Self {
        use base64::Engine as _;
        let keys = Self { folder: tempfile::tempdir().unwrap() };
        let write = |path: &Path, label: &str, der: &[u8]| {
            let body = base64::engine::general_purpose::STANDARD.encode(der);
            let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
            std::fs::write(path, pem).unwrap();
        };
        // RFC 5915: version 1, the scalar, the curve. RFC 8410: version 0, Ed25519, the seed.
        let curve = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let p256 = [&[0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20], &[7; 32][..], &curve].concat();
        write(&keys.p256(), "EC PRIVATE KEY", &p256);
        let head =
            [0x30, 0x2e, 0x02, 0x01, 0, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        write(&keys.ed25519(), "PRIVATE KEY", &[&head[..], &[7; 32]].concat());
        keys
    }

    fn p256(&self) -> PathBuf {
        self.folder.path().join("p256.pem")
    }

    fn ed25519(&self) -> PathBuf {
        self.folder.path().join("ed25519.pem")
    }

    /// What is signed is DER, in binary.
    fn openssl_p256(&self) -> String {
        format!("openssl dgst -sha256 -sign '{}'", self.p256().display())
    }

    /// For this, OpenSSL 3.0 wants to know beforehand how much it will read.
    fn openssl_ed25519(&self) -> String {
        let message = self.folder.path().join("message");
        let (message, key) = (message.display(), self.ed25519());
        format!(
            "cat > '{message}' && openssl pkeyutl -sign -rawin -inkey '{}' -in '{message}'",
            key.display()
        )
    }
}

async fn node() -> (Node, Arc<Shared>) {
    let shared = Arc::new(Shared::default());
    (Node::start("node1", &shared, &[]).await, shared)
}

fn client(node: &Node, signer: impl RequestSigner) -> Client {
    Client::new(vec![node.uri.clone()], CLUSTER, signer).unwrap()
}

fn p256() -> Principal {
    initiator_on_p256().principal()
}

#[tokio::test]
async fn a_key_on_p256_in_memory_signs_requests() {
    let (node, shared) = node().await;
    let client = client(&node, initiator_on_p256());
    assert_eq!(client.initiator(), Some(p256()));
    client.keygen(KeygenRequest::new(2, 3, Curve::Ed25519)).await.unwrap();
    assert_eq!(*shared.executed.lock().unwrap(), 1);
}

#[tokio::test]
async fn openssl_signs_requests_with_keys_of_both_types() {
    let (node, shared) = node().await;
    let keys = Keys::new();
    let ed25519 = Principal::from(initiator().identity());
    let signers = [
        SignerCommand::shell(p256(), &keys.openssl_p256()),
        SignerCommand::shell(p256(), &format!("{} | base64", keys.openssl_p256())),
        SignerCommand::shell(p256(), &format!("{} | od -An -v -tx1", keys.openssl_p256())),
        SignerCommand::new(
            p256(),
            "openssl",
            ["dgst".into(), "-sha256".into(), "-sign".into(), keys.p256().into_os_string()],
        ),
        SignerCommand::shell(ed25519, &keys.openssl_ed25519()),
        SignerCommand::shell(ed25519, &format!("({}) | base64 -w0", keys.openssl_ed25519())),
    ];
    let count = u32::try_from(signers.len()).unwrap();
    for signer in signers {
        let principal = signer.principal();
        let client = client(&node, signer);
        assert_eq!(client.initiator(), Some(principal));
        client.keygen(KeygenRequest::new(2, 3, Curve::Ed25519)).await.unwrap();
        assert_eq!(client.wallets().await.unwrap().len(), 1);
    }
    assert_eq!(*shared.executed.lock().unwrap(), count);
}

#[tokio::test]
async fn what_is_not_signed_is_not_sent() {
    let (node, shared) = node().await;
    let keys = Keys::new();
    let ed25519 = Principal::from(initiator().identity());
    let failure = async |signer: SignerCommand| match client(&node, signer).wallets().await {
        Err(ClientError::Signer(error)) => error,
        other => panic!("{other:?}"),
    };
    // With another key than the one that is named, of its type and not.
    let stranger = keys.folder.path().join("stranger.pem").display().to_string();
    let line = format!(
        "openssl ecparam -name prime256v1 -genkey -noout -out '{stranger}' && openssl dgst -sha256 -sign '{stranger}'"
    );
    let other = failure(SignerCommand::shell(p256(), &line)).await;
    assert!(matches!(other, SignerError::OtherKey { principal } if principal == p256()), "{other}");
    let other = failure(SignerCommand::shell(p256(), &keys.openssl_ed25519())).await;
    assert!(matches!(other, SignerError::OtherKey { .. }), "{other}");
    let other = failure(SignerCommand::shell(ed25519, &keys.openssl_p256())).await;
    assert!(matches!(other, SignerError::NoSignature { .. }), "{other}");
    let none = failure(SignerCommand::shell(p256(), "openssl dgst -sha256 -sign /missing.pem")).await;
    assert!(matches!(none, SignerError::Failed { .. }), "{none}");
    let slow = SignerCommand::shell(p256(), "exec sleep 60").timeout(Duration::from_millis(50));
    assert!(matches!(failure(slow).await, SignerError::TimedOut { .. }));
    assert!(shared.seen.lock().unwrap().is_empty());
}

/// What a back end may bring along.
struct Service(Result<[u8; 64], &'static str>);

impl RequestSigner for Service {
    fn principal(&self) -> Principal {
        p256()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> SignatureFuture<'a> {
        let signed = self.0.map(|_| initiator_on_p256().sign(&message[..message.len() - 1]));
        Box::pin(async move { signed.map_err(|error| SignerError::Other(error.into())) })
    }
}

#[tokio::test]
async fn a_signer_of_the_back_end_is_not_believed() {
    let (node, shared) = node().await;
    let wrong = client(&node, Service(Ok([0; 64]))).wallets().await.unwrap_err();
    assert!(matches!(wrong, ClientError::Signer(SignerError::OtherKey { .. })), "{wrong}");
    let failed = client(&node, Service(Err("the service is away"))).wallets().await.unwrap_err();
    assert_eq!(failed.to_string(), "the service is away");
    assert!(shared.seen.lock().unwrap().is_empty());
}
