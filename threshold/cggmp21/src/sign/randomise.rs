//! A presignature, tied to one digest and one key.

use ff::Field;
use quorate_keys::{PublicKey, Transcript, derive};
use quorate_session::{Agreement, SetupError};
use quorate_sharing::PartyIndex;

use super::setup::{SignSetup, SignTask};
use crate::presign::refuse;
use crate::presignature::Presignature;
use crate::suite::{Suite, digest_scalar, x_coordinate};

/// What is public of one signature before any share of it.
#[derive(Debug, Clone)]
pub(crate) struct Randomised<C: Suite> {
    /// The key that signs.
    pub(crate) public_key: PublicKey,
    /// ρ·R.
    nonce: C::Point,
    /// 1 / ρ.
    inverse: C::Scalar,
    /// r.
    r: C::Scalar,
    /// m + r·τ.
    factor: C::Scalar,
}

impl<C: Suite> Randomised<C> {
    /// Ties the presignature of a task to its digest and key, in this session.
    /// Refuses when there is no such key or the presignature is none, or by a chance that nobody will see.
    pub(crate) fn new(
        agreement: &Agreement,
        setup: &SignSetup,
        task: &SignTask,
        place: usize,
    ) -> Result<Self, SetupError> {
        let derived = derive(&setup.key.group_key, &setup.key.chain_code, &task.path).map_err(refuse)?;
        let public_key = derived.key.public_key(C::SCHEME).map_err(refuse)?;
        let tweak = C::scalar_from_bytes(&derived.tweak).ok_or_else(|| refuse("the tweak is no scalar"))?;
        let presignature = &task.presignature;
        let mut transcript = Transcript::new(b"quorate/cggmp21/randomise/v1")
            // Made of fresh bytes of every signer, after the presignature and the digest were fixed.
            .field("session", agreement.session().as_bytes())
            .field("place", &(place as u64).to_le_bytes())
            .field("curve", C::NAME.as_bytes())
            .field("presignature", &presignature.id.0)
            .field("nonce", &presignature.nonce)
            .field("key", public_key.as_bytes())
            .field("tweak", &derived.tweak)
            .field("digest", &task.digest);
        for member in agreement.committee().members() {
            transcript = transcript
                .field("signer", &member.index.get().to_le_bytes())
                .field("identity", member.identity.as_bytes());
        }
        let rho = C::scalar_from_wide(&transcript.wide());
        let nonce = C::decode(&presignature.nonce).ok_or_else(|| refuse("the nonce is no point"))? * rho;
        let inverse = Option::<C::Scalar>::from(rho.invert()).ok_or_else(|| refuse("a factor of zero"))?;
        let r = x_coordinate::<C>(&nonce);
        if C::is_identity(&nonce) || bool::from(r.is_zero()) {
            return Err(refuse("a nonce without an x-coordinate"));
        }
        let factor = digest_scalar::<C>(&task.digest) + r * tweak;
        Ok(Self { public_key, nonce, inverse, r, factor })
    }

    /// This signer's share σᵢ. Uses the presignature up.
    #[allow(clippy::needless_pass_by_value, reason = "a presignature is used once")]
    pub(crate) fn sign(&self, presignature: Presignature) -> Result<C::Scalar, SetupError> {
        let scalars = presignature.scalars::<C>().ok_or_else(|| refuse("a presignature is no scalars"))?;
        let [k, chi] = &*scalars;
        Ok(self.inverse * (*k * self.factor + self.r * chi))
    }

    /// Whether a share is right: σᵢ·ρ·R = (m + r·τ)·Δ̃ᵢ + r·S̃ᵢ. Nothing when the presignature has no such signer.
    pub(crate) fn is_right(&self, task: &SignTask, signer: PartyIndex, share: &C::Scalar) -> Option<bool> {
        let check = task.presignature.checks.get(&signer)?;
        let (nonce, key) = (C::decode(&check.nonce)?, C::decode(&check.key)?);
        let terms = [(self.factor, nonce), (self.r, key), (-*share, self.nonce)];
        Some(C::is_identity(&C::multi_exponentiate_vartime(&terms)))
    }

    /// r and s, for the sum s of all shares: not yet normalised or verified.
    pub(crate) fn signature(&self, sum: &C::Scalar) -> [u8; 64] {
        let mut bytes = [0; 64];
        let halves = [C::scalar_to_bytes(&self.r), C::scalar_to_bytes(sum)];
        bytes.iter_mut().zip(halves.iter().flatten()).for_each(|(to, from)| *to = *from);
        bytes
    }
}
