//! secp256k1 on k256.

use group::GroupEncoding;
use k256::elliptic_curve::ops::{MulByGenerator, Reduce};
use k256::elliptic_curve::{Curve as _, PrimeField};
use k256::{ProjectivePoint, Scalar, U256};

use super::straus;
use crate::curve::Curve;

/// secp256k1 of SEC 2, cofactor 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secp256k1;

impl Curve for Secp256k1 {
    const ID: quorate_keys::Curve = quorate_keys::Curve::Secp256k1;
    const POINT_BYTES: usize = 33;

    type Scalar = Scalar;
    type Point = ProjectivePoint;

    fn mul_base(scalar: &Scalar) -> ProjectivePoint {
        ProjectivePoint::mul_by_generator(scalar)
    }

    fn mul_base_uncleared(scalar: &Scalar) -> ProjectivePoint {
        Self::mul_base(scalar)
    }

    fn clear_cofactor(point: &ProjectivePoint) -> ProjectivePoint {
        *point
    }

    fn multi_exponentiate_vartime(terms: &[(Scalar, ProjectivePoint)]) -> ProjectivePoint {
        straus::multi_exponentiate_vartime(terms.iter().map(|(scalar, point)| {
            let mut little_endian = Self::scalar_to_bytes(scalar);
            little_endian.reverse();
            (little_endian, *point)
        }))
    }

    fn scalar_to_bytes(scalar: &Scalar) -> [u8; 32] {
        scalar.to_bytes().into()
    }

    fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Scalar> {
        Scalar::from_repr((*bytes).into()).into()
    }

    fn scalar_from_wide(bytes: &[u8; 64]) -> Scalar {
        // high·2²⁵⁶ + low, each reduced on its own.
        let (mut high, mut low) = ([0; 32], [0; 32]);
        let (first, second) = bytes.split_at(32);
        high.copy_from_slice(first);
        low.copy_from_slice(second);
        let reduce = |bytes: [u8; 32]| <Scalar as Reduce<U256>>::reduce_bytes(&bytes.into());
        let shift = <Scalar as Reduce<U256>>::reduce(U256::ZERO.wrapping_sub(&k256::Secp256k1::ORDER));
        reduce(high) * shift + reduce(low)
    }

    fn encode(point: &ProjectivePoint) -> Vec<u8> {
        point.to_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Option<ProjectivePoint> {
        let bytes = <[u8; 33]>::try_from(bytes).ok()?;
        // SEC1's tag for compact points, 5, would be a second encoding.
        match bytes.first() {
            Some(2 | 3) => Option::from(ProjectivePoint::from_bytes(&bytes.into())),
            _ if bytes == [0; 33] => Some(ProjectivePoint::IDENTITY),
            _ => None,
        }
    }

    fn decode_uncleared(bytes: &[u8]) -> Option<ProjectivePoint> {
        Self::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_compressed_encoding_of_a_point_is_read() {
        let point = ProjectivePoint::GENERATOR;
        let bytes = Secp256k1::encode(&point);
        assert_eq!(Secp256k1::decode(&bytes), Some(point));
        for tag in (0..=255).filter(|tag| !matches!(tag, 2 | 3)) {
            let mut foreign = bytes.clone();
            foreign[0] = tag;
            assert_eq!(Secp256k1::decode(&foreign), None, "tag {tag}");
        }
        assert_eq!(Secp256k1::decode(&[0]), None);
        assert_eq!(Secp256k1::decode(&bytes[..32]), None);
        assert_eq!(Secp256k1::decode(&[0; 33]), Some(ProjectivePoint::IDENTITY));
        assert_eq!(Secp256k1::encode(&ProjectivePoint::IDENTITY), [0; 33]);
        // x = p + 1, not reduced.
        let mut unreduced = [0xFF; 33];
        unreduced[0] = 2;
        unreduced[29..].copy_from_slice(&[0xFF, 0xFF, 0xFC, 0x30]);
        unreduced[28] = 0xFE;
        assert_eq!(Secp256k1::decode(&unreduced), None);
    }

    #[test]
    fn wide_bytes_are_reduced_modulo_the_group_order() {
        let mut bytes = [0; 64];
        bytes[63] = 9;
        assert_eq!(Secp256k1::scalar_from_wide(&bytes), Scalar::from(9_u64));
        let mut bytes = [0; 64];
        bytes[31] = 1; // 2²⁵⁶
        let power = (0..256).fold(Scalar::ONE, |power, _| power + power);
        assert_eq!(Secp256k1::scalar_from_wide(&bytes), power);
        let mut bytes = [0; 64];
        bytes[32..].copy_from_slice(&Secp256k1::scalar_to_bytes(&-Scalar::ONE));
        bytes[63] += 1; // the order itself
        assert_eq!(Secp256k1::scalar_from_wide(&bytes), Scalar::ZERO);
    }
}
