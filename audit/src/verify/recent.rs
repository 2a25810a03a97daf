//! The hashes of the entries before, which checkpoints are compared with.

use std::collections::{BTreeMap, VecDeque};

use crate::text::EntryHash;

/// How many are kept: 40 MiB, and far more entries than there are between a head and its checkpoint.
const KEPT: usize = 1 << 20;

/// Hashes by number.
#[derive(Debug, Default)]
pub(super) struct Recent {
    in_order: VecDeque<(u64, EntryHash)>,
    /// Of entries that stood after later ones.
    moved: BTreeMap<u64, EntryHash>,
    /// The last one that had to make room.
    forgotten: u64,
}

impl Recent {
    pub(super) fn push(&mut self, seq: u64, hash: EntryHash) {
        if self.in_order.back().is_some_and(|(last, _)| *last >= seq) {
            return self.insert(seq, hash);
        }
        if self.in_order.len() >= KEPT {
            let forgotten = self.in_order.pop_front();
            self.forgotten = self.forgotten.max(forgotten.map_or(0, |(seq, _)| seq));
        }
        self.in_order.push_back((seq, hash));
    }

    /// One that stands after later ones.
    pub(super) fn insert(&mut self, seq: u64, hash: EntryHash) {
        if self.moved.len() >= KEPT {
            let forgotten = self.moved.pop_first();
            self.forgotten = self.forgotten.max(forgotten.map_or(0, |(seq, _)| seq));
        }
        self.moved.insert(seq, hash);
    }

    /// The last one had a wrong number: this is the right one.
    pub(super) fn renumber(&mut self, seq: u64, hash: EntryHash) {
        if self.in_order.back().is_some_and(|(last, _)| *last > seq) {
            self.in_order.pop_back();
        }
        self.push(seq, hash);
    }

    /// Whether this one may have been known, but is not any more.
    pub(super) const fn has_forgotten(&self, seq: u64) -> bool {
        seq <= self.forgotten
    }

    pub(super) fn get(&self, seq: u64) -> Option<EntryHash> {
        if let Some(hash) = self.moved.get(&seq) {
            return Some(*hash);
        }
        let at = self.in_order.binary_search_by_key(&seq, |(seq, _)| *seq).ok()?;
        self.in_order.get(at).map(|(_, hash)| *hash)
    }
}
