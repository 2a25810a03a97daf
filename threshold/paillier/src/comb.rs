//! Powers of one base that is raised again and again: the comb of Lim and Lee ("More flexible exponentiation with
//! precomputation", CRYPTO '94).
//!
//! The bits of the exponent are laid out in [`ROWS`] rows, and each row is cut into [`BLOCKS`] blocks. A column of a block is a number of
//! [`ROWS`] bits, for which a table has the power; all columns at the same place of their blocks share a squaring. For 3840 bits that
//! are 640 products and 80 squarings instead of 3840 squarings and 770 products, from 512 precomputed powers.

use quorate_bignum::{Element, Modulus};

use crate::natural::Natural;

const ROWS: usize = 6;
const BLOCKS: usize = 8;

/// A base, prepared to be raised to secret exponents of a bounded length.
pub(crate) struct Comb {
    /// For each block, the powers for all columns.
    tables: Vec<Vec<Element>>,
    /// Columns of a block.
    width: usize,
}

impl Comb {
    /// Prepares a base for exponents of at most `bits` bits.
    pub(crate) fn new(modulus: &Modulus, base: &Element, bits: usize) -> Self {
        // Of whole limbs: that is the room that exponents have.
        let width = bits.next_multiple_of(64).div_ceil(ROWS * BLOCKS).max(1);
        // base^(2^(width·place)): row `r` of block `b` is at place r·BLOCKS + b.
        let mut places = vec![base.clone()];
        while places.len() < ROWS * BLOCKS {
            let last = places.last().unwrap_or(base);
            let mut next = modulus.product();
            next.mul(last);
            (0..width).for_each(|_| next.square());
            places.push(next.finish());
        }
        let tables = (0..BLOCKS).map(|block| {
            let mut table = vec![modulus.one().clone()];
            for row in places.iter().skip(block).step_by(BLOCKS) {
                let with: Vec<_> = table.iter().map(|power| modulus.mul(power, row)).collect();
                table.extend(with);
            }
            table
        });
        Self { tables: tables.collect(), width }
    }

    /// For how many bits of exponent this is.
    pub(crate) fn bits(&self) -> usize {
        self.width * ROWS * BLOCKS
    }

    /// Whether an exponent has no more room than this was prepared for.
    pub(crate) fn serves(&self, exponent: &Natural) -> bool {
        exponent.room() <= self.bits()
    }

    /// The base to the power of `exponent`, in a time that depends on the room of the exponent only.
    ///
    /// # Panics
    /// When the exponent has more room than this was prepared for.
    pub(crate) fn pow(&self, modulus: &Modulus, exponent: &Natural) -> Element {
        assert!(self.serves(exponent), "an exponent beyond the table");
        let bytes = exponent.to_le_bytes();
        let bit = |place: usize| bytes.get(place / 8).map_or(0, |byte| usize::from(byte >> (place % 8) & 1));
        // Of a shorter exponent, the upper rows of some blocks are beyond its room: nothing is there to multiply by.
        let start = |row: usize, block: usize| (row * BLOCKS + block) * self.width;
        let blocks = self.tables.iter().enumerate().filter_map(|(block, table)| {
            let rows = (0..ROWS).take_while(|row| start(*row, block) < exponent.room()).count();
            table.get(..1 << rows).filter(|table| table.len() > 1).map(|table| (block, rows, table))
        });
        let blocks: Vec<_> = blocks.collect();
        let mut power = modulus.product();
        for column in (0..self.width).rev() {
            power.square();
            for (block, rows, table) in &blocks {
                let place = |row: usize| start(row, *block) + column;
                let index = (0..*rows).fold(0, |index, row| index | bit(place(row)) << row);
                power.mul_selected(table, index);
            }
        }
        power.finish()
    }
}

impl std::fmt::Debug for Comb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Comb({} bits)", self.bits())
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;
    use subtle::ConstantTimeEq;

    use super::*;

    #[test]
    fn agrees_with_plain_exponentiation() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let modulus = Modulus::new(&[0xfb; 48]).unwrap();
        let base = modulus.element(&Natural::random(380, &mut rng).to_le_bytes()).unwrap();
        for bits in [1, 63, 64, 256, 700, 768, 1000] {
            let comb = Comb::new(&modulus, &base, bits);
            assert!(comb.bits() >= bits);
            let largest = Natural::from_le_bytes(&vec![0xff; bits / 8]);
            // Of their own length, and shorter ones of less room.
            let lengths = (0..4).flat_map(|_| [bits, bits.min(64), bits.min(200), bits / 2]);
            let exponents: Vec<_> = lengths.map(|bits| Natural::random(bits, &mut rng)).collect();
            for exponent in exponents.into_iter().chain([Natural::from_u64(0), Natural::from_u64(1), largest])
            {
                let plain = modulus.pow(&base, &exponent.to_le_bytes());
                assert!(bool::from(comb.pow(&modulus, &exponent).ct_eq(&plain)), "{bits}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "beyond the table")]
    fn an_exponent_is_never_cut_off() {
        let modulus = Modulus::new(&[0xfb; 48]).unwrap();
        let comb = Comb::new(&modulus, modulus.one(), 256);
        let _ = comb.pow(&modulus, &Natural::from_u64(1).with_room(320));
    }
}
