//! Oblivious transfer, its extension, and vector OLE: what two-party multiplication in `quorate-dkls23` is made of.
//!
//! Two parties multiply secrets in four layers, each on top of the one before:
//!
//! 1. [`base`]: base transfers on ristretto255, once for a pair and direction.
//! 2. [`pprf`]: of each four of them, a tree of 16 seeds of which one party has all and the other all but one.
//! 3. [`extension`]: SoftSpokenOT makes 512 correlated transfers of the seeds, as often as needed, with symmetric ciphers only.
//! 4. [`vole`]: random vector OLE multiplies two scalars of one party with a random one of the other.
//!
//! # Direction
//! The party that has all seeds is the *receiver* of extended transfers and of vector OLE; the *sender*, whose scalars are
//! multiplied, lacks one seed in each tree. A pair that multiplies both ways sets up both directions.
//!
//! # Security
//! Malicious parties are caught by checks, at the price that what is checked can leak: whoever makes a check fail, or not, by a
//! guess learns whether the guess was right. Δ, which says what seeds a sender lacks, is guessed at by four bits for each message of a
//! receiver, and whoever knows it can read, from what was recorded, all that was ever multiplied with these seeds. So the caller sees to it that
//!
//! - messages to one set of seeds are checked one after the other, and all of one session get one verdict;
//! - after an [`Inconsistent`] message nothing is done with these seeds any more, also not in sessions that run: this is durable before the
//!   peer can notice anything;
//! - seeds of another setup, as after a restored backup, and messages of another session are not taken for cheating: each message names what it is made
//!   for and with, and gives [`OtherRun`] elsewhere.
//!
//! No two runs may have the same [`TransferId`]. Should it happen all the same, salts keep the runs apart: the receiver draws that of the
//! transfers, the sender that of its multiplication, so that each protects its own secrets.
//!
//! Who was caught is known to the other party alone, and can't be shown to a third.
//!
//! Everything is constant time in secrets. What differs from the papers stands in `DEVIATIONS.md`.

use quorate_keys::Transcript;
use quorate_sharing::PartyIndex;

pub mod base;
pub mod extension;
pub mod pprf;
mod transpose;
pub mod vole;

/// Bits of Δ, and base transfers of a direction: computational security.
pub(crate) const ROWS: usize = 128;
/// log₂ of the leaves of a tree, k of SoftSpokenOT.
pub(crate) const DEPTH: usize = 4;
pub(crate) const LEAVES: usize = 1 << DEPTH;
pub(crate) const TREES: usize = ROWS / DEPTH;

/// A message that no honest party sends: another length, or an encoding of nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed: {0}")]
pub struct Malformed(pub(crate) &'static str);

/// A message that fits no honest party's secrets.
///
/// # Security
/// The seeds that were used must not be used again: which messages fail tells about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a consistency check of {0} failed")]
pub struct Inconsistent(pub(crate) &'static str);

/// A message that was made for another run, or with other seeds or transfers than are known here: an old copy of either, and no reason to give up anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("made for another run, or with other seeds")]
pub struct OtherRun;

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cheat {
    /// Its form.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// With what it was made.
    #[error(transparent)]
    OtherRun(#[from] OtherRun),
    /// What it says.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistent),
}

/// Names one run of a protocol between two parties, in one direction. No two runs may have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferId([u8; 32]);

impl TransferId {
    /// The id of the run of this `number` that `sender` and `receiver` do for `purpose` within a session. A multiplication has one id for its
    /// transfers and itself.
    #[must_use]
    pub fn new(
        purpose: &str,
        session: &[u8; 32],
        number: u32,
        sender: PartyIndex,
        receiver: PartyIndex,
    ) -> Self {
        let transcript = Transcript::new(b"quorate/oblivious/id/v1")
            .field("purpose", purpose.as_bytes())
            .field("session", session)
            .field("number", &number.to_le_bytes())
            .field("sender", &sender.get().to_le_bytes())
            .field("receiver", &receiver.get().to_le_bytes());
        Self(transcript.digest())
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Both halves of a hash.
pub(crate) fn halves(bytes: &[u8; 32]) -> [pprf::Block; 2] {
    let mut halves = [pprf::Block::default(); 2];
    halves.as_flattened_mut().copy_from_slice(bytes);
    halves
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::testing::party;

    #[test]
    fn ids_differ_by_whatever_they_name() {
        let ids = [
            TransferId::new("a", &[1; 32], 0, party(1), party(2)),
            TransferId::new("b", &[1; 32], 0, party(1), party(2)),
            TransferId::new("a", &[2; 32], 0, party(1), party(2)),
            TransferId::new("a", &[1; 32], 1, party(1), party(2)),
            TransferId::new("a", &[1; 32], 0, party(2), party(1)),
            TransferId::new("a", &[1; 32], 0, party(1), party(3)),
        ];
        assert_eq!(ids.iter().map(|id| id.0).collect::<BTreeSet<_>>().len(), ids.len());
    }
}

#[cfg(test)]
mod testing {
    use quorate_sharing::PartyIndex;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use crate::TransferId;

    pub(crate) const ID: TransferId = TransferId([3; 32]);

    pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(seed)
    }

    pub(crate) fn party(index: u16) -> PartyIndex {
        PartyIndex::new(index).unwrap()
    }
}
