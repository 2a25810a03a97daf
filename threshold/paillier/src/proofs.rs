//! The zero-knowledge proofs of ePrint 2021/060, revision of October 2024, made non-interactive by Fiat and Shamir.
//!
//! | module | figure | proves |
//! |---|---|---|
//! | [`elog`] | 23, Π^elog | an exponent is the one inside an ElGamal commitment |
//! | [`enc_elg`] | 24, Π^enc-elg | a ciphertext holds what an ElGamal commitment holds, and it is short |
//! | [`aff_g`] | 25, Π^aff-g | a ciphertext is another one times a committed number, plus a number that a third one holds; both are short |
//! | [`dec`] | 28, Π^dec | a ciphertext holds a number that is committed to in a group |
//! | [`prm`] | 17, Π^prm | s is a power of t |
//! | [`modulus`] | 16, Π^mod | N is the product of two primes that are 3 modulo 4, and has no factor in common with φ(N) |
//! | [`fac`] | 26, Π^fac | both factors of N are long |
//!
//! Π^sch is `KnowledgeProof` in `quorate-sharing`. What differs from the paper, and why, stands in `DEVIATIONS.md`.
//!
//! # Transcripts
//! The caller's transcript begins each: it must hold the protocol, the session, the epoch, and who proves to whom. The proof adds its name,
//! all lengths, the keys of prover and verifier, the statement and its own first move, each with a label and its length.
//!
//! # Numbers
//! Secrets, masks and challenges are natural numbers, never negative ones. A mask has ε bits more than the secret that it hides, a challenge
//! 256, so a response has at most one bit more than the mask; this width is what verifiers insist on.

pub mod aff_g;
pub mod claim;
mod committed;
pub mod dec;
pub mod elog;
pub mod enc_elg;
pub mod fac;
pub mod modulus;
pub mod prm;
#[cfg(test)]
#[cfg(debug_assertions)]
mod testing;

use quorate_keys::Transcript;
use quorate_sharing::Curve;
use rand_core::CryptoRngCore;

use crate::codec::Malformed;
use crate::key::{Nonce, NoncePower};
use crate::natural::Natural;
use crate::party::Keys;
use crate::scalar;
use crate::sizes::Sizes;

/// A proof that proves nothing, and at which of its checks it failed. The prover is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof {proof} does not hold: {check}")]
pub struct InvalidProof {
    /// The name of the proof.
    pub proof: &'static str,
    /// The check.
    pub check: &'static str,
}

impl InvalidProof {
    const fn new(proof: &'static str, check: &'static str) -> Self {
        Self { proof, check }
    }

    fn malformed(proof: &'static str) -> impl Fn(Malformed) -> Self {
        move |Malformed| Self::new(proof, MALFORMED)
    }
}

/// The check that comes first.
const MALFORMED: &str = "it has the bytes of a proof, and every number is in its range";

/// A fresh nonce with its power, ready for one encryption of which the nonce must be known later. Made while nothing else is to do.
#[derive(Debug)]
pub struct ReadyNonce {
    pub(crate) nonce: Nonce,
    pub(crate) power: NoncePower,
}

impl ReadyNonce {
    /// Draws a nonce of this party's key and computes its power: nearly all the work of an encryption.
    #[must_use]
    pub fn new(keys: &dyn Keys, rng: &mut dyn CryptoRngCore) -> Self {
        let (nonce, power) = keys.nonce_with_power(rng);
        Self { nonce, power }
    }

    /// The nonce, and its power, which encrypts once.
    #[must_use]
    pub fn into_parts(self) -> (Nonce, NoncePower) {
        (self.nonce, self.power)
    }
}

/// A challenge, as a scalar of the curve and as the number below the group order.
struct Challenge<C: Curve> {
    scalar: C::Scalar,
    number: Natural,
}

impl<C: Curve> Challenge<C> {
    fn of(transcript: Transcript) -> Self {
        let scalar = C::scalar_from_wide(&transcript.wide());
        Self { number: scalar::to_natural::<C>(&scalar), scalar }
    }
}

/// Begins the transcript of one proof.
fn begin(context: &Transcript, name: &'static str, sizes: Sizes) -> Transcript {
    context.clone().field("proof", name.as_bytes()).field("sizes", &sizes.to_bytes())
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use quorate_sharing::Secp256k1;

    use super::committed::tests::{fills_below, fills_its_range};
    use super::testing::*;
    use super::*;

    #[test]
    fn nonces_fill_their_whole_range() {
        let keys = keys(0);
        let key = keys.encryption();
        fills_below(key.number(), |rng| key.nonce(rng).number().clone());
        fills_below(key.number(), |rng| keys.nonce_with_power(rng).0.number().clone());
    }

    #[test]
    fn scalars_that_mask_fill_their_whole_range() {
        // The order is so close to 2^256 that all bits are set half of the time.
        fills_its_range(256, |rng| {
            scalar::to_natural::<Secp256k1>(&Secp256k1::random_scalar(rng)).with_room(256)
        });
    }

    #[test]
    fn a_ready_nonce_is_one_with_its_power() {
        let keys = keys(0);
        let (nonce, power) = ReadyNonce::new(&keys, &mut rng(1)).into_parts();
        let key = keys.encryption();
        let message = Natural::from_u64(7);
        let expected = key.bytes(&key.encrypt(&message, &nonce).unwrap());
        assert_eq!(key.bytes(&key.encrypt_with(&message, power).unwrap()), expected);
    }
}
