//! Signing: the whole group in one thread, t of n signers, as sessions and on the bare crate.
//!
//! `bare`: commit, sign and aggregate of the Zcash Foundation's crate, nothing encoded or checked in between.
//! `engine`: real sessions that exchange bytes, with echo and strict verification, without envelope signatures.
//! `signed`: the same with Ed25519 envelope signatures.

#![allow(missing_docs, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../tests/frost/wallet.rs"]
#[allow(dead_code)]
mod wallet;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use frost_core::keys::{IdentifierList, KeyPackage, generate_with_dealer};
use frost_core::{Ciphersuite, SigningPackage, aggregate, round1, round2};
use quorate_frost::{Bip340Suite, Ed25519Suite, Frost, Output, Setup, Signed, Suite, verify_batch};
use quorate_keys::{PublicKey, Scheme, Signature};
use quorate_session::{Keyring, Protocol, Session, SessionContext, Wire, setup_digest};
use quorate_sharing::PartyIndex;
use quorate_simulator::{Cast, lockstep};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use wallet::Wallet;

const MESSAGE: &[u8] = &[0x5A; 32];
const GROUPS: [(u16, u16); 4] = [(3, 5), (5, 9), (7, 11), (10, 15)];

struct Group {
    cast: Cast,
    contexts: BTreeMap<PartyIndex, Arc<SessionContext>>,
    wallet: Wallet,
    setup: Setup,
}

impl Group {
    fn new<S: Suite>(threshold: u16, total: u16, rng: &mut ChaCha20Rng) -> Self {
        let cast = Cast::new(threshold, total, 1);
        let wallet = Wallet::deal::<S>(cast.committee(), rng);
        let signers = cast.subset(&(1..=threshold).collect::<Vec<_>>());
        let setup = wallet.setup(PartyIndex::new(1).expect("an index"), MESSAGE);
        let digest = setup_digest(&setup.to_wire().expect("small"));
        let contexts = cast.agree(&signers, Frost::<S>::ID, digest, 0, rng);
        Self { cast, contexts, wallet, setup }
    }

    #[inline(never)]
    fn run<S: Suite>(
        &self,
        inputs: Inputs,
        keyring: impl Fn(PartyIndex) -> Keyring,
        rng: &mut ChaCha20Rng,
    ) -> Output {
        let mut sessions: BTreeMap<_, _> = inputs
            .into_iter()
            .map(|(index, context, setup, share)| {
                let session = Session::<Frost<S>>::new(context, setup, share, keyring(index), rng);
                (index, session.expect("honest setup"))
            })
            .collect();
        let mut outputs = lockstep::run(&mut sessions, rng).into_values();
        outputs.rfind(|output| !matches!(output, Output::Contributed)).expect("a signature")
    }

    fn inputs(&self) -> Inputs {
        let parties = self.contexts.iter();
        parties
            .map(|(index, context)| {
                (*index, Arc::clone(context), self.setup.clone(), self.wallet.share(*index))
            })
            .collect()
    }
}

type Inputs = Vec<(PartyIndex, Arc<SessionContext>, Setup, quorate_sharing::KeyShare)>;

#[inline(never)]
fn bare<C: Ciphersuite>(
    keys: &[KeyPackage<C>],
    public: &frost_core::keys::PublicKeyPackage<C>,
    rng: &mut ChaCha20Rng,
) {
    let mut nonces = BTreeMap::new();
    let mut commitments = BTreeMap::new();
    for key in keys {
        let (nonce, commitment) = round1::commit(key.signing_share(), rng);
        nonces.insert(*key.identifier(), nonce);
        commitments.insert(*key.identifier(), commitment);
    }
    let package = SigningPackage::new(commitments, MESSAGE);
    let shares = keys
        .iter()
        .map(|key| {
            let share = round2::sign(&package, &nonces[key.identifier()], key).expect("signs");
            (*key.identifier(), share)
        })
        .collect();
    black_box(aggregate(&package, &shares, public).expect("aggregates"));
}

fn suite<S: Suite>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("sign/{}", S::SCHEME));
    for (threshold, total) in GROUPS {
        let name = format!("{threshold}-of-{total}");
        let rng = &mut ChaCha20Rng::seed_from_u64(7);

        let (shares, public) =
            generate_with_dealer::<S::Ciphersuite, _>(total, threshold, IdentifierList::Default, rng)
                .expect("deals");
        let keys: Vec<_> = shares
            .into_values()
            .take(usize::from(threshold))
            .map(|share| KeyPackage::try_from(share).expect("a key package"))
            .collect();
        group.bench_function(format!("bare/{name}"), |bencher| bencher.iter(|| bare(&keys, &public, rng)));

        let parties = Group::new::<S>(threshold, total, rng);
        group.bench_function(format!("engine/{name}"), |bencher| {
            bencher.iter_batched(
                || parties.inputs(),
                |inputs| parties.run::<S>(inputs, |_| lockstep::unsigned(), rng),
                BatchSize::SmallInput,
            );
        });
        let signed = |index| parties.cast.keyring(index);
        group.bench_function(format!("signed/{name}"), |bencher| {
            bencher.iter_batched(
                || parties.inputs(),
                |inputs| parties.run::<S>(inputs, signed, rng),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// BIP-340 signatures of different keys, verified together and one by one.
fn batch(criterion: &mut Criterion) {
    const COUNT: u8 = 64;
    let context = secp256k1_any_length::Secp256k1::new();
    let signatures: Vec<_> = (1..=COUNT)
        .map(|seed| {
            let secret = secp256k1_any_length::SecretKey::from_byte_array([seed; 32]).expect("a secret key");
            let pair = secp256k1_any_length::Keypair::from_secret_key(&context, &secret);
            let key = PublicKey::from_bytes(Scheme::Bip340, &pair.x_only_public_key().0.serialize());
            let signature = context.sign_schnorr_no_aux_rand(&[seed; 32], &pair);
            (key.expect("a key"), [seed; 32], Signature::from_bytes(signature.to_byte_array()))
        })
        .collect();
    let signed: Vec<_> =
        signatures.iter().map(|(key, message, signature)| Signed { key, message, signature }).collect();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut group = criterion.benchmark_group(format!("verify/bip340/{COUNT}"));
    group.bench_function("together", |bencher| {
        bencher.iter(|| verify_batch(black_box(&signed), &mut rng).expect("right"));
    });
    group.bench_function("one-by-one", |bencher| {
        bencher.iter(|| {
            for Signed { key, message, signature } in black_box(&signed) {
                key.verify(message, signature).expect("right");
            }
        });
    });
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    suite::<Ed25519Suite>(criterion);
    suite::<Bip340Suite>(criterion);
    batch(criterion);
}

criterion_group!(frost, benches);
criterion_main!(frost);
