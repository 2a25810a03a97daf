//! All commitments to one signature, and what follows from them in public.

use std::collections::BTreeMap;
use std::fmt;

use frost_core::keys::{KeyPackage, VerifyingShare};
use frost_core::round1::{GroupCommitmentShare, Nonce, SigningCommitments};
use frost_core::round2::SignatureShare;
use frost_core::{
    Challenge, Ciphersuite, Error, Field, Group, GroupCommitment, Identifier, Scalar, Signature,
    SigningPackage, VerifyingKey, derive_interpolating_value,
};
use quorate_session::SetupError;
use quorate_sharing::{Curve, PartyIndex};

use crate::key::identifier;
use crate::setup::{Task, refuse};
use crate::suite::Suite;

type ScalarField<C> = <<C as Ciphersuite>::Group as Group>::Field;

/// The commitments of all signers, with the binding factors (RFC 9591 section 4.4), the group commitment (4.5) and the
/// challenge (4.6) that follow from them: computed once, for one's own share, the signature, and the judgement of shares
/// alike.
pub struct Package<S: Suite> {
    package: SigningPackage<S::Ciphersuite>,
    factors: BTreeMap<Identifier<S::Ciphersuite>, Scalar<S::Ciphersuite>>,
    commitment: GroupCommitment<S::Ciphersuite>,
    challenge: Challenge<S::Ciphersuite>,
}

impl<S: Suite> Package<S> {
    /// The package of the signature at `index` among all that the signers committed to.
    pub(crate) fn of(
        commitments: &BTreeMap<PartyIndex, Vec<SigningCommitments<S::Ciphersuite>>>,
        index: usize,
        task: &Task,
        key: &VerifyingKey<S::Ciphersuite>,
    ) -> Result<Self, SetupError> {
        let mut of_signature = BTreeMap::new();
        for (party, all) in commitments {
            let own = all.get(index).ok_or_else(|| refuse("a signer has committed to fewer signatures"))?;
            of_signature.insert(identifier::<S>(*party)?, *own);
        }
        Self::new(of_signature, &task.message, key).map_err(refuse)
    }

    /// The package of these commitments, for a message under a key as it signs.
    ///
    /// # Errors
    /// When a commitment, or their sum, is the identity.
    pub fn new(
        commitments: BTreeMap<Identifier<S::Ciphersuite>, SigningCommitments<S::Ciphersuite>>,
        message: &[u8],
        key: &VerifyingKey<S::Ciphersuite>,
    ) -> Result<Self, Error<S::Ciphersuite>> {
        let package = SigningPackage::new(commitments, message);
        // The inputs hold the key, and digests of the message and of all commitments. The identity has no encoding, so it
        // is refused here: a nonce of zero would give its signer's share away.
        let inputs = package.binding_factor_preimages(key, &[])?;
        let factors: BTreeMap<_, _> =
            inputs.into_iter().map(|(identifier, input)| (identifier, S::Ciphersuite::H1(&input))).collect();
        let commitment = group_commitment::<S>(&package, &factors)?;
        let challenge = S::Ciphersuite::challenge(&commitment.clone().to_element(), key, message)?;
        Ok(Self { package, factors, commitment, challenge })
    }

    /// RFC 9591 section 5.2, for the holder of the nonces, who must not use them again.
    pub(crate) fn sign(
        &self,
        hiding: &Nonce<S::Ciphersuite>,
        binding: &Nonce<S::Ciphersuite>,
        commitments: &SigningCommitments<S::Ciphersuite>,
        key: &KeyPackage<S::Ciphersuite>,
    ) -> Result<SignatureShare<S::Ciphersuite>, Error<S::Ciphersuite>> {
        let identifier = key.identifier();
        if self.package.signing_commitments().len() < usize::from(*key.min_signers()) {
            return Err(Error::IncorrectNumberOfCommitments);
        }
        if self.package.signing_commitments().get(identifier) != Some(commitments) {
            return Err(Error::IncorrectCommitment);
        }
        let factor = self.factors.get(identifier).ok_or(Error::UnknownIdentifier)?;
        let lambda = derive_interpolating_value(identifier, &self.package)?;
        // z = ±(d + ρ·e) + λ·c·s. The sign depends on the public group commitment alone.
        let mut nonce = hiding.to_scalar() + binding.to_scalar() * *factor;
        if S::negates_nonces(&self.commitment) {
            nonce = <ScalarField<S::Ciphersuite>>::zero() - nonce;
        }
        // Scalars of the crates can't be erased one by one: the session overwrites the stack on which they were.
        let z = nonce + lambda * self.challenge.to_scalar() * key.signing_share().to_scalar();
        SignatureShare::deserialize(<ScalarField<S::Ciphersuite>>::serialize(&z).as_ref())
    }

    /// The sum of all shares, which still has to be verified (RFC 9591 section 5.3).
    ///
    /// # Errors
    /// When the group commitment is the identity.
    pub fn aggregate<'a>(
        &self,
        shares: impl Iterator<Item = &'a SignatureShare<S::Ciphersuite>>,
    ) -> Result<Vec<u8>, Error<S::Ciphersuite>> {
        let zero = <ScalarField<S::Ciphersuite>>::zero();
        let z = shares.fold(zero, |sum, share| sum + share.share().0);
        Signature::<S::Ciphersuite>::new(self.commitment.clone().to_element(), z).serialize()
    }

    /// Whether a signer's share is right (`verify_signature_share`, RFC 9591 section 5.4).
    #[must_use]
    pub fn share_is_right(
        &self,
        identifier: &Identifier<S::Ciphersuite>,
        share: &SignatureShare<S::Ciphersuite>,
        verifying_share: &VerifyingShare<S::Ciphersuite>,
    ) -> bool {
        let Some(commitments) = self.package.signing_commitments().get(identifier) else { return false };
        let Some(factor) = self.factors.get(identifier) else { return false };
        let Ok(lambda) = derive_interpolating_value(identifier, &self.package) else { return false };
        let commitment_share = commitments.hiding().value() + commitments.binding().value() * *factor;
        S::Ciphersuite::verify_share(
            &self.commitment,
            share,
            *identifier,
            &GroupCommitmentShare::from_element(commitment_share),
            verifying_share,
            lambda,
            &self.challenge,
        )
        .is_ok()
    }
}

/// A signer's shares, as they travelled; nothing if they are not as many as there are signatures, or one is no scalar.
pub(crate) fn decode_shares<S: Suite>(
    sent: &[Vec<u8>],
    signatures: usize,
) -> Option<Vec<SignatureShare<S::Ciphersuite>>> {
    if sent.len() != signatures {
        return None;
    }
    sent.iter().map(|bytes| SignatureShare::deserialize(bytes).ok()).collect()
}

/// RFC 9591 section 4.5: the sum of all commitments, the binding ones times their factors.
fn group_commitment<S: Suite>(
    package: &SigningPackage<S::Ciphersuite>,
    factors: &BTreeMap<Identifier<S::Ciphersuite>, Scalar<S::Ciphersuite>>,
) -> Result<GroupCommitment<S::Ciphersuite>, Error<S::Ciphersuite>> {
    let mut hiding = <S::Ciphersuite as Ciphersuite>::Group::identity();
    let mut binding = Vec::with_capacity(factors.len());
    for (identifier, commitments) in package.signing_commitments() {
        let factor = factors.get(identifier).ok_or(Error::UnknownIdentifier)?;
        hiding = hiding + commitments.hiding().value();
        binding.push((*factor, commitments.binding().value()));
    }
    Ok(GroupCommitment::from_element(hiding + S::Curve::multi_exponentiate_vartime(&binding)))
}

impl<S: Suite> fmt::Debug for Package<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Package").field(&self.package).finish()
    }
}
