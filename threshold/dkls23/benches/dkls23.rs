//! Making pairs and signing with all parties in one thread, agreement on the session included: divide by the number of parties.
//!
//! `cargo bench -p quorate-dkls23`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use quorate_dkls23::pairs::{Pairs, PairsProtocol, Setup, SharedPairs};
use quorate_dkls23::presign::{Presign, PresignSecret, PresignSetup};
use quorate_dkls23::sign::{Sign, SignSetup, SignTask};
use quorate_dkls23::{Multiplied, Suite};
use quorate_keys::{ChainCode, DerivationPath, GroupKey, Secret};
use quorate_sharing::{Commitment, KeyShare, P256, PartyIndex, Polynomial, PublicShares, Secp256k1};
use quorate_simulator::{Cast, Simulation};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

struct Scene {
    cast: Cast,
    key: PublicShares,
    secrets: BTreeMap<PartyIndex, [u8; 32]>,
    pairs: BTreeMap<PartyIndex, Arc<SharedPairs>>,
    signers: Vec<u16>,
}

fn make_pairs(cast: &Cast, key: &PublicShares) -> BTreeMap<PartyIndex, Pairs> {
    let setup = Setup { key: key.clone() };
    Simulation::<PairsProtocol>::new(cast, cast.committee(), 1, &setup, |_| ()).run().results()
}

impl Scene {
    fn new<C: Suite>(threshold: u16, total: u16) -> Self {
        let cast = Cast::new(threshold, total, 1);
        let holders = cast.committee();
        let polynomial = Polynomial::<C>::random(holders.threshold(), &mut ChaCha20Rng::seed_from_u64(1));
        let commitment = Commitment::of(&polynomial);
        let key = PublicShares {
            group_key: GroupKey::from_bytes(C::ID, &C::encode(&commitment.constant())).unwrap(),
            chain_code: ChainCode::new([1; 32]),
            epoch: 0,
            committee: holders.clone(),
            verifying_shares: commitment.verifying_shares(holders.indices()),
        };
        let secret = |index| (index, C::scalar_to_bytes(&polynomial.evaluate(index)));
        let secrets = holders.indices().map(secret).collect();
        let made = make_pairs(&cast, &key).into_iter();
        let pairs = made.map(|(index, pairs)| (index, Arc::new(SharedPairs::new(pairs, [])))).collect();
        Self { cast, key, secrets, pairs, signers: (1..=threshold).collect() }
    }

    fn secret(&self, index: PartyIndex) -> PresignSecret {
        let share = KeyShare::new(self.key.clone(), index, Secret::new(self.secrets[&index]));
        PresignSecret { share, pairs: Arc::clone(&self.pairs[&index]) }
    }

    fn presign<C: Multiplied + Suite>(&self, count: u16) -> usize {
        let pairs = self.pairs[&PartyIndex::new(1).unwrap()].public().clone();
        let setup = PresignSetup { key: self.key.clone(), pairs, count };
        let committee = self.cast.subset(&self.signers);
        let secret = |index| self.secret(index);
        Simulation::<Presign<C>>::new(&self.cast, &committee, 1, &setup, secret).run().results().len()
    }

    fn sign<C: Multiplied + Suite>(&self) -> usize {
        let aggregator = PartyIndex::new(1).unwrap();
        let pairs = self.pairs[&aggregator].public().clone();
        let tasks = vec![SignTask { digest: [7; 32], path: DerivationPath::default() }];
        let setup = SignSetup { key: self.key.clone(), pairs, aggregator, tasks };
        let committee = self.cast.subset(&self.signers);
        let secret = |index| self.secret(index);
        Simulation::<Sign<C>>::new(&self.cast, &committee, 1, &setup, secret).run().results().len()
    }
}

fn pairs(criterion: &mut Criterion) {
    let scene = Scene::new::<Secp256k1>(3, 5);
    let mut group = criterion.benchmark_group("pairs");
    group.sample_size(10);
    group.bench_function("5", |bench| bench.iter(|| make_pairs(&scene.cast, &scene.key)));
}

fn sign(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sign");
    for (threshold, total) in [(2, 3), (3, 5), (5, 9)] {
        let scene = Scene::new::<Secp256k1>(threshold, total);
        group.bench_function(format!("{threshold} of {total}"), |bench| {
            bench.iter(|| scene.sign::<Secp256k1>());
        });
    }
    let scene = Scene::new::<P256>(3, 5);
    group.bench_function("3 of 5 on P-256", |bench| bench.iter(|| scene.sign::<P256>()));
}

fn presign(criterion: &mut Criterion) {
    let scene = Scene::new::<Secp256k1>(3, 5);
    let mut group = criterion.benchmark_group("presign");
    group.sample_size(20);
    group.bench_function("16 by 3 of 5", |bench| bench.iter(|| scene.presign::<Secp256k1>(16)));
}

criterion_group!(benches, pairs, sign, presign);
criterion_main!(benches);
