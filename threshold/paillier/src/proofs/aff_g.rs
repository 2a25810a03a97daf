//! Π^aff-g: a ciphertext is another one times a committed number, plus a number that a third one holds (ePrint 2021/060, figure 25).
//!
//! Statement: C and D under the receiver's N₀, Y under the prover's N₁, and a point X. Proven: the prover knows x, y, ρ and ρ_y with
//! D = C^x·(1 + N₀)^y·ρ^N₀, Y = (1 + N₁)^y·ρ_y^N₁ and X = x·G, where x is below 2^(ℓ+ε+1) and y below 2^(ℓ'+ε+1) in size.
//!
//! The receiver, under whose key C and D are, need not be the verifier, under whose parameters x and y are committed to: while presigning
//! they are one, and when a presignature is found to be wrong, every other party is shown the same in turn. There the paper has a proof
//! without parameters, Π^aff-g* of figure 27, see `DEVIATIONS.md`.

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
use crate::party::{Keys, bind};
use crate::scalar::to_scalar;

const NAME: &str = "aff-g";

/// What is proven.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a, C: Curve> {
    /// C, under the receiver's key.
    pub factor: &'a Ciphertext,
    /// D = C^x·(1 + N₀)^y·ρ^N₀, under the receiver's key.
    pub product: &'a Ciphertext,
    /// Y = (1 + N₁)^y·ρ_y^N₁, under the prover's key.
    pub summand: &'a Ciphertext,
    /// X = x·G.
    pub point: C::Point,
}

/// What the prover knows.
#[derive(Debug)]
pub struct Witness<'a> {
    /// x, below 2^ℓ.
    pub factor: &'a Natural,
    /// y, below 2^ℓ'.
    pub summand: &'a Natural,
    /// ρ.
    pub nonce: &'a Nonce,
    /// ρ_y.
    pub summand_nonce: &'a Nonce,
}

/// Whose keys are whose: the receiver's own, the prover's, and those under which the verifier is convinced.
#[derive(Clone, Copy)]
pub struct Roles<'a> {
    /// N₀.
    pub receiver: &'a dyn Keys,
    /// N₁.
    pub prover: &'a dyn Keys,
    /// N̂, s, t.
    pub verifier: &'a dyn Keys,
}

impl std::fmt::Debug for Roles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Roles")
    }
}

impl<C: Curve> Statement<'_, C> {
    fn transcript(&self, context: &Transcript, roles: &Roles<'_>) -> Transcript {
        let Roles { receiver, prover, verifier } = roles;
        let transcript = begin(context, NAME, verifier.sizes())
            .field("receiver", &receiver.encryption().number().to_le_bytes())
            .field("prover", &prover.encryption().number().to_le_bytes())
            .field("C", &receiver.encryption().bytes(self.factor))
            .field("D", &receiver.encryption().bytes(self.product))
            .field("Y", &prover.encryption().bytes(self.summand))
            .field("curve", C::NAME.as_bytes())
            .field("X", &C::encode(&self.point));
        bind(*verifier, transcript)
    }
}

/// Proves it to the owner of `roles.verifier`. The first of `ready` is of the receiver's key, the second of the prover's. Constant time in
/// the witness.
pub fn prove<C: Curve>(
    context: &Transcript,
    roles: &Roles<'_>,
    statement: &Statement<'_, C>,
    witness: &Witness<'_>,
    ready: [ReadyNonce; 2],
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let Roles { receiver, prover, verifier } = *roles;
    let sizes = verifier.sizes();
    // Step 1.
    let mut factor = Masks::draw(sizes, sizes.secret(), rng);
    let mut summand = Masks::draw(sizes, sizes.mask(), rng);
    let [(nonce, power), (summand_nonce, summand_power)] = ready.map(ReadyNonce::into_parts);
    let mut alpha = to_scalar::<C>(&factor.value);
    let mut writer = Writer::default();
    let mask = {
        let key = receiver.encryption();
        let sum = key.add(&key.plain(&summand.value), &Ciphertext::of_power(power));
        key.add(&receiver.mul(statement.factor, &factor.value), &sum)
    };
    writer.ciphertext(receiver.encryption(), &mask);
    writer.point::<C>(&C::mul_base(&alpha));
    let mask = {
        let key = prover.encryption();
        key.add(&key.plain(&summand.value), &Ciphertext::of_power(summand_power))
    };
    writer.ciphertext(prover.encryption(), &mask);
    factor.commit(verifier, witness.factor, rng).write(verifier, &mut writer);
    summand.commit(verifier, witness.summand, rng).write(verifier, &mut writer);
    let transcript = statement.transcript(context, roles).field("commitments", writer.so_far());
    // Steps 2 and 3.
    let e = Challenge::<C>::of(transcript).number;
    factor.write(sizes, &factor.respond(witness.factor, &e), &mut writer);
    summand.write(sizes, &summand.respond(witness.summand, &e), &mut writer);
    writer.nonce(&receiver.encryption().combine_nonces(&nonce, witness.nonce, &e));
    writer.nonce(&prover.encryption().combine_nonces(&summand_nonce, witness.summand_nonce, &e));
    alpha.zeroize();
    writer.finish()
}

/// Verifies it but for the claims that are returned: one about the receiver's N₀, one about the prover's N₁. `verifier` computes with what
/// it knows of the keys in `roles.verifier`.
///
/// # Errors
/// [`InvalidProof`].
pub fn verify<C: Curve>(
    context: &Transcript,
    roles: &Roles<'_>,
    verifier: &dyn Keys,
    statement: &Statement<'_, C>,
    proof: &[u8],
) -> Result<[Claim; 2], InvalidProof> {
    let malformed = InvalidProof::malformed(NAME);
    let sizes = roles.verifier.sizes();
    let (receiver, prover) = (roles.receiver.encryption(), roles.prover.encryption());
    let mut reader = Reader::new(proof);
    let mask = reader.ciphertext(receiver).map_err(&malformed)?;
    let b_x = reader.point::<C>().map_err(&malformed)?;
    let summand_mask = reader.ciphertext(prover).map_err(&malformed)?;
    let factor_commitments = Commitments::read(verifier, &mut reader).map_err(&malformed)?;
    let summand_commitments = Commitments::read(verifier, &mut reader).map_err(&malformed)?;
    let transcript = statement.transcript(context, roles).field("commitments", reader.so_far());
    let factor = Response::read(sizes, sizes.secret(), &mut reader).map_err(&malformed)?;
    let summand = Response::read(sizes, sizes.mask(), &mut reader).map_err(&malformed)?;
    let root = reader.nonce(receiver).map_err(&malformed)?;
    let summand_root = reader.nonce(prover).map_err(&malformed)?;
    reader.finish().map_err(&malformed)?;

    let challenge = Challenge::<C>::of(transcript);
    let e = &challenge.number;
    let z1 = to_scalar::<C>(&factor.value);
    let terms = [(z1, C::Point::generator()), (-challenge.scalar, statement.point)];
    if C::multi_exponentiate_vartime(&terms) != b_x {
        return Err(InvalidProof::new(NAME, "z1·G = B_x + e·X"));
    }
    if !factor.answers(verifier, &factor_commitments, e) {
        return Err(InvalidProof::new(NAME, "s^z1·t^z3 = E·S^e"));
    }
    if !summand.answers(verifier, &summand_commitments, e) {
        return Err(InvalidProof::new(NAME, "s^z2·t^z4 = F·T^e"));
    }
    // C^z1 · (1 + N₀)^z2 · w^N₀ = A · D^e, and (1 + N₁)^z2 · w_y^N₁ = B_y · Y^e.
    let left = roles.receiver.mul(statement.factor, &factor.value);
    let right = receiver.add(&mask, &roles.receiver.mul(statement.product, e));
    let summand_right = prover.add(&summand_mask, &prover.mul_vartime(statement.summand, e));
    Ok([
        Claim { factor: Some(left), number: summand.value.clone(), root, power: right },
        Claim { factor: None, number: summand.value, root: summand_root, power: summand_right },
    ])
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests;
