//! What signers agree upon: a proposal comes with it, and evidence holds it.

use quorate_frost::{Setup, TaprootTweak, Task};
use quorate_session::Wire;
use quorate_sharing::{Ed25519, PartyIndex, PublicShares, Secp256k1};

use super::examples;
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "signing_setup", seeds, words: &[], run: super::wire::<Setup> };

fn seeds() -> Vec<Vec<u8>> {
    let keys = [examples::public_shares::<Ed25519>(), examples::public_shares::<Secp256k1>()];
    let tweaks =
        [None, Some(TaprootTweak { merkle_root: None }), Some(TaprootTweak { merkle_root: Some([1; 32]) })];
    let keys = keys.into_iter().flatten();
    keys.flat_map(|key| tweaks.map(|tweak| setup(key.clone(), tweak))).flatten().collect()
}

fn setup(key: PublicShares, tweak: Option<TaprootTweak>) -> Option<Vec<u8>> {
    let aggregator = PartyIndex::new(2).ok()?;
    let path = "m/0/7".parse().ok()?;
    Setup { key, aggregator, tasks: vec![Task { message: b"message".to_vec(), path, tweak }; 2] }
        .to_wire()
        .ok()
}
