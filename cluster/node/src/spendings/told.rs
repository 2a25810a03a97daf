//! What nodes tell each other of spendings: in a session all that the other may not know, and otherwise each as it comes.

use std::time::SystemTime;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::Identity;

use super::{Key, Spending, Spendings, seconds, written};
use crate::store::Batch;

/// Bytes of requests that are told at a time: a frame has a megabyte.
const TOLD_BYTES: usize = 512 * 1024;
/// After so many seconds a peer is told again of what it has not been heard to have.
pub(super) const TELL_AGAIN: u64 = 30;
/// Keys that a peer may say it has and that are unknown here.
const UNHEARD: usize = 16 * 1024;
/// So many seconds after it was settled, a spending is told by all of its signers; before, by the one that speaks.
const TELL_ALL: u64 = 10;

/// A spending, as nodes tell each other. Who is told makes out for itself what is spent.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Told {
    /// The client's request as it was signed.
    pub(crate) request: Vec<u8>,
    /// When it was settled, in Unix seconds; none while it is reserved.
    pub(crate) settled: Option<u64>,
}

/// What a node knows of a spending of which it is told.
pub(crate) enum Recalled {
    Unknown,
    /// It is settled here.
    Counted,
    /// It is reserved here, too, for now.
    Reserved(Spending),
}

impl Spendings {
    /// All that a peer is not known to have, for a session that it waits in: reserved and settled. And whether that is
    /// all: a frame has room for so much.
    pub(crate) fn unknown_to(&self, peer: &Identity) -> (Vec<Told>, bool) {
        let state = self.lock();
        let known = state.known.get(peer);
        let unknown = state.entries.iter().filter(|(key, entry)| {
            entry.settled.is_none() || known.is_none_or(|known| !known.contains(*key))
        });
        let (mut told, mut bytes) = (Vec::new(), 0_usize);
        for (_, entry) in unknown {
            bytes = bytes.saturating_add(entry.spending.request.len());
            if bytes > TOLD_BYTES {
                return (told, false);
            }
            told.push(Told { request: entry.spending.request.to_vec(), settled: entry.settled });
        }
        (told, true)
    }

    /// Settled spendings that it is time to tell a peer.
    pub(crate) fn due_for(&self, peer: &Identity, now: SystemTime) -> Vec<Told> {
        let mut state = self.lock();
        let state = &mut *state;
        let now = seconds(now);
        let known = state.known.entry(*peer).or_default();
        let told = state.told.entry(*peer).or_default();
        let (mut due, mut bytes) = (Vec::new(), 0_usize);
        for (key, entry) in &state.entries {
            let Some(at) = entry.settled.filter(|_| !known.contains(key)) else { continue };
            let early = !entry.speaks && now < at.saturating_add(TELL_ALL);
            if early || told.get(key).is_some_and(|last| now < last.saturating_add(TELL_AGAIN)) {
                continue;
            }
            bytes = bytes.saturating_add(entry.spending.request.len());
            if bytes > TOLD_BYTES {
                break;
            }
            told.insert(*key, now);
            due.push(Told { request: entry.spending.request.to_vec(), settled: Some(at) });
        }
        due
    }

    /// The keys of all that are settled.
    pub(crate) fn held(&self) -> Vec<Key> {
        let state = self.lock();
        state.entries.iter().filter(|(_, entry)| entry.settled.is_some()).map(|(key, _)| *key).collect()
    }

    /// A peer has these. `anew`: and nothing that it had before.
    pub(crate) fn held_by(&self, peer: Identity, keys: &[Key], anew: bool) {
        let mut state = self.lock();
        let state = &mut *state;
        let known = state.known.entry(peer).or_default();
        if anew {
            known.clear();
            state.told.remove(&peer);
        }
        known.extend(keys);
        // It may have what this node is yet to hear of, but not without end.
        if known.len() > state.entries.len().saturating_add(UNHEARD) {
            known.retain(|key| state.entries.contains_key(key));
        }
        if let Some(told) = state.told.get_mut(&peer) {
            keys.iter().for_each(|key| _ = told.remove(key));
        }
    }

    /// What is known here of a spending of which another node tells: then it need not be read again. One that was settled later
    /// than this node knew is so from now on.
    pub(crate) fn recall(&self, key: &Key, settled: Option<u64>) -> Recalled {
        let mut state = self.lock();
        let Some(entry) = state.entries.get(key) else { return Recalled::Unknown };
        match (settled, entry.settled) {
            (None, Some(_)) => Recalled::Counted,
            (None, None) => Recalled::Reserved(entry.spending.clone()),
            (Some(_), None) => Recalled::Unknown,
            (Some(at), Some(before)) if at <= before => {
                // It was told in vain.
                state.fresh.push(*key);
                Recalled::Counted
            }
            // By what the client had signed when this node heard of it, it can't have been so late.
            (Some(at), Some(_)) if entry.spending.between.1 < at => Recalled::Unknown,
            (Some(at), Some(_)) => {
                let spending = entry.spending.clone();
                state.settle(spending, at, false);
                state.fresh.push(*key);
                Recalled::Counted
            }
        }
    }

    /// Counts what others have told to be settled, from now on. What is too old for any window is left out.
    pub(crate) fn count_settled(&self, told: &mut Vec<(Spending, u64)>) {
        let Some(horizon) = self.horizon else { return told.clear() };
        let since = seconds(SystemTime::now()).saturating_sub(horizon);
        told.retain(|(_, at)| *at >= since);
        let mut state = self.lock();
        for (spending, at) in told {
            state.settle(spending.clone(), *at, false);
        }
    }

    /// Makes durable what others have told; then this node says that it has it. Whether it is.
    pub(crate) async fn keep(&self, told: &[(Spending, u64)]) -> bool {
        if told.is_empty() {
            return true;
        }
        let mut batch = Batch::new();
        for (spending, at) in told {
            batch = match written(batch, spending, *at) {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(%error, "what was spent could not be kept");
                    return false;
                }
            };
        }
        match self.store.commit_soon(batch).await {
            Ok(()) => self.lock().fresh.extend(told.iter().map(|(spending, _)| spending.key)),
            Err(error) => {
                tracing::warn!(%error, "what was spent could not be kept; it is told again");
                return false;
            }
        }
        true
    }

    /// The keys of what was kept since this was asked last.
    pub(crate) fn newly_kept(&self) -> Vec<Key> {
        std::mem::take(&mut self.lock().fresh)
    }
}
