//! What the parties of a resharing agree upon, which newcomers are sent.

use borsh::BorshDeserialize;
use quorate_reshare::{Occasion, Setup};
use quorate_session::{SessionId, Wire};
use quorate_sharing::{Ed25519, PublicShares, Secp256k1};

use super::examples;
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "resharing_setup", seeds, words: &[], run: super::wire::<Setup> };

fn seeds() -> Vec<Vec<u8>> {
    let setup = |old: PublicShares| {
        let holders: Vec<_> = old.committee.indices().collect();
        let origin = SessionId::try_from_slice(&[3; 32]).ok()?;
        let occasion = Occasion { id: [4; 32], asked_ms: 1 };
        let former = Some(old.committee.clone());
        let (dealers, receivers) = (holders.clone(), holders);
        Setup { origin, old, from_kept: false, former, occasion, dealers, receivers }.to_wire().ok()
    };
    let keys = [examples::public_shares::<Ed25519>(), examples::public_shares::<Secp256k1>()];
    keys.into_iter().flatten().filter_map(setup).collect()
}
