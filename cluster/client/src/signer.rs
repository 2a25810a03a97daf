//! Who signs requests: a key in memory, or one that is held elsewhere.

mod command;

use std::future::{Future, ready};
use std::pin::Pin;
use std::process::ExitStatus;
use std::time::Duration;

use quorate_keys::{Principal, SigningIdentity, SigningPrincipal};

pub use command::SignerCommand;

/// A signature that is being made.
pub type SignatureFuture<'a> = Pin<Box<dyn Future<Output = Result<[u8; 64], SignerError>> + Send + 'a>>;

/// Something that signs requests as an initiator.
///
/// A key in memory ([`SigningPrincipal`], [`SigningIdentity`]); a program that has the key, or can reach it
/// ([`SignerCommand`]); or what a back end brings along, such as the client of a key-management service.
pub trait RequestSigner: Send + Sync + 'static {
    /// The public key under which nodes know the initiator.
    fn principal(&self) -> Principal;

    /// Signs a message, less than 2 KiB of text: with Ed25519, or with ECDSA on P-256 over the SHA-256 of the message, r‖s. The s may
    /// be high.
    ///
    /// What it gives is verified before it is used, so that a key that is not the initiator's is noticed here.
    fn sign<'a>(&'a self, message: &'a [u8]) -> SignatureFuture<'a>;

    /// Whether what it gives is verified: always, but for a key in the client's own memory.
    fn is_verified(&self) -> bool {
        true
    }
}

impl RequestSigner for SigningPrincipal {
    fn principal(&self) -> Principal {
        self.principal()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> SignatureFuture<'a> {
        Box::pin(ready(Ok(self.sign(message))))
    }

    fn is_verified(&self) -> bool {
        false
    }
}

impl RequestSigner for SigningIdentity {
    fn principal(&self) -> Principal {
        self.identity().into()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> SignatureFuture<'a> {
        Box::pin(ready(Ok(self.sign(message))))
    }

    fn is_verified(&self) -> bool {
        false
    }
}

/// Why a request was not signed. Nothing was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The program can't be run.
    #[error("the signing command `{command}` can't be run: {source}")]
    Run {
        /// The program and its arguments.
        command: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The program says that it failed; why, it has written to standard error.
    #[error("the signing command `{command}` failed: {status}")]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The program took too long, and was stopped.
    #[error("the signing command `{command}` gave no signature within {} s", .limit.as_secs_f32())]
    TimedOut {
        /// The program and its arguments.
        command: String,
        /// How long it may take.
        limit: Duration,
    },
    /// What the program gave is no signature.
    #[error(
        "what the signing command `{command}` wrote to standard output is no signature: expected 64 bytes, or DER of ECDSA, \
         as they are, in hex or in base64; it wrote {got}"
    )]
    NoSignature {
        /// The program and its arguments.
        command: String,
        /// How much it wrote.
        got: String,
    },
    /// What was given is a signature of something else, or by another key.
    #[error(
        "the signature is not one of the request by {principal}: is this the public key of the key that signs?"
    )]
    OtherKey {
        /// The key that should have signed.
        principal: Principal,
    },
    /// Another signer failed.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
