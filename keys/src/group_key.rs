//! The key of a wallet as a point of its curve.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::hexadecimal::{self, display_as_hex};
use crate::lately;
use crate::public_key::{InvalidPublicKey, PublicKey};
use crate::scheme::{Curve, Scheme};
use crate::weierstrass;

/// The full point of a wallet: what its parties hold shares of, before a scheme drops or adds anything.
///
/// Always the canonical compressed encoding of a point of prime order: 33 bytes of SEC1 on secp256k1 and P-256, 32 of
/// RFC 8032 on Ed25519.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey(Encoded);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Encoded {
    Secp256k1([u8; 33]),
    Ed25519([u8; 32]),
    P256([u8; 33]),
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
        match curve {
            Curve::Secp256k1 => {
                weierstrass::check_compressed::<k256::Secp256k1>(bytes).map(Self::from_secp256k1)
            }
            Curve::Ed25519 => {
                let bytes = <[u8; 32]>::try_from(bytes)
                    .map_err(|_| InvalidPublicKey::Length { expected: 32, got: bytes.len() })?;
                lately::decode_prime_order(&bytes)?;
                Ok(Self::from_ed25519(bytes))
            }
            Curve::P256 => weierstrass::check_compressed::<p256::NistP256>(bytes).map(Self::from_p256),
        }
    }

    /// The key on `curve` with this text, hexadecimal behind `0x`.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], and when the text is not hexadecimal.
    pub fn from_hex(curve: Curve, text: &str) -> Result<Self, InvalidPublicKey> {
        Self::from_bytes(curve, &hexadecimal::decode(text)?)
    }

    pub(crate) const fn from_secp256k1(bytes: [u8; 33]) -> Self {
        Self(Encoded::Secp256k1(bytes))
    }

    pub(crate) const fn from_ed25519(bytes: [u8; 32]) -> Self {
        Self(Encoded::Ed25519(bytes))
    }

    pub(crate) const fn from_p256(bytes: [u8; 33]) -> Self {
        Self(Encoded::P256(bytes))
    }

    /// The curve.
    #[must_use]
    pub const fn curve(&self) -> Curve {
        match self.0 {
            Encoded::Secp256k1(_) => Curve::Secp256k1,
            Encoded::Ed25519(_) => Curve::Ed25519,
            Encoded::P256(_) => Curve::P256,
        }
    }

    /// The compressed encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Encoded::Secp256k1(bytes) | Encoded::P256(bytes) => bytes,
            Encoded::Ed25519(bytes) => bytes,
        }
    }

    /// The public key that verifies this wallet's signatures in `scheme`. BIP-340 drops the parity of y, ECDSA adds the
    /// whole of y.
    ///
    /// # Errors
    /// When the scheme is on another curve.
    pub fn public_key(&self, scheme: Scheme) -> Result<PublicKey, SchemeMismatch> {
        let mismatch = SchemeMismatch { curve: self.curve(), scheme };
        let key = match (&self.0, scheme) {
            (Encoded::Secp256k1([_, x @ ..]), Scheme::Bip340) => PublicKey::from_bytes(scheme, x).ok(),
            (Encoded::Secp256k1(bytes), Scheme::EcdsaSecp256k1) => PublicKey::ecdsa_secp256k1(bytes),
            (Encoded::Ed25519(bytes), Scheme::Ed25519) => PublicKey::from_bytes(scheme, bytes).ok(),
            (Encoded::P256(bytes), Scheme::EcdsaP256) => PublicKey::ecdsa_p256(bytes),
            _ => None,
        };
        key.ok_or(mismatch)
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
            Curve::Secp256k1 | Curve::P256 => {
                Self::from_bytes(curve, &<[u8; 33]>::deserialize_reader(reader)?)
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATOR: &str = "0x0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    const BASE: &str = "0x5866666666666666666666666666666666666666666666666666666666666666";

    const P256: &str = "0x036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";

    #[test]
    fn a_key_reads_what_it_writes() {
        for (curve, text) in [(Curve::Secp256k1, GENERATOR), (Curve::Ed25519, BASE), (Curve::P256, P256)] {
            let key = GroupKey::from_hex(curve, text).unwrap();
            assert_eq!((key.curve(), key.to_string().as_str()), (curve, text));
            let bytes = borsh::to_vec(&key).unwrap();
            assert_eq!(GroupKey::try_from_slice(&bytes).unwrap(), key);
            assert!(GroupKey::try_from_slice(&bytes[..bytes.len() - 1]).is_err());
            let json = serde_json::to_string(&key).unwrap();
            assert_eq!(json, format!(r#"{{"curve":"{curve}","key":"{text}"}}"#));
            assert_eq!(serde_json::from_str::<GroupKey>(&json).unwrap(), key);
        }
    }

    #[test]
    fn a_key_has_public_keys_in_the_schemes_of_its_curve_only() {
        let secp256k1 = GroupKey::from_hex(Curve::Secp256k1, GENERATOR).unwrap();
        let ed25519 = GroupKey::from_hex(Curve::Ed25519, BASE).unwrap();
        assert_eq!(secp256k1.public_key(Scheme::Bip340).unwrap().as_bytes(), &secp256k1.as_bytes()[1..]);
        assert_eq!(ed25519.public_key(Scheme::Ed25519).unwrap().as_bytes(), ed25519.as_bytes());
        let p256 = GroupKey::from_hex(Curve::P256, P256).unwrap();
        for (key, scheme) in [(secp256k1, Scheme::EcdsaSecp256k1), (p256, Scheme::EcdsaP256)] {
            let public = key.public_key(scheme).unwrap();
            assert_eq!(public.compressed().unwrap(), key.as_bytes());
        }
        for key in [secp256k1, ed25519, p256] {
            for scheme in Scheme::ALL.into_iter().filter(|scheme| scheme.curve() != key.curve()) {
                assert_eq!(key.public_key(scheme), Err(SchemeMismatch { curve: key.curve(), scheme }));
            }
        }
    }

    #[test]
    fn only_compressed_points_are_keys_on_secp256k1_and_p256() {
        // An x that is on no point.
        for (curve, text, off_curve) in [(Curve::Secp256k1, GENERATOR, 5), (Curve::P256, P256, 7)] {
            let key = GroupKey::from_hex(curve, text).unwrap();
            for tag in (0..=255).filter(|tag| !matches!(tag, 2 | 3)) {
                let mut bytes = key.as_bytes().to_vec();
                bytes[0] = tag;
                let refused = GroupKey::from_bytes(curve, &bytes);
                assert_eq!(refused, Err(InvalidPublicKey::NotCanonical), "tag {tag}");
            }
            // The identity as the curves' crates write it.
            assert!(GroupKey::from_bytes(curve, &[0; 33]).is_err());
            let mut bytes = [0; 33];
            (bytes[0], bytes[32]) = (2, off_curve);
            assert_eq!(GroupKey::from_bytes(curve, &bytes), Err(InvalidPublicKey::NotAPoint));
            // An x that is not below p.
            bytes[1..].fill(0xFF);
            assert_eq!(GroupKey::from_bytes(curve, &bytes), Err(InvalidPublicKey::NotAPoint));
            let length = InvalidPublicKey::Length { expected: 33, got: 32 };
            assert_eq!(GroupKey::from_bytes(curve, &key.as_bytes()[1..]), Err(length));
        }
        assert_eq!(
            GroupKey::from_hex(Curve::Ed25519, GENERATOR),
            Err(InvalidPublicKey::Length { expected: 32, got: 33 })
        );
    }

    #[test]
    fn unknown_fields_and_other_curves_are_refused() {
        for json in [
            format!(r#"{{"curve":"ed25519","key":"{GENERATOR}"}}"#),
            format!(r#"{{"curve":"p256","key":"{GENERATOR}"}}"#),
            format!(r#"{{"curve":"secp256k1","key":"{GENERATOR}","more":1}}"#),
            r#"{"curve":"secp256k1","key":"79be"}"#.into(),
        ] {
            assert!(serde_json::from_str::<GroupKey>(&json).is_err(), "{json}");
        }
    }
}
