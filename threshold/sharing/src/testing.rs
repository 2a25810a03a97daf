//! What the tests of this crate share.

#![allow(clippy::unwrap_used, reason = "tests only")]

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::party::{PartyIndex, Threshold};

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).unwrap()
}

pub(crate) fn parties(indices: impl IntoIterator<Item = u16>) -> Vec<PartyIndex> {
    indices.into_iter().map(party).collect()
}

pub(crate) fn threshold(signers: u16) -> Threshold {
    Threshold::new(signers).unwrap()
}

/// One test on every curve.
macro_rules! on_every_curve {
    ($($name:ident),* $(,)?) => {
        mod ed25519 {
            $(#[test] fn $name() { super::$name::<crate::Ed25519>(); })*
        }

        mod secp256k1 {
            $(#[test] fn $name() { super::$name::<crate::Secp256k1>(); })*
        }

        mod p256 {
            $(#[test] fn $name() { super::$name::<crate::P256>(); })*
        }
    };
}
pub(crate) use on_every_curve;
