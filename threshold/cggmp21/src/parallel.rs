//! Independent pieces of work on all cores.

use quorate_keys::wiping_stack;
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, SeedableRng};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use zeroize::Zeroizing;

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
            let mut seed = Box::new(Zeroizing::new([0; 32]));
            rng.fill_bytes(seed.as_mut_slice());
            (item, seed)
        })
        .collect();
    // The generator lives on the stack, which is overwritten: it can't erase itself.
    let one = |(item, seed): (T, Box<Zeroizing<[u8; 32]>>)| {
        wiping_stack(|| work(item, &mut ChaCha20Rng::from_seed(**seed)))
    };
    seeded.into_par_iter().with_max_len(1).map(one).collect()
}
