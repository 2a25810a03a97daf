//! Acceptances, with which signers answer a proposal.

use quorate_session::{Acceptance, Wire};

use super::examples;
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "acceptance", seeds, words: &[], run: super::wire::<Acceptance> };

fn seeds() -> Vec<Vec<u8>> {
    let acceptances = examples::start().map(|(acceptances, _)| acceptances).unwrap_or_default();
    acceptances.iter().filter_map(|acceptance| acceptance.to_wire().ok()).collect()
}
