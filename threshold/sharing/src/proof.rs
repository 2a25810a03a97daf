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
