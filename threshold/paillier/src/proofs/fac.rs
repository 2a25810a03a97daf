//! Π^fac: both factors of N are long (ePrint 2021/060, figure 26). A short one would let its owner read what others multiply by.
//!
//! Statement: the prover's N, of twice as many bits as an honest prime. Proven: the prover knows p and q with N = p·q, both below
//! 2^(bits+ε+1) in size. So both are above 2^(bits-ε-2): no prime below 2^1022 divides an N of 3072 bits whose other factors are primes.

use quorate_keys::Transcript;
use quorate_sharing::Curve;
use rand_core::CryptoRngCore;
use subtle::ConstantTimeEq;

use super::committed::{Commitments, Masks, Response, mask_bits, randomness_bits};
use super::{Challenge, InvalidProof, begin};
use crate::codec::{Reader, Writer};
use crate::natural::Natural;
use crate::party::{Keys, PublicKeys, SecretKeys, bind};
use crate::sizes::Sizes;

const NAME: &str = "fac";

/// Bits of ν·p.
const fn product_bits(sizes: Sizes) -> usize {
    randomness_bits(sizes) + sizes.prime()
}

/// r, which hides ν·p times a challenge.
fn product_mask(sizes: Sizes, rng: &mut dyn CryptoRngCore) -> Natural {
    Natural::random(mask_bits(sizes, product_bits(sizes)), rng)
}

fn transcript<C: Curve>(context: &Transcript, prover: &dyn Keys, verifier: &dyn Keys) -> Transcript {
    let transcript = begin(context, NAME, prover.sizes()).field("curve", C::NAME.as_bytes());
    let transcript = bind(prover, transcript.field("role", b"prover"));
    bind(verifier, transcript.field("role", b"verifier"))
}

/// Proves it to the owner of `verifier`. The curve is that of the challenge. Constant time in the factors.
pub fn prove<C: Curve>(
    context: &Transcript,
    prover: &SecretKeys,
    verifier: &dyn Keys,
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let factors = prover.primes().each_ref().map(|prime| prime.number());
    prove_factors::<C>(context, prover.public(), verifier, factors, rng)
}

fn prove_factors<C: Curve>(
    context: &Transcript,
    prover: &dyn Keys,
    verifier: &dyn Keys,
    [p, q]: [&Natural; 2],
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let sizes = prover.sizes();
    let parameters = verifier.parameters();
    // Step 1: P and A, Q and B, T = Q^α · t^-r.
    let mut left = Masks::draw(sizes, sizes.prime(), rng);
    let mut right = Masks::draw(sizes, sizes.prime(), rng);
    let mut writer = Writer::default();
    left.commit(verifier, p, rng).write(verifier, &mut writer);
    let commitments = right.commit(verifier, q, rng);
    commitments.write(verifier, &mut writer);
    let power = parameters.raise(&commitments.value, &left.value);
    let (mask, product) = loop {
        let mask = product_mask(sizes, rng);
        let product = parameters.divide(&power, &verifier.commit(&Natural::from_u64(0), &mask));
        // As in `Masks::commit`.
        if !bool::from(parameters.is_trivial(&product)) {
            break (mask, product);
        }
    };
    writer.commitment(parameters, &product);
    let transcript = transcript::<C>(context, prover, verifier).field("commitments", writer.so_far());
    // Steps 2 and 3. v = r + e·ν·p.
    let e = Challenge::<C>::of(transcript).number;
    left.write(sizes, &left.respond(p, &e), &mut writer);
    right.write(sizes, &right.respond(q, &e), &mut writer);
    let product = right.randomness.mul(p);
    writer.natural(&mask.add(&e.mul(&product)), mask_bits(sizes, product_bits(sizes)) + 1);
    writer.finish()
}

/// Verifies it. `verifier` computes with what it knows of the `keys` to whose owner was proven.
///
/// # Errors
/// [`InvalidProof`].
pub fn verify<C: Curve>(
    context: &Transcript,
    prover: &PublicKeys,
    keys: &PublicKeys,
    verifier: &dyn Keys,
    proof: &[u8],
) -> Result<(), InvalidProof> {
    let malformed = InvalidProof::malformed(NAME);
    let sizes = keys.sizes();
    let parameters = keys.parameters();
    let mut reader = Reader::new(proof);
    let left_commitments = Commitments::read(verifier, &mut reader).map_err(&malformed)?;
    let right_commitments = Commitments::read(verifier, &mut reader).map_err(&malformed)?;
    let t = reader.commitment(parameters).map_err(&malformed)?;
    let transcript = transcript::<C>(context, prover, keys).field("commitments", reader.so_far());
    let left = Response::read(sizes, sizes.prime(), &mut reader).map_err(&malformed)?;
    let right = Response::read(sizes, sizes.prime(), &mut reader).map_err(&malformed)?;
    let v = reader.natural(mask_bits(sizes, product_bits(sizes)) + 1).map_err(&malformed)?;
    reader.finish().map_err(&malformed)?;

    let e = Challenge::<C>::of(transcript).number;
    if !left.answers(verifier, &left_commitments, &e) {
        return Err(InvalidProof::new(NAME, "s^z1·t^w1 = A·P^e"));
    }
    if !right.answers(verifier, &right_commitments, &e) {
        return Err(InvalidProof::new(NAME, "s^z2·t^w2 = B·Q^e"));
    }
    // Q^z1 = T · (s^N)^e · t^v.
    let power = parameters.raise_vartime(&right_commitments.value, &left.value);
    let product = verifier.commit(&e.mul(prover.encryption().number()), &v);
    if !bool::from(power.ct_eq(&parameters.multiply(&t, &product))) {
        return Err(InvalidProof::new(NAME, "Q^z1 = T·s^(eN)·t^v"));
    }
    Ok(())
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use quorate_sharing::{Ed25519, Secp256k1 as C};

    use super::*;
    use crate::proofs::committed::tests::fills_its_range;
    use crate::proofs::testing::*;

    /// The keys with some N: s and t matter only where it is a verifier's.
    fn with_number(number: &Natural) -> PublicKeys {
        PublicKeys::new(SIZES, &number.to_le_bytes(), &[4], &[16]).unwrap()
    }

    fn verify_with(prover: &PublicKeys, verifier: &SecretKeys, proof: &[u8]) -> Result<bool, InvalidProof> {
        verify::<C>(&context(), prover, verifier.public(), verifier, proof).map(|()| true)
    }

    #[test]
    fn an_honest_proof_convinces_the_verifier_and_every_judge() {
        let (prover, verifier) = (keys(0), keys(1));
        let proof = prove::<C>(&context(), &prover, verifier.public(), &mut rng(1));
        assert_eq!(verify_with(prover.public(), &verifier, &proof), Ok(true));
        let judge = verifier.public();
        assert_eq!(verify::<C>(&context(), prover.public(), judge, judge, &proof), Ok(()));
        assert!(verify::<Ed25519>(&context(), prover.public(), judge, judge, &proof).is_err());
    }

    #[test]
    fn a_prover_who_cheats_at_one_point_is_found_at_that_point() {
        let (prover, verifier) = (keys(0), keys(1));
        let [p, q] = prover.primes().each_ref().map(|prime| prime.number());
        let prove = |verifier: &dyn Keys, factors| {
            prove_factors::<C>(&context(), prover.public(), verifier, factors, &mut rng(1))
        };
        for (wrong, check) in [
            (0, "s^z1·t^w1 = A·P^e"),
            (1, "s^z1·t^w1 = A·P^e"),
            (2, "s^z2·t^w2 = B·Q^e"),
            (3, "s^z2·t^w2 = B·Q^e"),
            (4, "Q^z1 = T·s^(eN)·t^v"),
        ] {
            let proof = prove(&FalseCommit::new(verifier.public(), wrong), [p, q]);
            fails_at(verify_with(prover.public(), &verifier, &proof), check);
        }
        let next = p.add(&Natural::from_u64(2)).with_room(p.room());
        for factors in [[&next, q], [p, &next], [p, p]] {
            let proof = prove(verifier.public(), factors);
            fails_at(verify_with(prover.public(), &verifier, &proof), "Q^z1 = T·s^(eN)·t^v");
        }
    }

    #[test]
    fn a_number_one_of_whose_factors_is_short_is_refused() {
        let verifier = keys(1);
        let prove = |short: &Natural, long: &Natural| {
            let prover = with_number(&short.mul(long));
            [[short, long], [long, short]].map(|factors| {
                let proof = prove_factors::<C>(&context(), &prover, verifier.public(), factors, &mut rng(1));
                verify_with(&prover, &verifier, &proof)
            })
        };
        let long = barely_too_long(SIZES.prime());
        let filling = of_bits(SIZES.modulus() - long.bits_vartime() + 1);
        for outcome in prove(&filling, &long) {
            is_malformed(outcome);
        }
        // Balanced, and so long: nothing is wrong.
        for outcome in prove(&of_bits(SIZES.prime()), &of_bits(SIZES.prime() + 1)) {
            assert_eq!(outcome, Ok(true));
        }
        for short in [3, 65537, 257] {
            let short = Natural::from_u64(short);
            let long = of_bits(SIZES.modulus() - short.bits_vartime() + 1);
            for outcome in prove(&short, &long) {
                assert!(outcome.is_err());
            }
        }
    }

    #[test]
    fn a_proof_is_of_one_number_in_one_context_to_one_verifier() {
        let (prover, verifier, third) = (keys(0), keys(1), keys(2));
        let (p, v) = (prover.public(), verifier.public());
        let proof = prove::<C>(&context(), &prover, v, &mut rng(1));
        let refused = |context: &Transcript, prover: &PublicKeys, verifier: &PublicKeys| {
            verify::<C>(context, prover, verifier, verifier, &proof).is_err()
        };
        assert!(!refused(&context(), p, v));
        assert!(refused(&other_context(), p, v));
        assert!(refused(&context(), third.public(), v) && refused(&context(), p, third.public()));
        assert!(refused(&context(), v, p));
        assert!(refused(&context(), &with_other_base(p), v) && refused(&context(), p, &with_other_base(v)));
        assert!(refused(&context(), &resized(p), &resized(v)));
    }

    #[test]
    fn the_long_mask_fills_its_whole_range() {
        let bits = mask_bits(Sizes::STANDARD, product_bits(Sizes::STANDARD));
        assert_eq!(bits, 3072 + 256 + 1536 + 512);
        fills_its_range(bits, |rng| product_mask(Sizes::STANDARD, rng));
    }

    #[test]
    fn what_is_spoiled_is_refused() {
        let (prover, verifier) = (keys(0), keys(1));
        let proof = prove::<C>(&context(), &prover, verifier.public(), &mut rng(1));
        let mut fields: Vec<_> = (0..5).map(|_| Field::commitment(&verifier)).collect();
        fields.extend(Field::responses(SIZES.prime()));
        fields.extend(Field::responses(SIZES.prime()));
        fields.push(Field::number(mask_bits(SIZES, product_bits(SIZES)) + 1));
        all_that_is_spoiled_is_refused(&proof, &fields, &|proof| {
            verify_with(prover.public(), &verifier, proof)
        });
    }

    #[test]
    fn parameters_of_small_order_don_t_make_an_honest_proof_a_false_one() {
        let (prover, verifier) = (keys(0), of_small_order(&keys(1)));
        for seed in 0..10 {
            let proof = prove::<C>(&context(), &prover, &verifier, &mut rng(seed));
            assert_eq!(verify::<C>(&context(), prover.public(), &verifier, &verifier, &proof), Ok(()));
        }
    }
}
