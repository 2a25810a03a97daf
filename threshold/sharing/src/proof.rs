//! Proof that a dealer knows its polynomial.

use std::fmt;

use ff::Field;
use quorate_keys::Transcript;
use rand_core::CryptoRngCore;
use zeroize::Zeroize;

use crate::commitment::Commitment;
use crate::curve::Curve;
use crate::polynomial::Polynomial;

/// One Schnorr proof of knowledge of all coefficients of a polynomial f = a₀ + a₁x + … that a [`Commitment`] commits to.
///
/// # Protocol
/// Nonce k, R = k·G, challenge e = H(curve, binding, commitment, R), response z = k + Σ eʲ⁺¹·aⱼ = k + e·f(e). Verification:
/// z·G = R + Σ eʲ⁺¹·Aⱼ. From t + 1 accepting answers to different challenges under one R, k and all aⱼ follow by
/// interpolation, so whoever convinces knows them all. R travels in transport encoding like the coefficients.
///
/// # Security
/// `binding` says who proves and in which session: a proof that is not bound to its prover can be repeated by another.
#[derive(Clone, PartialEq, Eq)]
pub struct KnowledgeProof<C: Curve> {
    /// R divided by the cofactor, perhaps with a component of small order.
    nonce: C::Point,
    /// The encoding of `nonce`.
    nonce_bytes: Vec<u8>,
    /// z
    response: C::Scalar,
}

/// Bytes are no proof. The dealer is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a proof of knowledge: expected a point and a scalar in canonical encoding")]
pub struct InvalidProof;

impl<C: Curve> KnowledgeProof<C> {
    /// Proves knowledge of `polynomial`, of which `commitment` is the commitment. Constant time in the coefficients.
    pub fn prove(
        binding: &[u8],
        polynomial: &Polynomial<C>,
        commitment: &Commitment<C>,
        rng: &mut dyn CryptoRngCore,
    ) -> Self {
        let mut secret_nonce = C::random_scalar(rng);
        let nonce = C::mul_base_uncleared(&secret_nonce);
        let nonce_bytes = C::encode(&nonce);
        let challenge = challenge::<C>(binding, commitment, &nonce_bytes);
        let response = secret_nonce + challenge * polynomial.evaluate_at(&challenge);
        secret_nonce.zeroize();
        Self { nonce, nonce_bytes, response }
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// When it is not a point and a scalar in canonical encoding.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidProof> {
        let (nonce_bytes, response) = bytes.split_at_checked(C::POINT_BYTES).ok_or(InvalidProof)?;
        let nonce = C::decode_uncleared(nonce_bytes).ok_or(InvalidProof)?;
        let response = <[u8; 32]>::try_from(response).map_err(|_| InvalidProof)?;
        let response = C::scalar_from_bytes(&response).ok_or(InvalidProof)?;
        Ok(Self { nonce, nonce_bytes: nonce_bytes.to_vec(), response })
    }

    /// The nonce's point, then the response.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.nonce_bytes.as_slice(), &C::scalar_to_bytes(&self.response)].concat()
    }

    /// Whether the prover knows the polynomial behind `commitment`. Variable time: everything is public.
    #[must_use]
    pub fn verify(&self, binding: &[u8], commitment: &Commitment<C>) -> bool {
        let mut terms = Vec::with_capacity(commitment.uncleared().len() + 1);
        self.collect(binding, commitment, &C::Scalar::ONE, &mut terms);
        C::clear_cofactor(&C::multi_exponentiate_vartime(&terms)) == C::mul_base(&self.response)
    }

    /// Whether all proofs hold: one random combination of their equations, wrong with chance 2⁻¹²⁸ if one doesn't hold.
    ///
    /// Each item is what the proof is bound to, the commitment, and the proof. On `false`, [`Self::verify`] each to name
    /// the culprits.
    pub fn verify_batch(items: &[(&[u8], &Commitment<C>, &Self)], rng: &mut dyn CryptoRngCore) -> bool {
        let count: usize = items.iter().map(|(_, commitment, _)| commitment.uncleared().len() + 1).sum();
        let mut terms = Vec::with_capacity(count);
        let mut response = C::Scalar::ZERO;
        for (binding, commitment, proof) in items {
            let weight = random_weight::<C>(rng);
            proof.collect(binding, commitment, &weight, &mut terms);
            response += weight * proof.response;
        }
        C::clear_cofactor(&C::multi_exponentiate_vartime(&terms)) == C::mul_base(&response)
    }

    /// The terms of weight·(R + Σ eʲ⁺¹·Aⱼ), divided by the cofactor.
    fn collect(
        &self,
        binding: &[u8],
        commitment: &Commitment<C>,
        weight: &C::Scalar,
        terms: &mut Vec<(C::Scalar, C::Point)>,
    ) {
        let challenge = challenge::<C>(binding, commitment, &self.nonce_bytes);
        let mut factor = *weight;
        terms.push((factor, self.nonce));
        for coefficient in commitment.uncleared() {
            factor *= challenge;
            terms.push((factor, *coefficient));
        }
    }
}

fn challenge<C: Curve>(binding: &[u8], commitment: &Commitment<C>, nonce: &[u8]) -> C::Scalar {
    let transcript = Transcript::new(b"quorate/sharing/knowledge/v1")
        .field("curve", C::NAME.as_bytes())
        .field("binding", binding)
        .field("commitment", commitment.as_bytes())
        .field("nonce", nonce);
    C::scalar_from_wide(&transcript.wide())
}

/// 128 random bits.
fn random_weight<C: Curve>(rng: &mut dyn CryptoRngCore) -> C::Scalar {
    C::Scalar::from(rng.next_u64()) + shift_64::<C>() * C::Scalar::from(rng.next_u64())
}

fn shift_64<C: Curve>() -> C::Scalar {
    C::Scalar::from(u64::MAX) + C::Scalar::ONE
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
        a_proof_holds_for_its_dealer_and_commitment_only,
        every_part_of_a_proof_matters,
        a_batch_holds_when_every_proof_does,
        one_wrong_proof_fails_its_batch_and_is_found,
        every_coefficient_must_be_known,
        bytes_that_are_no_proof_are_refused,
        proofs_never_share_a_nonce,
    );

    struct Dealer<C: Curve> {
        binding: [u8; 1],
        polynomial: Polynomial<C>,
        commitment: Commitment<C>,
        proof: KnowledgeProof<C>,
    }

    fn dealer<C: Curve>(number: u8) -> Dealer<C> {
        let mut rng = rng(number.into());
        let binding = [number];
        let polynomial = Polynomial::random(threshold(3), &mut rng);
        let commitment = Commitment::of(&polynomial);
        let proof = KnowledgeProof::prove(&binding, &polynomial, &commitment, &mut rng);
        Dealer { binding, polynomial, commitment, proof }
    }

    fn batch_holds<C: Curve>(dealers: &[Dealer<C>]) -> bool {
        let items: Vec<_> = dealers.iter().map(|d| (d.binding.as_slice(), &d.commitment, &d.proof)).collect();
        KnowledgeProof::verify_batch(&items, &mut rng(99))
    }

    fn a_proof_holds_for_its_dealer_and_commitment_only<C: Curve>() {
        let (one, other) = (dealer::<C>(1), dealer::<C>(2));
        assert!(one.proof.verify(&one.binding, &one.commitment));
        assert!(!one.proof.verify(&other.binding, &one.commitment));
        assert!(!one.proof.verify(&one.binding, &other.commitment));
        // Commitment and proof of another dealer, presented as one's own.
        assert!(!other.proof.verify(&one.binding, &other.commitment));
        let read = KnowledgeProof::<C>::from_bytes(&one.proof.to_bytes()).unwrap();
        assert_eq!(read, one.proof);
        assert!(read.verify(&one.binding, &one.commitment));
    }

    fn every_part_of_a_proof_matters<C: Curve>() {
        let Dealer { binding, commitment, proof, .. } = dealer::<C>(1);
        let other = dealer::<C>(2).proof;
        let response = KnowledgeProof { response: proof.response + C::Scalar::ONE, ..proof.clone() };
        let nonce = KnowledgeProof { nonce: other.nonce, nonce_bytes: other.nonce_bytes, ..proof };
        assert!(!response.verify(&binding, &commitment));
        assert!(!nonce.verify(&binding, &commitment));
    }

    fn a_batch_holds_when_every_proof_does<C: Curve>() {
        let dealers: Vec<_> = (0..7).map(dealer::<C>).collect();
        assert!(batch_holds(&dealers));
        assert!(batch_holds(&dealers[..1]));
        assert!(batch_holds::<C>(&[]));
    }

    fn one_wrong_proof_fails_its_batch_and_is_found<C: Curve>() {
        for cheater in 0..5_usize {
            let mut dealers: Vec<_> = (0..5).map(dealer::<C>).collect();
            dealers[cheater].proof.response += C::Scalar::ONE;
            assert!(!batch_holds(&dealers));
            let found: Vec<_> = (0..5)
                .filter(|i| !dealers[*i].proof.verify(&dealers[*i].binding, &dealers[*i].commitment))
                .collect();
            assert_eq!(found, [cheater]);
        }
        // Errors that would cancel in a sum without weights.
        let mut dealers: Vec<_> = (0..2).map(dealer::<C>).collect();
        dealers[0].proof.response += C::Scalar::ONE;
        dealers[1].proof.response -= C::Scalar::ONE;
        assert!(!batch_holds(&dealers));
    }

    /// A dealer who takes one coefficient from another dealer can prove the rest, but not that one.
    fn every_coefficient_must_be_known<C: Curve>() {
        let (honest, cheater) = (dealer::<C>(1), dealer::<C>(2));
        for stolen in 0..3 {
            let mut bytes = cheater.commitment.to_bytes();
            let range = stolen * C::POINT_BYTES..(stolen + 1) * C::POINT_BYTES;
            bytes[range.clone()].copy_from_slice(&honest.commitment.to_bytes()[range]);
            let commitment = Commitment::<C>::from_bytes(&bytes, threshold(3)).unwrap();
            let proof = KnowledgeProof::prove(b"2", &cheater.polynomial, &commitment, &mut rng(3));
            assert!(!proof.verify(b"2", &commitment), "coefficient {stolen}");
        }
    }

    fn bytes_that_are_no_proof_are_refused<C: Curve>() {
        let bytes = dealer::<C>(1).proof.to_bytes();
        assert_eq!(bytes.len(), C::POINT_BYTES + 32);
        let mut not_a_point = bytes.clone();
        not_a_point[..C::POINT_BYTES].fill(0xFF);
        let mut not_reduced = bytes.clone();
        not_reduced[C::POINT_BYTES..].fill(0xFF);
        for bad in [&bytes[1..], &[&bytes[..], &[0]].concat(), &[], &not_a_point, &not_reduced] {
            assert_eq!(KnowledgeProof::<C>::from_bytes(bad).err(), Some(InvalidProof));
        }
    }

    fn proofs_never_share_a_nonce<C: Curve>() {
        let Dealer { binding, polynomial, commitment, .. } = dealer::<C>(1);
        let mut rng = rng(5);
        let mut prove = || KnowledgeProof::prove(&binding, &polynomial, &commitment, &mut rng).nonce_bytes;
        assert_ne!(prove(), prove());
    }

    #[test]
    fn a_component_of_small_order_in_the_nonce_is_harmless_and_bound() {
        use curve25519_dalek::constants::EIGHT_TORSION;

        let Dealer { binding, commitment, proof, .. } = dealer::<Ed25519>(1);
        let nonce = proof.nonce + EIGHT_TORSION[1];
        let twisted = KnowledgeProof { nonce, nonce_bytes: Ed25519::encode(&nonce), ..proof };
        // The challenge is over the bytes that were sent, so nobody but the prover can add one.
        assert!(!twisted.verify(&binding, &commitment));
    }
}
