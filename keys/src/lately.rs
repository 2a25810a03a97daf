//! Keys that this thread has decoded lately.
//!
//! A node reads the same few keys thousands of times a second: its peers' identities, its wallets' keys, its initiators'.
//! To decode one of Ed25519 takes a square root and an inversion, and to see that it is of prime order a scalar
//! multiplication; one of P-256 takes a square root. What was found once needs no second proof. Everything here is public.

use std::cell::RefCell;
use std::collections::VecDeque;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::VerifyingKey;

use crate::public_key::InvalidPublicKey;
use crate::weierstrass;

/// A key has its place among one shelf's; the one that came first makes room.
const SHELVES: usize = 32;
const PLACES: usize = 8;

#[derive(Clone, Copy)]
struct Known {
    key: VerifyingKey,
    /// Whether it was seen to be of prime order; all are canonical, and none is of small order.
    prime_order: bool,
}

/// A point of P-256: compressed, and with both coordinates.
type KnownP256 = ([u8; 33], [u8; 65]);

thread_local! {
    static LATELY: RefCell<Vec<VecDeque<Known>>> = const { RefCell::new(Vec::new()) };
    /// Far fewer than those: one for each initiator. So one shelf is enough.
    static LATELY_P256: RefCell<VecDeque<KnownP256>> = const { RefCell::new(VecDeque::new()) };
}

fn shelf(bytes: &[u8; 32]) -> usize {
    usize::from(bytes[0]) % SHELVES
}

fn recall(bytes: &[u8; 32]) -> Option<Known> {
    LATELY.with_borrow(|lately| {
        lately.get(shelf(bytes))?.iter().find(|known| known.key.as_bytes() == bytes).copied()
    })
}

fn remember(known: Known) {
    LATELY.with_borrow_mut(|lately| {
        lately.resize_with(SHELVES, VecDeque::new);
        let Some(shelf) = lately.get_mut(shelf(known.key.as_bytes())) else { return };
        shelf.retain(|other| other.key != known.key);
        if shelf.len() >= PLACES {
            shelf.pop_front();
        }
        shelf.push_back(known);
    });
}

/// The key that `bytes` encode canonically, of any but small order.
pub(crate) fn decode(bytes: &[u8; 32]) -> Result<VerifyingKey, InvalidPublicKey> {
    if let Some(known) = recall(bytes) {
        return Ok(known.key);
    }
    let key = decode_afresh(bytes)?;
    remember(Known { key, prime_order: false });
    Ok(key)
}

/// The key of prime order that `bytes` encode canonically.
pub(crate) fn decode_prime_order(bytes: &[u8; 32]) -> Result<VerifyingKey, InvalidPublicKey> {
    let known = recall(bytes);
    if let Some(Known { key, prime_order: true }) = known {
        return Ok(key);
    }
    let key = known.map_or_else(|| decode_afresh(bytes), |known| Ok(known.key))?;
    if !key.to_edwards().is_torsion_free() {
        return Err(InvalidPublicKey::MixedOrder);
    }
    remember(Known { key, prime_order: true });
    Ok(key)
}

/// The uncompressed form of the point of P-256 with this compressed one.
pub(crate) fn decode_p256(compressed: &[u8; 33]) -> Option<[u8; 65]> {
    LATELY_P256.with_borrow_mut(|lately| {
        if let Some((_, known)) = lately.iter().find(|(known, _)| known == compressed) {
            return Some(*known);
        }
        let point = weierstrass::decode::<p256::NistP256>(compressed)?;
        let uncompressed = weierstrass::uncompress::<p256::NistP256>(&point)?;
        if lately.len() >= SHELVES {
            lately.pop_front();
        }
        lately.push_back((*compressed, uncompressed));
        Some(uncompressed)
    })
}

fn decode_afresh(bytes: &[u8; 32]) -> Result<VerifyingKey, InvalidPublicKey> {
    let point = CompressedEdwardsY(*bytes).decompress().ok_or(InvalidPublicKey::NotAPoint)?;
    // Only compressing the point again tells whether y was reduced. One key with two encodings would be two keys.
    if point.compress().0 != *bytes {
        return Err(InvalidPublicKey::NotCanonical);
    }
    if point.is_small_order() {
        return Err(InvalidPublicKey::SmallOrder);
    }
    VerifyingKey::from_bytes(bytes).map_err(|_| InvalidPublicKey::NotAPoint)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use curve25519_dalek::{EdwardsPoint, Scalar};

    use super::*;

    #[test]
    fn what_is_refused_is_refused_again_and_what_is_taken_is_the_same_key() {
        let mixed = (ED25519_BASEPOINT_POINT + EIGHT_TORSION[1]).compress().0;
        for _ in 0..2 {
            assert!(decode(&mixed).is_ok());
            assert_eq!(decode_prime_order(&mixed), Err(InvalidPublicKey::MixedOrder));
            for torsion in EIGHT_TORSION {
                assert_eq!(decode(&torsion.compress().0), Err(InvalidPublicKey::SmallOrder));
            }
        }
        // More keys than places, so that they push each other out.
        let keys: Vec<_> = (1_u64..500)
            .map(|scalar| EdwardsPoint::mul_base(&Scalar::from(scalar)))
            .map(|point| (point, point.compress().0))
            .collect();
        for _ in 0..2 {
            for (point, bytes) in &keys {
                assert_eq!(decode(bytes).unwrap().to_edwards(), *point);
                assert_eq!(decode_prime_order(bytes).unwrap().to_edwards(), *point);
                assert_eq!(decode(bytes).unwrap().as_bytes(), bytes);
            }
        }
    }

    #[test]
    fn a_point_of_p256_is_the_same_again_when_others_have_pushed_it_out() {
        use p256::{ProjectivePoint, Scalar};
        let encoded = |scalar: u64| {
            let point = (ProjectivePoint::GENERATOR * Scalar::from(scalar)).to_affine();
            let compressed = weierstrass::compress::<p256::NistP256>(&point).unwrap();
            (compressed, weierstrass::uncompress::<p256::NistP256>(&point).unwrap())
        };
        let points: Vec<_> = (1..100).map(encoded).collect();
        for _ in 0..2 {
            for (compressed, uncompressed) in &points {
                assert_eq!(decode_p256(compressed).as_ref(), Some(uncompressed));
                assert_eq!(decode_p256(compressed).as_ref(), Some(uncompressed));
            }
            assert_eq!(decode_p256(&[0; 33]), None);
        }
    }

    #[test]
    fn a_key_of_prime_order_is_not_forgotten_to_be_one() {
        let bytes = ED25519_BASEPOINT_POINT.compress().0;
        decode_prime_order(&bytes).unwrap();
        decode(&bytes).unwrap();
        assert!(recall(&bytes).unwrap().prime_order);
    }
}
