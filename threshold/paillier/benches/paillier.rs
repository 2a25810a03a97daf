//! What keys cost to make and to use.
//!
//! `cargo bench -p quorate-paillier`
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use criterion::{Criterion, criterion_group, criterion_main};
use quorate_paillier::SafePrime;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn primes(criterion: &mut Criterion) {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    criterion.bench_function("safe_prime/1536", |bench| {
        bench.iter(|| SafePrime::search(1536, &mut rng, &|| false).unwrap());
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = primes
}
criterion_main!(benches);
