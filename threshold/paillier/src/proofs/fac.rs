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
