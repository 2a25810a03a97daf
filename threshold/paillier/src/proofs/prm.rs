//! Π^prm: s is a power of t (ePrint 2021/060, figure 17). Without it a commitment may tell what it should hide.
//!
//! Challenges have one bit, and are not batched: an element of small order would pass every other batch.

use quorate_keys::Transcript;
use rand_core::CryptoRngCore;
use subtle::{Choice, ConstantTimeEq};

use super::{InvalidProof, begin};
use crate::codec::{Reader, Writer};
use crate::natural::Natural;
use crate::party::{Keys, PublicKeys, SecretKeys};
use crate::pedersen::OwnParameters;

const NAME: &str = "prm";

fn challenge(context: &Transcript, keys: &PublicKeys, commitments: &[u8]) -> Vec<bool> {
    let transcript = keys.bind(begin(context, NAME, keys.sizes())).field("commitments", commitments);
    let hash = transcript.wide();
    let bits = hash.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
    bits.take(keys.sizes().repetitions()).collect()
}

/// Proves it of this party's parameters. Constant time in λ.
pub fn prove(context: &Transcript, keys: &SecretKeys, rng: &mut dyn CryptoRngCore) -> Vec<u8> {
    prove_power(context, keys.public(), keys.own_parameters(), rng)
}

/// a, uniform below φ(N). How often it is drawn tells nothing but how close φ(N) is to a power of two, as N tells.
fn mask(own: &OwnParameters, rng: &mut dyn CryptoRngCore) -> Natural {
    Natural::random_below(own.order(), rng)
}

fn prove_power(
    context: &Transcript,
    keys: &PublicKeys,
    own: &OwnParameters,
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let sizes = keys.sizes();
    let zero = Natural::from_u64(0);
    let mut writer = Writer::default();
    // Step 1: A = t^a.
    let masks: Vec<_> = (0..sizes.repetitions()).map(|_| mask(own, rng)).collect();
    for mask in &masks {
        writer.commitment(keys.parameters(), &own.commit(&zero, mask));
    }
    // Step 3: z = a + e·λ modulo φ(N).
    let bits = challenge(context, keys, writer.so_far());
    for (mask, bit) in masks.iter().zip(bits) {
        let lambda = Natural::select(&zero, own.lambda(), Choice::from(u8::from(bit)));
        let response = mask.add(&lambda).rem(own.order()).unwrap_or_else(|| zero.clone());
        writer.natural(&response, sizes.modulus());
    }
    writer.finish()
}

/// Verifies it of another party's parameters.
///
/// # Errors
/// [`InvalidProof`].
pub fn verify(context: &Transcript, keys: &PublicKeys, proof: &[u8]) -> Result<(), InvalidProof> {
    let malformed = InvalidProof::malformed(NAME);
    let sizes = keys.sizes();
    let parameters = keys.parameters();
    let mut reader = Reader::new(proof);
    let mut commitments = Vec::with_capacity(sizes.repetitions());
    for _ in 0..sizes.repetitions() {
        commitments.push(reader.commitment(parameters).map_err(&malformed)?);
    }
    let bits = challenge(context, keys, reader.so_far());
    let (one, zero) = (Natural::from_u64(1), Natural::from_u64(0));
    let s = parameters.commit(&one, &zero);
    for (commitment, bit) in commitments.iter().zip(bits) {
        let response = reader.natural(sizes.modulus()).map_err(&malformed)?;
        let left = parameters.commit(&zero, &response);
        let holds = match bit {
            true => left.ct_eq(&parameters.multiply(commitment, &s)),
            false => left.ct_eq(commitment),
        };
        if !bool::from(holds) {
            return Err(InvalidProof::new(NAME, "t^z = A·s^e"));
        }
    }
    reader.finish().map_err(&malformed)
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use super::*;
    use crate::proofs::committed::tests::fills_below;
    use crate::proofs::testing::*;
    use crate::test_keys;

    #[test]
    fn an_honest_proof_convinces() {
        for number in 0..3 {
            let keys = keys(number);
            let proof = prove(&context(), &keys, &mut rng(1));
            assert_eq!(verify(&context(), keys.public(), &proof), Ok(()));
        }
    }

    #[test]
    fn a_base_that_is_no_power_of_the_other_is_found() {
        let keys = keys(0);
        let [number, s, t] = keys.public().to_bytes();
        // -s is a power of t but for an element of order two; 4·s is an arbitrary number.
        let arbitrary = Natural::from_le_bytes(&s).mul(&Natural::from_u64(4));
        let arbitrary = arbitrary.rem(keys.encryption().number()).unwrap().to_le_bytes().to_vec();
        for s in [minus(&number, &s), arbitrary] {
            let public = PublicKeys::new(SIZES, &number, &s, &t).unwrap();
            let proof = prove_power(&context(), &public, keys.own_parameters(), &mut rng(1));
            fails_at(verify(&context(), &public, &proof).map(|()| true), "t^z = A·s^e");
        }
    }

    #[test]
    fn every_repetition_is_checked() {
        let keys = keys(0);
        let proof = prove(&context(), &keys, &mut rng(1));
        let length = SIZES.modulus() / 8;
        for repetition in SIZES.repetitions()..2 * SIZES.repetitions() {
            let mut spoiled = proof.clone();
            spoiled[repetition * length] ^= 1;
            fails_at(verify(&context(), keys.public(), &spoiled).map(|()| true), "t^z = A·s^e");
        }
    }

    #[test]
    fn a_proof_is_of_one_party_s_parameters_in_one_context() {
        let keys = keys(0);
        let public = keys.public();
        let proof = prove(&context(), &keys, &mut rng(1));
        assert!(verify(&other_context(), public, &proof).is_err());
        assert!(verify(&context(), test_keys::small(1).public(), &proof).is_err());
        assert!(verify(&context(), &with_other_base(public), &proof).is_err());
        // Of a proof with other sizes, as many repetitions would have other challenges.
        let more = [&proof[..], &proof[..2 * SIZES.modulus() / 8]].concat();
        assert!(verify(&context(), &resized(public), &proof).is_err());
        assert!(verify(&context(), &resized(public), &more).is_err());
    }

    #[test]
    fn what_is_spoiled_is_refused() {
        let keys = keys(0);
        let proof = prove(&context(), &keys, &mut rng(1));
        let mut fields: Vec<_> = (0..SIZES.repetitions()).map(|_| Field::commitment(&keys)).collect();
        fields.extend((0..SIZES.repetitions()).map(|_| Field::number(SIZES.modulus())));
        let verify = |proof: &[u8]| verify(&context(), keys.public(), proof).map(|()| true);
        all_that_is_spoiled_is_refused(&proof, &fields, &verify);
    }

    #[test]
    fn masks_fill_the_whole_order() {
        let keys = test_keys::standard(0);
        let own = keys.own_parameters();
        fills_below(own.order(), |rng| mask(own, rng));
    }
}
