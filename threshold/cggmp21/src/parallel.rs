//! Independent pieces of work on all cores.

use quorate_keys::wiping_stack;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, SeedableRng};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use zeroize::Zeroize;

/// Does `work` with each item, in the pool of the calling thread, and gives the results in the order of the items.
///
/// Each piece has a generator of its own, seeded from `rng` in that order: what comes out does not depend on who did it, or when.
pub(crate) fn map<T, R>(
    items: impl IntoIterator<Item = T>,
    rng: &mut dyn CryptoRngCore,
    work: impl Fn(T, &mut dyn CryptoRngCore) -> R + Sync,
) -> Vec<R>
where
    T: Send,
    R: Send,
{
    let seeded: Vec<_> = items
        .into_iter()
        .map(|item| {
            let mut seed = [0; 32];
            rng.fill_bytes(&mut seed);
            let generator = Box::new(ChaCha20Rng::from_seed(seed));
            seed.zeroize();
            (item, generator)
        })
        .collect();
    let one = |(item, mut generator): (T, Box<ChaCha20Rng>)| wiping_stack(|| work(item, &mut *generator));
    seeded.into_par_iter().with_max_len(1).map(one).collect()
}
