//! The key of a wallet as a point of its curve.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use k256::elliptic_curve::sec1::ToEncodedPoint;
use serde::{Deserialize, Serialize};

use crate::hexadecimal::{self, display_as_hex};
use crate::public_key::{InvalidPublicKey, PublicKey, decode_edwards};
use crate::scheme::{Curve, Scheme};

/// The full point of a wallet: what its parties hold shares of, before a scheme drops or adds anything.
///
/// Always the canonical compressed encoding of a point of prime order: 33 bytes of SEC1 on secp256k1, 32 of RFC 8032 on
/// Ed25519.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey(Encoded);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Encoded {
    Secp256k1([u8; 33]),
    Ed25519([u8; 32]),
}

/// The wallet's curve is not the one of the scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key on {curve} has no public key in scheme {scheme}, which is on {}", .scheme.curve())]
pub struct SchemeMismatch {
    /// The wallet's curve.
    pub curve: Curve,
    /// The scheme that was asked for.
    pub scheme: Scheme,
}

impl GroupKey {
    /// The key on `curve` with this compressed encoding.
    ///
    /// # Errors
    /// When it is not the canonical encoding of a point of prime order.
    pub fn from_bytes(curve: Curve, bytes: &[u8]) -> Result<Self, InvalidPublicKey> {
        let length = |expected| InvalidPublicKey::Length { expected, got: bytes.len() };
        match curve {
            Curve::Secp256k1 => {
                let bytes = <[u8; 33]>::try_from(bytes).map_err(|_| length(33))?;
                // Of 33 bytes only the two compressed forms are read, and x is always checked against p.
                k256::PublicKey::from_sec1_bytes(&bytes).map_err(|_| InvalidPublicKey::NotAPoint)?;
                Ok(Self(Encoded::Secp256k1(bytes)))
            }
            Curve::Ed25519 => {
                let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| length(32))?;
                decode_edwards(&bytes)?;
                Ok(Self(Encoded::Ed25519(bytes)))
            }
        }
    }

    /// The key on `curve` with this text, hexadecimal behind `0x`.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], and when the text is not hexadecimal.
    pub fn from_hex(curve: Curve, text: &str) -> Result<Self, InvalidPublicKey> {
        Self::from_bytes(curve, &hexadecimal::decode(text)?)
    }

    pub(crate) fn from_secp256k1(point: &k256::AffinePoint) -> Option<Self> {
        let encoded = point.to_encoded_point(true);
        <[u8; 33]>::try_from(encoded.as_bytes()).ok().map(|bytes| Self(Encoded::Secp256k1(bytes)))
    }

    pub(crate) const fn from_ed25519(bytes: [u8; 32]) -> Self {
        Self(Encoded::Ed25519(bytes))
    }

    /// The curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        match self.0 {
            Encoded::Secp256k1(_) => Curve::Secp256k1,
            Encoded::Ed25519(_) => Curve::Ed25519,
        }
    }

    /// The compressed encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Encoded::Secp256k1(bytes) => bytes,
            Encoded::Ed25519(bytes) => bytes,
        }
    }

    /// The public key that verifies this wallet's signatures in `scheme`. BIP-340 drops the parity of y.
    ///
    /// # Errors
    /// When the scheme is on another curve.
    pub fn public_key(&self, scheme: Scheme) -> Result<PublicKey, SchemeMismatch> {
        let mismatch = SchemeMismatch { curve: self.curve(), scheme };
        let bytes = match (&self.0, scheme) {
            (Encoded::Secp256k1([_, x @ ..]), Scheme::Bip340) => x,
            (Encoded::Ed25519(bytes), Scheme::Ed25519) => bytes,
            _ => return Err(mismatch),
        };
        PublicKey::from_bytes(scheme, bytes).map_err(|_| mismatch)
    }
}

display_as_hex!(GroupKey);

impl BorshSerialize for GroupKey {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        BorshSerialize::serialize(&self.curve(), writer)?;
        writer.write_all(self.as_bytes())
    }
}

impl BorshDeserialize for GroupKey {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let curve = Curve::deserialize_reader(reader)?;
        let key = match curve {
            Curve::Secp256k1 => Self::from_bytes(curve, &<[u8; 33]>::deserialize_reader(reader)?),
            Curve::Ed25519 => Self::from_bytes(curve, &<[u8; 32]>::deserialize_reader(reader)?),
        };
        key.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "GroupKey")]
struct Text {
    curve: Curve,
    key: String,
}

impl Serialize for GroupKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Text { curve: self.curve(), key: self.to_string() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for GroupKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text { curve, key } = Text::deserialize(deserializer)?;
        Self::from_hex(curve, &key).map_err(serde::de::Error::custom)
    }
}
