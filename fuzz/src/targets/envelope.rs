//! Signed envelopes, in which every message of a session arrives.

use quorate_session::{Envelope, Wire};

use super::examples;
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "envelope", seeds, words: &[], run: super::wire::<Envelope> };

fn seeds() -> Vec<Vec<u8>> {
    let envelopes = examples::envelopes().into_iter().flatten();
    envelopes.filter_map(|envelope| envelope.to_wire().ok()).collect()
}
