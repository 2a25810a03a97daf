//! Messages of FROST signing, as they lie in envelopes.

use quorate_frost::{Message, NonceCommitments};
use quorate_session::Wire;

use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "signing_message", seeds, words: &[], run: super::wire::<Message> };

fn seeds() -> Vec<Vec<u8>> {
    let commitments = NonceCommitments { hiding: vec![2; 33], binding: vec![3; 33] };
    let messages = [Message::Commitments(vec![commitments; 2]), Message::Shares(vec![vec![4; 32]; 2])];
    messages.iter().filter_map(|message| message.to_wire().ok()).collect()
}
