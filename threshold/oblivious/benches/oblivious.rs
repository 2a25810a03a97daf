//! What a pair pays: seeds of one direction, and one multiplication of two scalars with one.
//!
//! `cargo bench -p quorate-oblivious`

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quorate_keys::Secret;
use quorate_oblivious::pprf::{Choosing, Offering, PuncturedSeeds, WholeSeeds};
use quorate_oblivious::vole::Multiplied;
use quorate_oblivious::{TransferId, extension, vole};
use quorate_sharing::{P256, PartyIndex, Secp256k1};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn id() -> TransferId {
    TransferId::new("bench", &[1; 32], 0, PartyIndex::new(1).unwrap(), PartyIndex::new(2).unwrap())
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(1)
}

fn seeds() -> (WholeSeeds, PuncturedSeeds) {
    let (offering, offer) = Offering::new(&id(), &mut rng());
    let (choosing, choices) = Choosing::new(&id(), &mut rng());
    let (whole, corrections) = offering.grow(&choices).unwrap();
    (whole, choosing.take(&offer).unwrap().correct(&corrections).unwrap())
}

fn of_seeds(c: &mut Criterion) {
    let (_, offer) = Offering::new(&id(), &mut rng());
    let (_, choices) = Choosing::new(&id(), &mut rng());
    let offering = || Offering::new(&id(), &mut rng()).0;
    let choosing = || Choosing::new(&id(), &mut rng()).0;
    let (_, corrections) = offering().grow(&choices).unwrap();
    c.bench_function("seeds/choose", |b| b.iter(choosing));
    c.bench_function("seeds/grow", |b| {
        b.iter_batched(offering, |offering| offering.grow(&choices).unwrap(), BatchSize::SmallInput);
    });
    c.bench_function("seeds/take", |b| {
        b.iter_batched(choosing, |choosing| choosing.take(&offer).unwrap(), BatchSize::SmallInput);
    });
    c.bench_function("seeds/correct", |b| {
        b.iter_batched(
            || choosing().take(&offer).unwrap(),
            |chosen| chosen.correct(&corrections).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

fn of_multiplication<C: Multiplied>(c: &mut Criterion) {
    let (whole, punctured) = seeds();
    let factors = || Secret::new([C::random_scalar(&mut rng()), C::random_scalar(&mut rng())]);
    let received = || extension::receive(&whole, &id(), &mut rng());
    let (_, extension) = received();
    let sent = || extension::send(&punctured, &id(), &extension).unwrap();
    let (_, multiplication) = vole::send::<C>(sent(), &factors(), &mut rng());
    let name = C::NAME;
    c.bench_function(&format!("multiply/{name}/extend as receiver"), |b| {
        b.iter(received);
    });
    c.bench_function(&format!("multiply/{name}/extend as sender"), |b| b.iter(sent));
    c.bench_function(&format!("multiply/{name}/send"), |b| {
        b.iter_batched(
            || (sent(), factors()),
            |(sent, factors)| vole::send::<C>(sent, &factors, &mut rng()),
            BatchSize::SmallInput,
        );
    });
    c.bench_function(&format!("multiply/{name}/receive"), |b| {
        b.iter_batched(
            || received().0,
            |received| vole::receive::<C>(received, &multiplication).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, of_seeds, of_multiplication::<Secp256k1>, of_multiplication::<P256>);
criterion_main!(benches);
