//! Public keys as their scheme writes them, and verification.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use k256::schnorr;

use crate::ecdsa::{self, NoRecoveryId};
use crate::hexadecimal::{self, HexError, display_as_hex};
use crate::lately;
use crate::scheme::Scheme;
use crate::signature::{InvalidSignature, Signature};
use crate::strict;
use crate::transcript::split;
use crate::weierstrass;

/// A public key under its scheme: the key that verifies signatures.
///
/// Always the canonical encoding of a point of prime order: Ed25519 as in RFC 8032, BIP-340 x-only, 32 bytes both; ECDSA
/// 65 bytes, the uncompressed form of SEC 1 (4, x, y).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(Encoded);

/// In the order of [`Scheme`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Encoded {
    Bip340([u8; 32]),
    Ed25519([u8; 32]),
    EcdsaSecp256k1([u8; 65]),
    EcdsaP256([u8; 65]),
}

/// The uncompressed point of an ECDSA key.
pub(crate) enum EcdsaKey<'a> {
    Secp256k1(&'a [u8; 65]),
    P256(&'a [u8; 65]),
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
        let array = || {
            <[u8; 32]>::try_from(bytes)
                .map_err(|_| InvalidPublicKey::Length { expected: 32, got: bytes.len() })
        };
        let encoded = match scheme {
            Scheme::Bip340 => {
                let bytes = array()?;
                schnorr::VerifyingKey::from_bytes(&bytes).map_err(|_| InvalidPublicKey::NotAPoint)?;
                Encoded::Bip340(bytes)
            }
            Scheme::Ed25519 => {
                let bytes = array()?;
                lately::decode_prime_order(&bytes)?;
                Encoded::Ed25519(bytes)
            }
            Scheme::EcdsaSecp256k1 => {
                Encoded::EcdsaSecp256k1(weierstrass::check_uncompressed::<k256::Secp256k1>(bytes)?)
            }
            Scheme::EcdsaP256 => {
                Encoded::EcdsaP256(weierstrass::check_uncompressed::<p256::NistP256>(bytes)?)
            }
        };
        Ok(Self(encoded))
    }

    /// The ECDSA key of a compressed point on secp256k1.
    pub(crate) fn ecdsa_secp256k1(compressed: &[u8; 33]) -> Option<Self> {
        let point = weierstrass::decode::<k256::Secp256k1>(compressed)?;
        weierstrass::uncompress::<k256::Secp256k1>(&point).map(|bytes| Self(Encoded::EcdsaSecp256k1(bytes)))
    }

    /// The ECDSA key of a compressed point on P-256.
    pub(crate) fn ecdsa_p256(compressed: &[u8; 33]) -> Option<Self> {
        let point = weierstrass::decode::<p256::NistP256>(compressed)?;
        weierstrass::uncompress::<p256::NistP256>(&point).map(|bytes| Self(Encoded::EcdsaP256(bytes)))
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
        match self.0 {
            Encoded::Bip340(_) => Scheme::Bip340,
            Encoded::Ed25519(_) => Scheme::Ed25519,
            Encoded::EcdsaSecp256k1(_) => Scheme::EcdsaSecp256k1,
            Encoded::EcdsaP256(_) => Scheme::EcdsaP256,
        }
    }

    /// The canonical bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Encoded::Bip340(bytes) | Encoded::Ed25519(bytes) => bytes,
            Encoded::EcdsaSecp256k1(bytes) | Encoded::EcdsaP256(bytes) => bytes,
        }
    }

    /// The compressed form of SEC 1, 33 bytes (2 or 3 as y is even or odd, x), of an ECDSA key. Others have none.
    #[must_use]
    pub fn compressed(&self) -> Option<[u8; 33]> {
        let (EcdsaKey::Secp256k1([_, x_y @ ..]) | EcdsaKey::P256([_, x_y @ ..])) = self.ecdsa()?;
        let (x, y) = split(x_y);
        let [.., lowest] = y;
        let mut compressed = [2 | (lowest & 1); 33];
        let [_, rest @ ..] = &mut compressed;
        *rest = x;
        Some(compressed)
    }

    /// The x coordinate of a BIP-340 key.
    pub(crate) const fn x_only(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Encoded::Bip340(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The point of an ECDSA key.
    pub(crate) const fn ecdsa(&self) -> Option<EcdsaKey<'_>> {
        match &self.0 {
            Encoded::EcdsaSecp256k1(bytes) => Some(EcdsaKey::Secp256k1(bytes)),
            Encoded::EcdsaP256(bytes) => Some(EcdsaKey::P256(bytes)),
            Encoded::Bip340(_) | Encoded::Ed25519(_) => None,
        }
    }

    /// Verifies `signature` over `message`: a message of any length, but in ECDSA the digest of 32 bytes, and nothing else.
    ///
    /// Ed25519 is strict: no cofactor, `s` reduced, `R` canonical and not of small order. ECDSA too: `r` and `s` from 1 to
    /// n − 1, and `s` low, at most half the order; [`ecdsa::low_s`] makes it so. So whatever passes here passes every
    /// verifier in use.
    ///
    /// # Errors
    /// When the signature is not valid.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        let valid = match &self.0 {
            Encoded::Ed25519(key) => lately::decode_prime_order(key)
                .is_ok_and(|key| strict::verify(&key, message, signature.as_bytes())),
            Encoded::Bip340(key) => schnorr::VerifyingKey::from_bytes(key).is_ok_and(|key| {
                schnorr::Signature::try_from(signature.as_bytes().as_slice())
                    .is_ok_and(|signature| key.verify_raw(message, &signature).is_ok())
            }),
            Encoded::EcdsaSecp256k1(key) => <&[u8; 32]>::try_from(message)
                .is_ok_and(|digest| ecdsa::verify::<k256::Secp256k1>(key, digest, signature)),
            Encoded::EcdsaP256(key) => <&[u8; 32]>::try_from(message)
                .is_ok_and(|digest| ecdsa::verify::<p256::NistP256>(key, digest, signature)),
        };
        if valid { Ok(()) } else { Err(InvalidSignature) }
    }

    /// [`PublicKey::verify`], and at no further cost the [`recovery id`](ecdsa::recovery_id) of the signature, if it has one.
    ///
    /// # Errors
    /// When the signature is not valid.
    pub fn verify_recoverable(
        &self,
        message: &[u8],
        signature: &Signature,
    ) -> Result<Option<u8>, InvalidSignature> {
        if self.ecdsa().is_none() {
            return self.verify(message, signature).map(|()| None);
        }
        let digest = message.try_into().map_err(|_| InvalidSignature)?;
        match ecdsa::recovery_id(self, digest, signature) {
            Ok(id) => Ok(Some(id)),
            Err(NoRecoveryId::Overflow) => Ok(None),
            Err(_) => Err(InvalidSignature),
        }
    }
}

display_as_hex!(PublicKey);

impl BorshSerialize for PublicKey {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        BorshSerialize::serialize(&self.scheme(), writer)?;
        writer.write_all(self.as_bytes())
    }
}

impl BorshDeserialize for PublicKey {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let scheme = Scheme::deserialize_reader(reader)?;
        let key = match scheme {
            Scheme::Bip340 | Scheme::Ed25519 => {
                Self::from_bytes(scheme, &<[u8; 32]>::deserialize_reader(reader)?)
            }
            Scheme::EcdsaSecp256k1 | Scheme::EcdsaP256 => {
                Self::from_bytes(scheme, &<[u8; 65]>::deserialize_reader(reader)?)
            }
        };
        key.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::EdwardsPoint;
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

    use super::*;

    fn ed25519(bytes: &[u8; 32]) -> Result<PublicKey, InvalidPublicKey> {
        PublicKey::from_bytes(Scheme::Ed25519, bytes)
    }

    #[test]
    fn points_outside_the_prime_order_group_are_no_ed25519_keys() {
        for torsion in EIGHT_TORSION {
            assert_eq!(ed25519(&torsion.compress().0), Err(InvalidPublicKey::SmallOrder));
        }
        for torsion in &EIGHT_TORSION[1..] {
            let mixed = ED25519_BASEPOINT_POINT + torsion;
            assert_eq!(ed25519(&mixed.compress().0), Err(InvalidPublicKey::MixedOrder));
        }
        assert!(ed25519(&ED25519_BASEPOINT_POINT.compress().0).is_ok());
    }

    #[test]
    fn foreign_encodings_are_no_ed25519_keys() {
        // y = p + 3, the identity with a negative x of zero, and a y that is on no point.
        let mut unreduced = [0xFF; 32];
        (unreduced[0], unreduced[31]) = (0xED + 3, 0x7F);
        assert_eq!(ed25519(&unreduced), Err(InvalidPublicKey::NotCanonical));
        let mut negative_zero = [0; 32];
        (negative_zero[0], negative_zero[31]) = (1, 0x80);
        assert_eq!(ed25519(&negative_zero), Err(InvalidPublicKey::NotCanonical));
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(ed25519(&off_curve), Err(InvalidPublicKey::NotAPoint));
    }

    #[test]
    fn lengths_and_texts_are_checked_in_every_scheme() {
        for (scheme, expected) in Scheme::ALL.into_iter().zip([32, 32, 65, 65]) {
            for got in [0, 31, 33, 64, 66] {
                let length = InvalidPublicKey::Length { expected, got };
                assert_eq!(PublicKey::from_bytes(scheme, &vec![2; got]), Err(length));
            }
            let text = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
            let missing = InvalidPublicKey::Hex(HexError::MissingPrefix);
            assert_eq!(PublicKey::from_hex(scheme, text), Err(missing));
        }
    }

    #[test]
    fn a_key_reads_what_it_writes() {
        let key = ed25519(&ED25519_BASEPOINT_POINT.compress().0).unwrap();
        assert_eq!(PublicKey::from_hex(key.scheme(), &key.to_string()), Ok(key));
        let bytes = borsh::to_vec(&key).unwrap();
        assert_eq!(PublicKey::try_from_slice(&bytes).unwrap(), key);
        let mixed = ED25519_BASEPOINT_POINT + EIGHT_TORSION[1];
        let bytes = borsh::to_vec(&(Scheme::Ed25519, mixed.compress().0)).unwrap();
        assert!(PublicKey::try_from_slice(&bytes).is_err());
    }

    /// Stores of released versions have these bytes.
    #[test]
    fn saved_keys_keep_loading() {
        for (scheme, saved) in [
            (Scheme::Bip340, "0079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
            (Scheme::Ed25519, "015866666666666666666666666666666666666666666666666666666666666666"),
        ] {
            let saved = hex::decode(saved).unwrap();
            let key = PublicKey::try_from_slice(&saved).unwrap();
            assert_eq!((key.scheme(), key.as_bytes()), (scheme, &saved[1..]));
            assert_eq!(borsh::to_vec(&key).unwrap(), saved);
        }
    }

    #[test]
    fn a_signature_is_for_one_key_message_and_scheme() {
        let signing = SigningKey::from_bytes(&[7; 32]);
        let key = ed25519(&signing.verifying_key().to_bytes()).unwrap();
        let signature = Signature::from_bytes(signing.sign(b"message").to_bytes());
        assert_eq!(key.verify(b"message", &signature), Ok(()));
        assert_eq!(key.verify(b"massage", &signature), Err(InvalidSignature));
        let other = ed25519(&SigningKey::from_bytes(&[8; 32]).verifying_key().to_bytes()).unwrap();
        assert_eq!(other.verify(b"message", &signature), Err(InvalidSignature));
        if let Ok(same_bytes) = PublicKey::from_bytes(Scheme::Bip340, key.as_bytes()) {
            assert_eq!(same_bytes.verify(b"message", &signature), Err(InvalidSignature));
        }
    }

    #[test]
    fn a_signature_with_a_nonce_of_small_order_is_refused() {
        // R = 0, s = k·a: valid for cofactored verifiers and for lax ones, refused by strict ones.
        use curve25519_dalek::Scalar;
        use sha2::{Digest, Sha512};
        let secret = Scalar::from(5_u8);
        let key = EdwardsPoint::mul_base(&secret).compress().0;
        let nonce = EIGHT_TORSION[0].compress().0;
        let hash = Sha512::new().chain_update(nonce).chain_update(key).chain_update(b"message");
        let response = Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * secret;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&nonce);
        signature[32..].copy_from_slice(&response.to_bytes());
        let lax = VerifyingKey::from_bytes(&key).unwrap();
        use ed25519_dalek::Verifier;
        assert!(lax.verify(b"message", &ed25519_dalek::Signature::from_bytes(&signature)).is_ok());
        let strict = ed25519(&key).unwrap().verify(b"message", &Signature::from_bytes(signature));
        assert_eq!(strict, Err(InvalidSignature));
    }
}
