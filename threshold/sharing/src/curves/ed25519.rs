//! edwards25519 on curve25519-dalek.

use std::sync::LazyLock;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;

use crate::curve::Curve;

/// The Edwards curve of RFC 8032, cofactor 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ed25519;

/// 1/8 modulo the group order.
static EIGHTH: LazyLock<Scalar> = LazyLock::new(|| Scalar::from(8_u8).invert());

impl Curve for Ed25519 {
    const ID: quorate_keys::Curve = quorate_keys::Curve::Ed25519;
    const POINT_BYTES: usize = 32;

    type Scalar = Scalar;
    type Point = EdwardsPoint;

    fn mul_base(scalar: &Scalar) -> EdwardsPoint {
        EdwardsPoint::mul_base(scalar)
    }

    fn mul_base_uncleared(scalar: &Scalar) -> EdwardsPoint {
        EdwardsPoint::mul_base(&(scalar * *EIGHTH))
    }

    fn clear_cofactor(point: &EdwardsPoint) -> EdwardsPoint {
        point.mul_by_cofactor()
    }

    fn multi_exponentiate_vartime(terms: &[(Scalar, EdwardsPoint)]) -> EdwardsPoint {
        let (scalars, points) = (terms.iter().map(|term| &term.0), terms.iter().map(|term| &term.1));
        EdwardsPoint::vartime_multiscalar_mul(scalars, points)
    }

    fn scalar_to_bytes(scalar: &Scalar) -> [u8; 32] {
        scalar.to_bytes()
    }

    fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Scalar> {
        Scalar::from_canonical_bytes(*bytes).into()
    }

    fn scalar_reduced(bytes: &[u8; 32]) -> Scalar {
        Scalar::from_bytes_mod_order(*bytes)
    }

    fn scalar_from_wide(bytes: &[u8; 64]) -> Scalar {
        Scalar::from_bytes_mod_order_wide(bytes)
    }

    fn encode(point: &EdwardsPoint) -> Vec<u8> {
        point.compress().to_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<EdwardsPoint> {
        Self::decode_uncleared(bytes).filter(EdwardsPoint::is_torsion_free)
    }

    fn decode_uncleared(bytes: &[u8]) -> Option<EdwardsPoint> {
        let bytes = <[u8; 32]>::try_from(bytes).ok()?;
        if is_canonical(&bytes) { CompressedEdwardsY(bytes).decompress() } else { None }
    }
}

/// Whether y is below p, and x is not a negative zero. Compressing the point again would tell the same for the price of
/// an inversion.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [lowest, middle @ .., highest] = bytes;
    let (sign, top) = (highest >> 7, highest & 0x7F);
    // p = 2²⁵⁵ − 19: the unreduced values are p ..= 2²⁵⁵ − 1.
    let high = top == 0x7F && middle.iter().all(|byte| *byte == 0xFF);
    if high && *lowest >= 0xED {
        return false;
    }
    // x is zero at y = 1 and y = −1.
    let one = *lowest == 1 && top == 0 && middle.iter().all(|byte| *byte == 0);
    let minus_one = high && *lowest == 0xEC;
    !(sign == 1 && (one || minus_one))
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
    use group::Group;

    use super::*;

    fn mixed_order() -> EdwardsPoint {
        ED25519_BASEPOINT_POINT + EIGHT_TORSION[1]
    }

    #[test]
    fn a_component_of_small_order_is_refused_in_standard_encoding() {
        for torsion in &EIGHT_TORSION[1..] {
            assert_eq!(Ed25519::decode(torsion.compress().as_bytes()), None);
            assert_eq!(Ed25519::decode((ED25519_BASEPOINT_POINT + torsion).compress().as_bytes()), None);
        }
        let identity = EdwardsPoint::identity();
        assert_eq!(Ed25519::decode(&Ed25519::encode(&identity)), Some(identity));
    }

    #[test]
    fn a_component_of_small_order_vanishes_in_transport_encoding() {
        for torsion in EIGHT_TORSION {
            let sent = Ed25519::mul_base_uncleared(&Scalar::from(7_u8)) + torsion;
            let received = Ed25519::decode_uncleared(sent.compress().as_bytes()).unwrap();
            assert_eq!(Ed25519::clear_cofactor(&received), Ed25519::mul_base(&Scalar::from(7_u8)));
        }
        assert!(!mixed_order().is_torsion_free());
        assert!(Ed25519::clear_cofactor(&mixed_order()).is_torsion_free());
    }

    #[test]
    fn only_the_canonical_encoding_of_a_point_is_read() {
        // Every unreduced y, with both signs, and the two negative zeros.
        let mut foreign: Vec<[u8; 32]> = Vec::new();
        for lowest in 0xED..=0xFF {
            let mut bytes = [0xFF; 32];
            bytes[0] = lowest;
            foreign.push(bytes);
            bytes[31] = 0x7F;
            foreign.push(bytes);
        }
        let mut one = [0; 32];
        one[0] = 1;
        one[31] = 0x80;
        let mut minus_one = [0xFF; 32];
        minus_one[0] = 0xEC;
        foreign.extend([one, minus_one]);
        for bytes in foreign {
            assert!(!is_canonical(&bytes));
            assert_eq!(Ed25519::decode_uncleared(&bytes), None);
            if let Some(point) = CompressedEdwardsY(bytes).decompress() {
                assert_ne!(point.compress().0, bytes);
            }
        }
        for torsion in EIGHT_TORSION {
            assert_eq!(Ed25519::decode_uncleared(torsion.compress().as_bytes()), Some(torsion));
        }
    }

    proptest::proptest! {
        #[test]
        fn the_cheap_check_agrees_with_compressing_again(mut bytes: [u8; 32], high: bool) {
            if high {
                bytes[1..31].fill(0xFF);
                bytes[31] |= 0x7F;
            }
            if let Some(point) = CompressedEdwardsY(bytes).decompress() {
                proptest::prop_assert_eq!(is_canonical(&bytes), point.compress().0 == bytes);
            }
        }
    }
}
