//! Residues in Montgomery form.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A residue of one [`Modulus`](crate::Modulus), in Montgomery form. It does not know of which: to use it with another is a mistake of
/// the caller.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Element {
    limbs: Vec<u64>,
}

impl Element {
    pub(crate) fn from_limbs(limbs: Vec<u64>) -> Self {
        Self { limbs }
    }

    pub(crate) fn limbs(&self) -> &[u64] {
        &self.limbs
    }
}

impl ConstantTimeEq for Element {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.limbs.ct_eq(&other.limbs)
    }
}

/// An element may be a secret, which no log should have.
impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Element({} bits)", self.limbs.len() * 64)
    }
}
