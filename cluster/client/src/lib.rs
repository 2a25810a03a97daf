//! Client of a cluster: signs requests, retries, and serves the gateway.
//!
//! - [`Client`] is the library for back ends: typed calls, signed with an initiator key, repeated over
//!   several nodes under one request id, so that a repetition never makes a second wallet or signature.
//! - [`gateway`] is a proxy that holds such a client and serves the plain HTTP API to callers who can't sign.
//!
//! ```no_run
//! # async fn example(initiator: quorate_keys::SigningIdentity) -> Result<(), Box<dyn std::error::Error>> {
//! use quorate_client::Client;
//! use quorate_request::KeygenRequest;
//!
//! let nodes = vec!["http://10.0.0.1:8080".parse()?, "http://10.0.0.2:8080".parse()?];
//! let cluster = "0x5b…".parse()?;
//! let client = Client::new(nodes, cluster, initiator)?;
//! let wallet = client
//!     .keygen(KeygenRequest {
//!         session_id: None,
//!         threshold: 2,
//!         total: 3,
//!         curve: "ed25519".into(),
//!         protocol: None,
//!         wallet_id: None,
//!         parties: None,
//!     })
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! # Security
//! An answer is as trustworthy as the node that gave it and the way there: nodes serve plain HTTP, and answers
//! are not signed. What a signature is worth does not depend on that: verify it under the wallet's public key.

mod client;
mod error;
mod events;
mod exchange;
pub mod gateway;
mod retry;

pub use client::{Begun, Client};
pub use error::{ClientError, InvalidEndpoint};
pub use events::SessionEvents;
pub use exchange::Answer;
pub use retry::RetryPolicy;
