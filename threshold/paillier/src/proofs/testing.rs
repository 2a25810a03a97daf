//! Keys, and ways to spoil proofs.

use quorate_keys::Transcript;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::party::SecretKeys;
use crate::primes::SafePrime;
use crate::sizes::Sizes;

pub(super) const SIZES: Sizes = Sizes::TEST;

pub(super) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub(super) fn context() -> Transcript {
    Transcript::new(b"test").field("prover", &[1]).field("verifier", &[2])
}

/// Keys that are always the same for one seed.
pub(super) fn keys(seed: u8) -> SecretKeys {
    let mut rng = rng(seed);
    let mut prime = || SafePrime::search(SIZES.prime(), &mut rng, &|| false).unwrap();
    let (p, q) = (prime(), prime());
    SecretKeys::generate(SIZES, p, q, &mut rng).unwrap()
}
