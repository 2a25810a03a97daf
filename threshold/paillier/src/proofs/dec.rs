//! Π^dec: a ciphertext holds a number that is committed to in a group (ePrint 2021/060, figure 28).
//!
//! Statement: K and D under the prover's N, points X and S, a generator H. Proven: the prover knows x, y and ρ with
//! K^x·D = (1 + N)^y·ρ^N, X = x·G and S = y·H, where x is below 2^(ℓ+ε+1) in size and y below 2^(bits+ε+1).
//!
//! A sum of products that others had a hand in may be negative, and longer than an honest one: [`Statement::shifted`] adds a multiple of
//! the group order that makes it a natural number whatever they did, within what their proofs have shown. Like Π^aff-g, this is proven to
//! one verifier at a time, where the paper repeats a proof without parameters 128 times; see `DEVIATIONS.md`.

use group::Group;
use quorate_keys::Transcript;
use quorate_sharing::Curve;
use rand_core::CryptoRngCore;
use zeroize::Zeroize;

use super::claim::Claim;
use super::committed::{Commitments, Masks, Response, mask_bits};
use super::{Challenge, InvalidProof, ReadyNonce, begin};
use crate::codec::{Reader, Writer};
use crate::key::{Ciphertext, Nonce};
use crate::natural::Natural;
use crate::party::{Keys, PublicKeys, SecretKeys, bind};
use crate::scalar::{order, to_scalar};

const NAME: &str = "dec";

/// What is proven.
#[derive(Debug, Clone)]
pub struct Statement<'a, C: Curve> {
    /// K.
    pub factor: &'a Ciphertext,
    /// D.
    pub summand: Ciphertext,
    /// Bits of y.
    pub bits: usize,
    /// X = x·G.
    pub point: C::Point,
    /// S = y·H.
    pub image: C::Point,
    /// H.
    pub generator: C::Point,
}

impl<'a, C: Curve> Statement<'a, C> {
    /// The statement about the prover's K and the sum D of what `others` parties made of K by Π^aff-g, less what the prover added to theirs.
    #[must_use]
    pub fn shifted(
        prover: &dyn Keys,
        factor: &'a Ciphertext,
        sum: &Ciphertext,
        others: usize,
        [point, image, generator]: [C::Point; 3],
    ) -> Self {
        // What Π^aff-g shows of x·k + y is 2^(ℓ'+ε+2) in size. Twice as much for what the prover subtracts, and for its own product.
        let parties = others.max(1).next_power_of_two().ilog2() as usize;
        let bound = mask_bits(prover.sizes(), prover.sizes().mask()) + 3 + parties;
        let key = prover.encryption();
        let summand = key.add(sum, &key.plain(&shift::<C>(bound)));
        Self { factor, summand, bits: bound + 2, point, image, generator }
    }

    fn transcript(&self, context: &Transcript, prover: &dyn Keys, verifier: &dyn Keys) -> Transcript {
        let transcript = begin(context, NAME, verifier.sizes())
            .field("prover", &prover.encryption().number().to_le_bytes())
            .field("K", &prover.encryption().bytes(self.factor))
            .field("D", &prover.encryption().bytes(&self.summand))
            .field("bits", &(self.bits as u64).to_le_bytes())
            .field("curve", C::NAME.as_bytes())
            .field("X", &C::encode(&self.point))
            .field("S", &C::encode(&self.image))
            .field("H", &C::encode(&self.generator));
        bind(verifier, transcript)
    }
}

/// A multiple of the group order from 2^`bits` to 2^(`bits` + 1).
fn shift<C: Curve>(bits: usize) -> Natural {
    let order = order::<C>();
    let above = bits + 1 - order.bits_vartime();
    let mut power = vec![0; above / 8 + 1];
    if let Some(top) = power.last_mut() {
        *top = 1 << (above % 8);
    }
    order.mul(&Natural::from_le_bytes(&power))
}

/// Proves it to the owner of `verifier`, from x. `ready` is of the prover's key. Constant time in x and y.
pub fn prove<C: Curve>(
    context: &Transcript,
    prover: &SecretKeys,
    verifier: &dyn Keys,
    statement: &Statement<'_, C>,
    factor: &Natural,
    ready: ReadyNonce,
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let sum = prover.encryption().add(&prover.mul(statement.factor, factor), &statement.summand);
    let value = prover.decryption().decrypt(&sum);
    let nonce = prover.decryption().recover_nonce(&sum);
    let witness = Witness { factor, value: &value, nonce: &nonce };
    prove_opened(context, prover, verifier, statement, &witness, ready, rng)
}

/// What the prover knows.
struct Witness<'a> {
    /// x.
    factor: &'a Natural,
    /// y.
    value: &'a Natural,
    /// ρ.
    nonce: &'a Nonce,
}

fn prove_opened<C: Curve>(
    context: &Transcript,
    prover: &dyn Keys,
    verifier: &dyn Keys,
    statement: &Statement<'_, C>,
    &Witness { factor, value, nonce }: &Witness<'_>,
    ready: ReadyNonce,
    rng: &mut dyn CryptoRngCore,
) -> Vec<u8> {
    let sizes = verifier.sizes();
    let key = prover.encryption();
    // Step 1.
    let mut factor_masks = Masks::draw(sizes, sizes.secret(), rng);
    let mut value_masks = Masks::draw(sizes, statement.bits, rng);
    let mut alpha = to_scalar::<C>(&factor_masks.value);
    let mut beta = to_scalar::<C>(&value_masks.value);
    let (mask_nonce, power) = ready.into_parts();
    let mut writer = Writer::default();
    let encrypted = key.add(&key.plain(&value_masks.value), &Ciphertext::of_power(power));
    writer.ciphertext(
        key,
        &key.add(&encrypted, &key.negate(&prover.mul(statement.factor, &factor_masks.value))),
    );
    writer.point::<C>(&(statement.generator * beta));
    writer.point::<C>(&C::mul_base(&alpha));
    factor_masks.commit(verifier, factor, rng).write(verifier, &mut writer);
    value_masks.commit(verifier, value, rng).write(verifier, &mut writer);
    let transcript = statement.transcript(context, prover, verifier).field("commitments", writer.so_far());
    // Steps 2 and 3.
    let e = Challenge::<C>::of(transcript).number;
    factor_masks.write(sizes, &factor_masks.respond(factor, &e), &mut writer);
    value_masks.write(sizes, &value_masks.respond(value, &e), &mut writer);
    writer.nonce(&key.combine_nonces(&mask_nonce, nonce, &e));
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
    let mask = reader.ciphertext(key).map_err(&malformed)?;
    let b = reader.point::<C>().map_err(&malformed)?;
    let c = reader.point::<C>().map_err(&malformed)?;
    let factor_commitments = Commitments::read(verifier, &mut reader).map_err(&malformed)?;
    let value_commitments = Commitments::read(verifier, &mut reader).map_err(&malformed)?;
    let transcript = statement.transcript(context, prover, keys).field("commitments", reader.so_far());
    let factor = Response::read(sizes, sizes.secret(), &mut reader).map_err(&malformed)?;
    let value = Response::read(sizes, statement.bits, &mut reader).map_err(&malformed)?;
    let root = reader.nonce(key).map_err(&malformed)?;
    reader.finish().map_err(&malformed)?;

    let challenge = Challenge::<C>::of(transcript);
    let e = challenge.scalar;
    let z = to_scalar::<C>(&factor.value);
    let w = to_scalar::<C>(&value.value);
    if C::multi_exponentiate_vartime(&[(z, C::Point::generator()), (-e, statement.point)]) != c {
        return Err(InvalidProof::new(NAME, "z·G = C + e·X"));
    }
    if C::multi_exponentiate_vartime(&[(w, statement.generator), (-e, statement.image)]) != b {
        return Err(InvalidProof::new(NAME, "w·H = B + e·S"));
    }
    if !factor.answers(verifier, &factor_commitments, &challenge.number) {
        return Err(InvalidProof::new(NAME, "x is short"));
    }
    if !value.answers(verifier, &value_commitments, &challenge.number) {
        return Err(InvalidProof::new(NAME, "y is short"));
    }
    // (1 + N)^w · ν^N = A · D^e · K^z.
    let right = key.add(&mask, &key.mul_vartime(&statement.summand, &challenge.number));
    let right = key.add(&right, &key.mul_vartime(statement.factor, &factor.value));
    Ok(Claim { factor: None, number: value.value, root, power: right })
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests;
