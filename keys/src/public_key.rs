//! Public keys as their scheme writes them, and verification.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::traits::IsIdentity;
use ed25519_dalek::VerifyingKey;
use k256::schnorr;

use crate::hexadecimal::{self, HexError, display_as_hex};
use crate::scheme::Scheme;
use crate::signature::{InvalidSignature, Signature};

/// A public key under its scheme: the key that verifies signatures.
///
/// Always the canonical encoding of a point of prime order: Ed25519 as in RFC 8032, BIP-340 x-only; 32 bytes both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct PublicKey {
    scheme: Scheme,
    bytes: [u8; 32],
}

/// Why bytes are no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPublicKey {
    /// The scheme's keys have another size.
    #[error("wrong length: expected {expected} bytes, got {got}")]
    Length {
        /// Bytes of the scheme's keys.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// No point of the curve is encoded like this.
    #[error("not the encoding of a point of the curve")]
    NotAPoint,
    /// A point, but written in another than the one canonical way.
    #[error("not the canonical encoding of the point")]
    NotCanonical,
    /// The identity, or another point that a few additions bring back to it.
    #[error("the point is the identity or of small order")]
    SmallOrder,
    /// The point is the sum of one of prime order and one of small order.
    #[error("the point is not in the prime-order group")]
    MixedOrder,
    /// The text is not hexadecimal.
    #[error(transparent)]
    Hex(#[from] HexError),
}

impl PublicKey {
    /// The key of `scheme` with these bytes.
    ///
    /// # Errors
    /// When they are not the canonical encoding of a point of prime order.
    pub fn from_bytes(scheme: Scheme, bytes: &[u8]) -> Result<Self, InvalidPublicKey> {
        let bytes = <[u8; 32]>::try_from(bytes)
            .map_err(|_| InvalidPublicKey::Length { expected: 32, got: bytes.len() })?;
        match scheme {
            Scheme::Ed25519 => decode_edwards(&bytes).map(drop)?,
            Scheme::Bip340 => {
                schnorr::VerifyingKey::from_bytes(&bytes)
                    .map(drop)
                    .map_err(|_| InvalidPublicKey::NotAPoint)?;
            }
        }
        Ok(Self { scheme, bytes })
    }

    /// The key of `scheme` with this text, hexadecimal behind `0x`.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], and when the text is not hexadecimal.
    pub fn from_hex(scheme: Scheme, text: &str) -> Result<Self, InvalidPublicKey> {
        Self::from_bytes(scheme, &hexadecimal::decode(text)?)
    }

    /// The scheme in which this key verifies.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The canonical bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The canonical bytes, of which both schemes of today have 32.
    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Verifies `signature` over `message`, a message of any length in both schemes.
    ///
    /// Ed25519 is strict: no cofactor, `s` reduced, `R` canonical and not of small order. So whatever passes here
    /// passes every verifier in use.
    ///
    /// # Errors
    /// When the signature is not valid.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        let valid = match self.scheme {
            Scheme::Ed25519 => {
                let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
                VerifyingKey::from_bytes(&self.bytes)
                    .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
            }
            Scheme::Bip340 => schnorr::VerifyingKey::from_bytes(&self.bytes).is_ok_and(|key| {
                schnorr::Signature::try_from(signature.as_bytes().as_slice())
                    .is_ok_and(|signature| key.verify_raw(message, &signature).is_ok())
            }),
        };
        if valid { Ok(()) } else { Err(InvalidSignature) }
    }
}

display_as_hex!(PublicKey);

impl BorshDeserialize for PublicKey {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let scheme = Scheme::deserialize_reader(reader)?;
        let bytes = <[u8; 32]>::deserialize_reader(reader)?;
        Self::from_bytes(scheme, &bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

/// The point of prime order that `bytes` encode canonically.
pub(crate) fn decode_edwards(bytes: &[u8; 32]) -> Result<EdwardsPoint, InvalidPublicKey> {
    let point = CompressedEdwardsY(*bytes).decompress().ok_or(InvalidPublicKey::NotAPoint)?;
    if point.compress().0 != *bytes {
        return Err(InvalidPublicKey::NotCanonical);
    }
    if point.is_identity() || point.is_small_order() {
        return Err(InvalidPublicKey::SmallOrder);
    }
    if !point.is_torsion_free() {
        return Err(InvalidPublicKey::MixedOrder);
    }
    Ok(point)
}
