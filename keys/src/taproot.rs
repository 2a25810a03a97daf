//! Output keys of BIP-341.

use k256::elliptic_curve::PrimeField;
use k256::elliptic_curve::group::Group;
use k256::elliptic_curve::ops::MulByGenerator;
use k256::{ProjectivePoint, Scalar, schnorr};
use sha2::{Digest, Sha256};

use crate::group_key::GroupKey;
use crate::public_key::PublicKey;
use crate::scheme::Scheme;
use crate::weierstrass;

/// Why a key has no Taproot output key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TaprootError {
    /// The internal key is of another scheme.
    #[error("a Taproot internal key is a bip340 key, this one is {0}")]
    Scheme(Scheme),
    /// The hash is out of range, or the output key would be the identity. Chance: less than 2⁻¹²⁷.
    #[error("this internal key and merkle root have no output key")]
    NoKey,
}

/// The output key of `internal` for a script tree with this merkle root, or for none.
///
/// Returns the tweak (canonical, big-endian) and the output key, which is `lift_x(internal) + tweak·G`.
///
/// # Protocol
/// BIP-341, `taproot_tweak_pubkey`. With no script tree the hash is over the internal key alone, as BIP-341 advises
/// and BIP-86 demands.
///
/// # Errors
/// When the internal key is of another scheme.
pub fn tweak(
    internal: &PublicKey,
    merkle_root: Option<&[u8; 32]>,
) -> Result<([u8; 32], PublicKey), TaprootError> {
    let x_only = internal.x_only().ok_or(TaprootError::Scheme(internal.scheme()))?;
    output_key(x_only, merkle_root).ok_or(TaprootError::NoKey)
}

fn output_key(internal: &[u8; 32], merkle_root: Option<&[u8; 32]>) -> Option<([u8; 32], PublicKey)> {
    let tag = Sha256::digest(b"TapTweak");
    let mut hash = Sha256::new().chain_update(tag).chain_update(tag).chain_update(internal);
    if let Some(root) = merkle_root {
        hash.update(root);
    }
    let bytes: [u8; 32] = hash.finalize().into();
    let tweak = Option::<Scalar>::from(Scalar::from_repr(bytes.into()))?;
    let lifted = schnorr::VerifyingKey::from_bytes(internal).ok()?;
    let output = ProjectivePoint::mul_by_generator(&tweak) + ProjectivePoint::from(*lifted.as_affine());
    if bool::from(output.is_identity()) {
        return None;
    }
    let output = weierstrass::compress::<k256::Secp256k1>(&output.to_affine())?;
    let key = GroupKey::from_secp256k1(output).public_key(Scheme::Bip340).ok()?;
    Some((bytes, key))
}
