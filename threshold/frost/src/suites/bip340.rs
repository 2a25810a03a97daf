//! FROST(secp256k1, SHA-256) with BIP-340 signatures, as the crate `frost-secp256k1-tr` defines it.

use frost_core::GroupCommitment;
use frost_core::keys::{KeyPackage, PublicKeyPackage};
use frost_secp256k1_tr::Secp256K1Sha256TR;
use frost_secp256k1_tr::keys::{EvenY, Tweak};
use quorate_keys::Scheme;
use quorate_session::ProtocolId;
use quorate_sharing::Secp256k1;

use crate::setup::TaprootTweak;
use crate::suite::Suite;

/// Schnorr signatures of Bitcoin, for plain and for Taproot keys.
///
/// The crate's own signing functions tweak nothing unless asked, but its `post_dkg` does; our key shares never go
/// through that, so the tweak here is the only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bip340Suite;

impl Suite for Bip340Suite {
    const PROTOCOL: ProtocolId = ProtocolId::new("frost", "bip340", 1);
    const SCHEME: Scheme = Scheme::Bip340;
    const TAPROOT: bool = true;

    type Curve = Secp256k1;
    type Ciphersuite = Secp256K1Sha256TR;

    fn finish_key(
        key: KeyPackage<Secp256K1Sha256TR>,
        tweak: Option<&TaprootTweak>,
    ) -> KeyPackage<Secp256K1Sha256TR> {
        finish(key, tweak)
    }

    fn finish_public(
        public: PublicKeyPackage<Secp256K1Sha256TR>,
        tweak: Option<&TaprootTweak>,
    ) -> PublicKeyPackage<Secp256K1Sha256TR> {
        finish(public, tweak)
    }

    fn negates_nonces(commitment: &GroupCommitment<Secp256K1Sha256TR>) -> bool {
        !commitment.has_even_y()
    }
}

/// BIP-341 lifts the internal key to even y, adds the tweak, and BIP-340 lifts the output key to even y.
fn finish<K: Tweak + EvenY>(key: K, tweak: Option<&TaprootTweak>) -> K {
    let tweaked = match tweak {
        Some(TaprootTweak { merkle_root }) => key.tweak(*merkle_root),
        None => key,
    };
    tweaked.into_even_y(None)
}
