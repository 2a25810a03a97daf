//! Keys for tests, of safe primes that are published in `tests/data`: they protect nothing, and nobody has to search for them. In builds
//! with debug assertions only.

use quorate_keys::Transcript;
use rand_core::{CryptoRng, RngCore};

use crate::natural::Natural;
use crate::party::SecretKeys;
use crate::primes::SafePrime;
use crate::sizes::Sizes;

/// How many keys there are for [`Sizes::TEST`].
pub const SMALL: usize = 12;

/// How many keys there are for [`Sizes::STANDARD`].
pub const STANDARD: usize = 8;

const PRIMES_OF_704_BITS: &str = include_str!("../tests/data/safe-primes-704.txt");
const PRIMES_OF_1536_BITS: &str = include_str!("../tests/data/safe-primes-1536.txt");

/// Keys for [`Sizes::TEST`]. The same number always gives the same keys.
///
/// # Panics
/// When `number` is [`SMALL`] or more.
#[must_use]
pub fn small(number: usize) -> SecretKeys {
    keys(Sizes::TEST, PRIMES_OF_704_BITS, number)
}

/// Keys for [`Sizes::STANDARD`]. The same number always gives the same keys.
///
/// # Panics
/// When `number` is [`STANDARD`] or more.
#[must_use]
pub fn standard(number: usize) -> SecretKeys {
    keys(Sizes::STANDARD, PRIMES_OF_1536_BITS, number)
}

/// The safe primes of these keys.
///
/// # Panics
/// When there are no such keys.
#[must_use]
pub fn primes(sizes: Sizes, number: usize) -> [SafePrime; 2] {
    let file = if sizes == Sizes::STANDARD { PRIMES_OF_1536_BITS } else { PRIMES_OF_704_BITS };
    pair(file, number)
}

fn keys(sizes: Sizes, file: &str, number: usize) -> SecretKeys {
    let [p, q] = pair(file, number);
    let mut rng = Counter { number: number as u64, count: 0 };
    let made = SecretKeys::generate(sizes, p, q, &mut rng);
    made.unwrap_or_else(|_| unreachable!("the primes of the file fit the sizes"))
}

fn pair(file: &str, number: usize) -> [SafePrime; 2] {
    let mut lines = file.lines().skip(2 * number);
    [(); 2].map(|()| {
        let line = lines.next().unwrap_or_default();
        assert!(!line.is_empty(), "there are not so many keys");
        SafePrime::unchecked(from_hex(line))
    })
}

/// A number of hexadecimal digits, the highest first.
fn from_hex(digits: &str) -> Natural {
    let nibbles = digits.bytes().rev().map(|digit| char::from(digit).to_digit(16).unwrap_or(0) as u8);
    let nibbles: Vec<_> = nibbles.collect();
    let bytes = nibbles.chunks(2).map(|pair| pair.iter().rev().fold(0, |byte, nibble| byte << 4 | nibble));
    Natural::from_le_bytes(&bytes.collect::<Vec<_>>())
}

/// Hashes of the number of the keys and of a counter: random enough for what protects nothing.
struct Counter {
    number: u64,
    count: u64,
}

impl RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for block in bytes.chunks_mut(64) {
            let hash = Transcript::new(b"test keys").field("number", &self.number.to_le_bytes());
            let hash = hash.field("count", &self.count.to_le_bytes()).wide();
            self.count += 1;
            block.iter_mut().zip(hash).for_each(|(byte, random)| *byte = random);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Counter {}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::party::Keys;

    #[test]
    fn the_files_hold_different_safe_primes() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for (sizes, count) in [(Sizes::TEST, SMALL), (Sizes::STANDARD, STANDARD)] {
            let primes: Vec<_> = (0..count).flat_map(|number| primes(sizes, number)).collect();
            for (at, prime) in primes.iter().enumerate() {
                let number = prime.number();
                assert_eq!((number.room(), number.bits_vartime()), (sizes.prime(), sizes.prime()));
                // As `SafePrime::check`, but for the division by a million small primes, which is there to save time.
                let checked = SafePrime::of_half(&prime.half(), &mut rng).unwrap();
                assert!(prime.half().is_odd() && checked.number().cmp_vartime(number).is_eq(), "{at}");
                assert!(primes[..at].iter().all(|other| other.number().cmp_vartime(number).is_ne()), "{at}");
            }
        }
        assert!(SafePrime::check(primes(Sizes::TEST, 0)[0].number(), &mut rng).is_some());
        assert_eq!(PRIMES_OF_704_BITS.lines().count(), 2 * SMALL);
        assert_eq!(PRIMES_OF_1536_BITS.lines().count(), 2 * STANDARD);
    }

    #[test]
    fn one_number_gives_the_same_keys_each_time_and_another_gives_others() {
        assert_eq!(small(0).public().to_bytes(), small(0).public().to_bytes());
        assert_ne!(small(0).public().to_bytes(), small(1).public().to_bytes());
        assert_eq!(standard(0).sizes(), Sizes::STANDARD);
    }
}
