//! What secp256k1 and P-256 have in common: arithmetic, and points as SEC 1 writes them.

use std::sync::LazyLock;

use k256::U256;
use k256::elliptic_curve::consts::U32;
use k256::elliptic_curve::group;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::sec1::{FromEncodedPoint, ToEncodedPoint};
use k256::elliptic_curve::{self, AffinePoint, CurveArithmetic, ProjectivePoint, Scalar};

use crate::multi_exponentiation::GeneratorMultiples;
use crate::public_key::InvalidPublicKey;

/// A curve of prime order, with coordinates and scalars of 32 bytes: secp256k1 or P-256.
pub trait Weierstrass:
    Endomorphism
    + CurveArithmetic<
        AffinePoint: FromEncodedPoint<Self> + ToEncodedPoint<Self>,
        ProjectivePoint: group::Curve<AffineRepr = AffinePoint<Self>>,
    >
{
}

impl Weierstrass for k256::Secp256k1 {}
impl Weierstrass for p256::NistP256 {}

/// What makes multiplying in variable time fast on a curve.
pub trait Endomorphism: elliptic_curve::Curve<FieldBytesSize = U32> + CurveArithmetic {
    /// a and b with k = a + b·λ, for the λ of [`Endomorphism::image`]; where there is one, a or −a is below 2¹²⁸, and so
    /// is b or −b. Else b is zero. Variable time.
    fn split(scalar: &Scalar<Self>) -> [Scalar<Self>; 2];

    /// λ·P, when that is cheap on this curve; else P.
    fn image(point: &ProjectivePoint<Self>) -> ProjectivePoint<Self>;

    /// A table for multiplying the generator in variable time, made once.
    fn generator_multiples() -> &'static GeneratorMultiples<Self>
    where
        Self: Weierstrass;
}

/// With λ·(x, y) = (β·x, y). The lattice of all (a, b) with a + b·λ = 0 modulo the order n has the short basis
/// (a₁, b₁), (a₂, b₂); what is left of (k, 0) after its nearest point in that basis is taken off is as short (Guide to
/// Elliptic Curve Cryptography, algorithm 3.74).
impl Endomorphism for k256::Secp256k1 {
    fn split(scalar: &Scalar<Self>) -> [Scalar<Self>; 2] {
        let whole = U256::from(scalar);
        // c₁ = b₂·k/n and c₂ = −b₁·k/n, rounded.
        let c1 = rounded_quotient(&whole, &endomorphism::B2_BY_ORDER);
        let c2 = rounded_quotient(&whole, &endomorphism::MINUS_B1_BY_ORDER);
        let reduced = <Scalar<Self> as Reduce<U256>>::reduce;
        let image = reduced(c1) * reduced(endomorphism::MINUS_B1) - reduced(c2) * reduced(endomorphism::B2);
        [*scalar - image * reduced(endomorphism::LAMBDA), image]
    }

    fn image(point: &ProjectivePoint<Self>) -> ProjectivePoint<Self> {
        point.endomorphism()
    }

    fn generator_multiples() -> &'static GeneratorMultiples<Self> {
        static MULTIPLES: LazyLock<GeneratorMultiples<k256::Secp256k1>> =
            LazyLock::new(GeneratorMultiples::new);
        &MULTIPLES
    }
}

/// Without an endomorphism.
impl Endomorphism for p256::NistP256 {
    fn split(scalar: &Scalar<Self>) -> [Scalar<Self>; 2] {
        [*scalar, Scalar::<Self>::ZERO]
    }

    fn image(point: &ProjectivePoint<Self>) -> ProjectivePoint<Self> {
        *point
    }

    fn generator_multiples() -> &'static GeneratorMultiples<Self> {
        static MULTIPLES: LazyLock<GeneratorMultiples<p256::NistP256>> =
            LazyLock::new(GeneratorMultiples::new);
        &MULTIPLES
    }
}

/// Of secp256k1.
mod endomorphism {
    use k256::U256;

    /// A cube root of one modulo the group order n.
    pub(super) const LAMBDA: U256 =
        U256::from_be_hex("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72");
    pub(super) const MINUS_B1: U256 =
        U256::from_be_hex("00000000000000000000000000000000e4437ed6010e88286f547fa90abfe4c3");
    pub(super) const B2: U256 =
        U256::from_be_hex("000000000000000000000000000000003086d221a7d46bcde86c90e49284eb15");
    /// 2³⁸⁴·b₂/n, rounded.
    pub(super) const B2_BY_ORDER: U256 =
        U256::from_be_hex("3086d221a7d46bcde86c90e49284eb153daa8a1471e8ca7fe893209a45dbb031");
    /// −2³⁸⁴·b₁/n, rounded.
    pub(super) const MINUS_B1_BY_ORDER: U256 =
        U256::from_be_hex("e4437ed6010e88286f547fa90abfe4c4221208ac9df506c61571b4ae8ac47f71");
}

/// k·q/2³⁸⁴, rounded.
fn rounded_quotient(k: &U256, q: &U256) -> U256 {
    let (_, high) = k.mul_wide(q);
    let half = U256::from_u8(u8::from(high.bit_vartime(127)));
    high.shr_vartime(128).wrapping_add(&half)
}

/// The bytes, if they are the compressed encoding of a point.
pub(crate) fn check_compressed<C: Weierstrass>(bytes: &[u8]) -> Result<[u8; 33], InvalidPublicKey> {
    // SEC 1's tag for compact points, 5, would be a second encoding of the same point.
    check::<C, 33>(bytes, &[2, 3])
}

/// The bytes, if they are the uncompressed encoding of a point.
pub(crate) fn check_uncompressed<C: Weierstrass>(bytes: &[u8]) -> Result<[u8; 65], InvalidPublicKey> {
    check::<C, 65>(bytes, &[4])
}

fn check<C: Weierstrass, const N: usize>(bytes: &[u8], tags: &[u8]) -> Result<[u8; N], InvalidPublicKey> {
    let bytes =
        <[u8; N]>::try_from(bytes).map_err(|_| InvalidPublicKey::Length { expected: N, got: bytes.len() })?;
    if !bytes.first().is_some_and(|tag| tags.contains(tag)) {
        return Err(InvalidPublicKey::NotCanonical);
    }
    decode::<C>(&bytes).map(|_| bytes).ok_or(InvalidPublicKey::NotAPoint)
}

/// The point with this encoding, which is not the identity.
pub(crate) fn decode<C: Weierstrass>(bytes: &[u8]) -> Option<AffinePoint<C>> {
    elliptic_curve::PublicKey::<C>::from_sec1_bytes(bytes).ok().map(|key| *key.as_affine())
}

/// The compressed encoding of a point that is not the identity.
pub(crate) fn compress<C: Weierstrass>(point: &AffinePoint<C>) -> Option<[u8; 33]> {
    point.to_encoded_point(true).as_bytes().try_into().ok()
}

/// The uncompressed encoding of a point that is not the identity.
pub(crate) fn uncompress<C: Weierstrass>(point: &AffinePoint<C>) -> Option<[u8; 65]> {
    point.to_encoded_point(false).as_bytes().try_into().ok()
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::Field;
    use k256::elliptic_curve::scalar::IsHigh;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    type C = k256::Secp256k1;

    fn lambda() -> Scalar<C> {
        <Scalar<C> as Reduce<U256>>::reduce(endomorphism::LAMBDA)
    }

    fn is_split(scalar: &Scalar<C>) {
        let [own, image] = C::split(scalar);
        assert_eq!(own + image * lambda(), *scalar);
        for part in [own, image] {
            let short = if bool::from(part.is_high()) { -part } else { part };
            assert!(U256::from(short).bits_vartime() <= 128, "{short:?}");
        }
    }

    #[test]
    fn the_image_of_a_point_is_lambda_times_it() {
        let generator = ProjectivePoint::<C>::GENERATOR;
        assert_eq!(C::image(&generator), generator * lambda());
    }

    #[test]
    fn scalars_at_the_edges_split_in_halves() {
        let one = Scalar::<C>::ONE;
        let fraction = |divisor: u64| -Scalar::<C>::from(divisor).invert().unwrap();
        let mut edges =
            vec![Scalar::<C>::ZERO, one, -one, lambda(), -lambda(), lambda() - one, lambda() + one];
        edges.extend([2, 3, 4, 5, 7].map(fraction));
        edges.extend((0..256).scan(one, |power, _| {
            *power = power.double();
            Some(*power)
        }));
        edges.iter().for_each(is_split);
    }

    proptest! {
        #[test]
        fn scalars_split_in_halves(seed: u64) {
            is_split(&Scalar::<C>::random(&mut ChaCha20Rng::seed_from_u64(seed)));
        }
    }
}
