//! What a peer remembers of other logs.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::Identity;
use serde::{Deserialize, Serialize};

use crate::head::SignedHead;
use crate::text::Scope;

/// The newest head of every owner that was observed, about one scope. It holds one head per owner: whose heads are
/// worth observing is the caller's to say.
///
/// A witness sees only what it is shown. A log that was cut and has grown past the head that is known here looks new
/// to it; that the old head is missing shows when the log is verified against it. So who countersigns a head writes it
/// into a log of its own.
#[derive(Debug, Clone)]
pub struct Witness {
    scope: Scope,
    newest: BTreeMap<Identity, SignedHead>,
}

/// What a head is, beside the one that was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// Further than what was known; now this is known.
    New,
    /// What was known.
    Same,
    /// Not as far as what was known, but made no later: it comes late, and proves nothing.
    Late {
        /// What is known, and stays so.
        known: SignedHead,
    },
    /// Not as far as what was known, and made later: the owner went back, its log was cut or an older copy put back.
    Older {
        /// What is known, and stays so.
        known: SignedHead,
    },
    /// The owner signed two histories.
    Fork(Fork),
}

impl Observed {
    /// Whether a peer may countersign the head.
    #[must_use]
    pub const fn is_consistent(&self) -> bool {
        matches!(self, Self::New | Self::Same)
    }
}

/// Two heads of one log for one number with different hashes: proof that its owner signed two histories, or that
/// somebody else has its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The one that was known.
    pub known: SignedHead,
    /// The other one.
    pub seen: SignedHead,
}

impl Fork {
    /// Whether it proves what it says.
    #[must_use]
    pub fn verify(&self) -> bool {
        let (known, seen) = (&self.known.head, &self.seen.head);
        (known.owner, known.scope, known.seq) == (seen.owner, seen.scope, seen.seq)
            && known.hash != seen.hash
            && self.known.verify()
            && self.seen.verify()
    }
}

/// Why a head can't be observed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotObserved {
    /// Its signature is wrong.
    #[error("the head is not signed by the owner that it names")]
    Signature,
    /// It is about another scope.
    #[error("the head is of a log about another scope")]
    Scope,
}

impl Witness {
    /// One that knows nothing yet.
    #[must_use]
    pub const fn new(scope: Scope) -> Self {
        Self { scope, newest: BTreeMap::new() }
    }

    /// Compares a head with the one that is known of its owner.
    ///
    /// # Errors
    /// When it is not signed by the owner that it names, or about another scope; whoever handed it over is to blame.
    pub fn observe(&mut self, seen: SignedHead) -> Result<Observed, NotObserved> {
        if seen.head.scope != self.scope {
            return Err(NotObserved::Scope);
        }
        if !seen.verify() {
            return Err(NotObserved::Signature);
        }
        let Some(&known) = self.newest.get(&seen.head.owner) else {
            self.newest.insert(seen.head.owner, seen);
            return Ok(Observed::New);
        };
        let (before, now) = (&known.head, &seen.head);
        Ok(if now.seq > before.seq {
            self.newest.insert(now.owner, seen);
            Observed::New
        } else if now.seq == before.seq {
            if now.hash == before.hash { Observed::Same } else { Observed::Fork(Fork { known, seen }) }
        } else if now.time <= before.time {
            Observed::Late { known }
        } else {
            Observed::Older { known }
        })
    }

    /// Forgets an owner: what it shows next is new. For one whose log was put back to an older copy, and says so.
    pub fn forget(&mut self, owner: &Identity) {
        self.newest.remove(owner);
    }

    /// The newest head of this owner.
    #[must_use]
    pub fn known(&self, owner: &Identity) -> Option<&SignedHead> {
        self.newest.get(owner)
    }

    /// The newest head of every owner, to be kept.
    pub fn heads(&self) -> impl Iterator<Item = &SignedHead> {
        self.newest.values()
    }
}

#[cfg(test)]
mod tests {
    use quorate_keys::{Secret, SigningIdentity};

    use super::*;
    use crate::head::Head;
    use crate::text::EntryHash;
    use crate::time::Timestamp;

    fn head(owner: u8, seq: u64, hash: u8, time: u64) -> SignedHead {
        let owner = SigningIdentity::from_seed(&Secret::new([owner; 32]));
        let head = Head {
            scope: Scope([1; 32]),
            owner: owner.identity(),
            seq,
            hash: EntryHash([hash; 32]),
            time: Timestamp::from_millis(time).unwrap(),
        };
        SignedHead::sign(head, &owner).unwrap()
    }

    #[test]
    fn a_witness_tells_new_heads_from_old_ones_and_forks() {
        let mut witness = Witness::new(Scope([1; 32]));
        let first = head(1, 10, 1, 100);
        assert_eq!(witness.observe(first), Ok(Observed::New));
        assert_eq!(witness.observe(first), Ok(Observed::Same));
        assert_eq!(witness.observe(head(1, 10, 1, 200)), Ok(Observed::Same));
        assert_eq!(witness.observe(head(2, 3, 1, 100)), Ok(Observed::New));
        let second = head(1, 20, 2, 200);
        assert_eq!(witness.observe(second), Ok(Observed::New));
        assert_eq!(witness.observe(first), Ok(Observed::Late { known: second }));
        let rolled_back = witness.observe(head(1, 11, 1, 300)).unwrap();
        assert_eq!(rolled_back, Observed::Older { known: second });
        assert!(!rolled_back.is_consistent());
        assert_eq!(witness.known(&first.head.owner), Some(&second));
        assert_eq!(witness.heads().count(), 2);
    }

    #[test]
    fn a_fork_is_its_own_proof() {
        let mut witness = Witness::new(Scope([1; 32]));
        let (known, seen) = (head(1, 10, 1, 100), head(1, 10, 2, 100));
        assert_eq!(witness.observe(known), Ok(Observed::New));
        let Ok(Observed::Fork(fork)) = witness.observe(seen) else { panic!("no fork") };
        assert!(fork.verify());
        assert_eq!(borsh::from_slice::<Fork>(&borsh::to_vec(&fork).unwrap()).unwrap(), fork);
        for no_fork in [
            Fork { known, seen: known },
            Fork { known, seen: head(1, 11, 2, 100) },
            Fork { known, seen: head(2, 10, 2, 100) },
            Fork { known, seen: SignedHead { signature: known.signature, ..seen } },
        ] {
            assert!(!no_fork.verify(), "{no_fork:?}");
        }
    }

    #[test]
    fn what_is_not_signed_or_about_something_else_is_not_observed() {
        let mut witness = Witness::new(Scope([2; 32]));
        assert_eq!(witness.observe(head(1, 1, 1, 1)), Err(NotObserved::Scope));
        let mut witness = Witness::new(Scope([1; 32]));
        let mut forged = head(1, 1, 1, 1);
        forged.head.seq = 2;
        assert_eq!(witness.observe(forged), Err(NotObserved::Signature));
        assert_eq!(witness.heads().count(), 0);
    }
}
