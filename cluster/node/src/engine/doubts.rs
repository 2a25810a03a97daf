//! What a node keeps in memory of key generations and resharings in doubt. Whatever of it is forgotten costs time, and nothing else: that
//! no session is refused which this node acknowledged rests on [`recovery`](super::recovery) and the store.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_keys::Identity;
use quorate_session::{Envelope, SessionId};
use quorate_sharing::PartyIndex;
use tokio::sync::watch;

use crate::wallets::Inquiry;

/// Acceptances of this node since its start that it remembers.
const ACCEPTED: usize = 4096;
/// How long the others have to show the certificate of a session that this node can't know.
const SEEK: Duration = Duration::from_secs(1);
/// How long it is remembered that they were asked for it.
const SOUGHT: Duration = Duration::from_secs(60);
/// Questions about sessions unknown here that one peer may ask at once. Each can cost a signature and a turn of the store.
pub(super) const BURST: u32 = 64;
/// How soon it has one more.
const ANOTHER: Duration = Duration::from_millis(50);

/// What this node knows about sessions in doubt.
#[derive(Default)]
pub(super) struct Doubts {
    /// Acknowledgements gathered for pending shares.
    pub(super) gathered: HashMap<SessionId, BTreeMap<PartyIndex, Arc<Envelope>>>,
    /// Attempts of this node as a proposer that wait for a refusal.
    pub(super) unresolved: HashMap<SessionId, (Inquiry, watch::Sender<bool>)>,
    /// This node's fresh bytes in proposals whose start is being looked at: no promise any more, and no session yet.
    pub(super) starting: HashSet<[u8; 32]>,
    /// The fresh bytes of this node's acceptances of them since its start, the oldest first.
    accepted: VecDeque<[u8; 32]>,
    /// Sessions whose certificate was sought from all others, since when, and whether there is one.
    sought: HashMap<SessionId, (Instant, bool)>,
    asked: HashMap<Identity, Allowance>,
}

/// What a node knows of a session's certificate that is not here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// Nobody was asked for it.
    None,
    /// The others were asked a moment ago, or have shown one that is no wallet here.
    Open,
    /// Nobody who was asked has shown one.
    InVain,
}

impl Doubts {
    pub(super) fn accepted(&mut self, fresh: [u8; 32]) {
        if self.accepted.len() == ACCEPTED {
            self.accepted.pop_front();
        }
        self.accepted.push_back(fresh);
    }

    /// Whether this node contributed these bytes to a session since its start: then it forgot nothing that it did there.
    pub(super) fn has_accepted(&self, fresh: &[u8; 32]) -> bool {
        self.accepted.contains(fresh)
    }

    pub(super) fn search(&self, session: &SessionId) -> Search {
        match self.sought.get(session) {
            Some((since, _)) if since.elapsed() > SOUGHT => Search::None,
            Some((since, false)) if since.elapsed() > SEEK => Search::InVain,
            Some(_) => Search::Open,
            None => Search::None,
        }
    }

    pub(super) fn seek(&mut self, session: SessionId) {
        self.sought.retain(|_, (since, _)| since.elapsed() <= SOUGHT);
        self.sought.insert(session, (Instant::now(), false));
    }

    /// Somebody has shown a certificate.
    pub(super) fn found(&mut self, session: &SessionId) {
        if let Some((_, found)) = self.sought.get_mut(session) {
            *found = true;
        }
    }

    /// Whether a peer may ask about a session unknown here once more.
    pub(super) fn may_ask(&mut self, peer: Identity) -> bool {
        self.asked.entry(peer).or_default().take(Instant::now())
    }
}

/// What a peer may still ask. Peers are those of the peers file, so these are few.
struct Allowance {
    left: u32,
    since: Instant,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { left: BURST, since: Instant::now() }
    }
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        while self.left < BURST && now.duration_since(self.since) >= ANOTHER {
            self.left = self.left.saturating_add(1);
            self.since += ANOTHER;
        }
        if self.left == BURST {
            self.since = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_asks_so_often_and_then_at_its_pace() {
        let start = Instant::now();
        let mut allowance = Allowance { left: BURST, since: start };
        assert!((0..BURST).all(|_| allowance.take(start)));
        assert!(!allowance.take(start));
        assert!(allowance.take(start + ANOTHER));
        assert!(!allowance.take(start + ANOTHER));
        assert!((0..3).all(|_| allowance.take(start + 4 * ANOTHER)));
        assert!(!allowance.take(start + 4 * ANOTHER));
        let later = start + 10_000 * ANOTHER;
        assert_eq!((0..1000).filter(|_| allowance.take(later)).count(), BURST as usize);
    }

    #[test]
    fn acceptances_are_forgotten_the_oldest_first() {
        let mut doubts = Doubts::default();
        let fresh = |n: usize| {
            let mut fresh = [0; 32];
            fresh[..8].copy_from_slice(&n.to_le_bytes());
            fresh
        };
        for n in 0..=ACCEPTED {
            doubts.accepted(fresh(n));
        }
        assert!(!doubts.has_accepted(&fresh(0)));
        assert!((1..=ACCEPTED).all(|n| doubts.has_accepted(&fresh(n))));
    }
}
