//! Evidence files, which anybody may be handed.

use quorate_session::{Claim, Evidence, Wire};

use super::examples;
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "evidence", seeds, words: &[], run: super::wire::<Evidence> };

fn seeds() -> Vec<Vec<u8>> {
    let claims = [
        Claim::Undecodable { round: 1 },
        Claim::FalseEcho { round: 2 },
        Claim::Fault { summary: "sent a wrong share".to_owned(), fault: vec![1, 2, 3] },
    ];
    claims.into_iter().filter_map(evidence).collect()
}

/// Evidence is only made by sessions: this is the encoding of what one would make, without envelopes.
fn evidence(claim: Claim) -> Option<Vec<u8>> {
    let proposal = examples::proposal()?;
    let fresh: Vec<_> = proposal.committee.indices().map(|index| (index, [index.get() as u8; 32])).collect();
    let accused = proposal.committee.indices().next()?;
    let no_envelopes: Vec<u8> = Vec::new();
    let parts =
        (proposal.protocol.clone(), (&proposal, fresh), b"setup".to_vec(), accused, claim, no_envelopes);
    let mut bytes = ().to_wire().ok()?;
    bytes.extend(borsh::to_vec(&parts).ok()?);
    Some(bytes)
}
