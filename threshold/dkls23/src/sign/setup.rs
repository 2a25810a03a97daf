//! What the signers agree upon.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{Signing, Suite, check_holders, key_digest};
use quorate_keys::{DerivationPath, derive};
use quorate_session::{SessionContext, SetupError, Wire};
use quorate_sharing::{Committee, PartyIndex, PublicShares};

use crate::pairs::PublicPairs;
use crate::presign::PresignSetup;
use crate::presignature::{Presignature, PublicPresignature};
use crate::{MAX_SIGNATURES, MAX_SIGNERS};

/// The longest path, and a digest.
const TASK_BYTES: usize = 1152;

/// What is signed, with which wallet and pairs, and who puts the signatures together.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SignSetup {
    /// The public side of the wallet's key, just as all signers have stored it.
    pub key: PublicShares,
    /// The pairs of its holders.
    pub pairs: PublicPairs,
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
}

/// What is signed with presignatures that were made before.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OnlineSetup {
    /// The public side of the wallet's key, just as all signers have stored it.
    pub key: PublicShares,
    /// The signer that gets all signature shares, and with them the signatures.
    pub aggregator: PartyIndex,
    /// The signatures to make, one at least and [`MAX_SIGNATURES`] at most.
    pub tasks: Vec<OnlineTask>,
}

/// One signature to make, and with what.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OnlineTask {
    /// What to sign.
    pub task: SignTask,
    /// The presignature to use, as all signers have stored it.
    pub presignature: PublicPresignature,
}

impl Wire for SignSetup {
    const MAX_BYTES: usize = PublicShares::MAX_BYTES + 128 + MAX_SIGNATURES * TASK_BYTES;
}

impl Wire for OnlineSetup {
    const MAX_BYTES: usize =
        PublicShares::MAX_BYTES + 128 + MAX_SIGNATURES * (TASK_BYTES + 128 + MAX_SIGNERS * 2);
}

impl SignTask {
    /// What is signed in this place, and with what.
    pub(crate) fn signing<'a>(&'a self, place: usize, with: &'a PublicPresignature) -> Signing<'a> {
        let PublicPresignature { id, nonce, .. } = with;
        Signing { place, digest: self.digest, path: &self.path, presignature: *id, nonce }
    }
}

impl SignSetup {
    /// What there is to do before the shares.
    pub(crate) fn presign(&self) -> PresignSetup {
        let count = u16::try_from(self.tasks.len()).unwrap_or(u16::MAX);
        PresignSetup { key: self.key.clone(), pairs: self.pairs.clone(), count }
    }

    /// Whether what is signed, and by whom, makes sense; the rest is checked by [`PresignSetup`].
    pub(crate) fn check(&self, signers: &Committee) -> Result<(), SetupError> {
        check_aggregator(self.aggregator, signers)?;
        let key = &self.key;
        self.tasks.iter().try_for_each(|task| {
            derive(&key.group_key, &key.chain_code, &task.path).map(|_| ()).map_err(SetupError::because)
        })
    }
}

impl OnlineSetup {
    /// Whether this setup, the stored presignatures and the agreed session belong together.
    pub(crate) fn check<C: Suite>(
        &self,
        context: &SessionContext,
        presignatures: &[Presignature],
    ) -> Result<(), SetupError> {
        let signers = context.committee();
        check_holders::<C>(&self.key, context.agreement().epoch(), signers)?;
        let signatures = self.tasks.len();
        if !(1..=MAX_SIGNATURES).contains(&signatures) {
            let message = format!("{signatures} signatures, a session makes 1 to {MAX_SIGNATURES}");
            return Err(SetupError::because(message));
        }
        check_aggregator(self.aggregator, signers)?;
        if presignatures.len() != signatures {
            return Err(SetupError::because("not one presignature for each signature"));
        }
        let distinct: BTreeSet<_> = self.tasks.iter().map(|task| task.presignature.id).collect();
        if distinct.len() != signatures {
            let message = "one presignature for two signatures would give the key away";
            return Err(SetupError::because(message));
        }
        let key = key_digest(&self.key);
        for (OnlineTask { presignature: agreed, .. }, stored) in self.tasks.iter().zip(presignatures) {
            let wrong = if agreed != stored.public() {
                "the presignature of the setup is not the one that is stored here"
            } else if stored.party() != context.me() {
                "the stored presignature is another party's"
            } else if !stored.is_whole() {
                "the stored presignature is damaged"
            } else if agreed.key != key {
                "the presignature is of another key or epoch"
            } else if !agreed.signers.iter().copied().eq(signers.indices()) {
                "the presignature is of other signers"
            } else {
                continue;
            };
            return Err(SetupError(format!("{wrong}: {}", agreed.id)));
        }
        Ok(())
    }
}

fn check_aggregator(aggregator: PartyIndex, signers: &Committee) -> Result<(), SetupError> {
    if signers.contains(aggregator) {
        Ok(())
    } else {
        Err(SetupError(format!("the aggregator, party {aggregator}, is not among the signers")))
    }
}
