//! Feldman's commitments: a polynomial in the exponent.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

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
    /// Their encoding, when it is known or was asked for.
    bytes: OnceLock<Vec<u8>>,
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
        Self::from_uncleared(polynomial.coefficients().iter().map(C::mul_base_uncleared).collect())
    }

    fn from_uncleared(uncleared: Vec<C::Point>) -> Self {
        Self { uncleared, bytes: OnceLock::new() }
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
        Ok(Self { uncleared, bytes: OnceLock::from(bytes.to_vec()) })
    }

    /// The coefficients in transport encoding, the constant first. What was read comes out as it was.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get_or_init(|| self.uncleared.iter().flat_map(C::encode).collect())
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
        let sum = self.uncleared.iter().rev().fold(C::Point::identity(), |sum, coefficient| {
            // The first step multiplies the identity.
            if C::is_identity(&sum) { *coefficient } else { C::mul_small(&sum, index.get()) + coefficient }
        });
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
        Ok(Self::from_uncleared(sum))
    }
}

impl<C: Curve> fmt::Debug for Commitment<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({}, {} coefficients)", C::NAME, self.uncleared.len())
    }
}
