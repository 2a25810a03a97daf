//! What the signers agree upon, and what they get.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{DerivationPath, PublicKey, Signature, derive, taproot};
use quorate_session::{SessionContext, SetupError, Wire};
use quorate_sharing::{KeyShare, PartyIndex, PublicShares};

use crate::suite::Suite;

/// The longest message that is signed, in bytes. All signers get the message itself, never only a digest of it, so that
/// each can recompute and judge it.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// What is signed, with which key, and who puts the signature together.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Setup {
    /// The public side of the wallet's key, just as all signers have stored it.
    pub key: PublicShares,
    /// The signer that gets all signature shares, and with them the signature.
    pub aggregator: PartyIndex,
    /// The bytes to sign, at most [`MAX_MESSAGE_BYTES`]. Both schemes hash them.
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
    // The message, a key of 100 holders, and a path of 255 steps.
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES + 16 * 1024;
}

impl Setup {
    /// The key under which the signature will verify: derived, then tweaked.
    ///
    /// # Errors
    /// When the wallet's curve is not the scheme's, the scheme has no Taproot tweak, or there is no such key.
    pub fn public_key<S: Suite>(&self) -> Result<PublicKey, SetupError> {
        let group_key = if self.path.is_empty() {
            self.key.group_key
        } else {
            derive(&self.key.group_key, &self.key.chain_code, &self.path).map_err(refuse)?.key
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
        if self.message.len() > MAX_MESSAGE_BYTES {
            let got = self.message.len();
            return Err(refuse(format!(
                "the message has {got} bytes, at most {MAX_MESSAGE_BYTES} are signed"
            )));
        }
        if self.tweak.is_some() && !S::TAPROOT {
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

/// What a signer gets.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Output {
    /// The aggregator: the signature, already verified.
    Signature {
        /// The signature.
        signature: Signature,
        /// The key under which it verifies, see [`Setup::public_key`].
        public_key: PublicKey,
    },
    /// Everybody else: the share is on its way to the aggregator.
    Contributed,
}

impl Wire for Output {
    const MAX_BYTES: usize = 160;
}
