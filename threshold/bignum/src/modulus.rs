//! Odd moduli and what is computed modulo them.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::element::Element;
use crate::native::{Montgomery, Scratch, there_is_memory};
use crate::product::Product;

/// The most bits that a modulus may have: a limit of AWS-LC.
pub const MAX_BITS: usize = 8192;

const MAX_LIMBS: usize = MAX_BITS / 64;

/// Not a modulus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidModulus {
    /// Even, and so of no Montgomery form.
    #[error("an even modulus")]
    Even,
    /// Below 3.
    #[error("a modulus below 3")]
    TooSmall,
    /// More than [`MAX_BITS`].
    #[error("a modulus of more than {MAX_BITS} bits")]
    TooLarge,
}

/// Not a residue: as large as the modulus, or larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not smaller than the modulus")]
pub struct NotReduced;

/// An odd modulus of at most [`MAX_BITS`]. It may be a secret; its length is not.
pub struct Modulus {
    montgomery: Montgomery,
    limbs: Zeroizing<Vec<u64>>,
    one: Element,
}

impl Modulus {
    /// The modulus of these little-endian bytes, whose leading zeros don't count.
    ///
    /// # Errors
    /// [`InvalidModulus`], the caller's misuse.
    ///
    /// # Panics
    /// When there is no memory, as any allocation does.
    pub fn new(bytes: &[u8]) -> Result<Self, InvalidModulus> {
        let mut limbs = to_limbs(bytes);
        let length = limbs.iter().rposition(|limb| *limb != 0).map_or(0, |last| last + 1);
        limbs.truncate(length);
        match limbs.as_slice() {
            [] | [1 | 2] => return Err(InvalidModulus::TooSmall),
            [least, ..] if least % 2 == 0 => return Err(InvalidModulus::Even),
            all if all.len() > MAX_LIMBS => return Err(InvalidModulus::TooLarge),
            _ => {}
        }
        let montgomery = there_is_memory(Montgomery::new(&limbs));
        let mut one = vec![0; length];
        let mut unit = vec![0; length];
        if let Some(least) = unit.first_mut() {
            *least = 1;
        }
        there_is_memory(montgomery.enter(&mut one, &unit));
        Ok(Self { montgomery, limbs, one: Element::from_limbs(one) })
    }

    /// How many bytes a residue takes: a multiple of eight.
    pub fn length(&self) -> usize {
        self.limbs.len() * 8
    }

    /// The number one.
    pub const fn one(&self) -> &Element {
        &self.one
    }

    /// The element of these little-endian bytes, whose leading zeros don't count.
    ///
    /// # Errors
    /// [`NotReduced`] when they are no residue: nothing is reduced in silence.
    pub fn element(&self, bytes: &[u8]) -> Result<Element, NotReduced> {
        let mut residue = to_limbs(bytes);
        let length = self.limbs.len();
        if residue.iter().skip(length).fold(0, |all, limb| all | limb) != 0 {
            return Err(NotReduced);
        }
        residue.resize(length, 0);
        if !bool::from(less(&residue, &self.limbs)) {
            return Err(NotReduced);
        }
        Ok(self.enter(&residue))
    }

    /// The residue of an element, as [`Modulus::length`] little-endian bytes.
    ///
    /// # Panics
    /// When the element is of a modulus of another length.
    pub fn bytes(&self, element: &Element) -> Zeroizing<Vec<u8>> {
        let residue = self.leave(element);
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.length()));
        for limb in residue.iter() {
            bytes.extend_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// The product.
    ///
    /// # Panics
    /// When a factor is of a modulus of another length.
    #[must_use]
    pub fn mul(&self, a: &Element, b: &Element) -> Element {
        let (a, b) = (self.own(a), self.own(b));
        let mut product = vec![0; self.limbs.len()];
        there_is_memory(
            Scratch::new().and_then(|mut scratch| self.montgomery.mul(&mut scratch, &mut product, a, b)),
        );
        Element::from_limbs(product)
    }

    /// A product of many factors, so far of none.
    ///
    /// # Panics
    /// When there is no memory, as any allocation does.
    pub fn product(&self) -> Product<'_> {
        Product::new(self)
    }

    /// The square.
    ///
    /// # Panics
    /// When the element is of a modulus of another length.
    #[must_use]
    pub fn square(&self, element: &Element) -> Element {
        self.mul(element, element)
    }

    /// `base` to the power of `exponent`, little-endian bytes, in a time that depends on their number only.
    ///
    /// # Panics
    /// When the base is of a modulus of another length.
    #[must_use]
    pub fn pow(&self, base: &Element, exponent: &[u8]) -> Element {
        self.power(base, exponent, true)
    }

    /// `base` to the power of `exponent`, both public: the time depends on them.
    ///
    /// # Panics
    /// When the base is of a modulus of another length.
    #[must_use]
    pub fn pow_vartime(&self, base: &Element, exponent: &[u8]) -> Element {
        self.power(base, exponent, false)
    }

    fn power(&self, base: &Element, exponent: &[u8], constant_time: bool) -> Element {
        let base = self.leave(base);
        let mut exponent = to_limbs(exponent);
        if !constant_time {
            let length = exponent.iter().rposition(|limb| *limb != 0).map_or(0, |last| last + 1);
            exponent.truncate(length);
        }
        let mut power = Zeroizing::new(vec![0; self.limbs.len()]);
        let done = self.montgomery.pow(&mut power, &self.limbs, &base, &exponent, constant_time);
        there_is_memory(done);
        self.enter(&power)
    }

    fn enter(&self, residue: &[u64]) -> Element {
        let mut limbs = vec![0; self.limbs.len()];
        there_is_memory(self.montgomery.enter(&mut limbs, residue));
        Element::from_limbs(limbs)
    }

    fn leave(&self, element: &Element) -> Zeroizing<Vec<u64>> {
        let mut unit = vec![0; self.limbs.len()];
        if let Some(least) = unit.first_mut() {
            *least = 1;
        }
        let mut residue = Zeroizing::new(vec![0; self.limbs.len()]);
        let done = Scratch::new().and_then(|mut scratch| {
            self.montgomery.mul(&mut scratch, &mut residue, self.own(element), &unit)
        });
        there_is_memory(done);
        residue
    }

    pub(crate) const fn montgomery(&self) -> &Montgomery {
        &self.montgomery
    }

    pub(crate) fn own<'a>(&self, element: &'a Element) -> &'a [u64] {
        let limbs = element.limbs();
        assert_eq!(limbs.len(), self.limbs.len(), "an element of another modulus");
        limbs
    }
}

impl fmt::Debug for Modulus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Modulus({} limbs)", self.limbs.len())
    }
}

fn to_limbs(bytes: &[u8]) -> Zeroizing<Vec<u64>> {
    let mut limbs = Zeroizing::new(Vec::with_capacity(bytes.len().div_ceil(8)));
    for chunk in bytes.chunks(8) {
        limbs.push(chunk.iter().rev().fold(0, |limb, byte| limb << 8 | u64::from(*byte)));
    }
    limbs
}

/// Whether `a < b`, of equal length, in constant time.
fn less(a: &[u64], b: &[u64]) -> Choice {
    let mut borrow = 0;
    for (a, b) in a.iter().zip(b) {
        let difference = u128::from(*a).wrapping_sub(u128::from(*b)).wrapping_sub(borrow);
        borrow = difference >> 127;
    }
    (borrow as u64).ct_eq(&1)
}

#[cfg(test)]
mod tests {
    use crypto_bigint::{
        BoxedUint, NonZero, Odd,
        modular::{BoxedMontyForm, BoxedMontyParams},
    };
    use proptest::prelude::*;

    use super::*;

    fn number(bytes: &[u8]) -> BoxedUint {
        BoxedUint::from_le_slice(bytes, u32::try_from(bytes.len() * 8).unwrap()).unwrap()
    }

    /// `value` of any length, modulo `modulus`.
    fn reduced(value: &[u8], modulus: &[u8]) -> Vec<u8> {
        let modulus = NonZero::new(number(modulus)).unwrap();
        number(value).rem_vartime(&modulus).to_le_bytes().to_vec()
    }

    fn same(ours: &[u8], theirs: &BoxedUint) {
        let length = ours.len().max(theirs.to_le_bytes().len());
        let widened = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            bytes.resize(length, 0);
            bytes
        };
        assert_eq!(widened(ours), widened(&theirs.to_le_bytes()));
    }

    /// Odd, of whole limbs, with the highest one not zero.
    fn moduli() -> impl Strategy<Value = Vec<u8>> {
        (1_usize..=24).prop_flat_map(|limbs| prop::collection::vec(any::<u8>(), limbs * 8)).prop_map(
            |mut bytes| {
                bytes[0] |= 3;
                let last = bytes.len() - 1;
                bytes[last] |= 1;
                bytes
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn agrees_with_another_library(
            modulus in moduli(),
            a in prop::collection::vec(any::<u8>(), 192),
            b in prop::collection::vec(any::<u8>(), 192),
            exponent in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let (a, b) = (reduced(&a, &modulus), reduced(&b, &modulus));
            let ours = Modulus::new(&modulus).unwrap();
            let (x, y) = (ours.element(&a).unwrap(), ours.element(&b).unwrap());
            same(&ours.bytes(&x), &number(&a));

            let params = BoxedMontyParams::new(Odd::new(number(&modulus)).unwrap());
            let widened = |value: &[u8]| {
                let mut value = value.to_vec();
                value.resize(modulus.len(), 0);
                BoxedMontyForm::new(number(&value), &params)
            };
            let (u, v) = (widened(&a), widened(&b));
            same(&ours.bytes(&ours.mul(&x, &y)), &u.mul(&v).retrieve());
            same(&ours.bytes(&ours.square(&x)), &u.square().retrieve());
            let exponent = if exponent.is_empty() { vec![0] } else { exponent };
            let power = u.pow(&number(&exponent)).retrieve();
            same(&ours.bytes(&ours.pow(&x, &exponent)), &power);
            same(&ours.bytes(&ours.pow_vartime(&x, &exponent)), &power);
        }
    }

    #[test]
    fn of_the_largest_moduli_too() {
        for bytes in [384, 768, 1024] {
            let modulus = vec![0xff; bytes];
            let ours = Modulus::new(&modulus).unwrap();
            assert_eq!(ours.length(), bytes);
            let mut largest = modulus.clone();
            largest[0] = 0xfe;
            // -1 squared.
            let minus_one = ours.element(&largest).unwrap();
            assert!(bool::from(ours.square(&minus_one).ct_eq(ours.one())));
            assert!(bool::from(ours.pow(&minus_one, &largest).ct_eq(ours.one())));
            assert!(bool::from(ours.pow(&minus_one, &modulus).ct_eq(&minus_one)));
        }
    }

    #[test]
    fn what_is_no_modulus_and_what_is_no_residue_is_refused() {
        for (bytes, reason) in [
            (vec![], InvalidModulus::TooSmall),
            (vec![0; 16], InvalidModulus::TooSmall),
            (vec![1], InvalidModulus::TooSmall),
            (vec![2, 0], InvalidModulus::TooSmall),
            (vec![4], InvalidModulus::Even),
            ([vec![0], vec![0xff; 99]].concat(), InvalidModulus::Even),
            (vec![0xff; MAX_BITS / 8 + 1], InvalidModulus::TooLarge),
        ] {
            assert_eq!(Modulus::new(&bytes).unwrap_err(), reason, "{bytes:?}");
        }
        let modulus = [[0xff; 12].as_slice(), &[0; 12]].concat();
        let ours = Modulus::new(&modulus).unwrap();
        assert_eq!(ours.length(), 16);
        assert!(matches!(ours.element(&modulus), Err(NotReduced)));
        assert!(matches!(ours.element(&[0xff; 13]), Err(NotReduced)));
        assert!(matches!(ours.element(&[[0; 40].as_slice(), &[1]].concat()), Err(NotReduced)));
        assert_eq!(*ours.bytes(&ours.element(&[7]).unwrap()), [vec![7], vec![0; 15]].concat());
        assert_eq!(*ours.bytes(&ours.element(&[]).unwrap()), vec![0; 16]);
        // x^0 is one, also of zero, and however many zeros are in the exponent.
        for exponent in [vec![], vec![0], vec![0; 80]] {
            for base in [0, 5] {
                let base = ours.element(&[base]).unwrap();
                assert!(bool::from(ours.pow(&base, &exponent).ct_eq(ours.one())), "{exponent:?}");
                assert!(bool::from(ours.pow_vartime(&base, &exponent).ct_eq(ours.one())), "{exponent:?}");
            }
        }
    }

    #[test]
    fn a_product_of_many_is_the_same_one_by_one() {
        let ours = Modulus::new(&[0xfb; 40]).unwrap();
        let table: Vec<_> = (2..18).map(|value| ours.element(&[value; 40]).unwrap()).collect();
        let mut product = ours.product();
        let mut expected = ours.one().clone();
        for (index, factor) in table.iter().enumerate() {
            product.mul(factor);
            product.square();
            product.mul_selected(&table, index);
            expected = ours.mul(&ours.square(&ours.mul(&expected, factor)), factor);
        }
        assert!(bool::from(product.finish().ct_eq(&expected)));
        assert!(bool::from(ours.product().finish().ct_eq(ours.one())));
        // Beyond the table there is nothing, and nothing is zero.
        let mut product = ours.product();
        product.mul_selected(&table, 16);
        assert_eq!(*ours.bytes(&product.finish()), vec![0; 40]);
    }

    #[test]
    fn threads_share_a_modulus_and_nothing_is_printed() {
        let ours = Modulus::new(&[0xfb; 384]).unwrap();
        let element = ours.element(&[0x11; 384]).unwrap();
        let expected = ours.pow(&element, &[0x55; 32]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(bool::from(ours.pow(&element, &[0x55; 32]).ct_eq(&expected))));
            }
        });
        assert_eq!(format!("{ours:?} {element:?}"), "Modulus(48 limbs) Element(3072 bits)");
    }

    #[test]
    #[should_panic(expected = "another modulus")]
    fn elements_of_moduli_of_other_lengths_are_not_multiplied() {
        let (ours, other) = (Modulus::new(&[0xfb; 32]).unwrap(), Modulus::new(&[0xfb; 40]).unwrap());
        let _ = ours.mul(ours.one(), other.one());
    }
}
