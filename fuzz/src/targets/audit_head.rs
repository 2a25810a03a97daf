//! Signed heads of audit logs, which nodes send each other.

use borsh::BorshDeserialize;
use quorate_audit::{EntryHash, Head, Scope, SignedHead, Timestamp, Witness};

use super::examples;
use crate::{Outcome, Target};

pub(super) const TARGET: Target = Target { name: "audit_head", seeds, words: &[], run };

fn run(input: &[u8]) -> Outcome {
    let signed = match SignedHead::try_from_slice(input) {
        Ok(signed) => signed,
        Err(error) => return Outcome::refused(&error),
    };
    assert_eq!(borsh::to_vec(&signed).ok().as_deref(), Some(input), "a second encoding of one head");
    assert_eq!(input.len(), SignedHead::BYTES);
    let json = serde_json::to_string(&signed).unwrap_or_default();
    assert_eq!(serde_json::from_str(&json).ok(), Some(signed), "what is written is read as the same");
    let mut witness = Witness::new(signed.head.scope);
    assert_eq!(witness.observe(signed).is_ok(), signed.verify());
    if signed.verify() { Outcome::accepted() } else { Outcome::refused(&"not signed") }
}

fn seeds() -> Vec<Vec<u8>> {
    let owner = examples::identity(1);
    let head = |seq| {
        let time = Timestamp::from_millis(1_800_000_000_000)?;
        let hash = EntryHash([4; 32]);
        let head = Head { scope: Scope([1; 32]), owner: owner.identity(), seq, hash, time };
        borsh::to_vec(&SignedHead::sign(head, &owner)?).ok()
    };
    [1, u64::MAX].into_iter().filter_map(head).collect()
}
