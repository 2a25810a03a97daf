//! Shares that this node acknowledged and whose certificate it does not have yet.
//!
//! A pending share holds the name of its wallet: no second key generation of that name is acknowledged here until the
//! first is known to lead to nothing. So of two concurrent ones with a common honest member at most one is certified.
//! The wallet keeps the name that the share held.

use std::sync::{Arc, PoisonError};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keygen::{Certificate, Refusal};
use quorate_keys::Secret;
use quorate_session::{Agreement, Envelope, SessionId, Wire};
use quorate_sharing::{KeyShare, PublicShares};

use super::{WalletError, Wallets};
use crate::frame::Certified;
use crate::store::{Batch, Store, StoreError, Table};

/// A share that this node stored and acknowledged while others may not have.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct PendingShare {
    pub(crate) wallet: String,
    /// The client's request, as it was signed.
    pub(crate) request: Vec<u8>,
    pub(crate) agreement: Agreement,
    /// This node's signed acknowledgement.
    pub(crate) acknowledgement: Envelope,
    pub(crate) share: KeyShare,
}

impl Wire for PendingShare {
    const MAX_BYTES: usize = 256 * 1024;
}

/// A pending share without its secret, as kept in memory.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) wallet: String,
    request: Vec<u8>,
    pub(crate) agreement: Agreement,
    pub(crate) acknowledgement: Envelope,
    public: PublicShares,
    /// Proof that no certificate can exist. Nobody waits for the share any more; should a member have signed both, the
    /// certificate counts.
    pub(crate) set_aside: Option<Refusal>,
}

impl Waiting {
    fn new(pending: &PendingShare, set_aside: Option<Refusal>) -> Self {
        Self {
            wallet: pending.wallet.clone(),
            request: pending.request.clone(),
            agreement: pending.agreement.clone(),
            acknowledgement: pending.acknowledgement.clone(),
            public: pending.share.public().clone(),
            set_aside,
        }
    }

    /// Whether this is the request that it was made for, which this node checked then.
    pub(crate) fn is_for(&self, request: &[u8]) -> bool {
        self.request == request
    }

    /// The wallet, once there is a certificate.
    pub(crate) fn certified(&self, certificate: Certificate) -> Certified {
        Certified { request: self.request.clone(), public: self.public.clone(), certificate }
    }
}

/// What waits according to the store. Damaged records are left out and logged.
pub(super) fn load(store: &Store) -> Result<Vec<Arc<Waiting>>, StoreError> {
    let scan = store.scan(Table::Pending, "")?;
    for damaged in scan.damaged {
        tracing::error!(record = %damaged, "a pending share is damaged: restore this node from a backup");
    }
    let mut waiting = Vec::new();
    for (_, record) in scan.records {
        let pending = match PendingShare::from_wire(record.value.expose()) {
            Ok(pending) => pending,
            Err(error) => {
                tracing::error!(%error, "a pending share can't be read");
                continue;
            }
        };
        let set_aside = refusal_of(store, &pending.agreement.session());
        waiting.push(Arc::new(Waiting::new(&pending, set_aside)));
    }
    Ok(waiting)
}

impl Wallets {
    /// The shares that wait for a certificate, without those that were set aside.
    pub(crate) fn waiting(&self) -> Vec<Arc<Waiting>> {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        pending.values().filter(|waiting| waiting.set_aside.is_none()).cloned().collect()
    }

    /// The pending share of a session, set aside or not.
    pub(crate) fn waiting_of(&self, session: &SessionId) -> Option<Arc<Waiting>> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner).get(session).cloned()
    }

    /// Whether the store says that there is no pending share of a session. If it can't be asked, it does not say so.
    pub(crate) fn is_not_pending(&self, session: &SessionId) -> bool {
        self.store.contains(Table::Pending, session.as_bytes()).is_ok_and(|contains| !contains)
    }

    /// The pending share of a session with its secret.
    pub(super) fn pending_of(&self, session: &SessionId) -> Result<Option<PendingShare>, StoreError> {
        let record = self.store.get(Table::Pending, session.as_bytes())?;
        Ok(record.and_then(|record| PendingShare::from_wire(record.value.expose()).ok()))
    }

    /// Stores a share before it is acknowledged, and holds the wallet's name for it.
    ///
    /// # Errors
    /// The name belongs to a wallet or to another session, or the store's.
    pub(crate) async fn store_pending(
        &self,
        batch: Batch,
        pending: &PendingShare,
    ) -> Result<(), WalletError> {
        let session = pending.agreement.session();
        let invalid = |detail: String| WalletError::Invalid { wallet: pending.wallet.clone(), detail };
        let value = pending.to_wire().map_err(|error| invalid(error.to_string()))?;
        let batch = batch
            .insert(Table::Meta, name_key(&pending.wallet), 0, Secret::new(session.as_bytes().to_vec()))
            .put(Table::Pending, session.as_bytes(), pending.agreement.epoch(), Secret::new(value));
        match self.store.commit(batch).await {
            Ok(()) => {}
            Err(StoreError::Precondition { .. }) => {
                return Err(invalid("its name belongs to another key generation".into()));
            }
            Err(error) => return Err(error.into()),
        }
        let waiting = Arc::new(Waiting::new(pending, None));
        self.pending.write().unwrap_or_else(PoisonError::into_inner).insert(session, waiting);
        Ok(())
    }

    /// Keeps a refusal. A share of that session does not wait for its certificate any more, and lets go of the wallet's
    /// name; but it stays: should the refusal's party have lied, the certificate can still come.
    pub(crate) async fn set_aside(&self, refusal: &Refusal) -> Result<(), WalletError> {
        let session = refusal.session();
        let _one_at_a_time = self.activating.lock().await;
        if self.of_session(&session).is_some() || refusal_of(&self.store, &session).is_some() {
            return Ok(());
        }
        let waiting = self.waiting_of(&session);
        let invalid = |detail: String| WalletError::Invalid { wallet: "?".into(), detail };
        let bytes = refusal.to_wire().map_err(|error| invalid(error.to_string()))?;
        let mut batch = Batch::new().put(Table::Meta, refusal_key(&session), 0, Secret::new(bytes));
        if let Some(waiting) = &waiting
            && self.name_holder(&waiting.wallet)? == Some(session)
        {
            batch = batch.delete(Table::Meta, name_key(&waiting.wallet));
        }
        self.store.commit(batch).await?;
        let mut pending = self.pending.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = pending.get_mut(&session) {
            let changed = Waiting { set_aside: Some(refusal.clone()), ..Waiting::clone(entry) };
            *entry = Arc::new(changed);
        }
        Ok(())
    }

    /// Gives a wallet its name, unless another one has it.
    pub(super) fn take_name(
        &self,
        batch: Batch,
        name: &str,
        session: &SessionId,
    ) -> Result<Batch, StoreError> {
        Ok(match self.name_holder(name)? {
            Some(_) => batch,
            None => batch.insert(Table::Meta, name_key(name), 0, Secret::new(session.as_bytes().to_vec())),
        })
    }

    /// The key generation that has a name, for a wallet or a share that waits.
    fn name_holder(&self, name: &str) -> Result<Option<SessionId>, StoreError> {
        let holder = self.store.get(Table::Meta, name_key(name))?;
        Ok(holder.and_then(|holder| SessionId::try_from_slice(holder.value.expose()).ok()))
    }
}

/// The refusal that is known of a key generation, if it can be read.
pub(super) fn refusal_of(store: &Store, session: &SessionId) -> Option<Refusal> {
    let record = store.get(Table::Meta, refusal_key(session)).ok().flatten()?;
    Refusal::from_wire(record.value.expose()).ok()
}

fn name_key(wallet: &str) -> String {
    format!("name/{wallet}")
}

/// Row of what is known of a session that a member refused.
pub(super) fn refusal_key(session: &SessionId) -> String {
    format!("refusal/{session}")
}
