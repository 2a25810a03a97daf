//! The hashes of the entries before, which checkpoints are compared with.

use std::collections::VecDeque;

use crate::text::EntryHash;

/// How many are kept: 40 MiB, and far more entries than there are between a head and its checkpoint.
const KEPT: usize = 1 << 20;

/// Hashes by number, in order.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<(u64, EntryHash)>);

impl Recent {
    pub(super) fn push(&mut self, seq: u64, hash: EntryHash) {
        if self.0.back().is_some_and(|(last, _)| *last >= seq) {
            return self.insert(seq, hash);
        }
        if self.0.len() >= KEPT {
            self.0.pop_front();
        }
        self.0.push_back((seq, hash));
    }

    /// Puts one in its place, and in that of another with its number.
    pub(super) fn insert(&mut self, seq: u64, hash: EntryHash) {
        match self.0.binary_search_by_key(&seq, |(seq, _)| *seq) {
            Ok(at) => {
                if let Some(place) = self.0.get_mut(at) {
                    place.1 = hash;
                }
            }
            Err(at) => {
                self.0.insert(at, (seq, hash));
                if self.0.len() > KEPT {
                    self.0.pop_front();
                }
            }
        }
    }

    pub(super) fn get(&self, seq: u64) -> Option<EntryHash> {
        let at = self.0.binary_search_by_key(&seq, |(seq, _)| *seq).ok()?;
        self.0.get(at).map(|(_, hash)| *hash)
    }
}
