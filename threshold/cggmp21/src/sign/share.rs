//! A signer's share of a signature.

use quorate_ecdsa::{Randomised, Suite};
use quorate_session::SetupError;
use quorate_sharing::PartyIndex;

use crate::presignature::{Presignature, PublicPresignature};

/// This signer's share σᵢ. Uses the presignature up.
pub(crate) fn sign<C: Suite>(
    randomised: &Randomised<C>,
    presignature: Presignature,
) -> Result<C::Scalar, SetupError> {
    let scalars = presignature.into_scalars::<C>();
    let scalars = scalars.ok_or_else(|| SetupError::because("a presignature is no scalars"))?;
    let [k, chi] = &*scalars;
    Ok(randomised.inverse * (*k * randomised.factor + randomised.r * chi))
}

/// Whether a share is right: σᵢ·ρ·R = (m + r·τ)·Δ̃ᵢ + r·S̃ᵢ. Nothing when the presignature has no such signer.
pub(crate) fn is_right<C: Suite>(
    randomised: &Randomised<C>,
    presignature: &PublicPresignature,
    signer: PartyIndex,
    share: &C::Scalar,
) -> Option<bool> {
    let check = presignature.checks.get(&signer)?;
    let (nonce, key) = (C::decode(&check.nonce)?, C::decode(&check.key)?);
    let terms = [(randomised.factor, nonce), (randomised.r, key), (-*share, randomised.nonce)];
    Some(C::is_identity(&C::multi_exponentiate_vartime(&terms)))
}
