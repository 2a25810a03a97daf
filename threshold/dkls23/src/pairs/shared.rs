//! One set of pairs, used by many sessions at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quorate_oblivious::Cheat;
use quorate_sharing::PartyIndex;

use super::{Pair, Pairs, PublicPairs};

/// Pairs that sessions share. There must be one of them for one [`Pairs`], in all the world: it sees to it that messages of one peer are checked
/// one after the other, and that nothing is checked any more of a peer that was caught.
pub struct SharedPairs {
    pairs: Pairs,
    caught: BTreeMap<PartyIndex, Mutex<bool>>,
}

/// Why nothing came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unchecked {
    /// The peer was caught before, maybe in another session.
    Caught,
    /// There is no such peer.
    Unknown,
    /// It cheats now.
    Cheats(Cheat),
}

impl SharedPairs {
    /// Shares pairs, of which these peers were `caught` cheating before: whom a session named as lasting
    /// ([`Abort::Witnessed`](quorate_session::Abort::Witnessed)), and whoever uses this stored.
    #[must_use]
    pub fn new(pairs: Pairs, caught: impl IntoIterator<Item = PartyIndex>) -> Self {
        let mut peers: BTreeMap<_, _> = pairs.peers().map(|peer| (peer, Mutex::new(false))).collect();
        for peer in caught {
            peers.insert(peer, Mutex::new(true));
        }
        Self { pairs, caught: peers }
    }

    /// What all holders of the key know of the pairs.
    #[must_use]
    pub const fn public(&self) -> &PublicPairs {
        self.pairs.public()
    }

    /// Whose they are.
    #[must_use]
    pub const fn party(&self) -> PartyIndex {
        self.pairs.party()
    }

    /// Whether a peer was caught.
    #[must_use]
    pub fn is_caught(&self, peer: PartyIndex) -> bool {
        self.caught.get(&peer).is_some_and(|caught| *lock(caught))
    }

    /// Notes that a peer was caught: sessions that run stop at their next step.
    pub fn catch(&self, peer: PartyIndex) {
        if let Some(caught) = self.caught.get(&peer) {
            *lock(caught) = true;
        }
    }

    /// The seeds of a pair, for what checks nothing of the peer's.
    pub(crate) fn pair(&self, peer: PartyIndex) -> Option<&Pair> {
        self.pairs.pairs.get(&peer)
    }

    /// Checks what a peer has sent: alone, and only if it was not caught before. `check` gives one verdict on all that is to be checked.
    pub(crate) fn check<T>(
        &self,
        peer: PartyIndex,
        check: impl FnOnce(&Pair) -> Result<T, Cheat>,
    ) -> Result<T, Unchecked> {
        let (Some(pair), Some(caught)) = (self.pair(peer), self.caught.get(&peer)) else {
            return Err(Unchecked::Unknown);
        };
        let mut caught = lock(caught);
        if *caught {
            return Err(Unchecked::Caught);
        }
        check(pair).map_err(|cheat| {
            *caught = matches!(cheat, Cheat::Inconsistent(_));
            Unchecked::Cheats(cheat)
        })
    }
}

/// A check that panicked tells nothing about the peer.
fn lock(caught: &Mutex<bool>) -> MutexGuard<'_, bool> {
    caught.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for SharedPairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPairs").field("pairs", &self.pairs).finish_non_exhaustive()
    }
}
