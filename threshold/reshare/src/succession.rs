//! Whether one epoch of a key rightly follows another.

use quorate_dealing::{Certificate, CertificateError};
use quorate_keys as keys;
use quorate_session::{Envelope, SetupError, Wire, setup_digest};
use quorate_sharing::{Ed25519, P256, PublicShares, Secp256k1};

use crate::{NAME, NewShares, Setup, VERSION, plan};

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
    /// Not all receivers have proven that they know their shares, or those are not of one polynomial.
    #[error("it is not proven that the receivers know shares of the key")]
    UnknownShares,
}

/// Checks that the parties of a resharing, among them more than half of those who held the key before, have all stored just this: the
/// same key, shared among the receivers, each of which has proven that it knows its share.
///
/// So the receivers can sign for the key, whatever its epochs before were: that `setup.old` was one is not shown. A certificate
/// of none but dishonest parties exists only if they know the key.
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
    if !same {
        return Err(NoSuccessor::OtherKey);
    }
    let known = match public.group_key.curve() {
        keys::Curve::Ed25519 => certificate.shows_shares::<Ed25519, NewShares>(public),
        keys::Curve::Secp256k1 => certificate.shows_shares::<Secp256k1, NewShares>(public),
        keys::Curve::P256 => certificate.shows_shares::<P256, NewShares>(public),
        _ => false,
    };
    if known { Ok(()) } else { Err(NoSuccessor::UnknownShares) }
}

/// Whether the author of a genuine acknowledgement has proven in it that it knows its own of these shares, or holds none of them. Where one has not, there is
/// never a certificate that [counts](succeeds).
#[must_use]
pub fn shows_share(acknowledgement: &Envelope, public: &PublicShares) -> bool {
    public.committee.member(acknowledgement.header.sender).is_none()
        || match public.group_key.curve() {
            keys::Curve::Ed25519 => {
                quorate_dealing::shows_share::<Ed25519, NewShares>(acknowledgement, public)
            }
            keys::Curve::Secp256k1 => {
                quorate_dealing::shows_share::<Secp256k1, NewShares>(acknowledgement, public)
            }
            keys::Curve::P256 => quorate_dealing::shows_share::<P256, NewShares>(acknowledgement, public),
            _ => false,
        }
}
