//! The joint for signature schemes: a new one is a file in `suites/`.

use std::fmt::Debug;

use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_core::{Ciphersuite, Element, GroupCommitment, Scalar};
use quorate_keys::Scheme;
use quorate_session::ProtocolId;
use quorate_sharing::Curve;

use crate::setup::TaprootTweak;

/// A signature scheme on a ciphersuite of the Zcash Foundation's crates.
pub trait Suite: Copy + Debug + Send + Sync + 'static {
    /// Name and version of the signing protocol.
    const PROTOCOL: ProtocolId;
    /// The scheme of the signatures.
    const SCHEME: Scheme;
    /// Whether keys of the scheme can be tweaked after BIP-341.
    const TAPROOT: bool;

    /// The curve of the key shares: the very scalars and points of the ciphersuite.
    type Curve: Curve<Scalar = Scalar<Self::Ciphersuite>, Point = Element<Self::Ciphersuite>>;
    /// Hashes and encodings.
    type Ciphersuite: Ciphersuite;

    /// A signer's key as it signs: with the Taproot tweak if there is one, and with the sign that the scheme demands of
    /// public keys. A tweak is ignored where [`Suite::TAPROOT`] is `false`.
    fn finish_key(
        key: KeyPackage<Self::Ciphersuite>,
        tweak: Option<&TaprootTweak>,
    ) -> KeyPackage<Self::Ciphersuite>;

    /// The public side of [`Suite::finish_key`].
    fn finish_public(
        public: PublicKeyPackage<Self::Ciphersuite>,
        tweak: Option<&TaprootTweak>,
    ) -> PublicKeyPackage<Self::Ciphersuite>;

    /// Whether signers negate their nonces, because signatures hold another point than this group commitment.
    fn negates_nonces(commitment: &GroupCommitment<Self::Ciphersuite>) -> bool;
}
