//! Proof that dealers know their polynomials.

use std::fmt;

use ff::Field;
use group::Group;
use rand_core::CryptoRngCore;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::commitment::Commitment;
use crate::curve::Curve;
use crate::polynomial::Polynomial;
use crate::share::SecretShare;

/// The first move of a proof of knowledge: a secret nonce k, of which R = k·G is published.
///
/// # Security
/// One nonce answers one challenge. Two answers give away a combination of the coefficients, and one more than there are
/// coefficients give away all. So it has no `Clone`, and [`Self::prove`] takes it by value. Erased on drop.
///
/// ```
/// # use quorate_sharing::{Challenge, Ed25519, Polynomial, ProofNonce};
/// fn once(nonce: ProofNonce<Ed25519>, challenge: &Challenge<Ed25519>, polynomial: &Polynomial<Ed25519>) -> [u8; 32] {
///     nonce.prove(challenge, polynomial)
/// }
/// ```
/// ```compile_fail,E0382
/// # use quorate_sharing::{Challenge, Ed25519, Polynomial, ProofNonce};
/// fn twice(nonce: ProofNonce<Ed25519>, challenge: &Challenge<Ed25519>, polynomial: &Polynomial<Ed25519>) -> [u8; 32] {
///     nonce.prove(challenge, polynomial);
///     nonce.prove(challenge, polynomial)
/// }
/// ```
pub struct ProofNonce<C: Curve> {
    /// In a place of its own: a value that moves leaves copies behind.
    secret: Box<C::Scalar>,
    point: Vec<u8>,
}

impl<C: Curve> ProofNonce<C> {
    /// Draws a nonce. Constant time.
    pub fn generate(rng: &mut dyn CryptoRngCore) -> Self {
        let secret = Box::new(C::random_scalar(rng));
        let point = C::encode(&C::mul_base_uncleared(&secret));
        Self { secret, point }
    }

    /// R in transport encoding, like the coefficients.
    #[must_use]
    pub fn point(&self) -> &[u8] {
        &self.point
    }

    /// Answers the challenge: z. Constant time in the nonce and the coefficients.
    #[must_use]
    pub fn prove(self, challenge: &Challenge<C>, polynomial: &Polynomial<C>) -> [u8; 32] {
        // Whoever has this and the answer has the nonce.
        let mut weighed = challenge.0 * polynomial.evaluate_at(&challenge.0);
        let response = C::scalar_to_bytes(&(*self.secret + weighed));
        weighed.zeroize();
        response
    }

    /// Answers the challenge for a share alone: z = k + e·x. Constant time in the nonce and the share.
    #[must_use]
    pub fn prove_share(self, challenge: &Challenge<C>, share: &SecretShare<C>) -> [u8; 32] {
        let mut weighed = challenge.0 * share.expose();
        let response = C::scalar_to_bytes(&(*self.secret + weighed));
        weighed.zeroize();
        response
    }
}

impl<C: Curve> Drop for ProofNonce<C> {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl<C: Curve> ZeroizeOnDrop for ProofNonce<C> {}

impl<C: Curve> fmt::Debug for ProofNonce<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofNonce({}, redacted)", C::NAME)
    }
}

/// What provers answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge<C: Curve>(C::Scalar);

impl<C: Curve> Challenge<C> {
    /// The challenge e of a 64-byte hash.
    ///
    /// # Security
    /// The hash is over who proves, in which session, and whatever binds every prover to its commitment and its nonce's
    /// point. A prover that may still change one of them after it saw the challenge proves nothing.
    #[must_use]
    pub fn from_wide(hash: &[u8; 64]) -> Self {
        Self(C::scalar_from_wide(hash))
    }
}

/// One Schnorr proof of knowledge of all coefficients of a polynomial f = a₀ + a₁x + … that a [`Commitment`] commits to.
///
/// # Protocol
/// Nonce R = k·G, challenge e, response z = k + Σ eʲ⁺¹·aⱼ = k + e·f(e). Verification: z·G = R + Σ eʲ⁺¹·Aⱼ. From t + 1
/// answers to different challenges under one R, k and all aⱼ follow by interpolation, so whoever convinces knows them
/// all. R travels in transport encoding like the coefficients.
///
/// The equation is linear in the proof and the commitment: proofs that answer one challenge may be added, and the sum
/// is a proof for the sum of the commitments. What that says about the single provers stands in `DEVIATIONS.md`.
#[derive(Clone, PartialEq, Eq)]
pub struct KnowledgeProof<C: Curve> {
    /// R divided by the cofactor, perhaps with a component of small order.
    nonce: C::Point,
    /// z
    response: C::Scalar,
}

/// Bytes are no proof. The dealer is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a proof of knowledge: expected a point and a scalar in canonical encoding")]
pub struct InvalidProof;

impl<C: Curve> KnowledgeProof<C> {
    /// Reads a proof: the point of the nonce in transport encoding, and the response.
    ///
    /// # Errors
    /// When they are not a point and a scalar in canonical encoding.
    pub fn from_bytes(nonce: &[u8], response: &[u8; 32]) -> Result<Self, InvalidProof> {
        let nonce = C::decode_uncleared(nonce).ok_or(InvalidProof)?;
        let response = C::scalar_from_bytes(response).ok_or(InvalidProof)?;
        Ok(Self { nonce, response })
    }

    /// The sum of proofs that answer the same challenge.
    #[must_use]
    pub fn sum<'a>(proofs: impl IntoIterator<Item = &'a Self>) -> Self {
        let none = Self { nonce: C::Point::identity(), response: C::Scalar::ZERO };
        proofs.into_iter().fold(none, |sum, proof| Self {
            nonce: sum.nonce + proof.nonce,
            response: sum.response + proof.response,
        })
    }

    /// Whether the prover knows the polynomial behind `commitment`. Variable time: everything is public.
    #[must_use]
    pub fn verify(&self, challenge: &Challenge<C>, commitment: &Commitment<C>) -> bool {
        let mut power = C::Scalar::ONE;
        let weighed = commitment.uncleared().iter().map(|coefficient| {
            power *= challenge.0;
            (power, *coefficient)
        });
        let sum = C::multi_exponentiate_vartime(&weighed.collect::<Vec<_>>()) + self.nonce;
        C::clear_cofactor(&sum) == C::mul_base(&self.response)
    }

    /// Whether the prover knows the share of which this is the public side (Schnorr): z·G = R + e·X. Variable time.
    #[must_use]
    pub fn verify_share(&self, challenge: &Challenge<C>, public: &C::Point) -> bool {
        let nonce = C::clear_cofactor(&self.nonce);
        C::multi_exponentiate_vartime(&[(challenge.0, *public)]) + nonce == C::mul_base(&self.response)
    }
}

impl<C: Curve> fmt::Debug for KnowledgeProof<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KnowledgeProof({})", C::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ed25519;
    use crate::testing::{on_every_curve, rng, threshold};

    on_every_curve!(
        a_proof_holds_for_its_challenge_and_commitment_only,
        every_part_of_a_proof_matters,
        the_sum_of_proofs_proves_the_sum,
        one_wrong_proof_fails_the_sum_and_is_found,
        errors_that_cancel_leave_the_sum_known,
        every_coefficient_must_be_known,
        answers_to_enough_challenges_give_the_polynomial_away,
        bytes_that_are_no_proof_are_refused,
        nonces_are_never_repeated_or_shown,
    );

    struct Dealer<C: Curve> {
        commitment: Commitment<C>,
        proof: KnowledgeProof<C>,
    }

    fn challenge<C: Curve>(number: u8) -> Challenge<C> {
        Challenge::from_wide(&[number; 64])
    }

    /// A dealer that answers challenge 1.
    fn dealer<C: Curve>(number: u64) -> Dealer<C> {
        let mut rng = rng(number);
        let polynomial = Polynomial::random(threshold(3), &mut rng);
        let commitment = Commitment::of(&polynomial);
        let nonce = ProofNonce::generate(&mut rng);
        let point = nonce.point().to_vec();
        let response = nonce.prove(&challenge(1), &polynomial);
        let proof = KnowledgeProof::from_bytes(&point, &response).unwrap();
        Dealer { commitment, proof }
    }

    fn sum_holds<C: Curve>(dealers: &[Dealer<C>]) -> bool {
        let sum = Commitment::sum(dealers.iter().map(|dealer| &dealer.commitment)).unwrap();
        KnowledgeProof::sum(dealers.iter().map(|dealer| &dealer.proof)).verify(&challenge(1), &sum)
    }

    fn culprits<C: Curve>(dealers: &[Dealer<C>]) -> Vec<usize> {
        let holds = |dealer: &Dealer<C>| dealer.proof.verify(&challenge(1), &dealer.commitment);
        (0..dealers.len()).filter(|number| !holds(&dealers[*number])).collect()
    }

    fn a_proof_holds_for_its_challenge_and_commitment_only<C: Curve>() {
        let (one, other) = (dealer::<C>(1), dealer::<C>(2));
        assert!(one.proof.verify(&challenge(1), &one.commitment));
        assert!(!one.proof.verify(&challenge(2), &one.commitment));
        assert!(!one.proof.verify(&challenge(1), &other.commitment));
    }

    fn every_part_of_a_proof_matters<C: Curve>() {
        let Dealer { commitment, proof } = dealer::<C>(1);
        let nonce = KnowledgeProof { nonce: dealer::<C>(2).proof.nonce, ..proof };
        let response = KnowledgeProof { response: proof.response + C::Scalar::ONE, ..proof };
        assert!(!response.verify(&challenge(1), &commitment));
        assert!(!nonce.verify(&challenge(1), &commitment));
    }

    fn the_sum_of_proofs_proves_the_sum<C: Curve>() {
        let dealers: Vec<_> = (0..7).map(dealer::<C>).collect();
        assert!(sum_holds(&dealers));
        assert!(sum_holds(&dealers[..1]));
        let sum = Commitment::sum(dealers[1..].iter().map(|dealer| &dealer.commitment)).unwrap();
        let all = KnowledgeProof::sum(dealers.iter().map(|dealer| &dealer.proof));
        assert!(!all.verify(&challenge(1), &sum));
    }

    fn one_wrong_proof_fails_the_sum_and_is_found<C: Curve>() {
        for cheater in 0..5_usize {
            let mut dealers: Vec<_> = (0..5).map(dealer::<C>).collect();
            dealers[cheater].proof.response += C::Scalar::ONE;
            assert!(!sum_holds(&dealers));
            assert_eq!(culprits(&dealers), [cheater]);
        }
    }

    /// What the sum does not show, and need not: see `DEVIATIONS.md`.
    fn errors_that_cancel_leave_the_sum_known<C: Curve>() {
        let mut dealers: Vec<_> = (0..3).map(dealer::<C>).collect();
        dealers[0].proof.response += C::Scalar::ONE;
        dealers[2].proof.response -= C::Scalar::ONE;
        assert!(sum_holds(&dealers));
        assert_eq!(culprits(&dealers), [0, 2]);
    }

    /// A dealer who takes one coefficient from another dealer can prove the rest, but not that one.
    fn every_coefficient_must_be_known<C: Curve>() {
        let (honest, cheater) = (dealer::<C>(1), dealer::<C>(2));
        for stolen in 0..3 {
            let mut bytes = cheater.commitment.to_bytes();
            let range = stolen * C::POINT_BYTES..(stolen + 1) * C::POINT_BYTES;
            bytes[range.clone()].copy_from_slice(&honest.commitment.to_bytes()[range]);
            let commitment = Commitment::<C>::from_bytes(&bytes, threshold(3)).unwrap();
            assert!(!cheater.proof.verify(&challenge(1), &commitment), "coefficient {stolen}");
        }
    }

    /// Why whoever convinces knows the polynomial, and why a nonce answers once.
    fn answers_to_enough_challenges_give_the_polynomial_away<C: Curve>() {
        let polynomial = Polynomial::<C>::random(threshold(2), &mut rng(1));
        let answer = |number| {
            let challenge = challenge::<C>(number);
            let response = ProofNonce::generate(&mut rng(2)).prove(&challenge, &polynomial);
            (challenge.0, C::scalar_from_bytes(&response).unwrap())
        };
        let [(e, z), (f, y), (g, x)] = [1, 2, 3].map(answer);
        // Divided differences of k + a₀x + a₁x².
        let slope = |(e, z): (C::Scalar, C::Scalar), (f, y): (C::Scalar, C::Scalar)| {
            (y - z) * (f - e).invert().unwrap()
        };
        let (first, second) = (slope((e, z), (f, y)), slope((f, y), (g, x)));
        let square = (second - first) * (g - e).invert().unwrap();
        assert_eq!([first - square * (e + f), square], polynomial.coefficients());
    }

    fn bytes_that_are_no_proof_are_refused<C: Curve>() {
        let nonce = ProofNonce::<C>::generate(&mut rng(1));
        let point = nonce.point();
        assert_eq!(point.len(), C::POINT_BYTES);
        assert!(KnowledgeProof::<C>::from_bytes(point, &[0; 32]).is_ok());
        assert_eq!(KnowledgeProof::<C>::from_bytes(point, &[0xFF; 32]).err(), Some(InvalidProof));
        let not_a_point = vec![0xFF; C::POINT_BYTES];
        for bad in [&point[1..], &[point, &[0]].concat(), &[], &not_a_point] {
            assert_eq!(KnowledgeProof::<C>::from_bytes(bad, &[0; 32]).err(), Some(InvalidProof));
        }
    }

    fn nonces_are_never_repeated_or_shown<C: Curve>() {
        let mut rng = rng(5);
        let (one, other) = (ProofNonce::<C>::generate(&mut rng), ProofNonce::<C>::generate(&mut rng));
        assert_ne!(one.point(), other.point());
        assert_eq!(format!("{one:?}"), format!("ProofNonce({}, redacted)", C::NAME));
    }

    #[test]
    fn a_component_of_small_order_in_the_nonce_is_harmless() {
        use curve25519_dalek::constants::EIGHT_TORSION;

        let Dealer { commitment, proof } = dealer::<Ed25519>(1);
        for torsion in EIGHT_TORSION {
            let twisted = KnowledgeProof { nonce: proof.nonce + torsion, ..proof.clone() };
            assert!(twisted.verify(&challenge(1), &commitment));
        }
    }
}
