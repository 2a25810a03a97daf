//! Resharing: the whole group in one thread.
//!
//! `engine`: real sessions that exchange bytes, with commitments, echo, encrypted shares and proofs, without envelope
//! signatures. `signed`: the same with Ed25519 envelope signatures, as nodes run them.

#![allow(missing_docs, clippy::expect_used, clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../tests/reshare/group.rs"]
#[allow(dead_code, unreachable_pub)]
mod group;

use std::collections::BTreeMap;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use group::{Change, Shares};
use quorate_reshare::Reshare;
use quorate_session::{Keyring, Protocol, Session, SessionContext, Wire, setup_digest};
use quorate_sharing::{Curve, Ed25519, PartyIndex, Secp256k1};
use quorate_simulator::{Cast, lockstep};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Holders and threshold before, and afterwards.
const CHANGES: [(u16, u16, u16, u16); 4] = [(5, 3, 5, 3), (5, 3, 7, 4), (7, 4, 10, 6), (9, 5, 6, 4)];

/// Runs a group to its end and gives the number of those who have a result.
fn reshare<C: Curve>(
    contexts: &BTreeMap<PartyIndex, Arc<SessionContext>>,
    (change, old): (&Change<'_>, &Shares),
    keyring: impl Fn(PartyIndex) -> Keyring,
    rng: &mut ChaCha20Rng,
) -> usize {
    let mut sessions: BTreeMap<_, _> = contexts
        .iter()
        .map(|(party, context)| {
            let (setup, secret) = (change.setup(old), change.secret(old, *party));
            let session =
                Session::<Reshare<C>>::new(Arc::clone(context), setup, secret, keyring(*party), rng);
            (*party, session.expect("nothing to refuse"))
        })
        .collect();
    lockstep::run(&mut sessions, rng).len()
}

fn curve<C: Curve>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("reshare/{}", C::NAME));
    group.sample_size(20);
    for (before, threshold, afterwards, signers) in CHANGES {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let cast = Cast::new(2, before.max(afterwards), 1);
        let (dealers, receivers): (Vec<u16>, Vec<u16>) = ((1..=before).collect(), (1..=afterwards).collect());
        let old = group::key::<C>(&cast, threshold, &dealers);
        let change = Change { dealers: &dealers, receivers: &receivers, signers };
        let setup = setup_digest(&change.setup(&old).to_wire().expect("a small setup"));
        let committee = change.committee(&cast);
        let contexts = cast.agree(&committee, Reshare::<C>::ID, setup, 1, &mut rng);
        let name = format!("{threshold}-of-{before} to {signers}-of-{afterwards}");
        let parties = committee.len();
        group.bench_function(BenchmarkId::new("engine", &name), |bencher| {
            bencher.iter(|| {
                let done = reshare::<C>(&contexts, (&change, &old), |_| lockstep::unsigned(), &mut rng);
                assert_eq!(done, parties);
            });
        });
        group.bench_function(BenchmarkId::new("signed", &name), |bencher| {
            bencher.iter(|| {
                let done = reshare::<C>(&contexts, (&change, &old), |party| cast.keyring(party), &mut rng);
                assert_eq!(done, parties);
            });
        });
    }
    group.finish();
}

fn all(criterion: &mut Criterion) {
    curve::<Ed25519>(criterion);
    curve::<Secp256k1>(criterion);
}

criterion_group!(benches, all);
criterion_main!(benches);
