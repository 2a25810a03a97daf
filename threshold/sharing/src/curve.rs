//! What a curve must offer to carry shares. A new curve is one file in `curves/`.

use std::fmt::Debug;

use ff::PrimeField;
use group::Group;
use rand_core::CryptoRngCore;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A group of prime order inside a curve, with everything that secret sharing on it needs.
///
/// # Transport encoding
/// On a curve with cofactor h, whoever receives the encoding of a point must make sure that the point has no component
/// of small order. Multiplying by the group order to see costs a full scalar multiplication. Whoever knows a with
/// A = a·G publishes E = (a/h)·G instead, and the receiver takes A = h·E, which is in the group of prime order whatever
/// E was: three doublings for h = 8, nothing for h = 1. See `DEVIATIONS.md`.
pub trait Curve: Copy + Clone + Debug + PartialEq + Eq + Send + Sync + 'static {
    /// Which curve this is.
    const ID: quorate_keys::Curve;
    /// Its name, in protocol ids and transcripts.
    const NAME: &'static str = Self::ID.name();
    /// Bytes of an encoded point.
    const POINT_BYTES: usize;

    /// An integer modulo the group order. `==` is constant time.
    type Scalar: PrimeField + ConstantTimeEq + Zeroize + Send + Sync;
    /// A point of the curve, whether in the group of prime order or not.
    type Point: Group<Scalar = Self::Scalar> + ConstantTimeEq + Zeroize + Send + Sync;

    /// `scalar`·G. Constant time; with a precomputed table, but on P-256, whose crate has none.
    fn mul_base(scalar: &Self::Scalar) -> Self::Point;

    /// (`scalar`/h)·G: what a dealer publishes of `scalar`, see the trait's documentation. Constant time.
    fn mul_base_uncleared(scalar: &Self::Scalar) -> Self::Point;

    /// h·`point`: what was meant by a point that came in transport encoding.
    fn clear_cofactor(point: &Self::Point) -> Self::Point;

    /// Σ scalarᵢ·pointᵢ. Variable time: for public values only.
    fn multi_exponentiate_vartime(terms: &[(Self::Scalar, Self::Point)]) -> Self::Point;

    /// `factor`·`point` for a small factor. Variable time in the factor: for public factors only.
    #[must_use]
    fn mul_small(point: &Self::Point, factor: u16) -> Self::Point {
        let Some(top) = factor.checked_ilog2() else { return Self::Point::identity() };
        let mut product = *point;
        for bit in (0..top).rev() {
            product = product.double();
            if factor >> bit & 1 == 1 {
                product += point;
            }
        }
        product
    }

    /// The one encoding of a scalar: 32 bytes in the curve's own byte order.
    fn scalar_to_bytes(scalar: &Self::Scalar) -> [u8; 32];

    /// The scalar with this encoding; nothing when it is not below the group order. Constant time for canonical ones.
    fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Self::Scalar>;

    /// 32 bytes reduced modulo the group order. Constant time. Of uniform bytes, a uniform scalar only where the order is close to
    /// 2²⁵⁶: else take [`Curve::scalar_from_wide`].
    fn scalar_reduced(bytes: &[u8; 32]) -> Self::Scalar;

    /// 64 uniform bytes reduced modulo the group order. Constant time.
    fn scalar_from_wide(bytes: &[u8; 64]) -> Self::Scalar;

    /// A uniform scalar. Constant time.
    fn random_scalar(rng: &mut dyn CryptoRngCore) -> Self::Scalar {
        let mut wide = Zeroizing::new([0; 64]);
        rng.fill_bytes(wide.as_mut());
        Self::scalar_from_wide(&wide)
    }

    /// The standard compressed encoding. The identity is encoded too: as its point on Ed25519, as 33 zeros on
    /// secp256k1 and P-256.
    fn encode(point: &Self::Point) -> Vec<u8>;

    /// The point of the group of prime order with this standard encoding; nothing when it is not canonical, not on the
    /// curve, or not in the group. The identity is a point: callers refuse it where it means no key.
    fn decode(bytes: &[u8]) -> Option<Self::Point>;

    /// The point of the curve with this canonical encoding, with or without a component of small order: the first half
    /// of decoding a point in transport encoding, of which [`Curve::clear_cofactor`] is the other.
    fn decode_uncleared(bytes: &[u8]) -> Option<Self::Point>;

    /// Whether a point is the identity.
    #[must_use]
    fn is_identity(point: &Self::Point) -> bool {
        point.is_identity().into()
    }
}

#[cfg(test)]
mod tests {
    use ff::Field;

    use super::*;
    use crate::testing::{on_every_curve, rng};

    on_every_curve!(
        encodings_read_what_they_write,
        small_multiples_are_multiples,
        the_transport_encoding_means_the_same_point,
        sums_of_products_are_right,
        scalars_that_are_not_reduced_are_refused,
    );

    fn encodings_read_what_they_write<C: Curve>() {
        assert_eq!(C::NAME, C::ID.name());
        for point in [C::Point::generator(), C::Point::identity(), C::Point::random(rng(1))] {
            // A random point of a curve may lie outside the group.
            let point = C::clear_cofactor(&point);
            let bytes = C::encode(&point);
            assert_eq!(bytes.len(), C::POINT_BYTES);
            assert_eq!(C::decode(&bytes), Some(point));
            assert_eq!(C::decode_uncleared(&bytes), Some(point));
            assert_eq!(C::decode(&bytes[1..]), None);
            assert_eq!(C::decode(&[&bytes[..], &[0]].concat()), None);
        }
        let scalar = C::random_scalar(&mut rng(2));
        assert_eq!(C::scalar_from_bytes(&C::scalar_to_bytes(&scalar)), Some(scalar));
    }

    fn small_multiples_are_multiples<C: Curve>() {
        let point = C::Point::generator();
        let mut multiple = C::Point::identity();
        for factor in 0..=300 {
            assert_eq!(C::mul_small(&point, factor), multiple);
            multiple += point;
        }
        assert_eq!(C::mul_small(&point, u16::MAX), C::mul_base(&C::Scalar::from(u64::from(u16::MAX))));
    }

    fn the_transport_encoding_means_the_same_point<C: Curve>() {
        let scalar = C::random_scalar(&mut rng(3));
        let sent = C::encode(&C::mul_base_uncleared(&scalar));
        let received = C::decode_uncleared(&sent).unwrap();
        assert_eq!(C::clear_cofactor(&received), C::mul_base(&scalar));
        assert_eq!(C::mul_base(&scalar), C::Point::generator() * scalar);
        assert!(C::is_identity(&C::mul_base(&C::Scalar::ZERO)));
    }

    fn sums_of_products_are_right<C: Curve>() {
        let mut rng = rng(4);
        for count in [0, 1, 2, 33, 200] {
            let terms: Vec<_> = (0..count)
                .map(|_| (C::random_scalar(&mut rng), C::mul_base(&C::random_scalar(&mut rng))))
                .collect();
            let expected: C::Point = terms.iter().map(|(scalar, point)| *point * scalar).sum();
            assert_eq!(C::multi_exponentiate_vartime(&terms), expected);
        }
    }

    fn scalars_that_are_not_reduced_are_refused<C: Curve>() {
        assert_eq!(C::scalar_from_bytes(&[0xFF; 32]), None);
        // The order itself: one more than the encoding of minus one, in whichever byte order.
        let mut order = C::scalar_to_bytes(&-C::Scalar::ONE);
        let lowest = if C::scalar_to_bytes(&C::Scalar::ONE)[0] == 1 { 0 } else { 31 };
        order[lowest] += 1;
        assert_eq!(C::scalar_from_bytes(&order), None);
        assert_eq!(C::scalar_reduced(&order), C::Scalar::ZERO);
        order[lowest] += 1;
        assert_eq!(C::scalar_reduced(&order), C::Scalar::ONE);
        assert_eq!(C::scalar_reduced(&C::scalar_to_bytes(&-C::Scalar::ONE)), -C::Scalar::ONE);
        assert_eq!(C::scalar_from_bytes(&[0; 32]), Some(C::Scalar::ZERO));
    }
}
