//! Natural numbers of a fixed width, which may be secret.

use std::cmp::Ordering;
use std::fmt;

use crypto_bigint::{BoxedUint, ConcatenatingMul, Gcd, NonZero, Resize};
use rand_core::CryptoRngCore;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeLess};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// A natural number with room for so many bits, a multiple of 64. The room is public; what is in it need not be: where a
/// method does not say otherwise, its time depends on the room alone.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Natural(BoxedUint);

impl Natural {
    /// The number of these little-endian bytes, with room for all of them.
    #[must_use]
    pub fn from_le_bytes(bytes: &[u8]) -> Self {
        Self(BoxedUint::from_le_slice_truncated(bytes, room_for(bytes.len() * 8)))
    }

    /// A small number.
    #[must_use]
    pub fn from_u64(value: u64) -> Self {
        Self(BoxedUint::from(value))
    }

    /// Uniform below 2^`bits`.
    #[must_use]
    pub fn random(bits: usize, rng: &mut dyn CryptoRngCore) -> Self {
        let mut bytes = Zeroizing::new(vec![0; bits.div_ceil(8)]);
        rng.fill_bytes(&mut bytes);
        if let (Some(last), used @ 1..) = (bytes.last_mut(), bits % 8) {
            *last &= (1 << used) - 1;
        }
        Self::from_le_bytes(&bytes)
    }

    /// Uniform below `bound`, which is public and not zero; with the room of `bound`. How many numbers are drawn until one
    /// is below it tells nothing of that one.
    #[must_use]
    pub fn random_below(bound: &Self, rng: &mut dyn CryptoRngCore) -> Self {
        let bits = bound.bits_vartime().max(1);
        loop {
            let drawn = Self::random(bits, rng).with_room(bound.room());
            if bool::from(drawn.less(bound)) || bound.bits_vartime() == 0 {
                return drawn;
            }
        }
    }

    /// The little-endian bytes of the whole room.
    #[must_use]
    pub fn to_le_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_le_bytes().into_vec())
    }

    /// For how many bits there is room.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.bits_precision() as usize
    }

    /// The same number with another room, which it must fit: what is above is cut off.
    #[must_use]
    pub fn with_room(&self, bits: usize) -> Self {
        // Of the reference: resizing a copy would leave that copy behind in freed memory.
        Self((&self.0).resize_unchecked(room_for(bits)))
    }

    /// How many bits it has. Tells the number by its time.
    #[must_use]
    pub fn bits_vartime(&self) -> usize {
        self.0.bits_vartime() as usize
    }

    /// Compares two numbers of any rooms. Tells them by its time.
    #[must_use]
    pub fn cmp_vartime(&self, other: &Self) -> Ordering {
        self.0.cmp_vartime(&other.0)
    }

    /// Whether it is odd.
    #[must_use]
    pub fn is_odd(&self) -> bool {
        self.0.as_words().first().is_some_and(|word| word % 2 == 1)
    }

    /// The product, with the room of both.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        Self(self.0.concatenating_mul(&other.0))
    }

    /// The sum, with room for a carry.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        Self(self.0.concatenating_add(&other.0))
    }

    /// The difference, with the room of `self`; a multiple of 2^room too large when `other` is the larger one.
    #[must_use]
    pub fn wrapping_sub(&self, other: &Self) -> Self {
        Self(self.0.wrapping_sub(&other.with_room(self.room()).0))
    }

    /// The remainder of a division by `modulus`, with its room; nothing if that is zero.
    #[must_use]
    pub fn rem(&self, modulus: &Self) -> Option<Self> {
        // With the quotient in a wrapper that is erased: together with the remainder it tells the modulus.
        self.div_rem(modulus).map(|(_, remainder)| remainder)
    }

    /// The remainder of a division by a small number, which is not zero.
    pub(crate) fn rem_small(&self, divisor: u32) -> u64 {
        let divisor = u64::from(divisor.max(1));
        // Half a word at a time, so that each step is a division of the machine.
        let step = |rest: u64, half: u64| (rest << 32 | half) % divisor;
        self.0.as_words().iter().rev().fold(0, |rest, word| step(step(rest, word >> 32), word & 0xffff_ffff))
    }

    /// The quotient, of the room of `self`, and the remainder of a division by `divisor`; nothing if that is zero.
    #[must_use]
    pub fn div_rem(&self, divisor: &Self) -> Option<(Self, Self)> {
        let divisor = NonZero::new(divisor.0.clone()).into_option()?;
        let (quotient, remainder) = self.0.div_rem(&divisor);
        Self(divisor.get()).zeroize_now();
        Some((Self(quotient), Self(remainder)))
    }

    /// The inverse modulo `modulus`, with its room, if there is one. The number must be below the modulus.
    #[must_use]
    pub fn invert(&self, modulus: &Self) -> Option<Self> {
        let modulus = NonZero::new(modulus.0.clone()).into_option()?;
        let number = self.with_room(modulus.bits_precision() as usize);
        let inverse = number.0.invert_mod(&modulus).into_option().map(Self);
        Self(modulus.get()).zeroize_now();
        inverse
    }

    /// Whether no prime divides both; `modulus` must be odd. Tells them by its time.
    #[must_use]
    pub fn is_coprime_vartime(&self, modulus: &Self) -> bool {
        self.0.gcd_vartime(&modulus.0).is_one().into()
    }

    /// `a`, or `b` if `choice` is set; with the larger room of both.
    #[must_use]
    pub fn select(a: &Self, b: &Self, choice: Choice) -> Self {
        let room = a.room().max(b.room());
        let (a, b) = (a.with_room(room), b.with_room(room));
        let mut words = Zeroizing::new(Vec::with_capacity(a.0.as_words().len()));
        words.extend(
            a.0.as_words().iter().zip(b.0.as_words()).map(|(a, b)| u64::conditional_select(a, b, choice)),
        );
        Self(BoxedUint::from_words(words.iter().copied()))
    }

    /// Whether it is below `other`.
    #[must_use]
    pub fn less(&self, other: &Self) -> Choice {
        let room = self.room().max(other.room());
        let (ours, theirs) = (self.with_room(room), other.with_room(room));
        // From the least significant word on: a higher one overrules all below it.
        let words = ours.0.as_words().iter().zip(theirs.0.as_words());
        words.fold(Choice::from(0), |less, (a, b)| a.ct_lt(b) | (a.ct_eq(b) & less))
    }

    fn zeroize_now(mut self) {
        self.zeroize();
    }
}

impl ConstantTimeEq for Natural {
    /// Numbers of different rooms are different.
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.as_words().ct_eq(other.0.as_words())
    }
}

/// A number may be a secret, which no log should have.
impl fmt::Debug for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Natural(room for {} bits)", self.room())
    }
}

/// No number here comes near 2^32 bits.
fn room_for(bits: usize) -> u32 {
    u32::try_from(bits.div_ceil(64).max(1) * 64).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn number(value: u128) -> Natural {
        Natural::from_le_bytes(&value.to_le_bytes())
    }

    fn value(number: &Natural) -> u128 {
        let bytes = number.to_le_bytes();
        assert!(bytes.iter().skip(16).all(|byte| *byte == 0), "more than 128 bits");
        bytes.iter().take(16).rev().fold(0, |value, byte| value << 8 | u128::from(*byte))
    }

    proptest! {
        #[test]
        fn computes_as_integers_do(a: u64, b: u64, wide: u128, odd in (any::<u64>()).prop_map(|n| n | 1)) {
            let (x, y) = (Natural::from_u64(a), Natural::from_u64(b));
            prop_assert_eq!(value(&x.add(&y)), u128::from(a) + u128::from(b));
            prop_assert_eq!(value(&x.mul(&y)), u128::from(a) * u128::from(b));
            prop_assert_eq!(value(&x.wrapping_sub(&y)), u128::from(a.wrapping_sub(b)));
            prop_assert_eq!(bool::from(x.less(&y)), a < b);
            prop_assert_eq!(bool::from(number(wide).less(&x)), wide < u128::from(a));
            prop_assert_eq!(x.cmp_vartime(&y), a.cmp(&b));
            let modulus = Natural::from_u64(odd);
            prop_assert_eq!(value(&number(wide).rem(&modulus).unwrap()), wide % u128::from(odd));
            let (quotient, remainder) = number(wide).div_rem(&modulus).unwrap();
            prop_assert_eq!(value(&quotient), wide / u128::from(odd));
            prop_assert_eq!(value(&remainder), wide % u128::from(odd));
            let coprime = { let (mut a, mut b) = (a, odd); while b != 0 { (a, b) = (b, a % b); } a == 1 };
            prop_assert_eq!(x.is_coprime_vartime(&modulus), coprime);
            let inverse = x.rem(&modulus).unwrap().invert(&modulus);
            prop_assert_eq!(inverse.is_some(), coprime);
            if let Some(inverse) = inverse {
                let product = value(&inverse) * u128::from(a) % u128::from(odd);
                prop_assert_eq!(product, 1 % u128::from(odd));
            }
        }
    }

    #[test]
    fn random_numbers_fill_their_range_and_nothing_more() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for bits in [1, 7, 8, 63, 64, 65, 768] {
            let drawn: Vec<_> = (0..200).map(|_| Natural::random(bits, &mut rng)).collect();
            assert_eq!(drawn.iter().map(Natural::bits_vartime).max(), Some(bits), "{bits}");
            assert!(drawn.iter().all(|number| number.room() == bits.div_ceil(64) * 64));
        }
        let mut seen = [0; 5];
        for _ in 0..1000 {
            let drawn = Natural::random_below(&Natural::from_u64(5), &mut rng);
            seen[usize::try_from(value(&drawn)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (120..280).contains(count)), "{seen:?}");
    }

    #[test]
    fn zero_divides_nothing_and_nothing_is_printed() {
        let (five, zero) = (Natural::from_u64(5), Natural::from_u64(0));
        assert!(five.rem(&zero).is_none() && five.div_rem(&zero).is_none() && five.invert(&zero).is_none());
        assert!(zero.invert(&five).is_none());
        assert!(five.is_odd() && !zero.is_odd() && zero.bits_vartime() == 0);
        assert_eq!(format!("{five:?}"), "Natural(room for 64 bits)");
        assert!(!bool::from(five.ct_eq(&five.with_room(128))));
        assert!(bool::from(five.ct_eq(&five.with_room(128).with_room(64))));
    }
}
