//! Π^enc-elg: a ciphertext holds what an ElGamal commitment holds, and it is short (ePrint 2021/060, figure 24).
//!
//! Statement: the ciphertext C under the prover's N, and points A, B, X. Proven: the prover knows x, ρ and b with C = (1 + N)^x·ρ^N,
//! B = b·G and X = b·A + x·G, where x is below 2^(ℓ+ε+1) in size.

use group::Group;
use quorate_keys::Transcript;
use quorate_sharing::Curve;
use rand_core::CryptoRngCore;
use zeroize::Zeroize;

use super::claim::Claim;
use super::committed::{Commitments, Masks, Response};
use super::{Challenge, InvalidProof, ReadyNonce, begin};
use crate::codec::{Reader, Writer};
use crate::key::{Ciphertext, Nonce};
use crate::natural::Natural;
use crate::party::{Keys, PublicKeys, bind};
use crate::scalar::to_scalar;

const NAME: &str = "enc-elg";

/// What is proven.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a, C: Curve> {
    /// C.
    pub ciphertext: &'a Ciphertext,
    /// A, the base of the ElGamal commitment.
    pub base: C::Point,
    /// B = b·G.
    pub left: C::Point,
    /// X = b·A + x·G.
    pub right: C::Point,
}

/// What the prover knows.
#[derive(Debug)]
pub struct Witness<'a, C: Curve> {
    /// x, below 2^ℓ.
    pub value: &'a Natural,
    /// ρ.
    pub nonce: &'a Nonce,
    /// b.
    pub exponent: &'a C::Scalar,
}

impl<C: Curve> Statement<'_, C> {
    fn transcript(&self, context: &Transcript, prover: &dyn Keys, verifier: &dyn Keys) -> Transcript {
        let transcript = begin(context, NAME, verifier.sizes())
            .field("prover", &prover.encryption().number().to_le_bytes())
            .field("C", &prover.encryption().bytes(self.ciphertext))
            .field("curve", C::NAME.as_bytes())
            .field("A", &C::encode(&self.base))
            .field("B", &C::encode(&self.left))
            .field("X", &C::encode(&self.right));
        bind(verifier, transcript)
    }
}

/// Proves it to the owner of `verifier`. `ready` is of the prover's key. Constant time in the witness.
pub fn prove<C: Curve>(
    context: &Transcript,
    prover: &dyn Keys,
    verifier: &dyn Keys,
    statement: &Statement<'_, C>,
    witness: &Witness<'_, C>,
    ready: ReadyNonce,
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let sizes = verifier.sizes();
    let key = prover.encryption();
    // Step 1.
    let mut masks = Masks::draw(sizes, sizes.secret(), rng);
    let mut beta = C::random_scalar(rng);
    let mut alpha = to_scalar::<C>(&masks.value);
    let (mask_nonce, power) = ready.into_parts();
    let mut writer = Writer::default();
    masks.commit(verifier, witness.value, rng).write(verifier, &mut writer);
    writer.ciphertext(key, &key.add(&key.plain(&masks.value), &Ciphertext::of_power(power)));
    writer.point::<C>(&(statement.base * beta + C::mul_base(&alpha)));
    writer.point::<C>(&C::mul_base(&beta));
    let transcript = statement.transcript(context, prover, verifier).field("commitments", writer.so_far());
    // Steps 2 and 3.
    let challenge = Challenge::<C>::of(transcript);
    masks.write(sizes, &masks.respond(witness.value, &challenge.number), &mut writer);
    writer.scalar::<C>(&(beta + challenge.scalar * witness.exponent));
    writer.nonce(&key.combine_nonces(&mask_nonce, witness.nonce, &challenge.number));
    alpha.zeroize();
    beta.zeroize();
    writer.finish()
}

/// Verifies it but for the claim that is returned. `verifier` computes with what it knows of the `keys` to whose owner was proven.
///
/// # Errors
/// [`InvalidProof`].
pub fn verify<C: Curve>(
    context: &Transcript,
    prover: &PublicKeys,
    keys: &PublicKeys,
    verifier: &dyn Keys,
    statement: &Statement<'_, C>,
    proof: &[u8],
) -> Result<Claim, InvalidProof> {
    let malformed = InvalidProof::malformed(NAME);
    let sizes = keys.sizes();
    let key = prover.encryption();
    let mut reader = Reader::new(proof);
    let commitments = Commitments::read(verifier, &mut reader).map_err(&malformed)?;
    let mask = reader.ciphertext(key).map_err(&malformed)?;
    let y = reader.point::<C>().map_err(&malformed)?;
    let z = reader.point::<C>().map_err(&malformed)?;
    let transcript = statement.transcript(context, prover, keys).field("commitments", reader.so_far());
    let response = Response::read(sizes, sizes.secret(), &mut reader).map_err(&malformed)?;
    let w = reader.scalar::<C>().map_err(&malformed)?;
    let root = reader.nonce(key).map_err(&malformed)?;
    reader.finish().map_err(&malformed)?;

    let challenge = Challenge::<C>::of(transcript);
    let e = challenge.scalar;
    let Statement { ciphertext, base, left, right } = *statement;
    let generator = C::Point::generator();
    let z1 = to_scalar::<C>(&response.value);
    let sum = C::multi_exponentiate_vartime(&[(w, base), (z1, generator), (-e, right)]);
    if sum != y {
        return Err(InvalidProof::new(NAME, "w·A + z1·G = Y + e·X"));
    }
    if C::multi_exponentiate_vartime(&[(w, generator), (-e, left)]) != z {
        return Err(InvalidProof::new(NAME, "w·G = Z + e·B"));
    }
    if !response.answers(verifier, &commitments, &challenge.number) {
        return Err(InvalidProof::new(NAME, "s^z1·t^z3 = T·S^e"));
    }
    // (1 + N)^z1 · z2^N = D · C^e.
    let right = key.add(&mask, &key.mul_vartime(ciphertext, &challenge.number));
    Ok(Claim { root, factor: Some(key.plain(&response.value)), power: right })
}
