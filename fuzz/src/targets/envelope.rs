//! Signed envelopes, in which every message of a session arrives.

use quorate_session::{Envelope, Header, Kind, Part, Wire};
use quorate_sharing::PartyIndex;

use super::examples;
use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "envelope", seeds, words: &[], run: super::wire::<Envelope> };

fn seeds() -> Vec<Vec<u8>> {
    examples().unwrap_or_default()
}

fn examples() -> Option<Vec<Vec<u8>>> {
    let direct = Header {
        session: examples::session()?,
        epoch: 3,
        attempt: 1,
        sender: PartyIndex::new(1).ok()?,
        recipient: Some(PartyIndex::new(2).ok()?),
        kind: Kind::Round,
        round: 2,
        echo: Some([4; 32]),
    };
    let broadcast = Header { recipient: None, kind: Kind::Confirmation, echo: None, ..direct };
    let sender = examples::identity(1);
    let envelopes = [
        Envelope::seal(direct, Part::Digest([6; 32]), Part::Whole(b"for you".to_vec()), &sender),
        Envelope::seal(broadcast, Part::Whole(b"for all".to_vec()), Part::Absent, &sender),
    ];
    envelopes.iter().map(|envelope| envelope.to_wire().ok()).collect()
}
