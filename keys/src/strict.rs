//! Strict verification of Ed25519 signatures, with one square root less than the library's.
//!
//! The library's strict verification decodes `R` for nothing but to see that it is not of small order. Its plain one compares
//! `R`, byte by byte, with the canonical encoding of the point that the equation gives: there a point of small order
//! passes only in one of eight encodings, which are as easily compared.

use std::sync::LazyLock;

use curve25519_dalek::constants::EIGHT_TORSION;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};

static SMALL_ORDER: LazyLock<[[u8; 32]; 8]> = LazyLock::new(|| EIGHT_TORSION.map(|point| point.compress().0));

/// Whether `signature` is a strictly valid one of `message` by `key`, which must not be of small order: no cofactor, `s`
/// reduced, `R` canonical and not of small order.
pub(crate) fn verify(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let signature = Signature::from_bytes(signature);
    !SMALL_ORDER.contains(signature.r_bytes()) && key.verify(message, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::{EdwardsPoint, Scalar};
    use ed25519_dalek::{Signer, SigningKey};
    use sha2::{Digest, Sha512};

    use super::*;

    /// Verifies with both, which must agree.
    fn both(key: &VerifyingKey, message: &[u8], signature: &[u8; 64]) -> bool {
        let theirs = key.verify_strict(message, &Signature::from_bytes(signature)).is_ok();
        assert_eq!(verify(key, message, signature), theirs, "{key:?} {message:?} {}", hex::encode(signature));
        theirs
    }

    #[test]
    fn agrees_with_the_library_on_good_signatures_and_on_all_their_neighbours() {
        let signer = SigningKey::from_bytes(&[7; 32]);
        let key = signer.verifying_key();
        let signature = signer.sign(b"message").to_bytes();
        assert!(both(&key, b"message", &signature));
        assert!(!both(&key, b"massage", &signature));
        for bit in 0..512 {
            let mut flipped = signature;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!both(&key, b"message", &flipped), "bit {bit}");
        }
        // s + l, which is another encoding of the same number.
        let mut unreduced = signature;
        let order = hex::decode("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010").unwrap();
        let mut carry = 0;
        for (byte, order) in unreduced[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(!both(&key, b"message", &unreduced));
    }

    #[test]
    fn agrees_with_the_library_on_signatures_whose_r_is_of_small_order() {
        let secret = Scalar::from(123_456_789_u64);
        let challenge = |r: &[u8; 32], key: &VerifyingKey, message: &[u8]| {
            Scalar::from_hash(
                Sha512::new().chain_update(r).chain_update(key.as_bytes()).chain_update(message),
            )
        };
        let mut found = 0;
        for torsion in EIGHT_TORSION {
            // Of mixed order: s·B - k·A = -k·T for s = k·a, so every R of small order fits some message.
            let key = (EdwardsPoint::mul_base(&secret) + torsion).compress().0;
            let key = VerifyingKey::from_bytes(&key).unwrap();
            for r in EIGHT_TORSION.map(|point| point.compress().0) {
                for message in 0..64_u8 {
                    let s = challenge(&r, &key, &[message]) * secret;
                    let mut signature = [0; 64];
                    signature[..32].copy_from_slice(&r);
                    signature[32..].copy_from_slice(s.as_bytes());
                    let plain = key.verify(&[message], &Signature::from_bytes(&signature)).is_ok();
                    assert!(!both(&key, &[message], &signature));
                    found += u32::from(plain);
                }
            }
        }
        // The plain verification takes these.
        assert!(found > 100, "{found}");
    }
}
