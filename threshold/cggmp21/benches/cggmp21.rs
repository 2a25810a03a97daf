//! Auxiliary information, presigning and signing with all parties in one thread, at full size: divide by the number of parties.
//!
//! `RAYON_NUM_THREADS=1 cargo bench -p quorate-cggmp21`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::sync::Arc;

use borsh::BorshDeserialize;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quorate_cggmp21::auxiliary::{Auxiliary, AuxiliaryProtocol, EncodedKeys, Primes, PublicAuxiliary, Setup};
use quorate_cggmp21::presign::{NonceStock, Presign, PresignSecret, PresignSetup};
use quorate_cggmp21::sign::{Sign, SignSetup, SignTask};
use quorate_cggmp21::{Presignature, Presignatures};
use quorate_keys::{ChainCode, DerivationPath, GroupKey, Secret};
use quorate_paillier::{Natural, SafePrime, SecretKeys, Sizes};
use quorate_sharing::{Commitment, Curve, KeyShare, PartyIndex, Polynomial, PublicShares, Secp256k1};
use quorate_simulator::{Cast, Simulation};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Published, so that nobody has to search for them.
const PRIMES: &str = include_str!("../../paillier/tests/data/safe-primes-1536.txt");

fn primes(number: usize) -> [SafePrime; 2] {
    let mut lines = PRIMES.lines().filter(|line| !line.starts_with('#')).skip(2 * number);
    [(); 2].map(|()| {
        let mut bytes = hex::decode(lines.next().expect("enough primes").trim()).unwrap();
        bytes.reverse();
        SafePrime::unchecked(Natural::from_le_bytes(&bytes))
    })
}

struct Scene {
    cast: Cast,
    key: PublicShares,
    secrets: BTreeMap<PartyIndex, [u8; 32]>,
    /// Made ready once: all sessions of a committee have it so.
    auxiliaries: BTreeMap<PartyIndex, Arc<Auxiliary>>,
    auxiliary: PublicAuxiliary,
    signers: Vec<u16>,
}

impl Scene {
    fn new(threshold: u16, total: u16) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let cast = Cast::new(threshold, total, 1);
        let polynomial = Polynomial::<Secp256k1>::random(cast.committee().threshold(), &mut rng);
        let commitment = Commitment::of(&polynomial);
        let key = PublicShares {
            group_key: GroupKey::from_bytes(Secp256k1::ID, &Secp256k1::encode(&commitment.constant()))
                .unwrap(),
            chain_code: ChainCode::new([1; 32]),
            epoch: 0,
            committee: cast.committee().clone(),
            verifying_shares: commitment.verifying_shares(cast.committee().indices()),
        };
        let secrets = cast.committee().indices();
        let secrets = secrets.map(|index| (index, Secp256k1::scalar_to_bytes(&polynomial.evaluate(index))));
        let indices = cast.committee().indices().take(usize::from(threshold));
        let keys: BTreeMap<_, _> = indices
            .map(|index| {
                let [p, q] = primes(usize::from(index.get()) - 1);
                (index, SecretKeys::generate(Sizes::STANDARD, p, q, &mut rng).unwrap())
            })
            .collect();
        let identity = |index: &PartyIndex| cast.identity(*index).identity();
        let encoded =
            keys.iter().map(|(index, keys)| (identity(index), EncodedKeys::of(keys.public()))).collect();
        let auxiliary = PublicAuxiliary { sizes: Sizes::STANDARD.id(), epoch: 0, keys: encoded };
        let auxiliaries = keys
            .iter()
            .map(|(index, keys)| (*index, Auxiliary::new(auxiliary.clone(), identity(index), keys).into()));
        let auxiliaries = auxiliaries.collect();
        let signers = (1..=threshold).collect();
        Self { secrets: secrets.collect(), cast, key, auxiliaries, auxiliary, signers }
    }

    /// What every signer can make ahead for one presignature.
    fn stocks(&self) -> BTreeMap<PartyIndex, NonceStock> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let signers = self.cast.subset(&self.signers);
        let stock = |index| {
            let peers = signers.members().iter().filter(|member| member.index != index);
            let peers = peers.map(|member| &member.identity);
            NonceStock::prepare(&self.auxiliaries[&index], peers, 1, &mut rng).unwrap()
        };
        signers.indices().zip(signers.indices().map(stock)).collect()
    }

    fn presigning(
        &self,
        count: u16,
        mut stocks: BTreeMap<PartyIndex, NonceStock>,
    ) -> Simulation<'_, Presign<Secp256k1>> {
        let setup = PresignSetup { key: self.key.clone(), auxiliary: self.auxiliary.clone(), count };
        Simulation::new(&self.cast, &self.cast.subset(&self.signers), 1, &setup, |index| PresignSecret {
            share: KeyShare::new(self.key.clone(), index, Secret::new(self.secrets[&index])),
            auxiliary: Arc::clone(&self.auxiliaries[&index]),
            stock: stocks.remove(&index).unwrap_or_default(),
        })
    }

    /// Signs one digest with presignatures as they were stored.
    fn signing(&self, stored: &BTreeMap<PartyIndex, Vec<u8>>) -> Simulation<'_, Sign<Secp256k1>> {
        let aggregator = PartyIndex::new(1).unwrap();
        let load = |index| Presignature::try_from_slice(&stored[&index]).unwrap();
        let task = SignTask {
            digest: [7; 32],
            path: DerivationPath::default(),
            presignature: load(aggregator).public().clone(),
        };
        let setup = SignSetup { key: self.key.clone(), aggregator, tasks: vec![task] };
        Simulation::new(&self.cast, &self.cast.subset(&self.signers), 1, &setup, |index| {
            Presignatures(vec![load(index)])
        })
    }
}

fn presigning(criterion: &mut Criterion) {
    for (threshold, total) in [(3, 5), (5, 9)] {
        let scene = Scene::new(threshold, total);
        let mut group = criterion.benchmark_group(format!("{threshold} of {total}"));
        group.sample_size(10);
        for count in [1, 4] {
            group.bench_function(format!("{count} presignatures, all signers"), |bencher| {
                bencher.iter(|| scene.presigning(count, BTreeMap::new()).run().results());
            });
        }
        group.bench_function("1 presignature, all signers, nonces made ahead", |bencher| {
            let run = |stocks| scene.presigning(1, stocks).run().results();
            bencher.iter_batched(|| scene.stocks(), run, BatchSize::PerIteration);
        });
        group.bench_function("signature, all signers and their sessions", |bencher| {
            let made = scene.presigning(1, BTreeMap::new()).run().results();
            let store = |Presignatures(all)| borsh::to_vec(&all[0]).unwrap();
            let stored = made.into_iter().map(|(index, all)| (index, store(all))).collect();
            bencher.iter(|| scene.signing(&stored).run());
        });
    }
}

fn auxiliary(criterion: &mut Criterion) {
    let cast = Cast::new(3, 5, 1);
    let mut group = criterion.benchmark_group("auxiliary information");
    group.sample_size(10);
    group.bench_function("5 parties", |bencher| {
        let setup = Setup { sizes: Sizes::STANDARD.id() };
        bencher.iter(|| {
            Simulation::<AuxiliaryProtocol>::new(&cast, cast.committee(), 1, &setup, |index| {
                let [p, q] = primes(usize::from(index.get()) - 1);
                Primes::new(&p, &q)
            })
            .run()
            .results()
        });
    });
}

criterion_group!(benches, presigning, auxiliary);
criterion_main!(benches);
