//! Ed25519 identities of nodes.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRngCore;

use crate::hexadecimal::{decode_array, display_as_hex, serde_as_text};
use crate::lately;
use crate::secret::Secret;
use crate::strict;

/// The secret key of a node.
pub struct SigningIdentity(SigningKey);

impl SigningIdentity {
    /// A fresh identity.
    pub fn generate(rng: &mut dyn CryptoRngCore) -> Self {
        let mut seed = Secret::new([0; 32]);
        rng.fill_bytes(seed.expose_mut());
        Self::from_seed(&seed)
    }

    /// The identity with this seed (the private key of RFC 8032).
    #[must_use]
    pub fn from_seed(seed: &Secret<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(seed.expose()))
    }

    /// The seed, to be stored encrypted.
    #[must_use]
    pub fn seed(&self) -> Secret<[u8; 32]> {
        Secret::new(self.0.to_bytes())
    }

    /// The public identity.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity(self.0.verifying_key().to_bytes())
    }

    /// An Ed25519 signature (RFC 8032), deterministic.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningIdentity({})", self.identity())
    }
}

/// A public identity: an Ed25519 public key, 32 bytes, `0x` and 64 hex digits in text.
///
/// It is always the canonical encoding of a point that is not of small order. A component of small order beside a large
/// one is not searched for, as it costs a scalar multiplication on every decode: such a key has one owner like any
/// other, and all verification here is strict, so no two verifiers can be made to disagree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Identity([u8; 32]);

impl Identity {
    /// An identity from its 32 bytes.
    ///
    /// # Errors
    /// [`InvalidIdentity`] when they are not the canonical encoding of a point, or the point is of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, InvalidIdentity> {
        lately::decode(&bytes).map(|_| Self(bytes)).map_err(|_| InvalidIdentity)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this identity signed the message (strict verification: no small-order or non-canonical parts).
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        lately::decode(&self.0).is_ok_and(|key| strict::verify(&key, message, signature))
    }
}

impl FromStr for Identity {
    type Err = InvalidIdentity;

    fn from_str(text: &str) -> Result<Self, InvalidIdentity> {
        Self::from_bytes(decode_array(text).map_err(|_| InvalidIdentity)?)
    }
}

display_as_hex!(Identity);
serde_as_text!(Identity);

impl BorshDeserialize for Identity {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let bytes = <[u8; 32]>::deserialize_reader(reader)?;
        Self::from_bytes(bytes).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
    }
}

/// Not an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an identity: expected 0x and the 64 hex digits of an Ed25519 public key that is not of small order"
)]
pub struct InvalidIdentity;

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn signs_and_verifies() {
        let key = SigningIdentity::generate(&mut OsRng);
        let identity = key.identity();
        let signature = key.sign(b"message");
        assert!(identity.verify(b"message", &signature));
        assert!(!identity.verify(b"messagf", &signature));
        for at in 0..64 {
            let mut flipped = signature;
            flipped[at] ^= 1;
            assert!(!identity.verify(b"message", &flipped));
        }
        assert_eq!(SigningIdentity::from_seed(&key.seed()).identity(), identity);
        assert!(!format!("{key:?}").contains(&hex::encode(key.seed().expose())));
    }

    #[test]
    fn encodings_round_trip_and_small_order_points_are_refused() {
        let identity = SigningIdentity::generate(&mut OsRng).identity();
        assert_eq!(identity.to_string().parse(), Ok(identity));
        assert_eq!(borsh::from_slice::<Identity>(&borsh::to_vec(&identity).unwrap()).unwrap(), identity);
        assert_eq!(
            serde_json::from_str::<Identity>(&serde_json::to_string(&identity).unwrap()).unwrap(),
            identity
        );
        let mut one = [0; 32];
        one[0] = 1;
        // The identity element, a point of order two, and no point at all.
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        // y = p + 3, not reduced.
        let mut unreduced = [0xff; 32];
        unreduced[0] = 0xed + 3;
        unreduced[31] = 0x7f;
        let torsion = curve25519_dalek::constants::EIGHT_TORSION.map(|point| point.compress().0);
        for bytes in [one, minus_one, [2; 32], unreduced].into_iter().chain(torsion) {
            assert_eq!(Identity::from_bytes(bytes), Err(InvalidIdentity));
            assert!(borsh::from_slice::<Identity>(&bytes).is_err());
            assert!(format!("0x{}", hex::encode(bytes)).parse::<Identity>().is_err());
        }
        assert!(identity.to_string()[2..].parse::<Identity>().is_err());
        assert!("0x00".parse::<Identity>().is_err());
    }
}
