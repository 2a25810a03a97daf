//! Multi-exponentiation for curves whose crate has none: Straus's method with signed windows.

use group::Group;

/// Odd multiples up to 2⁴ − 1 are kept of each point: digits are odd, below 2⁴ in absolute value.
const WIDTH: u32 = 5;

/// Σ scalarᵢ·pointᵢ for scalars of 32 bytes, little-endian. Variable time.
///
/// All points share one chain of doublings; each costs a table of eight and about one addition per six bits.
pub(super) fn multi_exponentiate_vartime<G: Group>(terms: impl Iterator<Item = ([u8; 32], G)>) -> G {
    let terms: Vec<_> = terms.map(|(scalar, point)| (signed_digits(&scalar), odd_multiples(point))).collect();
    let mut sum = G::identity();
    for position in (0..DIGITS).rev() {
        sum = sum.double();
        for (digits, multiples) in &terms {
            let digit = digits.get(position).copied().unwrap_or(0);
            match multiples.get(usize::from(digit.unsigned_abs() / 2)) {
                Some(multiple) if digit > 0 => sum += multiple,
                Some(multiple) if digit < 0 => sum -= multiple,
                _ => {}
            }
        }
    }
    sum
}

/// One more than bits of a scalar: the last carry.
const DIGITS: usize = 257;

/// P, 3P, 5P … 15P.
fn odd_multiples<G: Group>(point: G) -> [G; 8] {
    let twice = point.double();
    let mut multiple = point;
    std::array::from_fn(|_| {
        let this = multiple;
        multiple += twice;
        this
    })
}

/// The non-adjacent form of width 5: Σ digitᵢ·2ⁱ, digits odd or zero, of five in a row at most one not zero.
fn signed_digits(scalar: &[u8; 32]) -> [i8; DIGITS] {
    let bit = |position: u32| {
        let byte = scalar.get((position / 8) as usize).copied().unwrap_or(0);
        i16::from(byte >> (position % 8) & 1)
    };
    let mut digits = [0; DIGITS];
    let mut carry = 0;
    let mut skip = 0;
    for (position, digit) in (0_u32..).zip(digits.iter_mut()) {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        if (bit(position) + carry) & 1 == 0 {
            // An even window: the carry stays with this bit's own value.
            continue;
        }
        let window: i16 = (0..WIDTH).map(|offset| bit(position + offset) << offset).sum::<i16>() + carry;
        let signed = if window >= 1 << (WIDTH - 1) { window - (1 << WIDTH) } else { window };
        carry = i16::from(signed < 0);
        *digit = i8::try_from(signed).unwrap_or(0);
        skip = WIDTH - 1;
    }
    digits
}

#[cfg(test)]
mod tests {
    use ff::Field;
    use k256::{ProjectivePoint, Scalar};
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn little_endian(scalar: &Scalar) -> [u8; 32] {
        let mut bytes: [u8; 32] = scalar.to_bytes().into();
        bytes.reverse();
        bytes
    }

    /// The value of signed digits modulo the group order.
    fn value(digits: &[i8; DIGITS]) -> Scalar {
        digits.iter().rev().fold(Scalar::ZERO, |value, digit| {
            let magnitude = Scalar::from(u64::from(digit.unsigned_abs()));
            value.double() + if *digit < 0 { -magnitude } else { magnitude }
        })
    }

    #[test]
    fn edge_scalars_have_the_right_digits() {
        for scalar in [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(31_u64), Scalar::from(32_u64)] {
            assert_eq!(value(&signed_digits(&little_endian(&scalar))), scalar);
        }
        let all_ones = signed_digits(&[0xFF; 32]);
        let power = (0..256).fold(Scalar::ONE, |power, _| power.double());
        assert_eq!(value(&all_ones), power - Scalar::ONE);
    }

    #[test]
    fn the_empty_sum_is_the_identity() {
        let none = std::iter::empty::<([u8; 32], ProjectivePoint)>();
        assert_eq!(multi_exponentiate_vartime(none), ProjectivePoint::IDENTITY);
    }

    proptest! {
        #[test]
        fn digits_are_odd_or_zero_and_add_up(seed: u64) {
            let scalar = Scalar::random(&mut ChaCha20Rng::seed_from_u64(seed));
            let digits = signed_digits(&little_endian(&scalar));
            prop_assert_eq!(value(&digits), scalar);
            prop_assert!(digits.iter().all(|digit| *digit == 0 || (digit % 2 != 0 && digit.abs() < 16)));
        }

        #[test]
        fn the_sum_is_that_of_the_products(seed: u64, count in 1_usize..12) {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            let terms: Vec<_> = (0..count)
                .map(|_| (Scalar::random(&mut rng), ProjectivePoint::random(&mut rng)))
                .collect();
            let expected: ProjectivePoint = terms.iter().map(|(scalar, point)| *point * scalar).sum();
            let sum = multi_exponentiate_vartime(terms.iter().map(|(s, point)| (little_endian(s), *point)));
            prop_assert_eq!(sum, expected);
        }
    }
}
