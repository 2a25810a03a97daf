//! Child keys of a wallet, made from public data alone.
//!
//! A path leads from the wallet's key to a child; every step adds a scalar to the key, so the shares of a child are the
//! wallet's shares and one public *tweak*, the sum along the path. Hardened steps need the private key, which nobody
//! has: they are refused.
//!
//! # Protocol
//! - **secp256k1**: CKDpub of BIP-32, so that watch-only wallets of others find the same keys.
//! - **P-256**: that of SLIP-10, which is the same but for a hash that gives no key: it is hashed again.
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
mod weierstrass;

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
    pub const fn new(bytes: [u8; 32]) -> Self {
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
    /// curve's own byte order: big-endian on secp256k1 and P-256, little-endian on Ed25519.
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
        Curve::Secp256k1 => follow::<weierstrass::Step<k256::Secp256k1>>(key, chain_code, path),
        Curve::Ed25519 => follow::<ed25519::Step>(key, chain_code, path),
        Curve::P256 => follow::<weierstrass::Step<p256::NistP256>>(key, chain_code, path),
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

#[cfg(test)]
mod tests {
    use curve25519_dalek::{EdwardsPoint, Scalar};
    use p256::elliptic_curve::sec1::ToEncodedPoint;
    use proptest::prelude::*;

    use super::*;

    fn ed25519_key(secret: [u8; 32]) -> (Scalar, GroupKey) {
        let secret = Scalar::from_bytes_mod_order(secret);
        (secret, GroupKey::from_ed25519(EdwardsPoint::mul_base(&secret).compress().0))
    }

    fn secp256k1_key(secret: [u8; 32]) -> GroupKey {
        let secret = k256::SecretKey::from_slice(&secret).unwrap();
        GroupKey::from_bytes(Curve::Secp256k1, &secret.public_key().to_sec1_bytes()).unwrap()
    }

    fn p256_key(secret: [u8; 32]) -> GroupKey {
        let point = p256::SecretKey::from_slice(&secret).unwrap().public_key().to_encoded_point(true);
        GroupKey::from_bytes(Curve::P256, point.as_bytes()).unwrap()
    }

    #[test]
    fn the_empty_path_leads_to_the_key_itself() {
        let chain_code = ChainCode::new([3; 32]);
        for key in [ed25519_key([7; 32]).1, secp256k1_key([7; 32]), p256_key([7; 32])] {
            let derived = derive(&key, &chain_code, &DerivationPath::default()).unwrap();
            assert_eq!(derived, Derived { tweak: [0; 32], key, chain_code });
        }
    }

    #[test]
    fn index_key_and_chain_code_all_matter() {
        let path = |text: &str| text.parse::<DerivationPath>().unwrap();
        for (key, other) in [
            (ed25519_key([7; 32]).1, ed25519_key([8; 32]).1),
            (secp256k1_key([7; 32]), secp256k1_key([8; 32])),
            (p256_key([7; 32]), p256_key([8; 32])),
        ] {
            let chain_code = ChainCode::new([3; 32]);
            let base = derive(&key, &chain_code, &path("m/1")).unwrap();
            for changed in [
                derive(&key, &chain_code, &path("m/2")).unwrap(),
                derive(&key, &ChainCode::new([4; 32]), &path("m/1")).unwrap(),
                derive(&other, &chain_code, &path("m/1")).unwrap(),
            ] {
                assert_ne!(base.key, changed.key);
                assert_ne!(base.tweak, changed.tweak);
                assert_ne!(base.chain_code, changed.chain_code);
            }
        }
    }

    /// Wallets of released versions depend on these children: a change here loses money. The values are those of an
    /// independent implementation of the module documentation.
    #[test]
    fn the_ed25519_derivation_never_changes() {
        let (_, key) = ed25519_key([7; 32]);
        let derived = derive(&key, &ChainCode::new([3; 32]), &"m/0/2147483647".parse().unwrap()).unwrap();
        assert_eq!(
            hex::encode(derived.tweak),
            "912e76ccc297a93e4ef532d2b19452548c7c490ed10081d6b51a99a186eaeb0b"
        );
        assert_eq!(
            derived.key.to_string(),
            "0x04b2050b41bb1fa5df817155105669eb0d78d512d2ff33c90ba54b7fdbc57aef"
        );
        assert_eq!(
            derived.chain_code.to_string(),
            "0x83eeb93b9f835864ba646efb65e532b7a4d5548697c4fa0b6bccdee837220b01"
        );
    }

    #[test]
    fn the_ed25519_derivation_is_the_documented_one() {
        let (secret, key) = ed25519_key([9; 32]);
        let hash = |domain| {
            crate::Transcript::new(domain)
                .field("chain code", &[5; 32])
                .field("key", key.as_bytes())
                .field("index", &[0, 0, 1, 2])
        };
        let tweak = Scalar::from_bytes_mod_order_wide(&hash(b"quorate/derive/ed25519/tweak/v1").wide());
        let derived = derive(&key, &ChainCode::new([5; 32]), &"258".parse().unwrap()).unwrap();
        assert_eq!(derived.tweak, tweak.to_bytes());
        assert_eq!(derived.key.as_bytes(), EdwardsPoint::mul_base(&(secret + tweak)).compress().0);
        let chain_code = hash(b"quorate/derive/ed25519/chain-code/v1").digest();
        assert_eq!(derived.chain_code, ChainCode::new(chain_code));
    }

    proptest! {
        #[test]
        fn a_path_is_the_sum_of_its_parts(
            secret in prop::array::uniform32(1_u8..255),
            chain_code: [u8; 32],
            first in prop::collection::vec(0_u32..1 << 31, 0..4),
            second in prop::collection::vec(0_u32..1 << 31, 0..4),
        ) {
            let path = |indices: &[u32]| DerivationPath::new(indices.to_vec()).unwrap();
            let (private, key) = ed25519_key(secret);
            let chain_code = ChainCode::new(chain_code);
            let middle = derive(&key, &chain_code, &path(&first)).unwrap();
            let end = derive(&middle.key, &middle.chain_code, &path(&second)).unwrap();
            let whole = derive(&key, &chain_code, &path(&[first.clone(), second.clone()].concat())).unwrap();
            prop_assert_eq!((whole.key, whole.chain_code), (end.key, end.chain_code));
            let scalar = |bytes| Option::<Scalar>::from(Scalar::from_canonical_bytes(bytes)).unwrap();
            prop_assert_eq!(scalar(whole.tweak), scalar(middle.tweak) + scalar(end.tweak));
            // The tweak added to the whole private key, as signers add it to their shares.
            let child = EdwardsPoint::mul_base(&(private + scalar(whole.tweak)));
            prop_assert_eq!(whole.key.as_bytes(), child.compress().0);

            for key in [secp256k1_key(secret), p256_key(secret)] {
                let middle = derive(&key, &chain_code, &path(&first)).unwrap();
                let end = derive(&middle.key, &middle.chain_code, &path(&second)).unwrap();
                let whole = derive(&key, &chain_code, &path(&[first.clone(), second.clone()].concat())).unwrap();
                prop_assert_eq!((whole.key, whole.chain_code), (end.key, end.chain_code));
            }
        }
    }
}
