//! Σ scalarᵢ·pointᵢ on secp256k1 and P-256: Straus's method with signed windows, which the crates of these curves don't
//! have in variable time. On secp256k1 every scalar is split in two by the curve's endomorphism (Gallant, Lambert and
//! Vanstone, 2001), which halves the doublings.

use k256::elliptic_curve::group::{Curve, Group};
use k256::elliptic_curve::scalar::IsHigh;
use k256::elliptic_curve::{AffinePoint, PrimeField, ProjectivePoint, Scalar};

use crate::weierstrass::Weierstrass;

/// Of a point, odd multiples up to 2⁴ − 1 are kept: digits are odd, below 2⁴ in absolute value.
const WIDTH: u32 = 5;
const MULTIPLES: usize = 1 << (WIDTH - 2);

/// Of the generator, whose table is made once, up to 2⁷ − 1.
const GENERATOR_WIDTH: u32 = 8;
const GENERATOR_MULTIPLES: usize = 1 << (GENERATOR_WIDTH - 2);

/// Bits of a scalar that is at most half the group order, and one more for the last carry.
const DIGITS: usize = 256;

/// base·G + Σ scalarᵢ·pointᵢ. Variable time: for public values only.
///
/// All points share one chain of doublings, of half the length on secp256k1; each costs a table of eight points and
/// about one addition per six bits, G no table and one addition per nine.
#[must_use]
pub fn multi_exponentiate_vartime<C: Weierstrass>(
    base: &Scalar<C>,
    terms: &[(Scalar<C>, ProjectivePoint<C>)],
) -> ProjectivePoint<C> {
    let generator = C::generator_multiples();
    let of_generator: Vec<_> = C::split(base)
        .iter()
        .zip([&generator.own, &generator.image])
        .map(|(part, multiples)| (signed_digits::<C>(part, GENERATOR_WIDTH), multiples))
        .filter(|(digits, _)| digits.length > 0)
        .collect();
    let of_points: Vec<_> = terms
        .iter()
        .flat_map(|(scalar, point)| {
            let multiples = odd_multiples::<C, MULTIPLES>(*point);
            let [own, image] = C::split(scalar).map(|part| signed_digits::<C>(&part, WIDTH));
            let images = (image.length > 0).then(|| (image, multiples.each_ref().map(C::image)));
            std::iter::once((own, multiples)).chain(images)
        })
        .collect();
    let lengths = of_generator.iter().map(|(digits, _)| digits.length);
    let length = lengths.chain(of_points.iter().map(|(digits, _)| digits.length)).max().unwrap_or(0);
    let mut sum = ProjectivePoint::<C>::identity();
    for position in (0..length).rev() {
        sum = sum.double();
        for (digits, multiples) in &of_points {
            match digits.at(position, multiples) {
                Some((multiple, true)) => sum -= multiple,
                Some((multiple, false)) => sum += multiple,
                None => {}
            }
        }
        for (digits, multiples) in &of_generator {
            match digits.at(position, multiples.as_slice()) {
                Some((multiple, true)) => sum -= *multiple,
                Some((multiple, false)) => sum += *multiple,
                None => {}
            }
        }
    }
    sum
}

/// Odd multiples of the generator, and their images under the curve's endomorphism.
#[derive(Debug)]
pub struct GeneratorMultiples<C: Weierstrass> {
    own: Box<[AffinePoint<C>; GENERATOR_MULTIPLES]>,
    image: Box<[AffinePoint<C>; GENERATOR_MULTIPLES]>,
}

impl<C: Weierstrass> GeneratorMultiples<C> {
    pub(crate) fn new() -> Self {
        let multiples = odd_multiples::<C, GENERATOR_MULTIPLES>(ProjectivePoint::<C>::generator());
        let affine = |points: [ProjectivePoint<C>; GENERATOR_MULTIPLES]| {
            let mut affine = Box::new([AffinePoint::<C>::default(); GENERATOR_MULTIPLES]);
            Curve::batch_normalize(&points, affine.as_mut_slice());
            affine
        };
        Self { image: affine(multiples.each_ref().map(C::image)), own: affine(multiples) }
    }
}

/// P, 3P, 5P …
fn odd_multiples<C: Weierstrass, const N: usize>(point: ProjectivePoint<C>) -> [ProjectivePoint<C>; N] {
    let twice = point.double();
    let mut multiple = point;
    std::array::from_fn(|_| {
        let this = multiple;
        multiple += twice;
        this
    })
}

/// A non-adjacent form: ±Σ digitᵢ·2ⁱ, digits odd or zero, of `width` in a row at most one not zero.
struct Digits {
    digits: [i8; DIGITS],
    /// Digits from here on are zero.
    length: usize,
    negative: bool,
}

impl Digits {
    /// Which of the odd multiples of a point is to be added at a position, and whether with the other sign.
    fn at<'a, P>(&self, position: usize, multiples: &'a [P]) -> Option<(&'a P, bool)> {
        let digit = self.digits.get(position).copied().filter(|digit| *digit != 0)?;
        let multiple = multiples.get(usize::from(digit.unsigned_abs() / 2))?;
        Some((multiple, (digit < 0) != self.negative))
    }
}

/// The digits of the scalar or of its negative, whichever is less.
fn signed_digits<C: Weierstrass>(scalar: &Scalar<C>, width: u32) -> Digits {
    let negative = bool::from(scalar.is_high());
    let mut little_endian: [u8; 32] = if negative { -*scalar } else { *scalar }.to_repr().into();
    little_endian.reverse();
    let bit = |position: u32| {
        let byte = little_endian.get((position / 8) as usize).copied().unwrap_or(0);
        i16::from(byte >> (position % 8) & 1)
    };
    let mut digits = [0; DIGITS];
    let mut length = 0;
    let mut carry = 0;
    let mut skip = 0;
    for (position, (place, digit)) in (0_u32..).zip(digits.iter_mut().enumerate()) {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        if (bit(position) + carry) & 1 == 0 {
            // An even window: the carry stays with this bit's own value.
            continue;
        }
        let window: i16 = (0..width).map(|offset| bit(position + offset) << offset).sum::<i16>() + carry;
        let signed = if window >= 1 << (width - 1) { window - (1 << width) } else { window };
        carry = i16::from(signed < 0);
        *digit = i8::try_from(signed).unwrap_or(0);
        length = place + 1;
        skip = width - 1;
    }
    Digits { digits, length, negative }
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::Field;
    use k256::elliptic_curve::ops::MulByGenerator;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// The value of signed digits modulo the group order.
    fn value<C: Weierstrass>(digits: &Digits) -> Scalar<C> {
        let sum = digits.digits.iter().rev().fold(Scalar::<C>::ZERO, |value, digit| {
            let magnitude = Scalar::<C>::from(u64::from(digit.unsigned_abs()));
            value.double() + if *digit < 0 { -magnitude } else { magnitude }
        });
        if digits.negative { -sum } else { sum }
    }

    fn edges<C: Weierstrass>() -> Vec<Scalar<C>> {
        let one = Scalar::<C>::ONE;
        let power = |exponent| (0..exponent).fold(one, |power, _| power.double());
        let half = one * Scalar::<C>::TWO_INV;
        let mut edges = vec![Scalar::<C>::ZERO, one, -one, half, -half, half - one];
        edges.extend([31_u64, 32, 33, 127, 128, 255, 256].map(Scalar::<C>::from));
        for exponent in [127, 128, 129, 255] {
            edges.extend([power(exponent), power(exponent) - one, -power(exponent)]);
        }
        edges
    }

    fn naive<C: Weierstrass>(
        base: &Scalar<C>,
        terms: &[(Scalar<C>, ProjectivePoint<C>)],
    ) -> ProjectivePoint<C> {
        let products = terms.iter().map(|(scalar, point)| *point * scalar);
        products.fold(ProjectivePoint::<C>::mul_by_generator(base), |sum, product| sum + product)
    }

    fn check_digits<C: Weierstrass>(scalar: &Scalar<C>) {
        for width in [WIDTH, GENERATOR_WIDTH] {
            let digits = signed_digits::<C>(scalar, width);
            assert_eq!(value::<C>(&digits), *scalar);
            assert!(digits.digits.iter().all(|digit| *digit == 0 || digit % 2 != 0));
            assert!(digits.digits.iter().all(|digit| digit.unsigned_abs() < 1 << (width - 1)));
            assert!(digits.digits.iter().skip(digits.length).all(|digit| *digit == 0));
        }
    }

    fn every_edge<C: Weierstrass>() {
        let other = ProjectivePoint::<C>::mul_by_generator(&Scalar::<C>::from(5));
        for scalar in edges::<C>() {
            check_digits::<C>(&scalar);
            for other_scalar in edges::<C>() {
                let terms = [(other_scalar, other)];
                assert_eq!(multi_exponentiate_vartime::<C>(&scalar, &terms), naive::<C>(&scalar, &terms));
            }
        }
        let zero = Scalar::<C>::ZERO;
        assert_eq!(multi_exponentiate_vartime::<C>(&zero, &[]), ProjectivePoint::<C>::identity());
        // Points that are the identity, the same, or cancel out.
        let two = Scalar::<C>::from(2);
        let identity = ProjectivePoint::<C>::identity();
        for terms in
            [[(two, identity), (two, other)], [(two, other), (two, other)], [(two, other), (-two, other)]]
        {
            assert_eq!(multi_exponentiate_vartime::<C>(&zero, &terms), naive::<C>(&zero, &terms));
        }
    }

    #[test]
    fn every_edge_on_secp256k1() {
        every_edge::<k256::Secp256k1>();
    }

    #[test]
    fn every_edge_on_p256() {
        every_edge::<p256::NistP256>();
    }

    fn random_sums<C: Weierstrass>(seed: u64, count: usize) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let terms: Vec<_> = (0..count)
            .map(|_| (Scalar::<C>::random(&mut rng), ProjectivePoint::<C>::random(&mut rng)))
            .collect();
        let base = Scalar::<C>::random(&mut rng);
        check_digits::<C>(&base);
        assert_eq!(multi_exponentiate_vartime::<C>(&base, &terms), naive::<C>(&base, &terms));
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_products(seed: u64, count in 0_usize..12) {
            random_sums::<k256::Secp256k1>(seed, count);
            random_sums::<p256::NistP256>(seed, count);
        }
    }
}
