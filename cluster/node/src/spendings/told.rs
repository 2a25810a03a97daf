//! What nodes tell each other of spendings: in a session all that the other may not know, and otherwise each as it comes.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::Identity;

use super::{Entry, Key, Spending, Spendings, written};
use crate::clock::seconds;
use crate::store::Batch;

/// Bytes of requests that are told at a time: a frame has a megabyte.
const TOLD_BYTES: usize = 512 * 1024;
/// The longest request that windows count: some of them fit a frame.
pub(crate) const MAX_REQUEST: usize = 128 * 1024;
/// After so many seconds a peer is told again of what it has not been heard to have.
pub(super) const TELL_AGAIN: u64 = 30;
/// Spendings that a peer may say it has and that are unknown here.
const UNHEARD: usize = 16 * 1024;
/// So many seconds after it was settled, a spending is told by all who have it; before, by the signer that speaks.
const TELL_ALL: u64 = 10;

/// A spending, as nodes tell each other. Who is told makes out for itself what is spent.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Told {
    /// The client's request as it was signed.
    pub(crate) request: Vec<u8>,
    /// When it was settled, in Unix seconds, if it was.
    pub(crate) settled: Option<u64>,
    /// Whether it is about to be spent, for the first time or again.
    pub(crate) reserved: bool,
}

/// A spending that somebody keeps, and when it was settled.
pub(crate) type Held = (Key, u64);

/// What a peer says that it keeps.
#[derive(Default)]
pub(super) struct Peer {
    /// The run of the peer in which it has said so, and the one before.
    run: [u8; 16],
    previous: [u8; 16],
    has: HashMap<Key, u64>,
    /// What is settled here, and it has not said that it has it so late.
    lacks: HashSet<Key>,
    /// When it was last told of what it does not have.
    told: HashMap<Key, u64>,
}

impl Peer {
    /// A peer that has said nothing yet.
    fn unheard(run: [u8; 16], previous: [u8; 16], entries: &HashMap<Key, Entry>) -> Self {
        let settled = entries.iter().filter(|(_, entry)| entry.settled.is_some());
        Self { run, previous, lacks: settled.map(|(key, _)| *key).collect(), ..Self::default() }
    }

    /// Something is settled here.
    pub(super) fn settled(&mut self, key: Key, at: u64) {
        if !self.has(&key, at) {
            self.lacks.insert(key);
        }
    }

    /// Whether it has a spending as late as this.
    fn has(&self, key: &Key, at: u64) -> bool {
        self.has.get(key).is_some_and(|known| at <= *known)
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.has.remove(key);
        self.lacks.remove(key);
        self.told.remove(key);
    }
}

fn told(entry: &Entry) -> Told {
    let request = entry.spending.request.to_vec();
    Told { request, settled: entry.settled, reserved: entry.reserved > 0 }
}

impl Spendings {
    /// All that a peer has not said it has, for a session that it waits in: reserved and settled. And whether that is
    /// all: a frame has room for so much. `run`: that of the peer which asks.
    pub(crate) fn unknown_to(&self, peer: &Identity, run: &[u8; 16]) -> (Vec<Told>, bool) {
        let state = self.lock();
        let known = state.peers.get(peer).filter(|known| known.run == *run);
        let unknown: Box<dyn Iterator<Item = &Entry>> = match known {
            None => Box::new(state.entries.values()),
            Some(known) => {
                let lacks = known.lacks.iter().filter(|key| !state.reserved.contains(*key));
                Box::new(state.reserved.iter().chain(lacks).filter_map(|key| state.entries.get(key)))
            }
        };
        let (mut all, mut bytes) = (Vec::new(), 0_usize);
        for entry in unknown {
            bytes = bytes.saturating_add(entry.spending.size());
            if bytes > TOLD_BYTES {
                return (all, false);
            }
            all.push(told(entry));
        }
        (all, true)
    }

    /// Settled spendings that it is time to tell a peer.
    pub(crate) fn due_for(&self, peer: &Identity, now: SystemTime) -> Vec<Told> {
        let mut state = self.lock();
        let state = &mut *state;
        let now = seconds(now);
        let unheard = || Peer::unheard([0; 16], [0; 16], &state.entries);
        let Peer { lacks, told: last_told, .. } = state.peers.entry(*peer).or_insert_with(unheard);
        let (mut due, mut bytes) = (Vec::new(), 0_usize);
        for (key, entry) in lacks.iter().filter_map(|key| state.entries.get_key_value(key)) {
            let Some(at) = entry.settled else { continue };
            let early = !entry.speaks && now < at.saturating_add(TELL_ALL);
            if early || last_told.get(key).is_some_and(|last| now < last.saturating_add(TELL_AGAIN)) {
                continue;
            }
            let with = bytes.saturating_add(entry.spending.size());
            if with <= TOLD_BYTES {
                bytes = with;
                last_told.insert(*key, now);
                due.push(Told { reserved: false, ..told(entry) });
            }
        }
        due
    }

    /// All that is kept here.
    pub(crate) fn held(&self) -> Vec<Held> {
        let state = self.lock();
        state.entries.iter().filter_map(|(key, entry)| Some((*key, entry.kept?))).collect()
    }

    /// A peer keeps these, it says in this run of it: nothing that it has said in another one counts any more.
    pub(crate) fn held_by(&self, peer: Identity, run: [u8; 16], held: &[Held]) {
        let mut state = self.lock();
        let state = &mut *state;
        let unheard = || Peer::unheard([0; 16], [0; 16], &state.entries);
        let known = state.peers.entry(peer).or_insert_with(unheard);
        if known.run != run {
            if known.previous == run {
                return;
            }
            *known = Peer::unheard(run, known.run, &state.entries);
        }
        for (key, at) in held {
            let last = known.has.entry(*key).or_default();
            *last = (*last).max(*at);
            known.told.remove(key);
            if state.entries.get(key).and_then(|entry| entry.settled).is_some_and(|settled| settled <= *last)
            {
                known.lacks.remove(key);
            }
        }
        // It may have what this node is yet to hear of, but not without end.
        if known.has.len() > state.entries.len().saturating_add(UNHEARD) {
            known.has.retain(|key, _| state.entries.contains_key(key));
        }
    }

    /// What is known here of a spending of which another node tells: then it need not be read again.
    pub(crate) fn recall(&self, key: &Key, settled: Option<u64>) -> Option<Spending> {
        let state = self.lock();
        let entry = state.entries.get(key)?;
        // By what the client had signed when this node heard of it, it may not be so late.
        let is_late = settled.is_some_and(|at| entry.spending.between.1 < at);
        (!is_late).then(|| entry.spending.clone())
    }

    /// Counts what others have told to be settled, from now on. What is too old for any window is left out.
    pub(crate) fn count_settled(&self, told: &mut Vec<(Spending, u64)>) {
        let Some(horizon) = self.horizon else { return told.clear() };
        let since = seconds(SystemTime::now()).saturating_sub(horizon);
        told.retain_mut(|(spending, at)| {
            *at = spending.clamped(*at);
            *at >= since
        });
        let mut state = self.lock();
        for (spending, at) in told {
            state.settle(spending.clone(), *at, false);
        }
    }

    /// Makes durable what others have told; then this node says that it has it. Whether it is.
    pub(crate) async fn keep(&self, told: &[(Spending, u64)]) -> bool {
        let (mut batch, mut held) = (Batch::new(), Vec::new());
        {
            let state = self.lock();
            for (spending, _) in told {
                let Some(entry) = state.entries.get(&spending.key) else { continue };
                let Some(at) = entry.settled else { continue };
                held.push((spending.key, at));
                if entry.kept < Some(at) {
                    batch = written(batch, &entry.spending, at);
                }
            }
        }
        // Not later than others: a row must not be overtaken by an older one.
        if let Err(error) = self.store.commit(batch).await {
            tracing::warn!(%error, "what was spent could not be kept; it is told again");
            return false;
        }
        self.lock().kept(&held);
        true
    }

    /// What was kept since this was asked last.
    pub(crate) fn newly_kept(&self) -> Vec<Held> {
        std::mem::take(&mut self.lock().fresh)
    }
}
