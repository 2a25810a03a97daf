//! Polynomials over the scalars: Shamir's secret sharing.

use std::fmt;

use ff::Field;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::committee::first_repeated;
use crate::curve::Curve;
use crate::party::{PartyIndex, Threshold};
use crate::share::SecretShare;

/// A dealer's secret polynomial, with as many coefficients as there must be signers; the constant is the secret.
///
/// Erased on drop. All operations are constant time in the coefficients.
pub struct Polynomial<C: Curve> {
    coefficients: Vec<C::Scalar>,
}

impl<C: Curve> Polynomial<C> {
    /// A uniform polynomial.
    pub fn random(threshold: Threshold, rng: &mut dyn CryptoRngCore) -> Self {
        let mut constant = C::random_scalar(rng);
        let polynomial = Self::with_constant(&constant, threshold, rng);
        constant.zeroize();
        polynomial
    }

    /// A uniform polynomial among those with this constant.
    pub fn with_constant(constant: &C::Scalar, threshold: Threshold, rng: &mut dyn CryptoRngCore) -> Self {
        // With the capacity it will need: a vector that grows leaves its old content behind.
        let mut coefficients = Vec::with_capacity(threshold.count());
        coefficients.push(*constant);
        coefficients.extend((1..threshold.count()).map(|_| C::random_scalar(rng)));
        Self { coefficients }
    }

    /// The coefficients, the constant first.
    pub(crate) fn coefficients(&self) -> &[C::Scalar] {
        &self.coefficients
    }

    /// The value at a party's index.
    #[must_use]
    pub fn evaluate(&self, index: PartyIndex) -> C::Scalar {
        self.evaluate_at(&C::Scalar::from(u64::from(index.get())))
    }

    /// The value at a point, by Horner's rule.
    pub(crate) fn evaluate_at(&self, point: &C::Scalar) -> C::Scalar {
        self.coefficients.iter().rev().fold(C::Scalar::ZERO, |value, coefficient| value * point + coefficient)
    }

    /// The share of a party.
    #[must_use]
    pub fn share(&self, index: PartyIndex) -> SecretShare<C> {
        SecretShare::new(index, self.evaluate(index))
    }
}

impl<C: Curve> fmt::Debug for Polynomial<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Polynomial({}, {} coefficients redacted)", C::NAME, self.coefficients.len())
    }
}

impl<C: Curve> Drop for Polynomial<C> {
    fn drop(&mut self) {
        self.coefficients.zeroize();
    }
}

impl<C: Curve> ZeroizeOnDrop for Polynomial<C> {}

/// Why there is no Lagrange coefficient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LagrangeError {
    /// The party is not one of those that interpolate.
    #[error("party {0} is not among the interpolating parties")]
    NotIncluded(PartyIndex),
    /// A party is listed twice.
    #[error("party {0} is listed twice among the interpolating parties")]
    Repeated(PartyIndex),
}

/// The factor of `index`'s share in the value at zero, when exactly `parties` interpolate: Π j/(j − index) over the others.
///
/// # Errors
/// When `index` is not among `parties`, or one of them stands twice.
pub fn lagrange_at_zero<C: Curve>(
    index: PartyIndex,
    parties: &[PartyIndex],
) -> Result<C::Scalar, LagrangeError> {
    if let Some(repeated) = first_repeated(parties) {
        return Err(LagrangeError::Repeated(repeated));
    }
    if !parties.contains(&index) {
        return Err(LagrangeError::NotIncluded(index));
    }
    let scalar = |index: PartyIndex| C::Scalar::from(u64::from(index.get()));
    let mut numerator = C::Scalar::ONE;
    let mut denominator = C::Scalar::ONE;
    for other in parties.iter().filter(|other| **other != index) {
        numerator *= scalar(*other);
        denominator *= scalar(*other) - scalar(index);
    }
    // Indices are different and far below the group order, so no factor is zero.
    let inverse = Option::<C::Scalar>::from(denominator.invert()).unwrap_or(C::Scalar::ZERO);
    Ok(numerator * inverse)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{on_every_curve, parties, party, rng, threshold};
    use crate::{Ed25519, P256, Secp256k1};

    on_every_curve!(wrong_sets_have_no_coefficients, evaluation_is_that_of_the_coefficients);

    fn wrong_sets_have_no_coefficients<C: Curve>() {
        let absent = lagrange_at_zero::<C>(party(4), &parties([1, 2, 3]));
        assert_eq!(absent, Err(LagrangeError::NotIncluded(party(4))));
        let repeated = lagrange_at_zero::<C>(party(1), &parties([1, 2, 3, 2]));
        assert_eq!(repeated, Err(LagrangeError::Repeated(party(2))));
        assert_eq!(lagrange_at_zero::<C>(party(1), &[]), Err(LagrangeError::NotIncluded(party(1))));
        // 2/(2 − 1) and 1/(1 − 2).
        let one = C::Scalar::ONE;
        assert_eq!(lagrange_at_zero::<C>(party(1), &parties([1, 2])), Ok(one + one));
        assert_eq!(lagrange_at_zero::<C>(party(2), &parties([1, 2])), Ok(-one));
    }

    fn evaluation_is_that_of_the_coefficients<C: Curve>() {
        let secret = C::random_scalar(&mut rng(1));
        let polynomial = Polynomial::<C>::with_constant(&secret, threshold(3), &mut rng(2));
        let [constant, linear, square] = polynomial.coefficients() else { panic!("three coefficients") };
        let seven = C::Scalar::from(7);
        assert_eq!(*constant, secret);
        assert_eq!(polynomial.evaluate(party(7)), secret + *linear * seven + *square * seven * seven);
        assert_eq!(*polynomial.share(party(7)).expose(), polynomial.evaluate(party(7)));
        assert_eq!(polynomial.share(party(7)).index(), party(7));
        assert!(format!("{polynomial:?}").ends_with("3 coefficients redacted)"));
    }

    fn interpolate<C: Curve>(polynomial: &Polynomial<C>, signers: &[PartyIndex]) -> C::Scalar {
        let term = |index| lagrange_at_zero::<C>(index, signers).unwrap() * polynomial.evaluate(index);
        signers.iter().map(|index| term(*index)).sum()
    }

    fn any_threshold_many_parties_find_the_secret<C: Curve>(seed: u64, signers: &[PartyIndex]) {
        let threshold = threshold(u16::try_from(signers.len()).unwrap());
        let secret = C::random_scalar(&mut rng(seed));
        let polynomial = Polynomial::<C>::with_constant(&secret, threshold, &mut rng(!seed));
        assert_eq!(interpolate(&polynomial, signers), secret);
        if let Some((_, fewer)) = signers.split_first()
            && !fewer.is_empty()
        {
            assert_ne!(interpolate(&polynomial, fewer), secret);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_threshold_many_shares_find_the_secret_and_fewer_do_not(
            seed: u64,
            signers in prop::sample::subsequence((1_u16..=100).collect::<Vec<_>>(), 2..12).prop_shuffle(),
        ) {
            let signers = parties(signers);
            any_threshold_many_parties_find_the_secret::<Ed25519>(seed, &signers);
            any_threshold_many_parties_find_the_secret::<Secp256k1>(seed, &signers);
            any_threshold_many_parties_find_the_secret::<P256>(seed, &signers);
        }

        #[test]
        fn more_than_threshold_many_shares_find_the_secret_too(seed: u64, signers in 3_u16..20) {
            let polynomial = Polynomial::<Secp256k1>::random(threshold(3), &mut rng(seed));
            let found = interpolate(&polynomial, &parties(1..=signers));
            prop_assert_eq!(found, polynomial.coefficients()[0]);
        }
    }
}
