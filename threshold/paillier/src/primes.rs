//! Safe primes.
//!
//! A safe prime is a prime p = 2q + 1 whose q is prime as well. Of the odd numbers of 1535 bits one in 430 000 is such a q, so nearly
//! all must be ruled out without an exponentiation: a sieve over 2^20 candidates at once crosses out those where q or 2q + 1 has a
//! factor below 2^24, which leaves three in a thousand. On these a Fermat test of q, then one of p, then the tests that count.
//!
//! # Security
//! The search takes a time that tells how many candidates were ruled out, and by which small primes the numbers near the result are
//! divided, as every prime generator's does. Exponentiations are in constant time.

use std::sync::LazyLock;

use quorate_bignum::Modulus;
use rand_core::CryptoRngCore;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::natural::Natural;

/// How many consecutive odd numbers are sieved at a time.
const INTERVAL: usize = 1 << 20;

/// Below this all prime factors are found by the sieve.
const SMALL: u32 = 1 << 24;

/// Rounds of the Miller–Rabin test with random bases: a composite passes with a chance of less than 2^-128.
const ROUNDS: usize = 64;

static SMALL_PRIMES: LazyLock<Vec<u32>> = LazyLock::new(small_primes);

/// A prime p for which (p - 1) / 2 is prime as well. So p ≡ 3 modulo 4.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SafePrime(Natural);

/// The search was stopped by its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the search for a safe prime was stopped")]
pub struct Stopped;

impl SafePrime {
    /// A random safe prime of exactly `bits` bits, a multiple of 64, the two highest of which are set: so the product of two has exactly
    /// twice as many. For 1536 bits it takes seconds; `stop` is asked all along whether to give up.
    ///
    /// # Errors
    /// [`Stopped`].
    ///
    /// # Panics
    /// When `bits` is not a multiple of 64, or below 128.
    pub fn search(
        bits: usize,
        rng: &mut dyn CryptoRngCore,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, Stopped> {
        assert!(bits.is_multiple_of(64) && bits >= 128, "a multiple of 64 from 128 on");
        loop {
            let start = start(bits - 1, rng);
            for offset in survivors(&start) {
                if stop() {
                    return Err(Stopped);
                }
                let half = start.add(&Natural::from_u64(2 * offset as u64)).with_room(bits);
                // One that has grown out of its bits is none, however small the chance.
                if half.bits_vartime() == bits - 1
                    && let Some(prime) = Self::of_half(&half, rng)
                {
                    return Ok(prime);
                }
            }
        }
    }

    /// Tests a number of which it is not known how it was made.
    ///
    /// # Errors
    /// Nothing when it is no safe prime, or has less than 128 bits.
    #[must_use]
    pub fn check(number: &Natural, rng: &mut dyn CryptoRngCore) -> Option<Self> {
        if number.bits_vartime() < 128 || !number.is_odd() {
            return None;
        }
        let half = half(number);
        if !half.is_odd() || has_small_factor(&half) || has_small_factor(number) {
            return None;
        }
        Self::of_half(&half, rng)
    }

    /// A number that is known to be a safe prime, since it came from here before. Nothing is tested.
    #[must_use]
    pub const fn unchecked(number: Natural) -> Self {
        Self(number)
    }

    /// 2q + 1, if that and q are prime.
    pub(crate) fn of_half(half: &Natural, rng: &mut dyn CryptoRngCore) -> Option<Self> {
        let (two, one) = (Natural::from_u64(2), Natural::from_u64(1));
        let prime = half.mul(&two).add(&one).with_room(half.bits_vartime() + 1);
        if !passes(half, &two) || !passes(&prime, &two) {
            return None;
        }
        // Sure of q, Pocklington's criterion makes p as sure: 2^(p-1) = 1 modulo p, as seen above, q divides p - 1 and is
        // larger than its root, and 2^((p-1)/q) - 1 = 3 has no common factor with p, which is in no small prime's multiples.
        let sure = (0..ROUNDS).all(|_| passes_miller_rabin(half, rng));
        sure.then_some(Self(prime))
    }

    /// p.
    #[must_use]
    pub const fn number(&self) -> &Natural {
        &self.0
    }

    /// (p - 1) / 2.
    #[must_use]
    pub fn half(&self) -> Natural {
        half(&self.0)
    }
}

impl std::fmt::Debug for SafePrime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SafePrime({} bits)", self.0.room())
    }
}

/// Half of a number, rounded down: a shift by one bit.
fn half(number: &Natural) -> Natural {
    let bytes = number.to_le_bytes();
    let above = bytes.iter().skip(1).chain(std::iter::once(&0));
    let shifted = bytes.iter().zip(above).map(|(byte, next)| byte >> 1 | next << 7).collect();
    Natural::from_le_bytes(&Zeroizing::<Vec<u8>>::new(shifted))
}

/// An odd number of exactly so many bits, with the second highest one set.
fn start(bits: usize, rng: &mut dyn CryptoRngCore) -> Natural {
    let mut bytes = Natural::random(bits, rng).to_le_bytes();
    let mut set = |bit: usize| {
        if let Some(byte) = bytes.get_mut(bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    };
    set(0);
    set(bits - 1);
    set(bits - 2);
    Natural::from_le_bytes(&bytes)
}

/// The i < [`INTERVAL`] for which neither q = start + 2i nor 2q + 1 has a small prime factor.
fn survivors(start: &Natural) -> Vec<usize> {
    let mut composite = vec![false; INTERVAL];
    for prime in SMALL_PRIMES.iter().copied() {
        let step = prime as usize;
        let residue = remainder(start, prime);
        let prime = u64::from(prime);
        // start + 2i = 0, and 2(start + 2i) + 1 = 0: i = -start / 2 and i = -(2·start + 1) / 4, where 1 / 2 = (prime + 1) / 2.
        let halved = |value: u64| value * prime.div_ceil(2) % prime;
        let first = halved((prime - residue) % prime);
        let second = halved(halved((2 * prime - (2 * residue + 1) % prime) % prime));
        for from in [first, second] {
            composite.iter_mut().skip(from as usize).step_by(step).for_each(|mark| *mark = true);
        }
    }
    composite.iter().enumerate().filter(|(_, composite)| !**composite).map(|(at, _)| at).collect()
}

/// Whether a prime below `bound`, at most [`SMALL`], divides a number.
pub(crate) fn has_prime_factor_below(number: &Natural, bound: u32) -> bool {
    !number.is_odd()
        || SMALL_PRIMES.iter().take_while(|prime| **prime < bound).any(|prime| remainder(number, *prime) == 0)
}

/// Whether an odd number passes Fermat's test with base 2, as every prime does.
pub(crate) fn is_probably_prime(number: &Natural) -> bool {
    passes(number, &Natural::from_u64(2))
}

/// A quarter of a number, rounded down.
pub(crate) fn quarter(number: &Natural) -> Natural {
    half(&half(number))
}

fn has_small_factor(number: &Natural) -> bool {
    has_prime_factor_below(number, SMALL)
}

/// The remainder of a division by a small prime.
fn remainder(number: &Natural, prime: u32) -> u64 {
    number.rem_small(prime)
}

/// Whether base^(n-1) = 1 modulo an odd n.
fn passes(number: &Natural, base: &Natural) -> bool {
    let bytes = number.to_le_bytes();
    let Ok(modulus) = Modulus::new(&bytes) else { return false };
    let Ok(base) = modulus.element(&base.to_le_bytes()) else { return false };
    let mut exponent = bytes;
    if let Some(least) = exponent.first_mut() {
        *least &= !1;
    }
    modulus.pow(&base, &exponent).ct_eq(modulus.one()).into()
}

/// One round of the Miller–Rabin test of an n ≡ 3 modulo 4 or 1 modulo 4, with a random base.
fn passes_miller_rabin(number: &Natural, rng: &mut dyn CryptoRngCore) -> bool {
    let Ok(modulus) = Modulus::new(&number.to_le_bytes()) else { return false };
    // Below n: the base 0 proves nothing, and is as likely as any other.
    let base = Natural::random_below(number, rng);
    let Ok(base) = modulus.element(&base.to_le_bytes()) else { return false };
    let one = Natural::from_u64(1);
    let minus_one = number.wrapping_sub(&one);
    let Ok(minus_one_element) = modulus.element(&minus_one.to_le_bytes()) else { return false };
    let mut odd = half(number);
    let mut twos = 1;
    while !odd.is_odd() && odd.bits_vartime() > 0 {
        odd = half(&odd);
        twos += 1;
    }
    let mut power = modulus.pow(&base, &odd.to_le_bytes());
    if bool::from(power.ct_eq(modulus.one())) {
        return true;
    }
    for _ in 0..twos {
        if bool::from(power.ct_eq(&minus_one_element)) {
            return true;
        }
        power = modulus.square(&power);
    }
    false
}

/// The odd primes below [`SMALL`], by Eratosthenes.
fn small_primes() -> Vec<u32> {
    // Of 2i + 1.
    let mut composite = vec![false; SMALL as usize / 2];
    let mut primes = Vec::new();
    for at in 1..composite.len() {
        if composite.get(at) != Some(&false) {
            continue;
        }
        let prime = 2 * at + 1;
        primes.push(prime as u32);
        composite.iter_mut().skip(prime * prime / 2).step_by(prime).for_each(|mark| *mark = true);
    }
    primes
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn number(value: u128) -> Natural {
        Natural::from_le_bytes(&value.to_le_bytes())
    }

    #[test]
    fn the_small_primes_are_all_of_them() {
        assert_eq!(SMALL_PRIMES.len() + 1, 1_077_871, "pi(2^24)");
        assert_eq!(SMALL_PRIMES[..8], [3, 5, 7, 11, 13, 17, 19, 23]);
    }

    #[test]
    fn what_the_sieve_leaves_has_no_small_factor_and_what_it_takes_has_one() {
        let start = start(191, &mut ChaCha20Rng::from_seed([2; 32]));
        let survivors = survivors(&start);
        assert!((1500..5000).contains(&survivors.len()), "{}", survivors.len());
        let left = |at: usize| survivors.binary_search(&at).is_ok();
        for at in (0..INTERVAL).step_by(4001).chain(survivors.iter().copied().step_by(100)) {
            let half = start.add(&Natural::from_u64(2 * at as u64));
            let double = half.mul(&Natural::from_u64(2)).add(&Natural::from_u64(1));
            assert_eq!(left(at), !has_small_factor(&half) && !has_small_factor(&double), "{at}");
        }
    }

    #[test]
    fn a_search_finds_safe_primes_of_exactly_the_bits_asked_for() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        for bits in [128, 192, 512] {
            let found = SafePrime::search(bits, &mut rng, &|| false).unwrap();
            let prime = found.number();
            assert_eq!((prime.bits_vartime(), prime.room()), (bits, bits));
            assert_eq!(prime.to_le_bytes()[bits / 8 - 1] >> 6, 3, "the two highest bits");
            assert!(SafePrime::check(prime, &mut rng).is_some());
            assert!(found.half().is_odd(), "3 modulo 4");
        }
        assert!(matches!(SafePrime::search(1536, &mut rng, &|| true), Err(Stopped)));
    }

    #[test]
    fn only_safe_primes_are_taken_for_such() {
        let mut rng = ChaCha20Rng::from_seed([4; 32]);
        // 2^127 - 1 is prime, and has 127 bits; (2^521 - 2) / 2 is even more so.
        let mersenne = |bits: usize| {
            let mut bytes = vec![0xff; bits.div_ceil(8)];
            if !bits.is_multiple_of(8) {
                *bytes.last_mut().unwrap() >>= 8 - bits % 8;
            }
            Natural::from_le_bytes(&bytes)
        };
        assert!(passes_miller_rabin(&mersenne(127), &mut rng));
        assert!(passes_miller_rabin(&mersenne(521), &mut rng));
        for refused in [
            mersenne(127),
            mersenne(521),
            number(0),
            number(1),
            number(u128::MAX),
            number(u128::MAX - 1),
            // The largest prime below 2^128, whose half is composite.
            number(u128::MAX - 158),
        ] {
            assert!(SafePrime::check(&refused, &mut rng).is_none(), "{refused:?}");
        }
        let found = SafePrime::search(128, &mut rng, &|| false).unwrap();
        let other = SafePrime::search(128, &mut rng, &|| false).unwrap();
        let product = found.number().mul(other.number());
        assert!(SafePrime::check(&product, &mut rng).is_none());
        assert!(!passes_miller_rabin(&product, &mut rng));
    }
}
