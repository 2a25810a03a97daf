//! Presignatures that wait for a message.
//!
//! Each has one owner, the node that had it made: only the owner proposes to use it, so that no two signatures compete for
//! one. The signers keep their halves until then.
//!
//! # Security
//! They are kept in memory and nowhere else. A signer that answers twice with one half gives its share of the key away, to whoever
//! holds the others. On disk, a half could come back: with an older copy of the store, a snapshot of the machine, a commit that was
//! rolled back. In memory it can't: what leaves the pool is gone before anything that depends on it leaves the node, and what
//! is lost with the process was never used. The price is that a node starts with an empty pool.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quorate_cggmp21::{Presignature, PresignatureId, Presignatures, PublicPresignature};
use quorate_keys::Identity;
use quorate_session::SessionId;

/// How long a presignature may be known to one node and not yet to another.
const SETTLING: Duration = Duration::from_secs(60);

/// For whom, and under what, presignatures were made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    /// The session that made the wallet's shares.
    pub(crate) wallet: SessionId,
    pub(crate) owner: Identity,
    pub(crate) signers: BTreeSet<Identity>,
    /// The session that made the auxiliary information.
    pub(crate) auxiliary: SessionId,
}

/// What this node has of a presignature.
#[derive(Debug)]
pub(crate) enum Half {
    /// A signer's.
    Signer(Presignature),
    /// Of an owner that is no signer: what all know.
    Owner(PublicPresignature),
}

impl Half {
    fn public(&self) -> &PublicPresignature {
        match self {
            Self::Signer(presignature) => presignature.public(),
            Self::Owner(public) => public,
        }
    }
}

#[derive(Debug)]
struct Entry {
    origin: Arc<Origin>,
    half: Half,
    since: Instant,
    /// The owner is about to propose it.
    claimed: bool,
    /// This node has promised to sign with it.
    reserved: bool,
}

/// How many have come and gone since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) added: AtomicU64,
    pub(crate) used: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

/// All of a node.
#[derive(Debug, Default)]
pub(crate) struct PresignaturePool {
    entries: Mutex<HashMap<PresignatureId, Entry>>,
    pub(crate) counts: Counts,
}

/// Why some can't be promised.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unpromised {
    /// They are not here: used, lost with a restart, or never made.
    Lacking(Vec<PresignatureId>),
    /// Another promise has them.
    Reserved,
    /// They are not for this.
    Foreign,
}

/// Presignatures that an owner is about to use. Dropped, they are free again.
#[derive(Debug)]
pub(crate) struct Claim {
    pool: Arc<PresignaturePool>,
    origin: Arc<Origin>,
    publics: Vec<PublicPresignature>,
}

/// Presignatures that this node has promised to use. Dropped, they are free again: nothing that depends on them has left.
#[derive(Debug)]
pub(crate) struct Reservation {
    pool: Arc<PresignaturePool>,
    ids: Vec<PresignatureId>,
}

impl PresignaturePool {
    fn lock(&self) -> MutexGuard<'_, HashMap<PresignatureId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a session has made.
    pub(crate) fn add(&self, origin: &Arc<Origin>, made: impl IntoIterator<Item = Half>) {
        let mut entries = self.lock();
        for half in made {
            let (id, origin) = (half.public().id, Arc::clone(origin));
            let entry = Entry { origin, half, since: Instant::now(), claimed: false, reserved: false };
            // Nobody's word puts another in place of one that is here.
            if let MapEntry::Vacant(place) = entries.entry(id) {
                place.insert(entry);
                self.counts.added.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Claims so many of a wallet for a signature of one committee: of the signers that cost least, of those the oldest.
    pub(crate) fn claim(
        self: &Arc<Self>,
        owner: &Identity,
        wallet: &SessionId,
        count: usize,
        cost: impl Fn(&BTreeSet<Identity>) -> Option<u32>,
    ) -> Option<Claim> {
        let mut entries = self.lock();
        let mut by_origin: BTreeMap<&Origin, Vec<(Instant, PresignatureId)>> = BTreeMap::new();
        for (id, entry) in entries.iter() {
            if entry.is_free() && entry.origin.owner == *owner && entry.origin.wallet == *wallet {
                by_origin.entry(&entry.origin).or_default().push((entry.since, *id));
            }
        }
        let enough = by_origin.into_iter().filter(|(_, free)| free.len() >= count);
        let costed = enough.filter_map(|(origin, mut free)| {
            free.sort_unstable();
            Some((cost(&origin.signers)?, free))
        });
        let (_, mut chosen) = costed.min()?;
        chosen.truncate(count);
        let mut publics = Vec::with_capacity(count);
        let mut origin = None;
        for (_, id) in chosen {
            let entry = entries.get_mut(&id)?;
            entry.claimed = true;
            publics.push(entry.half.public().clone());
            origin = Some(Arc::clone(&entry.origin));
        }
        Some(Claim { pool: Arc::clone(self), origin: origin?, publics })
    }

    /// Promises presignatures to their owner, for these signers of this wallet.
    ///
    /// # Errors
    /// [`Unpromised`]; then none is promised.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        owner: &Identity,
        wallet: &SessionId,
        signers: &BTreeSet<Identity>,
        ids: &[PresignatureId],
    ) -> Result<Reservation, Unpromised> {
        let mut entries = self.lock();
        let lacking: Vec<_> = ids.iter().filter(|id| !entries.contains_key(id)).copied().collect();
        if !lacking.is_empty() {
            return Err(Unpromised::Lacking(lacking));
        }
        let distinct: HashSet<_> = ids.iter().collect();
        if distinct.len() != ids.len() {
            return Err(Unpromised::Foreign);
        }
        for id in ids {
            let Some(entry) = entries.get(id) else { continue };
            let Origin { owner: its_owner, wallet: its_wallet, signers: its_signers, .. } = &*entry.origin;
            let is_half = matches!(entry.half, Half::Signer(_));
            if !is_half || its_owner != owner || its_wallet != wallet || its_signers != signers {
                return Err(Unpromised::Foreign);
            }
            if entry.reserved {
                return Err(Unpromised::Reserved);
            }
        }
        for id in ids {
            if let Some(entry) = entries.get_mut(id) {
                entry.reserved = true;
            }
        }
        Ok(Reservation { pool: Arc::clone(self), ids: ids.to_vec() })
    }

    /// Whether all of these are here.
    pub(crate) fn has_all(&self, ids: &[PresignatureId]) -> bool {
        let entries = self.lock();
        ids.iter().all(|id| entries.contains_key(id))
    }

    /// The public side of presignatures, in this order; of those that are here.
    pub(crate) fn publics(&self, ids: &[PresignatureId]) -> Vec<PublicPresignature> {
        let entries = self.lock();
        ids.iter().filter_map(|id| Some(entries.get(id)?.half.public().clone())).collect()
    }

    /// How many of a wallet an owner may use with signers that are fit.
    pub(crate) fn ready(
        &self,
        owner: &Identity,
        wallet: &SessionId,
        fit: impl Fn(&BTreeSet<Identity>) -> bool,
    ) -> usize {
        let entries = self.lock();
        let ready = |entry: &&Entry| {
            let Origin { owner: its_owner, wallet: its_wallet, signers, .. } = &*entry.origin;
            entry.is_free() && its_owner == owner && its_wallet == wallet && fit(signers)
        };
        entries.values().filter(ready).count()
    }

    /// How many of a wallet this node keeps for an owner.
    pub(crate) fn kept_for(&self, owner: &Identity, wallet: &SessionId) -> usize {
        let entries = self.lock();
        let its = |entry: &&Entry| entry.origin.owner == *owner && entry.origin.wallet == *wallet;
        entries.values().filter(its).count()
    }

    /// How many an owner may use now, and how many are kept in all.
    pub(crate) fn depth(&self, owner: &Identity) -> (usize, usize) {
        let entries = self.lock();
        let free = entries.values().filter(|entry| entry.is_free() && entry.origin.owner == *owner).count();
        (free, entries.len())
    }

    /// Drops those whose origin is no good any more, except what is promised: that ends by itself.
    pub(crate) fn retain(&self, good: impl Fn(&Origin) -> bool) -> usize {
        self.drop_unless(&mut self.lock(), |_, entry| entry.reserved || good(&entry.origin))
    }

    /// Drops these of an owner, promised or not: this signer says that it does not have them. Gives how many.
    pub(crate) fn forget(&self, owner: &Identity, signer: &Identity, ids: &[PresignatureId]) -> usize {
        let ids: HashSet<_> = ids.iter().collect();
        self.drop_unless(&mut self.lock(), |id, entry| {
            let Origin { owner: its_owner, signers, .. } = &*entry.origin;
            its_owner != owner || !signers.contains(signer) || !ids.contains(id)
        })
    }

    fn drop_unless(
        &self,
        entries: &mut HashMap<PresignatureId, Entry>,
        keep: impl Fn(&PresignatureId, &Entry) -> bool,
    ) -> usize {
        let before = entries.len();
        entries.retain(|id, entry| keep(id, entry));
        let dropped = before - entries.len();
        self.counts.dropped.fetch_add(u64::try_from(dropped).unwrap_or_default(), Ordering::Relaxed);
        dropped
    }

    /// An owner's, of which a peer must have its half.
    pub(crate) fn shared_with(&self, owner: &Identity, peer: &Identity) -> Vec<PresignatureId> {
        let entries = self.lock();
        let shared = entries
            .iter()
            .filter(|(_, entry)| entry.origin.owner == *owner && entry.origin.signers.contains(peer));
        shared.map(|(id, _)| *id).collect()
    }

    /// Takes an owner's word on what it has that this node must have, too: drops what it does not have, and gives what this node lacks.
    pub(crate) fn compare(&self, owner: &Identity, theirs: &[PresignatureId]) -> Vec<PresignatureId> {
        let mut entries = self.lock();
        let known: HashSet<_> = theirs.iter().collect();
        self.drop_unless(&mut entries, |id, entry| {
            let Entry { origin, since, reserved, .. } = entry;
            origin.owner != *owner || known.contains(id) || *reserved || since.elapsed() < SETTLING
        });
        theirs.iter().filter(|id| !entries.contains_key(id)).copied().collect()
    }

    /// Takes a signer's word that it has no halves of these. Those that are new may be on their way to it.
    pub(crate) fn lacking(&self, owner: &Identity, peer: &Identity, ids: &[PresignatureId]) -> usize {
        let ids: HashSet<_> = ids.iter().collect();
        self.drop_unless(&mut self.lock(), |id, entry| {
            let Entry { origin, since, reserved, .. } = entry;
            let its = origin.owner == *owner && origin.signers.contains(peer) && ids.contains(id);
            !its || *reserved || since.elapsed() < SETTLING
        })
    }
}

impl Entry {
    fn is_free(&self) -> bool {
        !self.claimed && !self.reserved
    }
}

impl Claim {
    /// For whom they were made.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What all signers know of them.
    pub(crate) fn publics(&self) -> &[PublicPresignature] {
        &self.publics
    }

    fn ids(&self) -> impl Iterator<Item = PresignatureId> + '_ {
        self.publics.iter().map(|public| public.id)
    }

    /// A signer has not taken them: others come first for a while.
    pub(crate) fn put_back(&self) {
        let mut entries = self.pool.lock();
        for id in self.ids() {
            if let Some(entry) = entries.get_mut(&id) {
                entry.since = Instant::now();
            }
        }
    }

    /// The signers have been told to begin: nobody uses them again.
    pub(crate) fn burn(&self) {
        let mut entries = self.pool.lock();
        // This node's own promise takes its halves with it.
        let burnt = self.ids().filter(|id| entries.remove(id).is_some()).count();
        self.pool.counts.used.fetch_add(u64::try_from(burnt).unwrap_or_default(), Ordering::Relaxed);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut entries = self.pool.lock();
        for id in self.ids() {
            if let Some(entry) = entries.get_mut(&id) {
                entry.claimed = false;
            }
        }
    }
}

impl Reservation {
    /// Whether one of these is among them.
    pub(crate) fn has_any(&self, ids: &[PresignatureId]) -> bool {
        self.ids.iter().any(|id| ids.contains(id))
    }

    /// Takes the halves out of the pool, for good. `None` if one of them has gone.
    pub(crate) fn take(mut self) -> Option<Presignatures> {
        let mut entries = self.pool.lock();
        let mut halves = Vec::with_capacity(self.ids.len());
        for id in std::mem::take(&mut self.ids) {
            if let Some(Entry { half: Half::Signer(half), .. }) = entries.remove(&id) {
                halves.push(Some(half));
            } else {
                halves.push(None);
            }
        }
        self.pool.counts.used.fetch_add(u64::try_from(halves.len()).unwrap_or_default(), Ordering::Relaxed);
        halves.into_iter().collect::<Option<_>>().map(Presignatures)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut entries = self.pool.lock();
        for id in &self.ids {
            if let Some(entry) = entries.get_mut(id) {
                entry.reserved = false;
            }
        }
    }
}

#[cfg(test)]
mod tests;
