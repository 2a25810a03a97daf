//! What secp256k1 and P-256 have in common: curves with cofactor 1 over a field and of an order of 256 bits, whose points
//! SEC 1 writes.

/// Implements [`Curve`](crate::curve::Curve) for `$curve` with the arithmetic of `$arithmetic`, the curve of its own crate.
macro_rules! weierstrass {
    ($curve:ident, $arithmetic:ty) => {
        const _: () = {
            use group::GroupEncoding;
            use k256::U256;
            use k256::elliptic_curve::ops::{MulByGenerator, Reduce};
            use k256::elliptic_curve::{self, PrimeField, ProjectivePoint, Scalar};

            use crate::curve::Curve;

            impl Curve for $curve {
                const ID: quorate_keys::Curve = quorate_keys::Curve::$curve;
                const POINT_BYTES: usize = 33;

                type Scalar = Scalar<$arithmetic>;
                type Point = ProjectivePoint<$arithmetic>;

                fn mul_base(scalar: &Self::Scalar) -> Self::Point {
                    Self::Point::mul_by_generator(scalar)
                }

                fn mul_base_uncleared(scalar: &Self::Scalar) -> Self::Point {
                    Self::mul_base(scalar)
                }

                fn clear_cofactor(point: &Self::Point) -> Self::Point {
                    *point
                }

                fn multi_exponentiate_vartime(terms: &[(Self::Scalar, Self::Point)]) -> Self::Point {
                    quorate_keys::multi_exponentiate_vartime::<$arithmetic>(&Self::Scalar::ZERO, terms)
                }

                fn scalar_to_bytes(scalar: &Self::Scalar) -> [u8; 32] {
                    scalar.to_repr().into()
                }

                fn scalar_from_bytes(bytes: &[u8; 32]) -> Option<Self::Scalar> {
                    Self::Scalar::from_repr((*bytes).into()).into()
                }

                fn scalar_reduced(bytes: &[u8; 32]) -> Self::Scalar {
                    <Self::Scalar as Reduce<U256>>::reduce_bytes(&(*bytes).into())
                }

                fn scalar_from_wide(bytes: &[u8; 64]) -> Self::Scalar {
                    // high·2²⁵⁶ + low, each reduced on its own.
                    let (mut high, mut low) = ([0; 32], [0; 32]);
                    let (first, second) = bytes.split_at(32);
                    high.copy_from_slice(first);
                    low.copy_from_slice(second);
                    let order = <$arithmetic as elliptic_curve::Curve>::ORDER;
                    let shift = <Self::Scalar as Reduce<U256>>::reduce(U256::ZERO.wrapping_sub(&order));
                    Self::scalar_reduced(&high) * shift + Self::scalar_reduced(&low)
                }

                fn encode(point: &Self::Point) -> Vec<u8> {
                    point.to_bytes().to_vec()
                }

                fn decode(bytes: &[u8]) -> Option<Self::Point> {
                    let bytes = <[u8; 33]>::try_from(bytes).ok()?;
                    // SEC1's tag for compact points, 5, would be a second encoding.
                    match bytes.first() {
                        Some(2 | 3) => Option::from(Self::Point::from_bytes(&bytes.into())),
                        _ if bytes == [0; 33] => Some(Self::Point::IDENTITY),
                        _ => None,
                    }
                }

                fn decode_uncleared(bytes: &[u8]) -> Option<Self::Point> {
                    Self::decode(bytes)
                }
            }
        };
    };
}
pub(super) use weierstrass;

#[cfg(test)]
mod tests {
    use ff::Field;
    use group::Group;

    use crate::curve::Curve;

    /// One test on both curves.
    macro_rules! on_both_curves {
        ($($name:ident),* $(,)?) => {
            mod secp256k1 {
                $(#[test] fn $name() { super::$name::<crate::Secp256k1>(); })*
            }

            mod p256 {
                $(#[test] fn $name() { super::$name::<crate::P256>(); })*
            }
        };
    }

    on_both_curves!(
        only_the_compressed_encoding_of_a_point_is_read,
        wide_bytes_are_reduced_modulo_the_group_order,
    );

    fn only_the_compressed_encoding_of_a_point_is_read<C: Curve>() {
        let point = C::Point::generator();
        let bytes = C::encode(&point);
        assert_eq!(C::decode(&bytes), Some(point));
        for tag in (0..=255).filter(|tag| !matches!(tag, 2 | 3)) {
            let mut foreign = bytes.clone();
            foreign[0] = tag;
            assert_eq!(C::decode(&foreign), None, "tag {tag}");
        }
        assert_eq!(C::decode(&[0]), None);
        assert_eq!(C::decode(&bytes[..32]), None);
        assert_eq!(C::decode(&[0; 33]), Some(C::Point::identity()));
        assert_eq!(C::encode(&C::Point::identity()), [0; 33]);
    }

    fn wide_bytes_are_reduced_modulo_the_group_order<C: Curve>() {
        let mut bytes = [0; 64];
        bytes[63] = 9;
        assert_eq!(C::scalar_from_wide(&bytes), C::Scalar::from(9));
        let mut bytes = [0; 64];
        bytes[31] = 1; // 2²⁵⁶
        let power = (0..256).fold(C::Scalar::ONE, |power, _| power + power);
        assert_eq!(C::scalar_from_wide(&bytes), power);
        let mut bytes = [0; 64];
        bytes[32..].copy_from_slice(&C::scalar_to_bytes(&-C::Scalar::ONE));
        bytes[63] += 1; // the order itself
        assert_eq!(C::scalar_from_wide(&bytes), C::Scalar::ZERO);
    }
}
