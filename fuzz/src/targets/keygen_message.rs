//! Messages of the key generation, as they lie in envelopes.

use quorate_keygen::{Commit, Message};
use quorate_session::Wire;

use crate::Target;

pub(super) const TARGET: Target =
    Target { name: "keygen_message", seeds, words: &[], run: super::wire::<Message> };

fn seeds() -> Vec<Vec<u8>> {
    let commit = Message::Commit(Commit { opening: [1; 32], facing: vec![[2; 32], [3; 32]] });
    let messages = [commit, Message::Share(vec![4; 48]), Message::Ready([5; 32])];
    messages.iter().filter_map(|message| message.to_wire().ok()).collect()
}
