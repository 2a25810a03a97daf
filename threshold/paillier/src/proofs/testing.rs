//! Keys, and ways to spoil proofs.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use quorate_keys::Transcript;
use quorate_sharing::{Curve, Secp256k1};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRngCore, SeedableRng};

use super::{InvalidProof, MALFORMED, ReadyNonce};
use crate::crt::less_one;
use crate::key::{Ciphertext, EncryptionKey, Nonce, NoncePower};
use crate::natural::Natural;
use crate::party::{Keys, PublicKeys, SecretKeys};
use crate::pedersen::{Commitment, Parameters};
use crate::scalar::order;
use crate::sizes::Sizes;
use crate::test_keys;

pub(super) const SIZES: Sizes = Sizes::TEST;

pub(super) fn rng(seed: u8) -> ChaCha20Rng {
    ChaCha20Rng::from_seed([seed; 32])
}

pub(super) fn context() -> Transcript {
    Transcript::new(b"test").field("prover", &[1]).field("verifier", &[2])
}

pub(super) fn other_context() -> Transcript {
    Transcript::new(b"test").field("prover", &[1]).field("verifier", &[3])
}

/// G.
pub(super) fn generator() -> <Secp256k1 as Curve>::Point {
    Secp256k1::mul_base(&<Secp256k1 as Curve>::Scalar::ONE)
}

/// An odd number of exactly so many bits, hardly more than half of what that allows.
pub(super) fn of_bits(bits: usize) -> Natural {
    let mut bytes = vec![0x25; bits.div_ceil(8)];
    let top = bits - 1;
    bytes[top / 8] = 1 << (top % 8);
    Natural::from_le_bytes(&bytes)
}

/// A number so much too long for a proof about numbers of so many bits that its response is too long as well, but not longer than the
/// bytes for it: nothing is wrong but the range.
pub(super) fn barely_too_long(bits: usize) -> Natural {
    let response = bits + SIZES.slack() + 1;
    let spare = response.next_multiple_of(8) - response;
    assert!(spare > 1, "no room");
    of_bits(response + spare - SIZES.secret())
}

/// Keys that are always the same for one number.
pub(super) fn keys(number: usize) -> SecretKeys {
    test_keys::small(number)
}

/// The same keys for other sizes, which no length of a proof shows.
pub(super) fn resized(keys: &PublicKeys) -> PublicKeys {
    let [number, s, t] = keys.to_bytes();
    PublicKeys::new(Sizes::OTHER, &number, &s, &t).unwrap()
}

/// The same N with another s.
pub(super) fn with_other_base(keys: &PublicKeys) -> PublicKeys {
    let [number, s, t] = keys.to_bytes();
    PublicKeys::new(keys.sizes(), &number, &minus(&number, &s), &t).unwrap()
}

/// The additive inverse modulo N.
pub(super) fn minus(number: &[u8], value: &[u8]) -> Vec<u8> {
    let difference = Natural::from_le_bytes(number).wrapping_sub(&Natural::from_le_bytes(value));
    difference.to_le_bytes().to_vec()
}

/// Parameters of which every second power is 1 or -1: t is a root of 1, s is -t.
pub(super) fn of_small_order(keys: &SecretKeys) -> PublicKeys {
    let crt = keys.decryption().factors();
    let t = crt.join(&Natural::from_u64(1), &less_one(crt.q.number())).to_le_bytes().to_vec();
    let [number, ..] = keys.public().to_bytes();
    PublicKeys::new(keys.sizes(), &number, &minus(&number, &t), &t).unwrap()
}

/// A nonce with the power of another one.
pub(super) fn false_ready(keys: &dyn Keys, rng: &mut ChaCha20Rng) -> ReadyNonce {
    let (nonce, _) = ReadyNonce::new(keys, rng).into_parts();
    let (_, power) = ReadyNonce::new(keys, rng).into_parts();
    ReadyNonce { nonce, power }
}

/// A ciphertext of a number, with its nonce.
pub(super) fn encrypt(keys: &dyn Keys, number: &Natural, rng: &mut ChaCha20Rng) -> (Ciphertext, Nonce) {
    let (nonce, power) = ReadyNonce::new(keys, rng).into_parts();
    (keys.encryption().encrypt_with(number, power).unwrap(), nonce)
}

/// A ciphertext of one more.
pub(super) fn one_more(keys: &dyn Keys, ciphertext: &Ciphertext) -> Ciphertext {
    let key = keys.encryption();
    key.add(ciphertext, &key.plain(&Natural::from_u64(1)))
}

pub(super) fn fails_at(result: Result<bool, InvalidProof>, check: &str) {
    assert_eq!(result.expect_err("an invalid proof").check, check);
}

pub(super) fn is_malformed(result: Result<bool, InvalidProof>) {
    fails_at(result, MALFORMED);
}

pub(super) fn claim_fails(result: Result<bool, InvalidProof>) {
    assert_eq!(result, Ok(false), "all checks pass but a claim");
}

/// Keys whose commitments are right but for one.
pub(super) struct FalseCommit<'a> {
    keys: &'a dyn Keys,
    wrong: usize,
    count: AtomicUsize,
}

impl<'a> FalseCommit<'a> {
    /// The first is number 0.
    pub(super) fn new(keys: &'a dyn Keys, wrong: usize) -> Self {
        Self { keys, wrong, count: AtomicUsize::new(0) }
    }
}

impl Keys for FalseCommit<'_> {
    fn sizes(&self) -> Sizes {
        self.keys.sizes()
    }

    fn encryption(&self) -> &EncryptionKey {
        self.keys.encryption()
    }

    fn parameters(&self) -> &Parameters {
        self.keys.parameters()
    }

    fn nonce_with_power(&self, rng: &mut dyn CryptoRngCore) -> (Nonce, NoncePower) {
        self.keys.nonce_with_power(rng)
    }

    fn nonce_power_vartime(&self, nonce: &Nonce) -> NoncePower {
        self.keys.nonce_power_vartime(nonce)
    }

    fn mul(&self, ciphertext: &Ciphertext, factor: &Natural) -> Ciphertext {
        self.keys.mul(ciphertext, factor)
    }

    fn commit(&self, value: &Natural, randomness: &Natural) -> Commitment {
        let is_wrong = self.count.fetch_add(1, Ordering::Relaxed) == self.wrong;
        self.keys.commit(value, &randomness.add(&Natural::from_u64(is_wrong.into())))
    }
}

/// A part of a proof: its bytes, and what must not be there.
pub(super) struct Field {
    length: usize,
    refused: Vec<Vec<u8>>,
}

impl Field {
    pub(super) fn ciphertext(keys: &SecretKeys) -> Self {
        let number = keys.encryption().number();
        let square = number.mul(number);
        let of = |number: &Natural| number.with_room(square.room()).to_le_bytes().to_vec();
        let units = [Natural::from_u64(1), less_one(&square)];
        let refused = elements(keys).chain(units).chain([square.clone()]).map(|number| of(&number)).collect();
        Self::of(square.room() / 8, refused)
    }

    pub(super) fn commitment(keys: &SecretKeys) -> Self {
        let number = keys.encryption().number();
        let units = [Natural::from_u64(1), less_one(number)];
        let of = |element: &Natural| element.with_room(number.room()).to_le_bytes().to_vec();
        Self::of(number.room() / 8, elements(keys).chain(units).map(|element| of(&element)).collect())
    }

    /// A number below N.
    pub(super) fn unit(keys: &SecretKeys) -> Self {
        Self::commitment(keys)
    }

    pub(super) fn number(bits: usize) -> Self {
        let mut refused = vec![vec![0; bits.div_ceil(8)]];
        if !bits.is_multiple_of(8) {
            let mut above = vec![0; bits.div_ceil(8)];
            above[bits / 8] = 1 << (bits % 8);
            refused.push(above);
        }
        Self::of(bits.div_ceil(8), refused)
    }

    /// A response of [`committed`](super::committed) about a number of so many bits.
    pub(super) fn responses(bits: usize) -> [Self; 2] {
        let slack = SIZES.slack() + 1;
        [Self::number(bits + slack), Self::number(SIZES.modulus() + SIZES.secret() + slack)]
    }

    pub(super) fn point() -> Self {
        let length = Secp256k1::POINT_BYTES;
        Self::of(length, vec![vec![0; length], [vec![5], vec![1; length - 1]].concat()])
    }

    pub(super) fn scalar() -> Self {
        let mut above = order::<Secp256k1>().to_le_bytes().to_vec();
        above.reverse();
        Self::of(32, vec![vec![0; 32], above])
    }

    pub(super) fn byte(refused: &[u8]) -> Self {
        Self::of(1, refused.iter().map(|byte| vec![*byte]).collect())
    }

    fn of(length: usize, mut refused: Vec<Vec<u8>>) -> Self {
        refused.push(vec![0xff; length]);
        Self { length, refused }
    }
}

/// 0, N and a factor of N.
fn elements(keys: &SecretKeys) -> impl Iterator<Item = Natural> {
    let factor = keys.primes()[0].number().clone();
    [Natural::from_u64(0), keys.encryption().number().clone(), factor].into_iter()
}

/// No proof is taken for one that has a field more, less, or another one than was proven.
pub(super) fn all_that_is_spoiled_is_refused(
    proof: &[u8],
    fields: &[Field],
    verify: &dyn Fn(&[u8]) -> Result<bool, InvalidProof>,
) {
    assert_eq!(verify(proof), Ok(true), "the proof that is spoiled");
    assert_eq!(proof.len(), fields.iter().map(|field| field.length).sum::<usize>());
    let refused = |bytes: &[u8], what: &str| assert_ne!(verify(bytes), Ok(true), "{what}");
    refused(&[], "no bytes");
    refused(&[proof, &[0]].concat(), "a byte more");
    refused(&[proof, proof].concat(), "twice");
    refused(&proof[1..], "without its first byte");
    let mut start = 0;
    for (place, field) in fields.iter().enumerate() {
        let end = start + field.length;
        refused(&proof[..start], &format!("all before field {place}"));
        refused(&proof[..end - 1], &format!("one byte of field {place} less"));
        for byte in [start, start + field.length / 2, end - 1] {
            for bit in [1, 0x80] {
                let mut spoiled = proof.to_vec();
                spoiled[byte] ^= bit;
                refused(&spoiled, &format!("byte {byte} of field {place}"));
            }
        }
        for value in &field.refused {
            let spoiled = [&proof[..start], value, &proof[end..]].concat();
            assert_eq!(spoiled.len(), proof.len());
            refused(&spoiled, &format!("{value:?} in field {place}"));
        }
        start = end;
    }
    let any_bytes = proptest::collection::vec(any::<u8>(), 0..proof.len() + 9);
    let overwritten = (any_bytes, 0..proof.len(), any::<bool>());
    TestRunner::new(Config { cases: 48, failure_persistence: None, ..Config::default() })
        .run(&overwritten, |(bytes, start, whole)| {
            let mut spoiled = proof.to_vec();
            spoiled.iter_mut().skip(start).zip(&bytes).for_each(|(byte, random)| *byte = *random);
            let changed = spoiled != proof;
            prop_assert!(!changed || verify(&spoiled) != Ok(true));
            prop_assert!(!whole || verify(&bytes) != Ok(true));
            Ok(())
        })
        .unwrap();
}
