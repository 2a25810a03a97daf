//! What the signers agree upon.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{Signing, Suite, check_holders, key_digest};
use quorate_keys::DerivationPath;
use quorate_session::{MAX_SIGNATURES, SessionContext, SetupError, Wire};
use quorate_sharing::{PartyIndex, PublicShares};

use crate::MAX_SIGNERS;
use crate::presignature::{Presignature, PublicPresignature};

/// What is signed, with which wallet, and who puts the signatures together.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignSetup {
    /// The public side of the wallet's key, just as all signers have stored it.
    pub key: PublicShares,
    /// The signer that gets all signature shares, and with them the signatures.
    pub aggregator: PartyIndex,
    /// The signatures to make, one at least and [`MAX_SIGNATURES`] at most.
    pub tasks: Vec<SignTask>,
}

/// One signature to make.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignTask {
    /// The digest to sign.
    pub digest: [u8; 32],
    /// Leads from the wallet's key to the child that signs; empty for the key itself.
    pub path: DerivationPath,
    /// The presignature to use, as all signers have stored it.
    pub presignature: PublicPresignature,
}

impl SignTask {
    /// What is signed in this place, and with what.
    pub(crate) fn signing(&self, place: usize) -> Signing<'_> {
        let PublicPresignature { id, nonce, .. } = &self.presignature;
        Signing { place, digest: self.digest, path: &self.path, presignature: *id, nonce }
    }
}

impl Wire for SignSetup {
    const MAX_BYTES: usize = PublicShares::MAX_BYTES + MAX_SIGNATURES * (1280 + MAX_SIGNERS * 80);
}

impl SignSetup {
    /// Whether this setup, the stored presignatures and the agreed session belong together.
    pub(crate) fn check<C: Suite>(
        &self,
        context: &SessionContext,
        presignatures: &[Presignature],
    ) -> Result<(), SetupError> {
        let signatures = self.tasks.len();
        if !(1..=MAX_SIGNATURES).contains(&signatures) {
            return Err(SetupError::because(format!(
                "{signatures} signatures, a session makes 1 to {MAX_SIGNATURES}"
            )));
        }
        let signers = context.committee();
        check_holders::<C>(&self.key, context.agreement().epoch(), signers)?;
        if !signers.contains(self.aggregator) {
            return Err(SetupError::because(format!(
                "the aggregator, party {}, is not among the signers",
                self.aggregator
            )));
        }
        if presignatures.len() != signatures {
            return Err(SetupError::because("not one presignature for each signature"));
        }
        let distinct: BTreeSet<_> = self.tasks.iter().map(|task| task.presignature.id).collect();
        if distinct.len() != signatures {
            return Err(SetupError::because("one presignature for two signatures would give the key away"));
        }
        let key = key_digest(&self.key);
        for (task, presignature) in self.tasks.iter().zip(presignatures) {
            if task.presignature != *presignature.public() {
                return Err(SetupError::because(
                    "the presignature of the setup is not the one that is stored here",
                ));
            }
            if presignature.party() != context.me() {
                return Err(SetupError::because("the stored presignature is another party's"));
            }
            if !presignature.is_whole() {
                return Err(SetupError::because(format!(
                    "the presignature {} is damaged",
                    task.presignature.id
                )));
            }
            if task.presignature.key != key {
                return Err(SetupError::because("the presignature is of another key or epoch"));
            }
            if !task.presignature.signers().eq(signers.indices()) {
                return Err(SetupError::because("the presignature is of other signers"));
            }
        }
        Ok(())
    }
}
