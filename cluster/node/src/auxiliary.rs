//! The auxiliary information that this node keeps: of each group of nodes, what it made last.
//!
//! It is pending until all of the group have stored it. A node proposes presignatures only under what is active for it, and takes part
//! under what it has stored at all: who proposes knows that everybody has it, and who does not have it declines.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_cggmp21::auxiliary::{Auxiliary, PublicAuxiliary};
use quorate_keys::{Identity, Secret};
use quorate_session::{SessionId, Wire};

use crate::clock::now_millis;
use crate::store::{Batch, Store, StoreError, Table};

/// In the store.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Stored {
    auxiliary: Auxiliary,
    /// Digest of the client's request that it was made for, if one was.
    request: Option<[u8; 32]>,
    /// Milliseconds since 1970.
    made: u64,
    active: bool,
}

impl Wire for Stored {
    const MAX_BYTES: usize = Auxiliary::MAX_BYTES + 64;
}

/// Auxiliary information without its secret.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) session: SessionId,
    pub(crate) public: PublicAuxiliary,
    request: Option<[u8; 32]>,
    made: u64,
    active: bool,
}

impl Known {
    /// Of one group, the later replaces the earlier: the same at each node.
    fn order(&self) -> (u64, SessionId) {
        (self.public.epoch, self.session)
    }

    fn is_of(&self, parties: &BTreeSet<Identity>) -> bool {
        self.public.keys.keys().eq(parties.iter())
    }
}

/// Why there is none to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuxiliaryFault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("this node has no such auxiliary information")]
    Absent,
    #[error("the stored auxiliary information can't be read: {0}")]
    Unreadable(String),
}

/// All of a node.
pub(crate) struct Auxiliaries {
    store: Arc<Store>,
    known: RwLock<HashMap<SessionId, Arc<Known>>>,
    /// What sessions have used, with the tables that the first of them made.
    ready: Mutex<HashMap<SessionId, Arc<Auxiliary>>>,
    /// Held while it is written down what replaces what.
    deciding: tokio::sync::Mutex<()>,
}

impl Auxiliaries {
    /// Loads what is public of it.
    ///
    /// # Errors
    /// The store's; damaged records are left out and logged: new auxiliary information takes their place.
    pub(crate) fn load(store: Arc<Store>) -> Result<Self, StoreError> {
        let scan = store.scan(Table::Auxiliary, "")?;
        for damaged in scan.damaged {
            tracing::error!(record = %damaged, "auxiliary information is damaged: let it be made anew");
        }
        let mut known = HashMap::new();
        for (session, record) in scan.records {
            let read = borsh::from_slice::<SessionId>(&session).ok();
            match read.zip(Stored::from_wire(record.value.expose()).ok()) {
                Some((session, stored)) => {
                    known.insert(session, Arc::new(stored.known(session)));
                }
                None => tracing::error!("auxiliary information can't be read: let it be made anew"),
            }
        }
        let (ready, deciding) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { store, known: RwLock::new(known), ready, deciding })
    }

    /// That of a session, active or not.
    pub(crate) fn find(&self, session: &SessionId) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    }

    /// The active one that all of these have a part in: the latest, of whatever group. What a client has had made anew is used, even if some of an
    /// older, larger group took no part.
    pub(crate) fn covering(&self, parties: &BTreeSet<Identity>) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let covers = |known: &&Arc<Known>| {
            known.active && parties.iter().all(|party| known.public.keys.contains_key(party))
        };
        let order = |known: &&Arc<Known>| (known.made, known.public.keys.len(), known.session);
        known.values().filter(covers).max_by_key(order).cloned()
    }

    /// The active one of just these.
    pub(crate) fn active(&self, parties: &BTreeSet<Identity>) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_these = known.values().filter(|known| known.active && known.is_of(parties));
        of_these.max_by_key(|known| known.order()).cloned()
    }

    /// The highest epoch of just these, active or not.
    pub(crate) fn latest_epoch(&self, parties: &BTreeSet<Identity>) -> Option<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|known| known.is_of(parties)).map(|known| known.public.epoch).max()
    }

    /// Whether a client's request has led to auxiliary information here already.
    pub(crate) fn was_made_for(&self, request: &[u8; 32]) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().any(|known| known.active && known.request.as_ref() == Some(request))
    }

    /// How much there is, active or not.
    pub(crate) fn count(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether that of a session waits to become active.
    pub(crate) fn is_pending(&self, session: &SessionId) -> bool {
        self.find(session).is_some_and(|known| !known.active)
    }

    /// How many groups have active auxiliary information.
    pub(crate) fn count_active(&self) -> usize {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|known| known.active).count()
    }

    /// This node's secrets of a session, read when they are needed first.
    ///
    /// # Errors
    /// Missing or damaged.
    pub(crate) fn secret(&self, session: &SessionId) -> Result<Arc<Auxiliary>, AuxiliaryFault> {
        if let Some(ready) = lock(&self.ready).get(session) {
            return Ok(Arc::clone(ready));
        }
        let auxiliary = Arc::new(self.stored(session)?.auxiliary);
        // With what is known held: what was erased meanwhile is not kept here for ever.
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(session) {
            return Ok(auxiliary);
        }
        Ok(Arc::clone(lock(&self.ready).entry(*session).or_insert(auxiliary)))
    }

    fn stored(&self, session: &SessionId) -> Result<Stored, AuxiliaryFault> {
        let record = self.store.get(Table::Auxiliary, session.as_bytes())?.ok_or(AuxiliaryFault::Absent)?;
        Stored::from_wire(record.value.expose())
            .map_err(|error| AuxiliaryFault::Unreadable(error.to_string()))
    }

    /// Stores what a session has made, before this node acknowledges it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn store_pending(
        &self,
        session: SessionId,
        auxiliary: Auxiliary,
        request: Option<[u8; 32]>,
    ) -> Result<(), AuxiliaryFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let parties: BTreeSet<_> = auxiliary.public().keys.keys().copied().collect();
        // One that waits is enough of a group: an older one has failed.
        let older = self.of(&parties, |known| !known.active);
        let made = now_millis();
        self.put(older, session, &Stored { auxiliary, request, made, active: false }).await
    }

    /// Those of a group.
    fn of(&self, parties: &BTreeSet<Identity>, which: impl Fn(&Known) -> bool) -> Vec<SessionId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_these = known.values().filter(|known| known.is_of(parties) && which(known));
        of_these.map(|known| known.session).collect()
    }

    /// Everybody has stored it: from now on it is used, and what the same group made before is erased. Gives what is used now: what is newer
    /// stays.
    ///
    /// # Errors
    /// The store's; or it is not there.
    pub(crate) async fn activate(&self, session: SessionId) -> Result<Arc<Known>, AuxiliaryFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let mut stored = self.stored(&session)?;
        let this = stored.known(session);
        let parties: BTreeSet<_> = this.public.keys.keys().copied().collect();
        if let Some(active) = self.active(&parties)
            && active.order() >= this.order()
        {
            return Ok(active);
        }
        stored.active = true;
        let older = self.of(&parties, |known| known.order() < this.order());
        self.put(older, session, &stored).await?;
        self.find(&session).ok_or(AuxiliaryFault::Absent)
    }

    /// Stores one in place of others.
    async fn put(
        &self,
        others: Vec<SessionId>,
        session: SessionId,
        stored: &Stored,
    ) -> Result<(), AuxiliaryFault> {
        let value = stored.to_wire().map_err(|error| AuxiliaryFault::Unreadable(error.to_string()))?;
        let new = stored.known(session);
        let batch = others
            .iter()
            .fold(Batch::new(), |batch, session| batch.delete(Table::Auxiliary, session.as_bytes()))
            .put(Table::Auxiliary, session.as_bytes(), new.public.epoch, Secret::new(value));
        self.store.commit(batch).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|session, _| !others.contains(session));
        lock(&self.ready).retain(|session, _| !others.contains(session));
        known.insert(session, Arc::new(new));
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stored {
    fn known(&self, session: SessionId) -> Known {
        let Self { auxiliary, request, made, active } = self;
        let public = auxiliary.public().clone();
        Known { session, public, request: *request, made: *made, active: *active }
    }
}

#[cfg(test)]
mod tests;
