//! A short secret number inside a ring-Pedersen commitment under the verifier's parameters: the part that Π^enc-elg, Π^aff-g, Π^dec and
//! Π^fac have in common.

use rand_core::CryptoRngCore;
use subtle::ConstantTimeEq;

use crate::codec::{Malformed, Reader, Writer};
use crate::natural::Natural;
use crate::party::Keys;
use crate::pedersen::Commitment;
use crate::sizes::Sizes;

/// What hides a number of so many bits.
pub(super) struct Masks {
    bits: usize,
    /// Of the response: α.
    pub(super) value: Natural,
    /// Of the commitment to the number: μ.
    pub(super) randomness: Natural,
    /// Of the commitment to the mask: γ.
    pub(super) mask_randomness: Natural,
}

/// The commitments S to the number and E to its mask.
pub(super) struct Commitments {
    pub(super) value: Commitment,
    pub(super) mask: Commitment,
}

/// z = α + e·x and z' = γ + e·μ.
pub(super) struct Response {
    pub(super) value: Natural,
    pub(super) randomness: Natural,
}

/// Bits of α.
pub(super) const fn mask_bits(sizes: Sizes, bits: usize) -> usize {
    bits + sizes.slack()
}

/// Bits of μ.
pub(super) const fn randomness_bits(sizes: Sizes) -> usize {
    sizes.modulus() + sizes.secret()
}

impl Masks {
    /// For a number below 2^`bits`.
    pub(super) fn draw(sizes: Sizes, bits: usize, rng: &mut dyn CryptoRngCore) -> Self {
        Self {
            bits,
            value: Natural::random(mask_bits(sizes, bits), rng),
            randomness: Natural::random(randomness_bits(sizes), rng),
            mask_randomness: Natural::random(mask_bits(sizes, randomness_bits(sizes)), rng),
        }
    }

    /// Commits to the number and to its mask.
    ///
    /// A verifier refuses 1 and -1. Where t has a small order, which no proof about parameters excludes, honest commitments would be
    /// that often enough, and whoever made such parameters would convict the honest: so they are made again, with other randomness.
    pub(super) fn commit(
        &mut self,
        verifier: &dyn Keys,
        number: &Natural,
        rng: &mut dyn CryptoRngCore,
    ) -> Commitments {
        let sizes = verifier.sizes();
        let trivial = |commitment: &_| bool::from(verifier.parameters().is_trivial(commitment));
        let mut value = verifier.commit(number, &self.randomness);
        while trivial(&value) {
            self.randomness = Natural::random(randomness_bits(sizes), rng);
            value = verifier.commit(number, &self.randomness);
        }
        let mut mask = verifier.commit(&self.value, &self.mask_randomness);
        while trivial(&mask) {
            self.mask_randomness = Natural::random(mask_bits(sizes, randomness_bits(sizes)), rng);
            mask = verifier.commit(&self.value, &self.mask_randomness);
        }
        Commitments { value, mask }
    }

    pub(super) fn respond(&self, number: &Natural, challenge: &Natural) -> Response {
        Response {
            value: self.value.add(&challenge.mul(number)),
            randomness: self.mask_randomness.add(&challenge.mul(&self.randomness)),
        }
    }

    pub(super) fn write(&self, sizes: Sizes, response: &Response, writer: &mut Writer) {
        writer.natural(&response.value, mask_bits(sizes, self.bits) + 1);
        writer.natural(&response.randomness, mask_bits(sizes, randomness_bits(sizes)) + 1);
    }
}

impl Commitments {
    pub(super) fn write(&self, verifier: &dyn Keys, writer: &mut Writer) {
        writer.commitment(verifier.parameters(), &self.value);
        writer.commitment(verifier.parameters(), &self.mask);
    }

    pub(super) fn read(verifier: &dyn Keys, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let value = reader.commitment(verifier.parameters())?;
        Ok(Self { value, mask: reader.commitment(verifier.parameters())? })
    }
}

impl Response {
    /// Reads a response for a number below 2^`bits`. Its width is the range check: nothing longer is read.
    pub(super) fn read(sizes: Sizes, bits: usize, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let value = reader.natural(mask_bits(sizes, bits) + 1)?;
        let randomness = reader.natural(mask_bits(sizes, randomness_bits(sizes)) + 1)?;
        Ok(Self { value, randomness })
    }

    /// s^z · t^z' = E · S^e.
    pub(super) fn answers(
        &self,
        verifier: &dyn Keys,
        commitments: &Commitments,
        challenge: &Natural,
    ) -> bool {
        let Commitments { value, mask } = commitments;
        let left = verifier.commit(&self.value, &self.randomness);
        left.ct_eq(&verifier.parameters().combine_vartime(mask, value, challenge)).into()
    }
}

#[cfg(test)]
#[cfg(debug_assertions)]
pub(super) mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    /// Draws 10 000 and looks whether every bit is set about half of the time: none is fixed, and none is more than there are.
    pub(crate) fn fills_its_range(bits: usize, mut draw: impl FnMut(&mut ChaCha20Rng) -> Natural) {
        const SAMPLES: usize = 10_000;
        let mut rng = ChaCha20Rng::from_seed([bits as u8; 32]);
        let mut set = vec![0_u32; bits];
        for _ in 0..SAMPLES {
            let sample = draw(&mut rng);
            assert!(sample.bits_vartime() <= bits);
            for (place, byte) in sample.to_le_bytes().iter().enumerate() {
                for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
                    set[place * 8 + bit] += 1;
                }
            }
        }
        // Half of them, within eight standard deviations of 50.
        for (bit, count) in set.iter().enumerate() {
            assert!((4600..=5400).contains(count), "bit {bit} of {bits} is set {count} times of {SAMPLES}");
        }
    }

    /// Draws 10 000 and looks whether each is below the bound, each sixteenth of the range gets its share, and no bit but the highest ones
    /// is fixed.
    pub(crate) fn fills_below(bound: &Natural, mut draw: impl FnMut(&mut ChaCha20Rng) -> Natural) {
        const LOW: usize = 64;
        let sixteenths: Vec<_> = (1..=16_u64)
            .map(|sixteenth| {
                bound.mul(&Natural::from_u64(sixteenth)).div_rem(&Natural::from_u64(16)).unwrap().0
            })
            .collect();
        let mut found = [0; 16];
        let below = bound.bits_vartime() - LOW;
        fills_its_range(below, |rng| {
            let drawn = draw(rng);
            let at = sixteenths.iter().position(|end| drawn.cmp_vartime(end).is_lt());
            found[at.expect("below the bound")] += 1;
            let low: Vec<_> = drawn.to_le_bytes().iter().copied().take(below / 8).collect();
            Natural::from_le_bytes(&low).with_room(below)
        });
        assert!(found.iter().all(|count| (430..=820).contains(count)), "625 of 10 000 each: {found:?}");
    }

    #[test]
    fn masks_fill_their_whole_range() {
        let sizes = Sizes::STANDARD;
        for bits in [sizes.secret(), sizes.mask(), sizes.prime()] {
            fills_its_range(bits + 512, |rng| Masks::draw(sizes, bits, rng).value);
            assert_eq!(
                mask_bits(sizes, bits),
                bits + 512,
                "challenge and statistical distance, 256 bits each"
            );
        }
        fills_its_range(3072 + 256, |rng| Masks::draw(sizes, 256, rng).randomness);
        fills_its_range(3072 + 768, |rng| Masks::draw(sizes, 256, rng).mask_randomness);
    }
}
