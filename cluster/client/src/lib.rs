//! Client of a cluster: signs requests, retries, and serves the gateway.
//!
//! - [`Client`] is the library for back ends: typed calls, signed with an initiator key, repeated over
//!   several nodes under one request id, so that a repetition never makes a second wallet or signature.
//! - [`RequestSigner`] is what signs: a key in memory, a program ([`SignerCommand`]), or a back end's own way to its key.
//! - [`verification`] holds answers against a wallet that the caller has pinned.
//! - [`gateway`] is a proxy that holds such a client and serves the plain HTTP API to callers who can't sign.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use quorate_client::{Client, Curve, KeygenRequest, Passphrase, PinnedWallet};
//!
//! let nodes = vec!["http://10.0.0.1:8080".parse()?, "http://10.0.0.2:8080".parse()?];
//! let passphrase = Passphrase::from_file("/run/secrets/passphrase")?;
//! let client = Client::from_files(nodes, "initiator.json", "peers.yaml", &passphrase)?;
//!
//! // Once, when the wallet is made: what is remembered of it.
//! let made = client.keygen(KeygenRequest::new(2, 3, Curve::Ed25519)).await?;
//! let record: String = serde_json::to_string(&client.pin(&made).await?)?;
//!
//! // From then on every answer is held against it, whoever gives it.
//! let wallet: PinnedWallet = serde_json::from_str(&record)?;
//! let signed = client.sign_with(&wallet, wallet.message(b"hello")).await?;
//! # Ok(()) }
//! ```
//!
//! Behind a gateway, which signs for its callers, `Client::gateway("http://127.0.0.1:8080".parse()?)` needs no files.
//!
//! # Security
//! An answer is as trustworthy as the node that gave it and the way there: nodes, or a proxy in front of them, serve TLS where
//! they have a certificate (`https://`, [`Authorities`]), and answers are not signed. What a signature is worth does not depend on that:
//! [`Client::sign_with`] verifies it under the wallet that the caller has pinned. What [`Client::sign`] gives is not verified.

mod builder;
mod client;
mod error;
mod events;
mod exchange;
pub mod gateway;
mod retry;
mod signer;
mod token;
pub mod verification;

pub use builder::ClientBuilder;
pub use client::{Begun, Client};
pub use error::{ClientError, InvalidEndpoint, SetupError};
pub use events::SessionEvents;
pub use exchange::{Answer, is_endpoint};
pub use quorate_tls::{Authorities, AuthoritiesError, ClientCertificate};
pub use retry::RetryPolicy;
pub use signer::{RequestSigner, SignatureFuture, SignerCommand, SignerError};
pub use token::{BearerToken, TokenError};
pub use verification::PinnedWallet;

// What calls take and give: a back end needs this crate alone.
pub use http::Uri;
#[cfg(feature = "transactions")]
pub use quorate_chains as chains;
pub use quorate_identity::envelope::{EmptyPassphrase, Passphrase};
pub use quorate_identity::key_file::IdentityError;
pub use quorate_identity::peers::{PeersError, PeersFault};
pub use quorate_keys::{
    ChainCode, Curve, DerivationPath, GroupKey, Identity, InvalidPrincipal, KeyType, Principal, PublicKey,
    Scheme, Secret, Signature, SigningIdentity, SigningPrincipal,
};
pub use quorate_request::{
    AddressView, Allowance, AuxiliaryRequest, AuxiliaryResponse, CaughtView, ClusterId, ErrorBody, ErrorCode,
    Health, Hex, HexArray, KeygenRequest, KeygenResponse, NodeView, Operation, Phase, PresignRequest,
    PresignResponse, Progress, Readiness, RefreshRequest, RequestId, RequestStatus, ReshareRequest,
    ReshareResponse, RollbackRequest, SessionResult, SessionView, SignRequest, SignResponse, SignatureView,
    TransactionBytes, Tweak, WalletId, WalletStatus, WalletView,
};
