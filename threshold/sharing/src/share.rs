//! A party's share of a secret.

use std::fmt;

use quorate_keys::Secret;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::commitment::Commitment;
use crate::curve::Curve;
use crate::party::PartyIndex;

/// The value of a polynomial, or of a sum of polynomials, at a party's index. Erased on drop.
pub struct SecretShare<C: Curve> {
    index: PartyIndex,
    /// In a place of its own: moving the share leaves no copy of it behind.
    scalar: Box<C::Scalar>,
}

/// Bytes are no share: not 32, or not below the group order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a share: expected 32 bytes of a scalar below the group order")]
pub struct InvalidShare;

impl<C: Curve> SecretShare<C> {
    /// The share of `index` with this value.
    #[must_use]
    pub fn new(index: PartyIndex, scalar: C::Scalar) -> Self {
        Self { index, scalar: Box::new(scalar) }
    }

    /// The share of `index` with this encoding.
    ///
    /// # Errors
    /// When it is not the canonical encoding of a scalar.
    pub fn from_bytes(index: PartyIndex, bytes: &[u8]) -> Result<Self, InvalidShare> {
        let bytes = Secret::new(<[u8; 32]>::try_from(bytes).map_err(|_| InvalidShare)?);
        C::scalar_from_bytes(bytes.expose()).map(|scalar| Self::new(index, scalar)).ok_or(InvalidShare)
    }

    /// The canonical encoding of the value.
    #[must_use]
    pub fn to_bytes(&self) -> Secret<[u8; 32]> {
        Secret::new(C::scalar_to_bytes(&self.scalar))
    }

    /// The party.
    #[must_use]
    pub const fn index(&self) -> PartyIndex {
        self.index
    }

    /// The value. What the caller copies out of it is the caller's to erase.
    #[must_use]
    pub fn expose(&self) -> &C::Scalar {
        &self.scalar
    }

    /// The public side of the share: value·G. Constant time.
    #[must_use]
    pub fn public(&self) -> C::Point {
        C::mul_base(&self.scalar)
    }

    /// Whether this is the value of the committed polynomial at this party's index. Constant time in the value.
    ///
    /// A party that received many shares checks their sum against the sum of the commitments, and them one by one only
    /// when that fails, to name the culprit. What it keeps is the sum, which is right if and only if the check of the
    /// sum holds; see `DEVIATIONS.md`.
    #[must_use]
    pub fn verify(&self, commitment: &Commitment<C>) -> bool {
        self.public() == commitment.evaluate(self.index)
    }

    /// The sum of two shares of one party; nothing when they are of different parties.
    #[must_use]
    pub fn add(&self, other: &Self) -> Option<Self> {
        (self.index == other.index).then(|| Self::new(self.index, *self.scalar + *other.scalar))
    }
}

impl<C: Curve> fmt::Debug for SecretShare<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretShare({} of party {}, redacted)", C::NAME, self.index)
    }
}

impl<C: Curve> Drop for SecretShare<C> {
    fn drop(&mut self) {
        self.scalar.zeroize();
    }
}

impl<C: Curve> ZeroizeOnDrop for SecretShare<C> {}

#[cfg(test)]
mod tests {
    use ff::Field;

    use super::*;
    use crate::Polynomial;
    use crate::testing::{on_every_curve, party, rng, threshold};

    on_every_curve!(
        a_share_fits_its_commitment_and_no_other,
        the_sum_of_shares_fits_the_sum_of_commitments,
        one_wrong_share_makes_the_sum_wrong,
        two_errors_that_cancel_leave_the_right_sum,
        bytes_that_are_no_scalar_are_no_share,
    );

    fn dealings<C: Curve>(count: u64) -> Vec<(Polynomial<C>, Commitment<C>)> {
        let deal = |seed| Polynomial::random(threshold(3), &mut rng(seed));
        (0..count)
            .map(deal)
            .map(|polynomial| (Commitment::of(&polynomial), polynomial))
            .map(|(c, p)| (p, c))
            .collect()
    }

    fn sum<C: Curve>(shares: &[SecretShare<C>]) -> SecretShare<C> {
        let zero = SecretShare::new(shares[0].index(), C::Scalar::ZERO);
        shares.iter().fold(zero, |sum, share| sum.add(share).unwrap())
    }

    fn a_share_fits_its_commitment_and_no_other<C: Curve>() {
        let dealings = dealings::<C>(2);
        for index in [1, 2, 99, 100] {
            let share = dealings[0].0.share(party(index));
            assert!(share.verify(&dealings[0].1));
            assert!(!share.verify(&dealings[1].1));
            assert!(
                !SecretShare::<C>::new(party(index), *share.expose() + C::Scalar::ONE).verify(&dealings[0].1)
            );
            assert!(!SecretShare::<C>::new(party(index % 100 + 1), *share.expose()).verify(&dealings[0].1));
        }
    }

    fn the_sum_of_shares_fits_the_sum_of_commitments<C: Curve>() {
        let dealings = dealings::<C>(5);
        let commitment = Commitment::sum(dealings.iter().map(|(_, commitment)| commitment)).unwrap();
        for index in [1, 7] {
            let shares: Vec<_> =
                dealings.iter().map(|(polynomial, _)| polynomial.share(party(index))).collect();
            assert!(sum(&shares).verify(&commitment));
        }
    }

    fn one_wrong_share_makes_the_sum_wrong<C: Curve>() {
        let dealings = dealings::<C>(5);
        let commitment = Commitment::sum(dealings.iter().map(|(_, commitment)| commitment)).unwrap();
        for cheater in 0..5 {
            let mut shares: Vec<_> =
                dealings.iter().map(|(polynomial, _)| polynomial.share(party(4))).collect();
            *shares[cheater].scalar += C::Scalar::ONE;
            assert!(!sum(&shares).verify(&commitment));
            let wrong = |(share, dealing): (&SecretShare<C>, &(_, Commitment<C>))| !share.verify(&dealing.1);
            assert_eq!(shares.iter().zip(&dealings).position(wrong), Some(cheater));
        }
    }

    /// The case in which the check of the sum says less than the checks one by one: nobody loses anything by it.
    fn two_errors_that_cancel_leave_the_right_sum<C: Curve>() {
        let dealings = dealings::<C>(2);
        let commitment = Commitment::sum(dealings.iter().map(|(_, commitment)| commitment)).unwrap();
        let mut shares: Vec<_> = dealings.iter().map(|(polynomial, _)| polynomial.share(party(4))).collect();
        let right = *sum(&shares).expose();
        *shares[0].scalar += C::Scalar::ONE;
        *shares[1].scalar -= C::Scalar::ONE;
        assert!(!shares[0].verify(&dealings[0].1));
        assert!(sum(&shares).verify(&commitment));
        assert_eq!(*sum(&shares).expose(), right);
    }

    fn bytes_that_are_no_scalar_are_no_share<C: Curve>() {
        let share = dealings::<C>(1)[0].0.share(party(3));
        let again = SecretShare::<C>::from_bytes(party(3), share.to_bytes().expose()).unwrap();
        assert_eq!((again.index(), again.expose()), (share.index(), share.expose()));
        for bad in [&[0xFF; 32][..], &[0; 31], &[0; 33], &[]] {
            assert_eq!(SecretShare::<C>::from_bytes(party(3), bad).err(), Some(InvalidShare));
        }
        assert!(share.add(&SecretShare::new(party(2), C::Scalar::ONE)).is_none());
        assert!(format!("{share:?}").ends_with("of party 3, redacted)"));
    }
}
