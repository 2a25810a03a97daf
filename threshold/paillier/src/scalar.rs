//! Integers and scalars of a curve.

use ff::{Field, PrimeField};
use quorate_sharing::Curve;
use zeroize::{Zeroize, Zeroizing};

use crate::natural::Natural;

/// The number below the group order that a scalar stands for. Constant time.
#[must_use]
pub fn to_natural<C: Curve>(scalar: &C::Scalar) -> Natural {
    let mut bytes = Zeroizing::new(C::scalar_to_bytes(scalar));
    if !is_little_endian::<C>() {
        bytes.reverse();
    }
    Natural::from_le_bytes(&*bytes)
}

/// A number of any size modulo the group order. Constant time.
#[must_use]
pub fn to_scalar<C: Curve>(number: &Natural) -> C::Scalar {
    let bytes = number.to_le_bytes();
    let mut shift = C::Scalar::from(1 << 32);
    shift = shift.square();
    let mut sum = C::Scalar::ZERO;
    for limb in bytes.chunks(8).rev() {
        let mut word = limb.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        sum = sum * shift + C::Scalar::from(word);
        word.zeroize();
    }
    sum
}

/// The group order.
#[must_use]
pub fn order<C: Curve>() -> Natural {
    to_natural::<C>(&-C::Scalar::ONE).add(&Natural::from_u64(1)).with_room(C::Scalar::NUM_BITS as usize)
}

fn is_little_endian<C: Curve>() -> bool {
    C::scalar_to_bytes(&C::Scalar::ONE).first() == Some(&1)
}

#[cfg(test)]
mod tests {
    use quorate_sharing::{Ed25519, Secp256k1};
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn numbers_and_scalars_are_the_same<C: Curve>() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let order = order::<C>();
        assert_eq!(to_scalar::<C>(&order), C::Scalar::ZERO);
        assert_eq!(to_scalar::<C>(&order.add(&Natural::from_u64(7))), C::Scalar::from(7));
        for bits in [0, 1, 63, 64, 255, 256, 257, 768, 3000] {
            let (a, b) = (Natural::random(bits, &mut rng), Natural::random(256, &mut rng));
            let scalar = to_scalar::<C>(&a);
            let reduced = a.rem(&order).unwrap();
            assert!(to_natural::<C>(&scalar).cmp_vartime(&reduced).is_eq());
            assert_eq!(to_scalar::<C>(&a.mul(&b)), scalar * to_scalar::<C>(&b));
        }
    }

    #[test]
    fn numbers_and_scalars_are_the_same_on_both_byte_orders() {
        numbers_and_scalars_are_the_same::<Secp256k1>();
        numbers_and_scalars_are_the_same::<Ed25519>();
    }
}
