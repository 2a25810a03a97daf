//! Key generation: the whole group in one thread, as sessions and with the Zcash Foundation's crate.
//!
//! `engine`: real sessions that exchange bytes, with commitments, echo and encrypted shares, without envelope
//! signatures. `signed`: the same with Ed25519 envelope signatures. `zcash`: the three parts of that crate's key
//! generation, nothing encoded, encrypted or echoed in between.

#![allow(missing_docs, clippy::expect_used)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use frost_core::Ciphersuite;
use frost_core::keys::dkg;
use quorate_keygen::Keygen;
use quorate_session::{Keyring, Protocol, Session, SessionContext, Wire, setup_digest};
use quorate_sharing::{Curve, Ed25519, PartyIndex, Secp256k1};
use quorate_simulator::{Cast, lockstep};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const GROUPS: [(u16, u16); 4] = [(3, 5), (5, 9), (7, 11), (10, 15)];

/// Runs a group to its end and gives the number of those who have a share.
fn generate<C: Curve>(
    contexts: &BTreeMap<PartyIndex, Arc<SessionContext>>,
    keyring: impl Fn(PartyIndex) -> Keyring,
    rng: &mut ChaCha20Rng,
) -> usize {
    let mut sessions: BTreeMap<_, _> = contexts
        .iter()
        .map(|(party, context)| {
            let session = Session::<Keygen<C>>::new(Arc::clone(context), (), (), keyring(*party), rng);
            (*party, session.expect("nothing to refuse"))
        })
        .collect();
    lockstep::run(&mut sessions, rng).len()
}

fn zcash<C: Ciphersuite>(threshold: u16, total: u16, rng: &mut ChaCha20Rng) -> usize {
    let identifier = |index: u16| frost_core::Identifier::<C>::try_from(index).expect("an index");
    let parties: Vec<_> = (1..=total).map(identifier).collect();
    let (mut secrets, mut firsts) = (Vec::new(), BTreeMap::new());
    for party in &parties {
        let (secret, package) = dkg::part1::<C, _>(*party, total, threshold, &mut *rng).expect("part 1");
        secrets.push(secret);
        firsts.insert(*party, package);
    }
    let of_others = |party| {
        let mut others = firsts.clone();
        others.remove(party);
        others
    };
    let (mut seconds, mut deliveries) = (Vec::new(), BTreeMap::<_, BTreeMap<_, _>>::new());
    for (party, secret) in parties.iter().zip(secrets) {
        let (secret, packages) = dkg::part2(secret, &of_others(party)).expect("part 2");
        seconds.push(secret);
        for (to, package) in packages {
            deliveries.entry(to).or_default().insert(*party, package);
        }
    }
    let keys = parties.iter().zip(&seconds).map(|(party, secret)| {
        let delivered = deliveries.get(party).expect("packages");
        dkg::part3(secret, &of_others(party), delivered).expect("part 3")
    });
    keys.map(black_box).count()
}

fn group<C: Curve, Z: Ciphersuite>(group: &mut BenchmarkGroup<'_, WallTime>, threshold: u16, total: u16) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let cast = Cast::new(threshold, total, 1);
    let setup = setup_digest(&().to_wire().expect("an empty setup"));
    let contexts = cast.agree(cast.committee(), Keygen::<C>::ID, setup, 0, &mut rng);
    let size = format!("{threshold}-of-{total}");
    let parties = usize::from(total);
    group.bench_function(BenchmarkId::new("engine", &size), |bencher| {
        bencher.iter(|| assert_eq!(generate::<C>(&contexts, |_| lockstep::unsigned(), &mut rng), parties));
    });
    group.bench_function(BenchmarkId::new("signed", &size), |bencher| {
        bencher.iter(|| assert_eq!(generate::<C>(&contexts, |party| cast.keyring(party), &mut rng), parties));
    });
    group.bench_function(BenchmarkId::new("zcash", &size), |bencher| {
        bencher.iter(|| assert_eq!(zcash::<Z>(threshold, total, &mut rng), parties));
    });
}

fn keygen(criterion: &mut Criterion) {
    let mut ed25519 = criterion.benchmark_group("keygen/ed25519");
    ed25519.sample_size(20);
    for (threshold, total) in GROUPS {
        group::<Ed25519, frost_ed25519::Ed25519Sha512>(&mut ed25519, threshold, total);
    }
    ed25519.finish();
    let mut secp256k1 = criterion.benchmark_group("keygen/secp256k1");
    secp256k1.sample_size(20);
    for (threshold, total) in GROUPS {
        group::<Secp256k1, frost_secp256k1_tr::Secp256K1Sha256TR>(&mut secp256k1, threshold, total);
    }
    secp256k1.finish();
}

criterion_group!(benches, keygen);
criterion_main!(benches);
