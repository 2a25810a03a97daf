//! Wallets, committees, batches and paths picked at random: every signature judged by libraries that we did not write, and no nonce seen
//! twice. `./check slow` runs the long one.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_dkls23::sign::SignTask;
use quorate_dkls23::{Multiplied, Suite};
use quorate_keys::{DerivationPath, ecdsa};
use quorate_session::Made;
use quorate_sharing::{P256, Secp256k1};
use quorate_simulator::{Faults, judges};
use rand_core::RngCore;

use crate::scene::{Scene, made, party, rng};

fn pick(range: RangeInclusive<u16>, rng: &mut dyn RngCore) -> u16 {
    let (least, most) = range.into_inner();
    least + (rng.next_u32() % u32::from(most - least + 1)) as u16
}

/// Mostly random; sometimes longer than the group order, or zero.
fn digest(rng: &mut dyn RngCore) -> [u8; 32] {
    let mut digest = [0; 32];
    match rng.next_u32() % 16 {
        0 => digest.fill(0xFF),
        1 => {}
        _ => rng.fill_bytes(&mut digest),
    }
    digest
}

fn task(rng: &mut dyn RngCore) -> SignTask {
    let depth = rng.next_u32() % 5;
    let path = DerivationPath::new((0..depth).map(|_| rng.next_u32() >> 1).collect()).unwrap();
    SignTask { digest: digest(rng), path }
}

/// Makes a wallet, and so many signatures with it. Gives r of each.
fn sign_with_a_wallet<C: Multiplied + Suite>(seed: u64, signatures: usize) -> Vec<[u8; 32]> {
    let rng = &mut rng(seed);
    let total = pick(2..=5, rng);
    let threshold = if rng.next_u32().is_multiple_of(4) { pick(2..=total, rng) } else { 2 };
    let scene = Scene::<C>::new(threshold, total, seed);
    let mut nonces = Vec::new();
    while nonces.len() < signatures {
        let mut signers: Vec<_> = (1..=total).collect();
        let count = usize::from((threshold + pick(0..=1, rng)).min(total));
        while signers.len() > count {
            signers.swap_remove(rng.next_u32() as usize % signers.len());
        }
        signers.sort_unstable();
        let batch = usize::from(pick(1..=4, rng)).min(signatures - nonces.len());
        let tasks: Vec<_> = (0..batch).map(|_| task(rng)).collect();
        let aggregator = signers[rng.next_u32() as usize % signers.len()];
        let mut seldom = || if rng.next_u32().is_multiple_of(4) { rng.next_u32() % 100 } else { 0 };
        let faults = Faults { duplicate_per_mille: seldom(), drop_per_mille: seldom() };
        let in_one = rng.next_u32().is_multiple_of(2);
        let all: Vec<Made> = if in_one {
            let setup = scene.sign_setup(aggregator, &tasks);
            let mut signing = scene.signing(&signers, &setup, rng.next_u64());
            signing.faults(faults);
            made(signing.run().results(), party(aggregator))
        } else {
            let presignatures = scene.presign(&signers, batch as u16, rng.next_u64());
            let setup = scene.online_setup(aggregator, &tasks, &presignatures[&party(aggregator)]);
            let mut online = scene.online(&signers, &setup, presignatures, rng.next_u64());
            online.faults(faults);
            made(online.run().results(), party(aggregator))
        };
        for (SignTask { digest, path }, made) in tasks.iter().zip(all) {
            assert_eq!(ecdsa::low_s(C::SCHEME, &made.signature), Some(made.signature));
            let own = made.public_key == scene.key.group_key.public_key(C::SCHEME).unwrap();
            assert_eq!(own, *path == DerivationPath::default());
            judges::agree(&made.public_key, digest, &made.signature);
            nonces.push(made.signature.as_bytes()[..32].try_into().unwrap());
        }
    }
    nonces
}

/// Names the wallet that made a test fail, and lets the others end.
struct Running<'a> {
    seed: u64,
    next: &'a AtomicU64,
}

impl Drop for Running<'_> {
    #[allow(clippy::print_stderr)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it was the wallet of seed {}", self.seed);
            self.next.store(u64::MAX / 2, Ordering::Relaxed);
        }
    }
}

/// Wallets of the seeds 0 to `wallets`, each with its signatures, on all cores: every eighth on P-256.
fn simulate(wallets: u64, signatures: usize) {
    let (next, nonces) = (AtomicU64::new(0), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while let seed = next.fetch_add(1, Ordering::Relaxed)
                    && seed < wallets
                {
                    let _running = Running { seed, next: &next };
                    let made = if seed.is_multiple_of(8) {
                        sign_with_a_wallet::<P256>(seed, signatures)
                    } else {
                        sign_with_a_wallet::<Secp256k1>(seed, signatures)
                    };
                    nonces.lock().unwrap().extend(made);
                }
            });
        }
    });
    assert_eq!(nonces.into_inner().unwrap().len(), signatures * wallets as usize, "a nonce twice");
}

#[test]
fn wallets_picked_at_random_sign() {
    simulate(4, 6);
}

#[test]
#[ignore = "run by ./check slow"]
fn ten_thousand_signatures_are_judged_by_others() {
    // Ten thousand on secp256k1, where libsecp256k1 is one of them, and 1,450 on P-256.
    simulate(229, 50);
}
