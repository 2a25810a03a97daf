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
    Ok(Claim { factor: None, number: response.value, root, power: right })
}

#[cfg(test)]
#[cfg(debug_assertions)]
mod tests {
    use quorate_sharing::Secp256k1 as C;

    use super::*;
    use crate::party::SecretKeys;
    use crate::proofs::testing::*;
    use crate::scalar::to_natural;

    type Point = <C as Curve>::Point;
    type Scalar = <C as Curve>::Scalar;

    struct Case {
        prover: SecretKeys,
        verifier: SecretKeys,
        value: Natural,
        nonce: Nonce,
        exponent: Scalar,
        ciphertext: Ciphertext,
        base: Point,
        left: Point,
        right: Point,
    }

    impl Case {
        fn new() -> Self {
            Self::of(&to_natural::<C>(&C::random_scalar(&mut rng(1))))
        }

        fn of(value: &Natural) -> Self {
            let mut rng = rng(2);
            let (prover, verifier) = (keys(0), keys(1));
            let exponent = C::random_scalar(&mut rng);
            let base = Point::random(&mut rng);
            let (ciphertext, nonce) = encrypt(&prover, value, &mut rng);
            let left = C::mul_base(&exponent);
            let right = base * exponent + C::mul_base(&to_scalar::<C>(value));
            Self { prover, verifier, value: value.clone(), nonce, exponent, ciphertext, base, left, right }
        }

        fn statement(&self) -> Statement<'_, C> {
            let Self { ciphertext, base, left, right, .. } = self;
            Statement { ciphertext, base: *base, left: *left, right: *right }
        }

        fn prove_with(&self, verifier: &dyn Keys, ready: ReadyNonce) -> Vec<u8> {
            let witness = Witness { value: &self.value, nonce: &self.nonce, exponent: &self.exponent };
            prove(&context(), &self.prover, verifier, &self.statement(), &witness, ready, &mut rng(3))
        }

        fn prove_to(&self, verifier: &dyn Keys) -> Vec<u8> {
            self.prove_with(verifier, ReadyNonce::new(&self.prover, &mut rng(4)))
        }

        fn verify(&self, proof: &[u8]) -> Result<bool, InvalidProof> {
            let Self { prover, verifier, .. } = self;
            let claim =
                verify(&context(), prover.public(), verifier.public(), verifier, &self.statement(), proof)?;
            Ok(claim.holds(prover.public()))
        }

        /// Proves it as far as that can be done, and has it verified.
        fn outcome(&self) -> Result<bool, InvalidProof> {
            self.verify(&self.prove_to(self.verifier.public()))
        }
    }

    #[test]
    fn an_honest_proof_convinces_the_verifier_and_every_judge() {
        let largest = Natural::from_le_bytes(&[0xff; 32]);
        for case in [Case::new(), Case::of(&Natural::from_u64(0)), Case::of(&largest)] {
            let proof = case.prove_to(case.verifier.public());
            assert_eq!(case.verify(&proof), Ok(true));
            let (prover, judge) = (case.prover.public(), case.verifier.public());
            let claim = verify(&context(), prover, judge, judge, &case.statement(), &proof).unwrap();
            assert!(claim.holds(prover) && claim.holds(&case.prover));
        }
    }

    #[test]
    fn a_prover_who_cheats_at_one_point_is_found_at_that_point() {
        let one = generator();
        let case = Case { right: Case::new().right + one, ..Case::new() };
        fails_at(case.outcome(), "w·A + z1·G = Y + e·X");
        // Of another exponent: what hides x is not what B says.
        let case = Case { left: Case::new().left + one, ..Case::new() };
        fails_at(case.outcome(), "w·G = Z + e·B");
        let case = Case::new();
        for wrong in [0, 1] {
            let proof = case.prove_to(&FalseCommit::new(case.verifier.public(), wrong));
            fails_at(case.verify(&proof), "s^z1·t^z3 = T·S^e");
        }
        let case = Case { ciphertext: one_more(&Case::new().prover, &Case::new().ciphertext), ..Case::new() };
        claim_fails(case.outcome());
        let case = Case::new();
        let nonce = case.prover.encryption().nonce(&mut rng(5));
        claim_fails(Case { nonce, ..Case::new() }.outcome());
        let ready = false_ready(&case.prover, &mut rng(5));
        claim_fails(case.verify(&case.prove_with(case.verifier.public(), ready)));
    }

    #[test]
    fn a_number_that_is_too_long_is_refused() {
        is_malformed(Case::of(&barely_too_long(SIZES.secret())).outcome());
        assert!(Case::of(&of_bits(SIZES.secret() + 300)).outcome().is_err());
    }

    #[test]
    fn a_proof_is_of_one_statement_in_one_context_between_two_keys() {
        let case = Case::new();
        let proof = case.prove_to(case.verifier.public());
        let one = generator();
        let ciphertext = one_more(&case.prover, &case.ciphertext);
        let statement = case.statement();
        let digest = |statement: &Statement<'_, C>, prover: &PublicKeys, verifier: &PublicKeys| {
            statement.transcript(&context(), prover, verifier).digest()
        };
        for other in [
            Statement { ciphertext: &ciphertext, ..statement },
            Statement { base: statement.base + one, ..statement },
            Statement { left: statement.left + one, ..statement },
            Statement { right: statement.right + one, ..statement },
        ] {
            let (p, v) = (case.prover.public(), case.verifier.public());
            assert!(verify(&context(), p, v, v, &other, &proof).is_err());
            assert_ne!(digest(&other, p, v), digest(&statement, p, v), "the challenge depends on it");
        }
        let refused = |context: &Transcript, prover: &PublicKeys, verifier: &PublicKeys| {
            verify(context, prover, verifier, verifier, &statement, &proof).is_err()
        };
        let (p, v, third) = (case.prover.public(), case.verifier.public(), keys(2));
        assert!(!refused(&context(), p, v));
        for (prover, verifier) in [(third.public(), v), (p, third.public()), (p, &with_other_base(v))] {
            assert_ne!(digest(&statement, prover, verifier), digest(&statement, p, v));
        }
        assert!(refused(&other_context(), p, v));
        assert!(refused(&context(), third.public(), v) && refused(&context(), p, third.public()));
        assert!(refused(&context(), p, &with_other_base(v)));
        assert!(refused(&context(), &resized(p), &resized(v)));
    }

    #[test]
    fn what_is_spoiled_is_refused() {
        let case = Case::new();
        let proof = case.prove_to(case.verifier.public());
        let mut fields = vec![Field::commitment(&case.verifier), Field::commitment(&case.verifier)];
        fields.extend([Field::ciphertext(&case.prover), Field::point(), Field::point()]);
        fields.extend(Field::responses(SIZES.secret()));
        fields.extend([Field::scalar(), Field::unit(&case.prover)]);
        all_that_is_spoiled_is_refused(&proof, &fields, &|proof| case.verify(proof));
    }

    #[test]
    fn parameters_of_small_order_don_t_make_an_honest_proof_a_false_one() {
        let case = Case::new();
        let verifier = of_small_order(&case.verifier);
        for seed in 0..20 {
            let witness = Witness { value: &case.value, nonce: &case.nonce, exponent: &case.exponent };
            let (ready, statement) = (ReadyNonce::new(&case.prover, &mut rng(seed)), case.statement());
            let proof =
                prove(&context(), &case.prover, &verifier, &statement, &witness, ready, &mut rng(seed));
            let claim =
                verify(&context(), case.prover.public(), &verifier, &verifier, &statement, &proof).unwrap();
            assert!(claim.holds(case.prover.public()));
        }
    }
}
