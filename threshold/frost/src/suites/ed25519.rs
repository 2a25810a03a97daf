//! FROST(Ed25519, SHA-512), RFC 9591 section 6.1.

use frost_core::GroupCommitment;
use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_ed25519::Ed25519Sha512;
use quorate_keys::Scheme;
use quorate_session::ProtocolId;
use quorate_sharing::Ed25519;

use crate::setup::TaprootTweak;
use crate::suite::Suite;

/// Signatures of RFC 8032.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ed25519Suite;

impl Suite for Ed25519Suite {
    const PROTOCOL: ProtocolId = ProtocolId::new("frost", "ed25519", 1);
    const SCHEME: Scheme = Scheme::Ed25519;
    const TAPROOT: bool = false;

    type Curve = Ed25519;
    type Ciphersuite = Ed25519Sha512;

    fn finish_key(key: KeyPackage<Ed25519Sha512>, _: Option<&TaprootTweak>) -> KeyPackage<Ed25519Sha512> {
        key
    }

    fn finish_public(
        public: PublicKeyPackage<Ed25519Sha512>,
        _: Option<&TaprootTweak>,
    ) -> PublicKeyPackage<Ed25519Sha512> {
        public
    }

    fn negates_nonces(_: &GroupCommitment<Ed25519Sha512>) -> bool {
        false
    }
}
