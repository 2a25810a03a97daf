//! Whether one epoch of a key rightly follows another.

use quorate_dealing::{Certificate, CertificateError};
use quorate_session::{SetupError, Wire, setup_digest};
use quorate_sharing::PublicShares;

use crate::{NAME, Setup, VERSION, plan};

/// Why an epoch does not follow another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoSuccessor {
    /// The parties had not agreed upon this setup.
    #[error("the parties had agreed upon something else")]
    OtherSetup,
    /// The setup makes no sense for these parties.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// They did not all acknowledge just this.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// What they acknowledged is not the same key, held by the receivers.
    #[error("what was acknowledged is not the same key, held by the receivers")]
    OtherKey,
}

/// Checks that the parties of a resharing, among them more than half of those who held the key before, have all stored just this: the
/// same key, shared among the receivers.
///
/// `setup.old` is what the caller knows to be the epoch before; that it is right is not shown by this certificate.
///
/// # Errors
/// Why this epoch does not follow.
pub fn succeeds(certificate: &Certificate, setup: &Setup, public: &PublicShares) -> Result<(), NoSuccessor> {
    let agreement = certificate.agreement();
    let encoded = setup.to_wire().map_err(|error| SetupError(error.to_string()))?;
    if agreement.proposal().setup != setup_digest(&encoded) {
        return Err(NoSuccessor::OtherSetup);
    }
    let plan = plan(agreement, setup)?;
    certificate.acknowledges((NAME, VERSION), public)?;
    let same = public.group_key == setup.old.group_key
        && public.chain_code == setup.old.chain_code
        && public.epoch == agreement.epoch()
        && public.committee == *plan.receivers();
    if same { Ok(()) } else { Err(NoSuccessor::OtherKey) }
}
