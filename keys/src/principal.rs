//! Who asks or approves: a public key of one of two kinds, and the secret key to it.
//!
//! Nodes are always Ed25519, an [`Identity`]. Initiators and authorizers may as well have a key on P-256, which is what
//! key-management services and security keys hold.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use p256::NistP256;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{self as library, SigningKey};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};

use crate::ecdsa;
use crate::hexadecimal::{self, display_as_hex, serde_as_text};
use crate::identity::{Identity, SigningIdentity};
use crate::lately;
use crate::scheme::Scheme;
use crate::secret::Secret;
use crate::signature::Signature;
use crate::weierstrass;

/// The two kinds of keys that may ask or approve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ECDSA on P-256 with SHA-256.
    P256,
}

impl KeyType {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::P256];

    /// Its name among the signature algorithms of RFC 9421.
    #[must_use]
    pub const fn algorithm(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "ecdsa-p256-sha256",
        }
    }
}

/// The public key of somebody who asks or approves.
///
/// Ed25519: 32 bytes, as an [`Identity`]. P-256: the compressed form of SEC 1, 33 bytes that begin with 2 or 3. In text
/// `0x` and 64 or 66 hexadecimal digits.
///
/// It is always the one canonical encoding of a point that is neither the identity nor of small order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(Key);

/// In the order of [`KeyType`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Ed25519(Identity),
    P256([u8; 33]),
}

impl Principal {
    /// The key with these bytes. Their number says which kind it is.
    ///
    /// # Errors
    /// When they are not the canonical encoding of a key of either kind.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPrincipal> {
        if let Ok(bytes) = <[u8; 32]>::try_from(bytes) {
            let identity = Identity::from_bytes(bytes).map_err(|_| InvalidPrincipal::Ed25519)?;
            return Ok(Self(Key::Ed25519(identity)));
        }
        match bytes {
            [2 | 3, ..] if bytes.len() == 33 => {
                let bytes = <[u8; 33]>::try_from(bytes).map_err(|_| InvalidPrincipal::Form)?;
                lately::decode_p256(&bytes).ok_or(InvalidPrincipal::P256)?;
                Ok(Self(Key::P256(bytes)))
            }
            [4, ..] if bytes.len() == 65 => Err(InvalidPrincipal::Uncompressed),
            _ => Err(InvalidPrincipal::Form),
        }
    }

    /// The 32 or 33 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Key::Ed25519(identity) => identity.as_bytes(),
            Key::P256(bytes) => bytes,
        }
    }

    /// Which kind of key it is.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self.0 {
            Key::Ed25519(_) => KeyType::Ed25519,
            Key::P256(_) => KeyType::P256,
        }
    }

    /// The name of its signature algorithm in RFC 9421: `ed25519` or `ecdsa-p256-sha256`.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        self.key_type().algorithm()
    }

    /// The same key as an identity, which those on P-256 are not.
    #[must_use]
    pub const fn identity(&self) -> Option<Identity> {
        match self.0 {
            Key::Ed25519(identity) => Some(identity),
            Key::P256(_) => None,
        }
    }

    /// Whether this key signed the message.
    ///
    /// Ed25519 is strict, as [`Identity::verify`]. ECDSA is that of RFC 9421, section 3.3.4: over the SHA-256 of the
    /// message, r‖s of 32 bytes each, big-endian, both from 1 to n − 1. A high s is valid, too: key-management services do
    /// not lower it. So whoever sees a signature can make a second one of it, for the same message; nothing may take the
    /// bytes of a signature for the name of what was signed.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        match &self.0 {
            Key::Ed25519(identity) => identity.verify(message, signature),
            Key::P256(bytes) => {
                let low = ecdsa::low_s(Scheme::EcdsaP256, &Signature::from_bytes(*signature));
                lately::decode_p256(bytes).zip(low).is_some_and(|(key, low)| {
                    ecdsa::verify::<NistP256>(&key, &Sha256::digest(message).into(), &low)
                })
            }
        }
    }
}

impl From<Identity> for Principal {
    fn from(identity: Identity) -> Self {
        Self(Key::Ed25519(identity))
    }
}

impl FromStr for Principal {
    type Err = InvalidPrincipal;

    fn from_str(text: &str) -> Result<Self, InvalidPrincipal> {
        Self::from_bytes(&hexadecimal::decode(text).map_err(|_| InvalidPrincipal::Form)?)
    }
}

display_as_hex!(Principal);
serde_as_text!(Principal);

/// The kind, 0 or 1, and the bytes.
impl BorshSerialize for Principal {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let kind: u8 = match self.0 {
            Key::Ed25519(_) => 0,
            Key::P256(_) => 1,
        };
        kind.serialize(writer)?;
        writer.write_all(self.as_bytes())
    }
}

impl BorshDeserialize for Principal {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let invalid = |error: InvalidPrincipal| io::Error::new(io::ErrorKind::InvalidData, error);
        match u8::deserialize_reader(reader)? {
            0 => Identity::deserialize_reader(reader).map(Self::from),
            1 => Self::from_bytes(&<[u8; 33]>::deserialize_reader(reader)?).map_err(invalid),
            _ => Err(invalid(InvalidPrincipal::Form)),
        }
    }
}

/// Why something is no public key of somebody who asks or approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPrincipal {
    /// Of neither kind.
    #[error(
        "not a public key: expected 0x and 64 hex digits (Ed25519), or 0x and 66 that begin with 02 or 03 (P-256, compressed)"
    )]
    Form,
    /// Of the length of an Ed25519 key.
    #[error(
        "not an Ed25519 public key: 64 digits, but not the encoding of a point that is not of small order"
    )]
    Ed25519,
    /// Of the form of a key on P-256.
    #[error("not a public key on P-256: 66 digits, but not the encoding of a point")]
    P256,
    /// The uncompressed form of a key on P-256.
    #[error(
        "this is the uncompressed form of a public key on P-256: give the compressed one, 66 hex digits after 0x"
    )]
    Uncompressed,
}

/// The secret key of somebody who asks or approves.
pub struct SigningPrincipal(SecretKey);

enum SecretKey {
    Ed25519(SigningIdentity),
    // Erases itself when dropped.
    P256(SigningKey),
}

impl SigningPrincipal {
    /// A fresh key.
    pub fn generate(key_type: KeyType, mut rng: &mut dyn CryptoRngCore) -> Self {
        Self(match key_type {
            KeyType::Ed25519 => SecretKey::Ed25519(SigningIdentity::generate(rng)),
            KeyType::P256 => SecretKey::P256(SigningKey::random(&mut rng)),
        })
    }

    /// The key with this secret: the seed of an Ed25519 key, or the scalar of one on P-256, big-endian.
    ///
    /// # Errors
    /// When it is no scalar of P-256 from 1 to n − 1.
    pub fn from_secret(key_type: KeyType, secret: &Secret<[u8; 32]>) -> Result<Self, InvalidSecret> {
        Ok(Self(match key_type {
            KeyType::Ed25519 => SecretKey::Ed25519(SigningIdentity::from_seed(secret)),
            KeyType::P256 => {
                let key = SigningKey::from_bytes(secret.expose().into()).map_err(|_| InvalidSecret)?;
                SecretKey::P256(key)
            }
        }))
    }

    /// What [`SigningPrincipal::from_secret`] takes, to be stored encrypted.
    #[must_use]
    pub fn secret(&self) -> Secret<[u8; 32]> {
        match &self.0 {
            SecretKey::Ed25519(key) => key.seed(),
            SecretKey::P256(key) => {
                let mut secret = Secret::new([0; 32]);
                let mut bytes = key.to_bytes();
                secret.expose_mut().copy_from_slice(&bytes);
                zeroize::Zeroize::zeroize(bytes.as_mut_slice());
                secret
            }
        }
    }

    /// The public key.
    #[must_use]
    pub fn principal(&self) -> Principal {
        Principal(match &self.0 {
            SecretKey::Ed25519(key) => Key::Ed25519(key.identity()),
            SecretKey::P256(key) => {
                let point = key.verifying_key().as_affine();
                // A public key is not the identity, the only point without a compressed form of 33 bytes.
                Key::P256(weierstrass::compress::<NistP256>(point).unwrap_or([0; 33]))
            }
        })
    }

    /// A signature, deterministic: RFC 8032, or ECDSA with the nonce of RFC 6979 and low s, r‖s. Constant time.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        match &self.0 {
            SecretKey::Ed25519(key) => key.sign(message),
            SecretKey::P256(key) => {
                let signature: library::Signature = key.sign(message);
                signature.normalize_s().unwrap_or(signature).to_bytes().into()
            }
        }
    }

    /// The same key as that of an identity, which those on P-256 are not.
    #[must_use]
    pub fn into_identity(self) -> Option<SigningIdentity> {
        match self.0 {
            SecretKey::Ed25519(key) => Some(key),
            SecretKey::P256(_) => None,
        }
    }
}

impl From<SigningIdentity> for SigningPrincipal {
    fn from(identity: SigningIdentity) -> Self {
        Self(SecretKey::Ed25519(identity))
    }
}

impl fmt::Debug for SigningPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningPrincipal({})", self.principal())
    }
}

/// Not a secret key on P-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a secret key on P-256: expected a number from 1 to the group order minus 1")]
pub struct InvalidSecret;

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn keys_of_both_kinds_sign_and_verify() {
        for key_type in KeyType::ALL {
            let key = SigningPrincipal::generate(key_type, &mut OsRng);
            let principal = key.principal();
            assert_eq!((principal.key_type(), principal.algorithm()), (key_type, key_type.algorithm()));
            let signature = key.sign(b"message");
            assert_eq!(signature, key.sign(b"message"));
            assert!(principal.verify(b"message", &signature));
            assert!(!principal.verify(b"messagf", &signature));
            for at in 0..64 {
                let mut flipped = signature;
                flipped[at] ^= 1;
                assert!(!principal.verify(b"message", &flipped));
            }
            let other = SigningPrincipal::generate(key_type, &mut OsRng).principal();
            assert!(!other.verify(b"message", &signature));
            let again = SigningPrincipal::from_secret(key_type, &key.secret()).unwrap();
            assert_eq!(again.principal(), principal);
            assert!(!format!("{key:?}").contains(&hex::encode(key.secret().expose())));
        }
    }

    #[test]
    fn an_ed25519_principal_is_an_identity() {
        let identity = SigningIdentity::generate(&mut OsRng);
        let (public, seed) = (identity.identity(), identity.seed());
        let principal = Principal::from(public);
        assert_eq!(principal.to_string(), public.to_string());
        assert_eq!(principal.as_bytes(), public.as_bytes());
        assert_eq!(principal.identity(), Some(public));
        let key = SigningPrincipal::from(identity);
        assert_eq!(key.principal(), principal);
        assert!(bool::from(key.secret().ct_eq(&seed)));
        assert_eq!(key.into_identity().unwrap().identity(), public);
        let p256 = SigningPrincipal::generate(KeyType::P256, &mut OsRng);
        assert_eq!(p256.principal().identity(), None);
        assert!(p256.into_identity().is_none());
    }

    #[test]
    fn encodings_round_trip_and_have_their_length() {
        for (key_type, tag, length) in [(KeyType::Ed25519, 0, 32), (KeyType::P256, 1, 33)] {
            let principal = SigningPrincipal::generate(key_type, &mut OsRng).principal();
            let text = principal.to_string();
            assert_eq!((principal.as_bytes().len(), text.len()), (length, 2 + 2 * length));
            assert_eq!(text.parse(), Ok(principal));
            assert_eq!(Principal::from_bytes(principal.as_bytes()), Ok(principal));
            let json = serde_json::to_string(&principal).unwrap();
            assert_eq!(serde_json::from_str::<Principal>(&json).unwrap(), principal);
            let bytes = borsh::to_vec(&principal).unwrap();
            assert_eq!((bytes[0], &bytes[1..]), (tag, principal.as_bytes()));
            assert_eq!(borsh::from_slice::<Principal>(&bytes).unwrap(), principal);
            for end in 0..bytes.len() {
                assert!(borsh::from_slice::<Principal>(&bytes[..end]).is_err());
            }
            let other = [&[2], &bytes[1..]].concat();
            assert!(borsh::from_slice::<Principal>(&other).is_err());
        }
    }

    #[test]
    fn what_is_no_point_and_every_second_encoding_is_refused() {
        let key = SigningPrincipal::generate(KeyType::P256, &mut OsRng).principal();
        let bytes: [u8; 33] = key.as_bytes().try_into().unwrap();
        // Any other tag: the identity's, the compact one, those of uncompressed and hybrid points.
        for tag in (0..=255).filter(|tag| ![2, 3].contains(tag)) {
            let mut changed = bytes;
            changed[0] = tag;
            assert_eq!(Principal::from_bytes(&changed), Err(InvalidPrincipal::Form), "{tag}");
        }
        // The other root is another key.
        let mut negated = bytes;
        negated[0] ^= 1;
        assert_ne!(Principal::from_bytes(&negated).unwrap(), key);
        let mut off_curve = [0; 33];
        (off_curve[0], off_curve[32]) = (2, 1);
        let mut unreduced = [0xff; 33];
        unreduced[0] = 2;
        for _ in 0..2 {
            for bytes in [off_curve, unreduced] {
                assert_eq!(Principal::from_bytes(&bytes), Err(InvalidPrincipal::P256));
                assert!(borsh::from_slice::<Principal>(&[&[1], &bytes[..]].concat()).is_err());
            }
        }
        assert_eq!(Principal::from_bytes(&[0]), Err(InvalidPrincipal::Form));
        assert_eq!(Principal::from_bytes(&[]), Err(InvalidPrincipal::Form));
        let mut one = [0; 32];
        one[0] = 1;
        assert_eq!(Principal::from_bytes(&one), Err(InvalidPrincipal::Ed25519));
        let point = weierstrass::decode::<NistP256>(&bytes).unwrap();
        let uncompressed = weierstrass::uncompress::<NistP256>(&point).unwrap();
        assert_eq!(Principal::from_bytes(&uncompressed), Err(InvalidPrincipal::Uncompressed));
        for text in ["", "0x", "0x02", &hex::encode(bytes), &format!("0x{}", "zz".repeat(33))] {
            assert_eq!(text.parse::<Principal>(), Err(InvalidPrincipal::Form), "{text}");
        }
    }

    #[test]
    fn a_secret_is_a_number_below_the_order() {
        let order = hex::decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").unwrap();
        let order: [u8; 32] = order.try_into().unwrap();
        for bytes in [[0; 32], order, [0xff; 32]] {
            let refused = SigningPrincipal::from_secret(KeyType::P256, &Secret::new(bytes));
            assert_eq!(refused.unwrap_err(), InvalidSecret);
            assert!(SigningPrincipal::from_secret(KeyType::Ed25519, &Secret::new(bytes)).is_ok());
        }
        let mut greatest = order;
        greatest[31] -= 1;
        assert!(SigningPrincipal::from_secret(KeyType::P256, &Secret::new(greatest)).is_ok());
    }
}
