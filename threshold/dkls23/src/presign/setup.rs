//! What the signers agree upon.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{Suite, check_key, key_digest};
use quorate_session::{SessionContext, SetupError, Wire};
use quorate_sharing::{KeyShare, PublicShares};

use crate::pairs::{PublicPairs, SharedPairs};
use crate::{MAX_SIGNATURES, MAX_SIGNERS};

/// For which wallet presignatures are made, how many, and with which pairs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PresignSetup {
    /// The public side of the wallet's key, just as all signers have stored it.
    pub key: PublicShares,
    /// The pairs of its holders.
    pub pairs: PublicPairs,
    /// How many to make, [`MAX_SIGNATURES`] at most.
    pub count: u16,
}

/// What one signer brings.
#[derive(Debug)]
pub struct PresignSecret {
    /// Its share of the wallet's key.
    pub share: KeyShare,
    /// Its pairs with the other holders. All sessions that use them share this.
    pub pairs: Arc<SharedPairs>,
}

impl Wire for PresignSetup {
    const MAX_BYTES: usize = PublicShares::MAX_BYTES + 128;
}

impl PresignSetup {
    /// Whether this setup, what is stored here, and the agreed session belong together.
    pub(crate) fn check<C: Suite>(
        &self,
        context: &SessionContext,
        secret: &PresignSecret,
    ) -> Result<(), SetupError> {
        check_key::<C>(&self.key, context, &secret.share)?;
        let signers = context.committee();
        if signers.len() > MAX_SIGNERS {
            let message = format!("{} signers, at most {MAX_SIGNERS} sign together", signers.len());
            return Err(SetupError::because(message));
        }
        if !(1..=MAX_SIGNATURES).contains(&usize::from(self.count)) {
            let message = format!("{} signatures, a session makes 1 to {MAX_SIGNATURES}", self.count);
            return Err(SetupError::because(message));
        }
        if self.pairs != *secret.pairs.public() {
            return Err(SetupError::because("the pairs of the setup are not those that are stored here"));
        }
        if secret.pairs.party() != context.me() {
            return Err(SetupError::because("the stored pairs are another party's"));
        }
        if self.pairs.key != key_digest(&self.key) {
            return Err(SetupError::because("the pairs are of another key or epoch"));
        }
        if let Some(peer) = context.others().into_iter().find(|peer| secret.pairs.pair(*peer).is_none()) {
            return Err(SetupError::because(format!("there is no pair with party {peer}")));
        }
        match context.others().into_iter().find(|peer| secret.pairs.is_caught(*peer)) {
            Some(peer) => Err(caught(peer)),
            None => Ok(()),
        }
    }
}

/// A session can't be with a peer that was caught.
fn caught(peer: quorate_sharing::PartyIndex) -> SetupError {
    SetupError::because(format!(
        "party {peer} was caught cheating: its pair with this party is not used any more"
    ))
}
