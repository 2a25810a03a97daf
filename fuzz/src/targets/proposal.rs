//! Proposals, with which a session begins.

use quorate_session::{SignedProposal, Wire};

use super::examples;
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "proposal", seeds, words: &["keygen", "sign"], run: super::wire::<SignedProposal> };

fn seeds() -> Vec<Vec<u8>> {
    let signed = examples::proposal().and_then(|it| SignedProposal::sign(it, &examples::identity(9)).ok());
    signed.and_then(|signed| signed.to_wire().ok()).into_iter().collect()
}
