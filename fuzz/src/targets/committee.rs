//! Committees, as they stand in proposals, wallets and evidence.

use quorate_sharing::Committee;

use super::examples;
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "committee", seeds, words: &[], run };

fn seeds() -> Vec<Vec<u8>> {
    let committees = [examples::committee(2, 2), examples::committee(3, 5), examples::committee(60, 100)];
    committees.iter().flatten().filter_map(|committee| borsh::to_vec(committee).ok()).collect()
}

fn run(input: &[u8]) -> Outcome {
    match borsh::from_slice::<Committee>(input) {
        Ok(committee) => {
            assert!((2..=committee.len()).contains(&committee.threshold().count()));
            for member in committee.members() {
                assert_eq!(committee.member(member.index), Some(member));
                assert_eq!(committee.index_of(&member.identity), Some(member.index));
            }
            assert_eq!(borsh::to_vec(&committee).ok().as_deref(), Some(input));
            Outcome::accepted()
        }
        Err(error) => Outcome::refused(&error),
    }
}
