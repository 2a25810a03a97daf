//! Child keys of a wallet, made from public data alone.
//!
//! A path leads from the wallet's key to a child; every step adds a scalar to the key, so the shares of a child are the
//! wallet's shares and one public *tweak*, the sum along the path. Hardened steps need the private key, which nobody
//! has: they are refused.
//!
//! # Protocol
//! - **secp256k1**: CKDpub of BIP-32, so that watch-only wallets of others find the same keys.
//! - **Ed25519**: no standard has public derivation on it (SLIP-10 is hardened only), so ours is the same idea with
//!   our own hash. With `T(label)` = [`Transcript`](crate::Transcript) of domain `quorate/derive/ed25519/<label>/v1` over
//!   the fields `chain code`, `key` (32 bytes) and `index` (32 bits, big-endian):
//!   - tweak = 64 bytes of T(`tweak`), little-endian, reduced modulo the group order;
//!   - child key = parent + tweak·B;
//!   - child chain code = 32 bytes of T(`chain-code`).
//!
//! # Security
//! Whoever has a child's *private* key, the parent's chain code and public key has the parent's private key. No child's
//! private key ever exists here.

mod ed25519;
mod path;
mod secp256k1;

use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

pub use path::{DerivationPath, InvalidPath};

use crate::group_key::GroupKey;
use crate::hexadecimal::{HexError, decode_array, display_as_hex, serde_as_text};
use crate::scheme::Curve;

/// What makes the children of a key unpredictable to whoever has only the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct ChainCode([u8; 32]);

impl ChainCode {
    /// A chain code of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for ChainCode {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        decode_array(text).map(Self)
    }
}

display_as_hex!(ChainCode);
serde_as_text!(ChainCode);

/// A derived key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derived {
    /// The scalar by which the key differs from where the path began: `key = start + tweak·G`. Canonical, in the
    /// curve's own byte order: big-endian on secp256k1, little-endian on Ed25519.
    pub tweak: [u8; 32],
    /// The key at the end of the path.
    pub key: GroupKey,
    /// The chain code at the end of the path.
    pub chain_code: ChainCode,
}

/// Why a path leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerivationError {
    /// The hash for this step is out of range, or the child would be the identity. Chance: less than 2⁻¹²⁷; BIP-32 says to
    /// take the next index.
    #[error("index {index} at depth {depth} has no key: use the next index")]
    NoKey {
        /// How many steps led there.
        depth: usize,
        /// The index of the step.
        index: u32,
    },
}

/// Follows `path` from `key`. The empty path leads to `key` itself, with tweak zero.
///
/// # Errors
/// When a step has no key, which nobody will see.
pub fn derive(
    key: &GroupKey,
    chain_code: &ChainCode,
    path: &DerivationPath,
) -> Result<Derived, DerivationError> {
    match key.curve() {
        Curve::Secp256k1 => follow::<secp256k1::Step>(key, chain_code, path),
        Curve::Ed25519 => follow::<ed25519::Step>(key, chain_code, path),
    }
}

/// One curve's way from a parent to its child.
trait Child: Sized {
    fn start(key: &GroupKey, chain_code: &ChainCode) -> Option<Self>;
    fn child(self, index: u32) -> Option<Self>;
    fn finish(self) -> Option<Derived>;
}

fn follow<S: Child>(
    key: &GroupKey,
    chain_code: &ChainCode,
    path: &DerivationPath,
) -> Result<Derived, DerivationError> {
    let none = |depth, index| DerivationError::NoKey { depth, index };
    let mut step = S::start(key, chain_code).ok_or(none(0, 0))?;
    for (depth, index) in path.indices().iter().enumerate() {
        step = step.child(*index).ok_or(none(depth + 1, *index))?;
    }
    step.finish().ok_or(none(path.len(), 0))
}
