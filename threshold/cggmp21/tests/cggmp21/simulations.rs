//! Wallets, committees, batches and paths picked at random: every signature judged by libraries that we did not write, and no nonce seen
//! twice. `./check slow` runs the long ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_cggmp21::auxiliary::{AuxiliaryProtocol, Primes, Setup};
use quorate_cggmp21::presign::{NonceStock, Presign, PresignSecret};
use quorate_cggmp21::sign::{SignSetup, SignTask};
use quorate_cggmp21::{Presignature, Suite};
use quorate_keys::{DerivationPath, ecdsa};
use quorate_paillier::{Sizes, test_keys};
use quorate_session::{Made, Output};
use quorate_sharing::{P256, PartyIndex, Secp256k1};
use quorate_simulator::{Faults, Simulation};
use rand_core::RngCore;

use crate::judges::{self, OpenSsl};
use crate::scene::{Scene, opened, party, rng};
use crate::sign::copy;

/// What wallets are picked from.
struct Plan {
    sizes: Sizes,
    /// How many nodes there are at most.
    nodes: u16,
    /// How many of them hold a wallet.
    holders: RangeInclusive<u16>,
    /// How many of so many holders sign at least.
    threshold: fn(u16, &mut dyn RngCore) -> u16,
    /// How many signatures each wallet makes.
    signatures: usize,
    /// How often a presignature is used, from copies: which only a test may do. Each session makes another nonce of it.
    uses: usize,
    /// Whether the program `openssl` judges as well.
    openssl: bool,
}

const SMALL: Plan = Plan {
    sizes: Sizes::TEST,
    nodes: 12,
    holders: 2..=7,
    // What a presignature costs grows with the square: so that there are many, most are of two.
    threshold: |total, rng| match rng.next_u32() % 20 {
        0 => pick(2..=total, rng),
        1 => total.min(3),
        _ => 2,
    },
    signatures: 10,
    uses: 5,
    openssl: true,
};

fn pick(range: RangeInclusive<u16>, rng: &mut dyn RngCore) -> u16 {
    let (least, most) = range.into_inner();
    least + (rng.next_u32() % u32::from(most - least + 1)) as u16
}

/// So many of them, in order.
fn choose(mut from: Vec<u16>, count: u16, rng: &mut dyn RngCore) -> Vec<u16> {
    while from.len() > usize::from(count) {
        from.swap_remove(rng.next_u32() as usize % from.len());
    }
    from.sort_unstable();
    from
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

fn path(rng: &mut dyn RngCore) -> DerivationPath {
    let depth = rng.next_u32() % 5;
    DerivationPath::new((0..depth).map(|_| rng.next_u32() >> 1).collect()).unwrap()
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

/// One line in a hundred signatures, of a test that takes long.
#[allow(clippy::print_stderr)]
fn report(made: usize, of: usize) {
    if of > 100 && made.is_multiple_of(100) {
        eprintln!("{made} of {of} signatures");
    }
}

/// Makes wallets of the seeds 0 to `wallets`, each with its signatures, on all cores.
fn simulate(plan: &Plan, wallets: u64) {
    let (next, nonces) = (AtomicU64::new(0), Mutex::new(BTreeSet::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                // A session is one thread's work: that is less waiting than to share each.
                let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
                pool.install(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= wallets {
                            break;
                        }
                        let _running = Running { seed, next: &next };
                        let made = if seed.is_multiple_of(2) {
                            sign_with_a_wallet::<Secp256k1>(plan, seed)
                        } else {
                            sign_with_a_wallet::<P256>(plan, seed)
                        };
                        assert_eq!(made.len(), plan.signatures);
                        let mut nonces = nonces.lock().unwrap();
                        nonces.extend(made);
                        report(nonces.len(), plan.signatures * wallets as usize);
                    }
                });
            });
        }
    });
    assert_eq!(nonces.into_inner().unwrap().len(), plan.signatures * wallets as usize, "a nonce twice");
}

/// Makes a wallet and all its signatures. Gives r of each.
fn sign_with_a_wallet<C: Suite>(plan: &Plan, seed: u64) -> Vec<[u8; 32]> {
    let rng = &mut rng(seed);
    let total = pick(plan.holders.clone(), rng);
    let nodes = pick(total..=plan.nodes, rng);
    let holders = choose((1..=nodes).collect(), total, rng);
    let threshold = (plan.threshold)(total, rng);
    let scene = Scene::<C>::held_by(plan.sizes, threshold, &holders, nodes, seed);
    let openssl = plan.openssl.then(|| OpenSsl::new(&format!("{}-{seed}", plan.sizes.id())));
    let mut nonces = Vec::new();
    while nonces.len() < plan.signatures {
        let more = u16::from(rng.next_u32().is_multiple_of(16));
        let signers = choose(holders.clone(), (threshold + more).min(total), rng);
        let most = (plan.signatures - nonces.len()) / plan.uses;
        let setup = scene.presign_setup(&signers, pick(1..=most as u16, rng));
        let mut presigning = scene.presigning(&signers, &setup, rng.next_u64());
        presigning.faults(faults(rng));
        let presignatures = opened(presigning.run().results());
        for _ in 0..plan.uses {
            let copies = |all: &Vec<_>| all.iter().map(copy).collect::<Vec<_>>();
            let mut copies: BTreeMap<_, _> =
                presignatures.iter().map(|(index, all)| (*index, copies(all))).collect();
            while copies.values().any(|left| !left.is_empty()) {
                for (SignTask { digest, path, .. }, made) in use_some(&scene, &signers, &mut copies, rng) {
                    assert_eq!(made.public_key.scheme(), C::SCHEME);
                    assert_eq!(ecdsa::low_s(C::SCHEME, &made.signature), Some(made.signature));
                    let own = made.public_key == scene.key.group_key.public_key(C::SCHEME).unwrap();
                    assert_eq!(own, path == DerivationPath::default());
                    judges::agree(&made.public_key, &digest, &made.signature);
                    if let Some(openssl) = &openssl {
                        openssl.agrees(&made.public_key, &digest, &made.signature, nonces.is_empty());
                    }
                    nonces.push(made.signature.as_bytes()[..32].try_into().unwrap());
                }
            }
        }
    }
    nonces
}

fn faults(rng: &mut dyn RngCore) -> Faults {
    let mut seldom = || if rng.next_u32().is_multiple_of(4) { rng.next_u32() % 100 } else { 0 };
    Faults { duplicate_per_mille: seldom(), drop_per_mille: seldom() }
}

/// One session that signs with the last of the presignatures.
fn use_some<C: Suite>(
    scene: &Scene<C>,
    signers: &[u16],
    presignatures: &mut BTreeMap<PartyIndex, Vec<Presignature>>,
    rng: &mut dyn RngCore,
) -> Vec<(SignTask, Made)> {
    let aggregator = party(signers[rng.next_u32() as usize % signers.len()]);
    let left = presignatures[&aggregator].len();
    let at = left - usize::from(pick(1..=left as u16, rng));
    let used: BTreeMap<_, _> =
        presignatures.iter_mut().map(|(index, all)| (*index, all.split_off(at))).collect();
    let tasks = used[&aggregator].iter().map(|presignature| SignTask {
        digest: digest(rng),
        path: path(rng),
        presignature: presignature.public().clone(),
    });
    let setup = SignSetup { key: scene.key.clone(), aggregator, tasks: tasks.collect() };
    let mut signing = scene.signing(signers, &setup, used, rng.next_u64());
    signing.faults(faults(rng));
    let mut outputs = signing.run().results();
    let Some(Output::Signatures(made)) = outputs.remove(&aggregator) else { panic!("no signatures") };
    assert!(outputs.values().all(|output| *output == Output::Contributed));
    assert_eq!(made.len(), setup.tasks.len());
    setup.tasks.into_iter().zip(made).collect()
}

#[test]
fn wallets_picked_at_random_sign() {
    simulate(&Plan { signatures: 2, uses: 1, openssl: false, ..SMALL }, 4);
}

#[test]
#[ignore = "run by ./check slow"]
fn ten_thousand_signatures_are_judged_by_others() {
    simulate(&SMALL, 1_000);
}

#[test]
#[ignore = "run by ./check slow"]
fn a_hundred_and_fifty_presignatures_of_full_size_make_signatures() {
    let plan = Plan {
        sizes: Sizes::STANDARD,
        nodes: 8,
        holders: 2..=5,
        threshold: |total, rng| pick(2..=total, rng),
        signatures: 5,
        uses: 1,
        openssl: true,
    };
    simulate(&plan, 30);
}

#[test]
fn seven_of_eleven_make_auxiliary_information_and_sign() {
    const SIGNERS: [u16; 7] = [1, 2, 4, 5, 8, 9, 11];
    let mut scene = Scene::<Secp256k1>::new(7, 11, 3);
    let setup = Setup { sizes: Sizes::TEST.id() };
    let everybody = scene.cast.committee();
    let auxiliary = Simulation::<AuxiliaryProtocol>::new(&scene.cast, everybody, 3, &setup, |index| {
        let [p, q] = test_keys::primes(Sizes::TEST, usize::from(index.get()) - 1);
        Primes::new(&p, &q)
    });
    let mut auxiliary = auxiliary.run().results();
    assert_eq!(auxiliary.len(), 11);
    scene.auxiliary = auxiliary[&party(1)].public().clone();
    let setup = scene.presign_setup(&SIGNERS, 1);
    let signers = scene.cast.subset(&SIGNERS);
    let presigning = Simulation::<Presign<Secp256k1>>::new(&scene.cast, &signers, 3, &setup, |index| {
        let auxiliary = auxiliary.remove(&index).unwrap();
        PresignSecret { share: scene.share(index), auxiliary: auxiliary.into(), stock: NonceStock::default() }
    });
    let presignatures = opened(presigning.run().results());
    let setup = scene.sign_setup(8, &presignatures[&party(8)], &[([7; 32], "m/44/0")]);
    let mut outputs = scene.signing(&SIGNERS, &setup, presignatures, 3).run().results();
    let Some(Output::Signatures(made)) = outputs.remove(&party(8)) else { panic!("no signatures") };
    judges::agree(&made[0].public_key, &[7; 32], &made[0].signature);
}
