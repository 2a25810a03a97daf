//! What the signers agree upon.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{DerivationPath, PublicKey, derive, taproot};
use quorate_session::{MAX_SIGNATURES, SessionContext, SetupError, Wire};
use quorate_sharing::{KeyShare, PartyIndex, PublicShares};

use crate::suite::Suite;

/// The most bytes of all messages together. All signers get the messages themselves, never only digests of them, so that
/// each can recompute and judge them.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// What is signed, with which wallet, and who puts the signatures together.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Setup {
    /// The public side of the wallet's key, just as all signers have stored it.
    pub key: PublicShares,
    /// The signer that gets all signature shares, and with them the signatures.
    pub aggregator: PartyIndex,
    /// The signatures to make, one at least and [`MAX_SIGNATURES`] at most.
    pub tasks: Vec<Task>,
}

/// One signature to make.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Task {
    /// The bytes to sign; those of all tasks together have at most [`MAX_MESSAGE_BYTES`]. Both schemes hash them.
    pub message: Vec<u8>,
    /// Leads from the wallet's key to the child that signs; empty for the key itself.
    pub path: DerivationPath,
    /// Tweaks the (derived) key after BIP-341; BIP-340 only.
    pub tweak: Option<TaprootTweak>,
}

/// A commitment of BIP-341 in the key that signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TaprootTweak {
    /// The root of the script tree; without one, the key commits to having no scripts, as BIP-86 demands.
    pub merkle_root: Option<[u8; 32]>,
}

impl Wire for Setup {
    // The messages, a key of 100 holders, and for each signature a path of 255 steps and a tweak.
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES + 16 * 1024 + MAX_SIGNATURES * 1152;
}

impl Task {
    /// The key under which the signature will verify: the wallet's, derived, then tweaked.
    ///
    /// # Errors
    /// When the wallet's curve is not the scheme's, the scheme has no Taproot tweak, or there is no such key.
    pub fn public_key<S: Suite>(&self, key: &PublicShares) -> Result<PublicKey, SetupError> {
        let group_key = if self.path.is_empty() {
            key.group_key
        } else {
            derive(&key.group_key, &key.chain_code, &self.path).map_err(refuse)?.key
        };
        let key = group_key.public_key(S::SCHEME).map_err(refuse)?;
        match &self.tweak {
            None => Ok(key),
            Some(TaprootTweak { merkle_root }) => {
                let (_, output) = taproot::tweak(&key, merkle_root.as_ref()).map_err(refuse)?;
                Ok(output)
            }
        }
    }
}

impl Setup {
    /// Whether this setup, the stored share and the agreed session belong together.
    ///
    /// The session's committee holds at least the threshold's number of members by construction.
    pub(crate) fn check<S: Suite>(
        &self,
        context: &SessionContext,
        share: &KeyShare,
    ) -> Result<(), SetupError> {
        let curve = self.key.group_key.curve();
        if curve != S::SCHEME.curve() {
            return Err(refuse(format!("a key on {curve} can't sign in scheme {}", S::SCHEME)));
        }
        let signatures = self.tasks.len();
        if !(1..=MAX_SIGNATURES).contains(&signatures) {
            return Err(refuse(format!("{signatures} signatures, a session makes 1 to {MAX_SIGNATURES}")));
        }
        let bytes = self.tasks.iter().fold(0_usize, |sum, task| sum.saturating_add(task.message.len()));
        if bytes > MAX_MESSAGE_BYTES {
            return Err(refuse(format!(
                "the messages have {bytes} bytes, at most {MAX_MESSAGE_BYTES} are signed"
            )));
        }
        if self.tasks.iter().any(|task| task.tweak.is_some()) && !S::TAPROOT {
            return Err(refuse(format!("scheme {} has no Taproot tweak", S::SCHEME)));
        }
        if self.key != *share.public() {
            return Err(refuse("the key of the setup is not the one whose share is stored here"));
        }
        if share.index() != context.me() {
            let (stored, me) = (share.index(), context.me());
            return Err(refuse(format!("the stored share is of party {stored}, this is party {me}")));
        }
        let (key, agreed) = (self.key.epoch, context.agreement().epoch());
        if key != agreed {
            return Err(refuse(format!("the share is of epoch {key}, the session of epoch {agreed}")));
        }
        let (holders, signers) = (&self.key.committee, context.committee());
        if holders.threshold() != signers.threshold() {
            let (key, session) = (holders.threshold(), signers.threshold());
            return Err(refuse(format!("the key needs {key} signers, the session says {session}")));
        }
        if let Some(stranger) =
            signers.members().iter().find(|signer| holders.member(signer.index) != Some(signer))
        {
            return Err(refuse(format!("party {} holds no share of the key", stranger.index)));
        }
        if !signers.contains(self.aggregator) {
            return Err(refuse(format!(
                "the aggregator, party {}, is not among the signers",
                self.aggregator
            )));
        }
        Ok(())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
pub(crate) fn refuse(reason: impl ToString) -> SetupError {
    SetupError(reason.to_string())
}
