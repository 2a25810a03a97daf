//! Frames between nodes: whatever a peer sends, a node reads it as one of these first.

use quorate_node::testing;

use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "peer_frame", seeds: testing::frames, words: &[], run };

fn run(input: &[u8]) -> Outcome {
    match testing::reencode_frame(input) {
        Ok(encoded) => {
            assert_eq!(encoded, input, "a second encoding of one frame was accepted");
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
