//! The Jacobi symbol of public numbers.

use crate::natural::Natural;

/// (number | modulus), for an odd modulus: 0 when they have a factor in common. Tells both by its time.
pub(crate) fn jacobi_vartime(number: &Natural, modulus: &Natural) -> i8 {
    let Some(number) = number.rem(modulus) else { return 0 };
    let mut above = Limbs::of(&number);
    let mut below = Limbs::of(modulus);
    let mut symbol = 1;
    while !above.is_zero() {
        let twos = above.strip_twos();
        // (2 | n) is -1 for n = 3 and 5 modulo 8.
        if twos % 2 == 1 && matches!(below.low() % 8, 3 | 5) {
            symbol = -symbol;
        }
        if above.is_less(&below) {
            std::mem::swap(&mut above, &mut below);
            // Quadratic reciprocity.
            if above.low() % 4 == 3 && below.low() % 4 == 3 {
                symbol = -symbol;
            }
        }
        above.subtract(&below);
    }
    if below.is_one() { symbol } else { 0 }
}

/// A number in words of 64 bits, the least significant first.
struct Limbs(Vec<u64>);

impl Limbs {
    fn of(number: &Natural) -> Self {
        let bytes = number.to_le_bytes();
        let words =
            bytes.chunks(8).map(|word| word.iter().rev().fold(0, |limb, byte| limb << 8 | u64::from(*byte)));
        let mut limbs = Self(words.collect());
        limbs.trim();
        limbs
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn is_one(&self) -> bool {
        self.0 == [1]
    }

    fn low(&self) -> u64 {
        self.0.first().copied().unwrap_or(0)
    }

    fn is_less(&self, other: &Self) -> bool {
        (self.0.len(), self.0.iter().rev().collect::<Vec<_>>())
            < (other.0.len(), other.0.iter().rev().collect::<Vec<_>>())
    }

    /// Divides by two as often as that leaves no remainder, and says how often. The number is not zero.
    fn strip_twos(&mut self) -> u32 {
        let words = self.0.iter().take_while(|word| **word == 0).count();
        self.0.drain(..words);
        let bits = self.low().trailing_zeros();
        if bits > 0 {
            let mut carry = 0;
            for word in self.0.iter_mut().rev() {
                let shifted = *word >> bits | carry;
                carry = *word << (64 - bits);
                *word = shifted;
            }
        }
        self.trim();
        bits + 64 * words as u32
    }

    /// `other` is not larger.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (at, word) in self.0.iter_mut().enumerate() {
            let subtrahend = other.0.get(at).copied().unwrap_or(0);
            let (first, under) = word.overflowing_sub(subtrahend);
            let (second, under_again) = first.overflowing_sub(u64::from(borrow));
            *word = second;
            borrow = under || under_again;
        }
        self.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_counting_squares() {
        // For a prime p, the symbol is 1 for squares; for a product it is the product.
        let legendre = |a: u64, p: u64| match a % p {
            0 => 0,
            a if (1..p).any(|root| root * root % p == a) => 1,
            _ => -1,
        };
        for (p, q) in [(3, 5), (7, 11), (13, 17), (19, 23), (3, 3), (101, 7)] {
            for a in 0..(3 * p * q) {
                let ours = jacobi_vartime(&Natural::from_u64(a), &Natural::from_u64(p * q));
                assert_eq!(ours, legendre(a, p) * legendre(a, q), "({a} | {p}·{q})");
            }
        }
    }

    #[test]
    fn is_multiplicative_in_large_numbers() {
        use rand_core::SeedableRng;
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
        for _ in 0..50 {
            let draw = |rng: &mut rand_chacha::ChaCha20Rng| Natural::random(300, rng);
            let modulus = draw(&mut rng).mul(&Natural::from_u64(2)).add(&Natural::from_u64(1));
            let (a, b) = (draw(&mut rng), draw(&mut rng));
            let product = jacobi_vartime(&a.mul(&b), &modulus);
            assert_eq!(product, jacobi_vartime(&a, &modulus) * jacobi_vartime(&b, &modulus));
            assert_eq!(jacobi_vartime(&a, &modulus) != 0, a.is_coprime_vartime(&modulus));
        }
    }
}
