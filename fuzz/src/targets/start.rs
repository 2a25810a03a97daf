//! Starts, with which a proposer hands out all acceptances.

use quorate_session::{Start, Wire};

use super::examples;
use crate::Target;

pub(super) const TARGET: Target = Target { name: "start", seeds, words: &[], run: super::wire::<Start> };

fn seeds() -> Vec<Vec<u8>> {
    examples::start().and_then(|(_, start)| start.to_wire().ok()).into_iter().collect()
}
