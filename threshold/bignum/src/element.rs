//! Residues in Montgomery form.

use std::fmt;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
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

    /// The entry of `table` at `index`, without saying which one by the time or the memory that it takes. An index beyond the
    /// table gives zero.
    ///
    /// # Panics
    /// When the table is empty, or holds elements of moduli of different lengths.
    pub fn select(table: &[Self], index: usize) -> Self {
        let length = table.first().map_or(0, |first| first.limbs.len());
        assert!(
            length > 0 && table.iter().all(|entry| entry.limbs.len() == length),
            "a table of one modulus"
        );
        let mut selected = vec![0; length];
        for (at, entry) in table.iter().enumerate() {
            let wanted = (at as u64).ct_eq(&(index as u64));
            for (limb, candidate) in selected.iter_mut().zip(&entry.limbs) {
                limb.conditional_assign(candidate, wanted);
            }
        }
        Self::from_limbs(selected)
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
