//! Products of many factors, without a new allocation for each.

use std::fmt;
use std::mem;

use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::element::Element;
use crate::modulus::Modulus;
use crate::native::{Scratch, there_is_memory};

/// What has been multiplied so far. Overwritten on drop.
pub struct Product<'a> {
    modulus: &'a Modulus,
    scratch: Scratch,
    value: Zeroizing<Vec<u64>>,
    /// Where the next value is written.
    next: Zeroizing<Vec<u64>>,
    /// The factor that was selected.
    selected: Zeroizing<Vec<u64>>,
}

impl<'a> Product<'a> {
    pub(crate) fn new(modulus: &'a Modulus) -> Self {
        let value = modulus.one().limbs().to_vec();
        let zeros = || Zeroizing::new(vec![0; value.len()]);
        let (next, selected) = (zeros(), zeros());
        Self { modulus, scratch: there_is_memory(Scratch::new()), value: value.into(), next, selected }
    }

    /// Multiplies by a factor.
    ///
    /// # Panics
    /// When the factor is of a modulus of another length.
    pub fn mul(&mut self, factor: &Element) {
        let Self { modulus, scratch, value, next, .. } = self;
        there_is_memory(modulus.montgomery().mul(scratch, next, value, modulus.own(factor)));
        mem::swap(value, next);
    }

    /// Squares what there is.
    pub fn square(&mut self) {
        let Self { modulus, scratch, value, next, .. } = self;
        there_is_memory(modulus.montgomery().mul(scratch, next, value, value));
        mem::swap(value, next);
    }

    /// Multiplies by the entry of `table` at `index`, without saying which one by the time or the memory that it takes. An index beyond the
    /// table gives zero.
    ///
    /// # Panics
    /// When the table holds an element of a modulus of another length.
    pub fn mul_selected(&mut self, table: &[Element], index: usize) {
        let Self { modulus, scratch, value, next, selected } = self;
        selected.iter_mut().for_each(|limb| *limb = 0);
        for (at, entry) in table.iter().enumerate() {
            let wanted = (at as u64).ct_eq(&(index as u64));
            // All ones, or nothing: one mask for the whole entry.
            let mask = u64::conditional_select(&0, &u64::MAX, wanted);
            for (limb, candidate) in selected.iter_mut().zip(modulus.own(entry)) {
                *limb |= candidate & mask;
            }
        }
        there_is_memory(modulus.montgomery().mul(scratch, next, value, selected));
        mem::swap(value, next);
    }

    /// The product.
    #[must_use]
    pub fn finish(mut self) -> Element {
        Element::from_limbs(mem::take(&mut *self.value))
    }
}

impl fmt::Debug for Product<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Product modulo {:?}", self.modulus)
    }
}
