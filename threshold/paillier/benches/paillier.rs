//! What keys and proofs cost to make and to use, at full size.
//!
//! `cargo bench -p quorate-paillier`
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use quorate_keys::Transcript;
use quorate_paillier::proofs::{ReadyNonce, aff_g, claim, dec, elog, enc_elg, fac, modulus, prm};
use quorate_paillier::{
    Ciphertext, Keys, Natural, Nonce, SafePrime, SecretKeys, Sizes, to_natural, to_scalar,
};
use quorate_sharing::{Curve, Secp256k1 as C};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

type Point = <C as Curve>::Point;

const SIZES: Sizes = Sizes::STANDARD;
const PRIMES: &str = include_str!("../tests/data/safe-primes-1536.txt");

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

fn context() -> Transcript {
    Transcript::new(b"quorate/bench/v1").field("session", &[1; 32])
}

fn keys(number: usize) -> SecretKeys {
    let mut rng = rng();
    let mut primes = PRIMES.lines().skip(2 * number).map(|line| {
        let mut bytes = hex(line);
        bytes.reverse();
        SafePrime::check(&Natural::from_le_bytes(&bytes), &mut rng).unwrap()
    });
    let (p, q) = (primes.next().unwrap(), primes.next().unwrap());
    drop(primes);
    SecretKeys::generate(SIZES, p, q, &mut rng).unwrap()
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2).unwrap(), 16).unwrap())
        .collect()
}

fn encrypt(keys: &dyn Keys, number: &Natural, rng: &mut ChaCha20Rng) -> (Ciphertext, Nonce) {
    let (nonce, power) = ReadyNonce::new(keys, rng).into_parts();
    (keys.encryption().encrypt_with(number, power).unwrap(), nonce)
}

fn random_point(rng: &mut ChaCha20Rng) -> Point {
    C::mul_base(&C::random_scalar(rng))
}

fn of_keys(criterion: &mut Criterion) {
    let mut rng = rng();
    criterion.bench_function("safe_prime/1536", |bench| {
        bench.iter(|| SafePrime::search(1536, &mut rng, &|| false).unwrap());
    });
    let own = keys(0);
    let public = own.public();
    let message = Natural::random(1280, &mut rng);
    let nonce = own.encryption().nonce(&mut rng);
    let ciphertext = own.decryption().encrypt(&message, &nonce).unwrap();
    criterion
        .bench_function("encrypt/own", |bench| bench.iter(|| own.decryption().encrypt(&message, &nonce)));
    criterion.bench_function("encrypt/public", |bench| {
        bench.iter(|| public.encryption().encrypt(&message, &nonce));
    });
    criterion.bench_function("decrypt", |bench| bench.iter(|| own.decryption().decrypt(&ciphertext)));
    let (value, randomness) = (Natural::random(768, &mut rng), Natural::random(3840, &mut rng));
    criterion.bench_function("commit/own", |bench| bench.iter(|| own.commit(&value, &randomness)));
    criterion.bench_function("commit/public", |bench| bench.iter(|| public.commit(&value, &randomness)));
    let [number, s, t] = public.to_bytes();
    criterion.bench_function("keys/taken_from_others", |bench| {
        bench.iter(|| quorate_paillier::PublicKeys::new(SIZES, &number, &s, &t).unwrap());
    });
}

fn of_moduli(criterion: &mut Criterion) {
    let mut rng = rng();
    let (prover, verifier) = (keys(0), keys(1));
    let context = context();
    criterion.bench_function("mod/prove", |bench| {
        bench.iter(|| modulus::prove(&context, &prover, &mut rng));
    });
    let proof = modulus::prove(&context, &prover, &mut rng);
    criterion.bench_function("mod/verify", |bench| {
        bench.iter(|| modulus::verify(&context, prover.public(), &proof).unwrap());
    });
    criterion.bench_function("prm/prove", |bench| bench.iter(|| prm::prove(&context, &prover, &mut rng)));
    let proof = prm::prove(&context, &prover, &mut rng);
    criterion.bench_function("prm/verify", |bench| {
        bench.iter(|| prm::verify(&context, prover.public(), &proof).unwrap());
    });
    criterion.bench_function("fac/prove", |bench| {
        bench.iter(|| fac::prove::<C>(&context, &prover, verifier.public(), &mut rng));
    });
    let proof = fac::prove::<C>(&context, &prover, verifier.public(), &mut rng);
    for (name, with) in [("own", &verifier as &dyn Keys), ("public", verifier.public())] {
        criterion.bench_function(&format!("fac/verify/{name}"), |bench| {
            bench.iter(|| {
                fac::verify::<C>(&context, prover.public(), verifier.public(), with, &proof).unwrap();
            });
        });
    }
}

fn of_ciphertexts(criterion: &mut Criterion) {
    let mut rng = rng();
    let (prover, verifier) = (keys(0), keys(1));
    let context = context();
    criterion.bench_function("nonce/own", |bench| bench.iter(|| ReadyNonce::new(&prover, &mut rng)));
    criterion.bench_function("nonce/public", |bench| {
        bench.iter(|| ReadyNonce::new(prover.public(), &mut rng));
    });

    let value = to_natural::<C>(&C::random_scalar(&mut rng));
    let exponent = C::random_scalar(&mut rng);
    let base = random_point(&mut rng);
    let (ciphertext, nonce) = encrypt(&prover, &value, &mut rng);
    let right = base * exponent + C::mul_base(&to_scalar::<C>(&value));
    let statement =
        enc_elg::Statement::<C> { ciphertext: &ciphertext, base, left: C::mul_base(&exponent), right };
    let witness = enc_elg::Witness { value: &value, nonce: &nonce, exponent: &exponent };
    let prove = |rng: &mut ChaCha20Rng| {
        let ready = ReadyNonce::new(&prover, rng);
        enc_elg::prove(&context, &prover, verifier.public(), &statement, &witness, ready, rng)
    };
    criterion.bench_function("enc-elg/prove", |bench| bench.iter(|| prove(&mut rng)));
    let proof = prove(&mut rng);
    for (name, with) in [("own", &verifier as &dyn Keys), ("public", verifier.public())] {
        let verify = || {
            enc_elg::verify(&context, prover.public(), verifier.public(), with, &statement, &proof).unwrap()
        };
        criterion.bench_function(&format!("enc-elg/verify/{name}"), |bench| {
            bench.iter(|| assert!(verify().holds(prover.public())));
        });
        criterion.bench_function(&format!("enc-elg/verify_but_claim/{name}"), |bench| {
            bench.iter(|| drop(black_box(verify())));
        });
    }
    let verify = || {
        enc_elg::verify(&context, prover.public(), verifier.public(), &verifier, &statement, &proof).unwrap()
    };
    let claims: Vec<_> = (0..8).map(|_| verify()).collect();
    criterion.bench_function("claims/8", |bench| {
        bench.iter(|| assert!(claim::all_hold(prover.public(), &claims, &mut rng)));
    });

    let point_base = random_point(&mut rng);
    let y = C::random_scalar(&mut rng);
    let statement = elog::Statement::<C> {
        left: C::mul_base(&exponent),
        right: C::mul_base(&y) + base * exponent,
        base,
        power: point_base * y,
        generator: point_base,
    };
    criterion.bench_function("elog/prove", |bench| {
        bench.iter(|| elog::prove(&context, &statement, &exponent, &y, &mut rng));
    });
    let proof = elog::prove(&context, &statement, &exponent, &y, &mut rng);
    criterion.bench_function("elog/verify", |bench| {
        bench.iter(|| elog::verify(&context, &statement, &proof).unwrap());
    });
}

fn of_products(criterion: &mut Criterion) {
    let mut rng = rng();
    let (prover, receiver) = (keys(0), keys(1));
    let context = context();
    let (x, k) = (Natural::random(256, &mut rng), Natural::random(256, &mut rng));
    let y = Natural::random(SIZES.mask(), &mut rng);
    let (factor, _) = encrypt(&receiver, &k, &mut rng);
    let (mask, nonce) = encrypt(&receiver, &y, &mut rng);
    let (summand, summand_nonce) = encrypt(&prover, &y, &mut rng);
    let product = receiver.encryption().add(&receiver.mul(&factor, &x), &mask);
    let statement = aff_g::Statement::<C> {
        factor: &factor,
        product: &product,
        summand: &summand,
        point: C::mul_base(&to_scalar::<C>(&x)),
    };
    let witness = aff_g::Witness { factor: &x, summand: &y, nonce: &nonce, summand_nonce: &summand_nonce };
    let public =
        aff_g::Roles { receiver: receiver.public(), prover: prover.public(), verifier: receiver.public() };
    let prove = |rng: &mut ChaCha20Rng| {
        let ready = [ReadyNonce::new(receiver.public(), rng), ReadyNonce::new(&prover, rng)];
        let roles = aff_g::Roles { prover: &prover, ..public };
        aff_g::prove(&context, &roles, &statement, &witness, ready, rng)
    };
    criterion.bench_function("aff-g/prove", |bench| bench.iter(|| prove(&mut rng)));
    let proof = prove(&mut rng);
    for (name, with) in [("own", &receiver as &dyn Keys), ("public", receiver.public())] {
        let roles = aff_g::Roles { receiver: with, ..public };
        criterion.bench_function(&format!("aff-g/verify/{name}"), |bench| {
            bench.iter(|| {
                let claims = aff_g::verify(&context, &roles, with, &statement, &proof).unwrap();
                assert!(claims[0].holds(with) && claims[1].holds(prover.public()));
            });
        });
    }

    let value = to_scalar::<C>(&x) * to_scalar::<C>(&k) + to_scalar::<C>(&y);
    let generator = random_point(&mut rng);
    let points = [C::mul_base(&to_scalar::<C>(&x)), generator * value, generator];
    let statement = dec::Statement::<C>::shifted(&receiver, &factor, &mask, 1, points);
    let prove = |rng: &mut ChaCha20Rng| {
        let ready = ReadyNonce::new(&receiver, rng);
        dec::prove(&context, &receiver, prover.public(), &statement, &x, ready, rng)
    };
    criterion.bench_function("dec/prove", |bench| bench.iter(|| prove(&mut rng)));
    let proof = prove(&mut rng);
    for (name, with) in [("own", &prover as &dyn Keys), ("public", prover.public())] {
        criterion.bench_function(&format!("dec/verify/{name}"), |bench| {
            bench.iter(|| {
                let claim =
                    dec::verify(&context, receiver.public(), prover.public(), with, &statement, &proof);
                assert!(claim.unwrap().holds(receiver.public()));
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = of_keys, of_moduli, of_ciphertexts, of_products
}
criterion_main!(benches);
