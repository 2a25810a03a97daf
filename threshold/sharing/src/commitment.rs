//! Feldman's commitments: a polynomial in the exponent.

use std::collections::BTreeMap;
use std::fmt;

use group::Group;

use crate::curve::Curve;
use crate::party::{PartyIndex, Threshold};
use crate::polynomial::Polynomial;

/// A public polynomial: the coefficients of a dealer's, or of a sum of dealers', times the generator.
///
/// Kept as it travels, in transport encoding (see [`Curve`]): all operations are linear, so the cofactor is cleared
/// once, from what comes out.
#[derive(Clone)]
pub struct Commitment<C: Curve> {
    /// The coefficients divided by the cofactor, the constant first; perhaps with components of small order.
    uncleared: Vec<C::Point>,
}

/// Why bytes are no commitment. The dealer is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCommitment {
    /// Not exactly as many coefficients as there must be signers.
    #[error("wrong length: expected {expected} bytes for the threshold's coefficients, got {got}")]
    Length {
        /// Bytes that the threshold's number of coefficients takes.
        expected: usize,
        /// Bytes received.
        got: usize,
    },
    /// A coefficient that is not the canonical encoding of a point of the curve.
    #[error("coefficient {position} is not the canonical encoding of a point")]
    Point {
        /// Which one, the constant being 0.
        position: usize,
    },
}

/// Why commitments have no sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SumError {
    /// There is none to add.
    #[error("no commitments to add")]
    Empty,
    /// They are of different degrees.
    #[error("commitments of {expected} and of {got} coefficients cannot be added")]
    DifferentLengths {
        /// Coefficients of the first.
        expected: usize,
        /// Coefficients of another.
        got: usize,
    },
}

impl<C: Curve> Commitment<C> {
    /// The commitment to a polynomial. Constant time in its coefficients.
    #[must_use]
    pub fn of(polynomial: &Polynomial<C>) -> Self {
        Self { uncleared: polynomial.coefficients().iter().map(C::mul_base_uncleared).collect() }
    }

    /// Reads a dealer's commitment for this threshold: exactly that many coefficients, not one more or less.
    ///
    /// The constant may be the identity, as in a refresh; where it must not be, look at [`Self::constant`].
    ///
    /// # Errors
    /// When the length is wrong or a coefficient is not canonically encoded.
    pub fn from_bytes(bytes: &[u8], threshold: Threshold) -> Result<Self, InvalidCommitment> {
        let expected = threshold.count() * C::POINT_BYTES;
        if bytes.len() != expected {
            return Err(InvalidCommitment::Length { expected, got: bytes.len() });
        }
        let decode =
            |(position, bytes)| C::decode_uncleared(bytes).ok_or(InvalidCommitment::Point { position });
        let uncleared =
            bytes.chunks_exact(C::POINT_BYTES).enumerate().map(decode).collect::<Result<_, _>>()?;
        Ok(Self { uncleared })
    }

    /// The coefficients in transport encoding, the constant first. What was read comes out as it was.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.uncleared.iter().flat_map(C::encode).collect()
    }

    pub(crate) fn uncleared(&self) -> &[C::Point] {
        &self.uncleared
    }

    /// The number of coefficients, which is the number of signers needed.
    #[must_use]
    pub fn coefficients(&self) -> usize {
        self.uncleared.len()
    }

    /// The secret times the generator: the public key, when this is the sum of all dealers.
    #[must_use]
    pub fn constant(&self) -> C::Point {
        self.uncleared.first().map_or_else(C::Point::identity, C::clear_cofactor)
    }

    /// The polynomial at a party's index, times the generator: the public side of that party's share.
    #[must_use]
    pub fn evaluate(&self, index: PartyIndex) -> C::Point {
        let Some((highest, lower)) = self.uncleared.split_last() else { return C::Point::identity() };
        let step = |sum: C::Point, coefficient| C::mul_small(&sum, index.get()) + coefficient;
        let sum = lower.iter().rev().fold(*highest, step);
        C::clear_cofactor(&sum)
    }

    /// The public sides of these parties' shares, each in standard encoding.
    #[must_use]
    pub fn verifying_shares(
        &self,
        indices: impl IntoIterator<Item = PartyIndex>,
    ) -> BTreeMap<PartyIndex, Vec<u8>> {
        indices.into_iter().map(|index| (index, C::encode(&self.evaluate(index)))).collect()
    }

    /// The commitment to the sum of the polynomials.
    ///
    /// # Errors
    /// When there is none, or they are of different degrees.
    pub fn sum<'a>(commitments: impl IntoIterator<Item = &'a Self>) -> Result<Self, SumError> {
        let mut commitments = commitments.into_iter();
        let mut sum = commitments.next().ok_or(SumError::Empty)?.uncleared.clone();
        for commitment in commitments {
            let (expected, got) = (sum.len(), commitment.uncleared.len());
            if expected != got {
                return Err(SumError::DifferentLengths { expected, got });
            }
            sum.iter_mut().zip(&commitment.uncleared).for_each(|(sum, coefficient)| *sum += coefficient);
        }
        Ok(Self { uncleared: sum })
    }
}

impl<C: Curve> fmt::Debug for Commitment<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({}, {} coefficients)", C::NAME, self.uncleared.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on_every_curve, parties, party, rng, threshold};
    use crate::{Ed25519, Polynomial};

    on_every_curve!(
        a_commitment_reads_what_it_writes,
        a_commitment_of_another_length_is_refused,
        a_coefficient_that_is_no_point_is_named,
        evaluation_in_the_exponent_is_evaluation,
        sums_are_sums_of_polynomials,
        a_zero_constant_is_a_commitment,
    );

    fn dealing<C: Curve>(signers: u16, seed: u64) -> (Polynomial<C>, Commitment<C>) {
        let polynomial = Polynomial::random(threshold(signers), &mut rng(seed));
        let commitment = Commitment::of(&polynomial);
        (polynomial, commitment)
    }

    fn a_commitment_reads_what_it_writes<C: Curve>() {
        let (_, commitment) = dealing::<C>(3, 1);
        let bytes = commitment.to_bytes();
        assert_eq!(bytes.len(), 3 * C::POINT_BYTES);
        let again = Commitment::<C>::from_bytes(&bytes, threshold(3)).unwrap();
        assert_eq!(again.to_bytes(), bytes);
        assert_eq!(again.coefficients(), 3);
        assert_eq!(again.constant(), commitment.constant());
        assert_eq!(again.evaluate(party(9)), commitment.evaluate(party(9)));
    }

    /// A vector longer than the threshold raises the degree, and no set of threshold many parties could sign any more.
    fn a_commitment_of_another_length_is_refused<C: Curve>() {
        for signers in [2, 4] {
            let bytes = dealing::<C>(signers, 1).1.to_bytes();
            let refused = Commitment::<C>::from_bytes(&bytes, threshold(3)).unwrap_err();
            let expected = 3 * C::POINT_BYTES;
            assert_eq!(refused, InvalidCommitment::Length { expected, got: bytes.len() });
            assert!(refused.to_string().contains(&expected.to_string()));
        }
        let bytes = dealing::<C>(3, 1).1.to_bytes();
        for bad in [&bytes[1..], &[], &[&bytes[..], &[0]].concat()] {
            assert!(Commitment::<C>::from_bytes(bad, threshold(3)).is_err());
        }
    }

    fn a_coefficient_that_is_no_point_is_named<C: Curve>() {
        let bytes = dealing::<C>(3, 1).1.to_bytes();
        for position in 0..3 {
            let mut bad = bytes.clone();
            bad[position * C::POINT_BYTES..][..C::POINT_BYTES].fill(0xFF);
            let refused = Commitment::<C>::from_bytes(&bad, threshold(3)).unwrap_err();
            assert_eq!(refused, InvalidCommitment::Point { position });
        }
    }

    fn evaluation_in_the_exponent_is_evaluation<C: Curve>() {
        let (polynomial, commitment) = dealing::<C>(4, 2);
        assert_eq!(commitment.constant(), C::mul_base(&polynomial.coefficients()[0]));
        let indices = parties([1, 2, 3, 50, 100]);
        let shares = commitment.verifying_shares(indices.clone());
        for index in indices {
            let expected = C::mul_base(&polynomial.evaluate(index));
            assert_eq!(commitment.evaluate(index), expected);
            assert_eq!(C::decode(&shares[&index]), Some(expected));
        }
    }

    fn sums_are_sums_of_polynomials<C: Curve>() {
        let dealings: Vec<_> = (0..4).map(|seed| dealing::<C>(3, seed)).collect();
        let sum = Commitment::sum(dealings.iter().map(|(_, commitment)| commitment)).unwrap();
        let value = dealings.iter().map(|(polynomial, _)| polynomial.evaluate(party(5))).sum();
        assert_eq!(sum.evaluate(party(5)), C::mul_base(&value));
        let again = Commitment::<C>::from_bytes(&sum.to_bytes(), threshold(3)).unwrap();
        assert_eq!(again.constant(), sum.constant());

        assert_eq!(Commitment::<C>::sum([]).unwrap_err(), SumError::Empty);
        let longer = dealing::<C>(4, 9).1;
        let refused = Commitment::sum([&sum, &longer]).unwrap_err();
        assert_eq!(refused, SumError::DifferentLengths { expected: 3, got: 4 });
    }

    fn a_zero_constant_is_a_commitment<C: Curve>() {
        let zero = C::Scalar::from(0);
        let polynomial = Polynomial::<C>::with_constant(&zero, threshold(2), &mut rng(3));
        let bytes = Commitment::of(&polynomial).to_bytes();
        let commitment = Commitment::<C>::from_bytes(&bytes, threshold(2)).unwrap();
        assert!(C::is_identity(&commitment.constant()));
        assert!(polynomial.share(party(2)).verify(&commitment));
    }

    #[test]
    fn components_of_small_order_change_nothing_that_is_computed() {
        use curve25519_dalek::constants::EIGHT_TORSION;

        let (polynomial, honest) = dealing::<Ed25519>(3, 4);
        let mut bytes = Vec::new();
        for (coefficient, torsion) in honest.uncleared().iter().zip(&EIGHT_TORSION[1..]) {
            bytes.extend(Ed25519::encode(&(coefficient + torsion)));
        }
        let twisted = Commitment::<Ed25519>::from_bytes(&bytes, threshold(3)).unwrap();
        assert_ne!(twisted.to_bytes(), honest.to_bytes());
        assert_eq!(twisted.constant(), honest.constant());
        for index in parties([1, 2, 8, 97]) {
            assert_eq!(twisted.evaluate(index), honest.evaluate(index));
            assert!(twisted.evaluate(index).is_torsion_free());
            assert!(polynomial.share(index).verify(&twisted));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Commitment::<Ed25519>::from_bytes(&bytes, threshold(2));
            let _ = Commitment::<crate::Secp256k1>::from_bytes(&bytes, threshold(2));
        }
    }
}
