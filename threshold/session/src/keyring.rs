//! Signing and verifying as abilities that are handed in.

use quorate_keys::{Identity, SigningIdentity};

/// Signs as one party.
pub trait EnvelopeSigner: Send + Sync {
    /// Signs a 32-byte digest of this crate.
    fn sign(&self, digest: &[u8; 32]) -> [u8; 64];
}

/// Verifies what other parties signed.
pub trait EnvelopeVerifier: Send + Sync {
    /// Whether `signature` over `digest` was made by `identity`.
    fn verify(&self, identity: &Identity, digest: &[u8; 32], signature: &[u8; 64]) -> bool;
}

impl EnvelopeSigner for SigningIdentity {
    fn sign(&self, digest: &[u8; 32]) -> [u8; 64] {
        Self::sign(self, digest)
    }
}

/// Verifies with the Ed25519 keys that the identities are.
#[derive(Debug, Clone, Copy, Default)]
pub struct IdentityVerifier;

impl EnvelopeVerifier for IdentityVerifier {
    fn verify(&self, identity: &Identity, digest: &[u8; 32], signature: &[u8; 64]) -> bool {
        identity.verify(digest, signature)
    }
}
