//! The auxiliary information that this node keeps: of each group of nodes, what it made last.
//!
//! It is pending until all of the group have stored it. A node proposes presignatures only under what is active for it, and takes part
//! under what it has stored at all: who proposes knows that everybody has it, and who does not have it declines.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_cggmp21::auxiliary::{Auxiliary, PublicAuxiliary};
use quorate_keys::{Identity, Secret};
use quorate_session::{SessionId, Wire};

use crate::store::{Batch, Store, StoreError, Table};

/// In the store.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Stored {
    auxiliary: Auxiliary,
    /// Digest of the client's request that it was made for, if one was.
    request: Option<[u8; 32]>,
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
    active: bool,
}

impl Known {
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
        Ok(Self { store, known: RwLock::new(known), deciding: tokio::sync::Mutex::default() })
    }

    /// That of a session, active or not.
    pub(crate) fn find(&self, session: &SessionId) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    }

    /// The active one that all of these have a part in: of the largest group, of that the latest.
    pub(crate) fn covering(&self, parties: &BTreeSet<Identity>) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let covers = |known: &&Arc<Known>| {
            known.active && parties.iter().all(|party| known.public.keys.contains_key(party))
        };
        let order = |known: &&Arc<Known>| (known.public.keys.len(), known.public.epoch, known.session);
        known.values().filter(covers).max_by_key(order).cloned()
    }

    /// The active one of just these.
    pub(crate) fn active(&self, parties: &BTreeSet<Identity>) -> Option<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let of_these = known.values().filter(|known| known.active && known.is_of(parties));
        of_these.max_by_key(|known| known.public.epoch).cloned()
    }

    /// The highest epoch of just these, active or not.
    pub(crate) fn latest_epoch(&self, parties: &BTreeSet<Identity>) -> Option<u64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|known| known.is_of(parties)).map(|known| known.public.epoch).max()
    }

    /// Whether a client's request has led to auxiliary information here already.
    pub(crate) fn was_made_for(&self, request: &[u8; 32]) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().any(|known| known.request.as_ref() == Some(request))
    }

    /// How many groups have active auxiliary information.
    pub(crate) fn count_active(&self) -> usize {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.values().filter(|known| known.active).count()
    }

    /// This node's secrets of a session.
    ///
    /// # Errors
    /// Missing or damaged.
    pub(crate) fn secret(&self, session: &SessionId) -> Result<Auxiliary, AuxiliaryFault> {
        Ok(self.stored(session)?.auxiliary)
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
        self.put(Batch::new(), session, &Stored { auxiliary, request, active: false }).await
    }

    /// Everybody has stored it: from now on it is used, and what the same group made before is erased.
    ///
    /// # Errors
    /// The store's; or it is not there.
    pub(crate) async fn activate(&self, session: SessionId) -> Result<Arc<Known>, AuxiliaryFault> {
        let _one_at_a_time = self.deciding.lock().await;
        let mut stored = self.stored(&session)?;
        stored.active = true;
        let public = stored.auxiliary.public();
        let parties: BTreeSet<_> = public.keys.keys().copied().collect();
        let older: Vec<_> = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let older = known.values().filter(|known| {
                known.session != session && known.is_of(&parties) && known.public.epoch <= public.epoch
            });
            older.map(|known| known.session).collect()
        };
        let batch = older
            .iter()
            .fold(Batch::new(), |batch, session| batch.delete(Table::Auxiliary, session.as_bytes()));
        self.put(batch, session, &stored).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|session, _| !older.contains(session));
        known.get(&session).cloned().ok_or(AuxiliaryFault::Absent)
    }

    async fn put(&self, batch: Batch, session: SessionId, stored: &Stored) -> Result<(), AuxiliaryFault> {
        let value = stored.to_wire().map_err(|error| AuxiliaryFault::Unreadable(error.to_string()))?;
        let known = stored.known(session);
        let batch = batch.put(Table::Auxiliary, session.as_bytes(), known.public.epoch, Secret::new(value));
        self.store.commit(batch).await?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(session, Arc::new(known));
        Ok(())
    }
}

impl Stored {
    fn known(&self, session: SessionId) -> Known {
        let Self { auxiliary, request, active } = self;
        Known { session, public: auxiliary.public().clone(), request: *request, active: *active }
    }
}
