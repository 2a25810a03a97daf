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
    scalar: C::Scalar,
}

/// Bytes are no share: not 32, or not below the group order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a share: expected 32 bytes of a scalar below the group order")]
pub struct InvalidShare;

impl<C: Curve> SecretShare<C> {
    /// The share of `index` with this value.
    #[must_use]
    pub const fn new(index: PartyIndex, scalar: C::Scalar) -> Self {
        Self { index, scalar }
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
    pub const fn expose(&self) -> &C::Scalar {
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
        (self.index == other.index).then(|| Self::new(self.index, self.scalar + other.scalar))
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
