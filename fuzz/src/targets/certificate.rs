//! Certificates of key generations, which parties hand to each other and keep.

use quorate_keygen::{Certificate, Message};
use quorate_session::{Envelope, Part, Wire};

use super::examples;
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "certificate", seeds, words: &[], run: super::wire::<Certificate> };

fn seeds() -> Vec<Vec<u8>> {
    certificate().into_iter().collect()
}

/// Certificates are only made by sessions: this is the encoding of one, with acknowledgements of another session.
fn certificate() -> Option<Vec<u8>> {
    let proposal = examples::proposal()?;
    let fresh: Vec<_> = proposal.committee.indices().map(|index| (index, [index.get() as u8; 32])).collect();
    let ready = Message::Ready([5; 32]).to_wire().ok()?;
    let [_, broadcast] = examples::envelopes()?;
    let sign = |signer| {
        let header = broadcast.header.clone();
        Envelope::seal(header, Part::Whole(ready.clone()), Part::Absent, &examples::identity(signer))
    };
    let mut bytes = ().to_wire().ok()?;
    bytes.extend(borsh::to_vec(&((proposal, fresh), vec![sign(1), sign(2), sign(3)])).ok()?);
    Some(bytes)
}
