//! Which key is signed with, and by whom.

use quorate_keys::Transcript;
use quorate_session::{SessionContext, SetupError};
use quorate_sharing::{Committee, KeyShare, PublicShares};

use crate::suite::Suite;

/// Whether a wallet's key, the stored share, and the agreed session belong together.
///
/// The session's committee holds at least the threshold's number of members by construction.
///
/// # Errors
/// What does not fit.
pub fn check_key<C: Suite>(
    key: &PublicShares,
    context: &SessionContext,
    share: &KeyShare,
) -> Result<(), SetupError> {
    check_curve::<C>(key)?;
    if key != share.public() {
        return Err(SetupError::because("the key of the setup is not the one whose share is stored here"));
    }
    if share.index() != context.me() {
        let (stored, me) = (share.index(), context.me());
        let message = format!("the stored share is of party {stored}, this is party {me}");
        return Err(SetupError::because(message));
    }
    check_holders::<C>(key, context.agreement().epoch(), context.committee())
}

/// Whether signers are holders of a key, on this curve and of this epoch.
///
/// # Errors
/// What does not fit.
pub fn check_holders<C: Suite>(
    key: &PublicShares,
    epoch: u64,
    signers: &Committee,
) -> Result<(), SetupError> {
    check_curve::<C>(key)?;
    check_members(key, epoch, signers)
}

/// Whether these are holders of a key of this epoch, whatever its curve.
///
/// # Errors
/// What does not fit.
pub fn check_members(key: &PublicShares, epoch: u64, signers: &Committee) -> Result<(), SetupError> {
    if key.epoch != epoch {
        let message = format!("the share is of epoch {}, the session of epoch {epoch}", key.epoch);
        return Err(SetupError::because(message));
    }
    let holders = &key.committee;
    if holders.threshold() != signers.threshold() {
        let (key, session) = (holders.threshold(), signers.threshold());
        return Err(SetupError::because(format!("the key needs {key} signers, the session says {session}")));
    }
    match signers.members().iter().find(|signer| holders.member(signer.index) != Some(signer)) {
        Some(stranger) => {
            Err(SetupError::because(format!("party {} holds no share of the key", stranger.index)))
        }
        None => Ok(()),
    }
}

fn check_curve<C: Suite>(key: &PublicShares) -> Result<(), SetupError> {
    let curve = key.group_key.curve();
    if curve == C::ID {
        Ok(())
    } else {
        Err(SetupError::because(format!("a key on {curve} can't sign in scheme {}", C::SCHEME)))
    }
}

/// Digest of a wallet's public side, epoch and holders included.
#[must_use]
pub fn key_digest(key: &PublicShares) -> [u8; 32] {
    let encoded = borsh::to_vec(key).unwrap_or_default();
    Transcript::new(b"quorate/ecdsa/key/v1").field("key", &encoded).digest()
}
