//! Shares that this node acknowledged and whose certificate it does not have yet.
//!
//! A pending share holds the name of its wallet: no second key generation of that name is acknowledged here until the
//! first is known to lead to nothing. So of two concurrent ones with a common honest member at most one is certified.
//! The wallet keeps the name that the share held.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keygen::{Certificate, Refusal};
use quorate_keys::Secret;
use quorate_request::WalletId;
use quorate_reshare::{Keeper, Link, Pending as Renewal, Setup};
use quorate_session::{Agreement, Envelope, Evidence, SessionId, Start, Wire, setup_digest};
use quorate_sharing::{KeyShare, PublicShares};

use super::{Wallet, WalletError, Wallets};
use crate::frame::{Begun, Certified};
use crate::store::{Batch, Found, Precondition, Record, Store, StoreError, Table};

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

/// What a pending share is of.
#[derive(Debug, Clone)]
pub(super) enum Made {
    /// A new wallet, which the client asked for so.
    New { request: Vec<u8> },
    /// A wallet at a new epoch.
    Renewed { setup: Box<Setup>, start: Box<Start> },
}

/// A pending share without its secret, as kept in memory. Of a resharing, also what remains to one that has dealt and leaves.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) wallet: String,
    pub(super) made: Made,
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
            made: Made::New { request: pending.request.clone() },
            agreement: pending.agreement.clone(),
            acknowledgement: pending.acknowledgement.clone(),
            public: pending.share.public().clone(),
            set_aside,
        }
    }

    /// Whether another member's genuine acknowledgement can be one of a certificate: of new shares, it proves that their holder knows its own.
    pub(crate) fn counts(&self, acknowledgement: &Envelope) -> bool {
        match &self.made {
            Made::New { .. } => true,
            Made::Renewed { .. } => quorate_reshare::shows_share(acknowledgement, &self.public),
        }
    }

    pub(super) fn renewed(wallet: &WalletId, pending: &Renewal) -> Self {
        Self {
            wallet: wallet.to_string(),
            made: Made::Renewed {
                setup: Box::new(pending.setup.clone()),
                start: Box::new(pending.start.clone()),
            },
            agreement: pending.agreement.clone(),
            acknowledgement: pending.acknowledgement.clone(),
            public: pending.renewed.public().clone(),
            set_aside: pending.set_aside.clone(),
        }
    }

    /// Whether this is the request that it was made for, which this node checked then.
    pub(crate) fn is_for(&self, request: &[u8]) -> bool {
        matches!(&self.made, Made::New { request: own } if own == request)
    }

    /// Whether it is of a resharing of this wallet.
    fn is_of(&self, wallet: &SessionId) -> bool {
        matches!(&self.made, Made::Renewed { setup, .. } if setup.origin == *wallet)
    }

    /// What became true, once there is a certificate.
    pub(crate) fn proof(&self, certificate: Certificate) -> Proof {
        let public = self.public.clone();
        match &self.made {
            Made::New { request } => {
                Proof::New(Box::new(Certified { request: request.clone(), public, certificate }))
            }
            Made::Renewed { setup, .. } => {
                Proof::Renewed(Box::new(Link { setup: Setup::clone(setup), public, certificate }))
            }
        }
    }

    /// What to ask the others.
    pub(crate) fn inquiry(&self) -> Inquiry {
        let setup = match &self.made {
            Made::New { .. } => None,
            Made::Renewed { setup, .. } => Some(Setup::clone(setup)),
        };
        Inquiry { agreement: self.agreement.clone(), setup }
    }

    /// What shows that a resharing was begun, if it is one.
    pub(crate) fn begun(&self) -> Option<Begun> {
        match &self.made {
            Made::New { .. } => None,
            Made::Renewed { setup, start } => Some(Begun {
                proposal: self.agreement.proposal().clone(),
                setup: Setup::clone(setup),
                start: Start::clone(start),
            }),
        }
    }
}

/// A session of which somebody does not know what became of it: all that was agreed upon, as its name alone does not tell which promise led
/// to it.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct Inquiry {
    pub(crate) agreement: Agreement,
    /// Of a resharing: what was agreed upon beside the committee, which tells the wallet.
    pub(crate) setup: Option<Setup>,
}

impl Inquiry {
    /// Of a key generation.
    #[cfg(test)]
    pub(crate) const fn of_new(agreement: Agreement) -> Self {
        Self { agreement, setup: None }
    }

    /// Whether it tells what was agreed upon, where that is more than the committee.
    pub(crate) fn is_whole(&self) -> bool {
        let setup = match &self.setup {
            None => ().to_wire(),
            Some(setup) => setup.to_wire(),
        };
        setup.is_ok_and(|setup| setup_digest(&setup) == self.agreement.proposal().setup)
    }
}

/// That every party of a session has stored what it made.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// A wallet.
    New(Box<Certified>),
    /// A wallet's next epoch.
    Renewed(Box<Link>),
}

/// The shares without a certificate.
#[derive(Default)]
pub(super) struct Pending {
    by_session: HashMap<SessionId, Arc<Waiting>>,
    /// Those that hold a name. A share that was set aside holds none, and stays for ever: only its member's word says that no
    /// certificate exists, and if it lied, the share is what saves the wallet.
    by_name: HashMap<String, SessionId>,
}

impl Pending {
    /// What a wallet's holder has acknowledged of its resharings.
    pub(super) fn insert_all(&mut self, wallet: &Wallet, keeper: &Keeper) {
        for pending in keeper.pending() {
            self.insert(Waiting::renewed(&wallet.id, pending));
        }
    }

    /// Forgets what was acknowledged of a wallet's resharings.
    pub(super) fn remove_all(&mut self, wallet: &SessionId) {
        self.by_session.retain(|_, waiting| !waiting.is_of(wallet));
    }

    pub(super) fn insert(&mut self, waiting: Waiting) {
        let session = waiting.agreement.session();
        match (&waiting.made, &waiting.set_aside) {
            (Made::New { .. }, None) => {
                self.by_name.insert(waiting.wallet.clone(), session);
            }
            (Made::New { .. }, Some(_)) if self.by_name.get(&waiting.wallet) == Some(&session) => {
                self.by_name.remove(&waiting.wallet);
            }
            _ => {}
        }
        self.by_session.insert(session, Arc::new(waiting));
    }

    pub(super) fn remove(&mut self, session: &SessionId) {
        if let Some(waiting) = self.by_session.remove(session)
            && self.by_name.get(&waiting.wallet) == Some(session)
        {
            self.by_name.remove(&waiting.wallet);
        }
    }
}

/// What waits according to the store. Damaged records are left out and logged.
pub(super) fn load(store: &Store) -> Result<Pending, StoreError> {
    let scan = store.scan(Table::Pending, "")?;
    for damaged in scan.damaged {
        tracing::error!(record = %damaged, "a pending share is damaged: restore this node from a backup");
    }
    let mut waiting = Pending::default();
    for (_, record) in scan.records {
        let pending = match PendingShare::from_wire(record.value.expose()) {
            Ok(pending) => pending,
            Err(error) => {
                tracing::error!(%error, "a pending share can't be read");
                continue;
            }
        };
        let set_aside = refusal_of(store, &pending.agreement.session());
        waiting.insert(Waiting::new(&pending, set_aside));
    }
    Ok(waiting)
}

/// What a wallet's name is to this node.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    Free,
    /// Of this key generation: its wallet, or its share that waits.
    HeldBy(SessionId),
    /// Of one that can't be told any more.
    Damaged,
}

impl Wallets {
    /// The shares that wait for a certificate, without those that were set aside.
    pub(crate) fn waiting(&self) -> Vec<Arc<Waiting>> {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        pending.by_session.values().filter(|waiting| waiting.set_aside.is_none()).cloned().collect()
    }

    /// Of a wallet's resharings that wait the one that leads furthest: another one that leads no further is not acknowledged here.
    pub(crate) fn waiting_renewal(&self, wallet: &SessionId) -> Option<Arc<Waiting>> {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        let open = pending
            .by_session
            .values()
            .filter(|waiting| waiting.is_of(wallet) && waiting.set_aside.is_none());
        open.max_by_key(|waiting| waiting.agreement.epoch()).cloned()
    }

    /// All that this node has acknowledged of a wallet's resharings, and can come to count.
    pub(crate) fn acknowledged_renewals(&self, wallet: &SessionId) -> Vec<Arc<Waiting>> {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        pending.by_session.values().filter(|waiting| waiting.is_of(wallet)).cloned().collect()
    }

    /// The share that waits for its certificate, and holds a name as long.
    pub(crate) fn waiting_for(&self, name: &WalletId) -> Option<Arc<Waiting>> {
        let pending = self.pending.read().unwrap_or_else(PoisonError::into_inner);
        pending.by_session.get(pending.by_name.get(name.as_str())?).cloned()
    }

    /// Whether a name belongs to a key generation of which nothing else can be read here: then no share can be stored under
    /// it. Not while something is being stored: its name is on disk before it is in memory.
    pub(crate) fn is_lost(&self, name: &WalletId) -> Result<bool, StoreError> {
        let Ok(_nothing_changes) = self.deciding.try_lock() else { return Ok(false) };
        Ok(match self.holder(&name_key(name.as_str()))? {
            Name::Free => false,
            Name::HeldBy(session) => {
                self.waiting_of(&session).is_none() && self.of_session(&session).is_none()
            }
            Name::Damaged => true,
        })
    }

    /// The pending share of a session, set aside or not.
    pub(crate) fn waiting_of(&self, session: &SessionId) -> Option<Arc<Waiting>> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner).by_session.get(session).cloned()
    }

    /// Whether the store says, behind all writes that were handed to it, that this node never acknowledged a session. If it
    /// can't tell, it does not say so. A damaged record is a trace as any other.
    pub(crate) async fn has_no_trace_of(&self, session: &SessionId) -> bool {
        // In the order in which a share moves from one to the others.
        for table in [Table::Pending, Table::Shares, Table::Wallets] {
            // The writer, who takes one batch after the other, is asked for the contrary: to be refused costs it no commit.
            let present = Batch::new().require(table, session.as_bytes(), Precondition::Present);
            match self.store.commit(present).await {
                Err(StoreError::Precondition { found: Found::Absent, .. }) => {}
                _ => return false,
            }
        }
        true
    }

    /// The pending share of a session with its secret. One that can't be read is none, and stays where it is.
    pub(super) fn pending_of(&self, session: &SessionId) -> Result<Option<PendingShare>, StoreError> {
        let read = match self.store.get(Table::Pending, session.as_bytes()) {
            Ok(None) => return Ok(None),
            Ok(Some(record)) => {
                PendingShare::from_wire(record.value.expose()).map_err(|error| error.to_string())
            }
            Err(error @ StoreError::DamagedRecord { .. }) => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        if let Err(error) = &read {
            tracing::error!(%session, error, "a pending share can't be read: restore this node from a backup");
        }
        Ok(read.ok())
    }

    /// Stores a share before it is acknowledged, and holds the wallet's name for it.
    ///
    /// # Errors
    /// The name belongs to a wallet or to another session, another member has refused this one, or the store's.
    pub(crate) async fn store_pending(
        &self,
        batch: Batch,
        pending: &PendingShare,
    ) -> Result<(), WalletError> {
        let session = pending.agreement.session();
        let invalid = |detail: String| WalletError::Invalid { wallet: pending.wallet.clone(), detail };
        let value = pending.to_wire().map_err(|error| invalid(error.to_string()))?;
        let too_late = |detail: &str| {
            Err(WalletError::TooLate { wallet: pending.wallet.clone(), detail: detail.into() })
        };
        let _one_at_a_time = self.deciding.lock().await;
        // What another member refused would hold its name, and nobody would free it again.
        let batch = batch
            .require(Table::Meta, refusal_key(&session), Precondition::Absent)
            .insert(Table::Meta, name_key(&pending.wallet), 0, Secret::new(session.as_bytes().to_vec()))
            .put(Table::Pending, session.as_bytes(), pending.agreement.epoch(), Secret::new(value));
        match self.store.commit(batch).await {
            Ok(()) => {}
            Err(StoreError::Precondition { .. }) if refusal_of(&self.store, &session).is_some() => {
                return too_late("another member has refused its key generation");
            }
            Err(StoreError::Precondition { .. }) => {
                return too_late("its name belongs to another key generation");
            }
            Err(error) => return Err(error.into()),
        }
        let waiting = Waiting::new(pending, None);
        self.pending.write().unwrap_or_else(PoisonError::into_inner).insert(waiting);
        Ok(())
    }

    /// Keeps a refusal. A share of that session does not wait for its certificate any more, and lets go of the wallet's
    /// name; but it stays: should the refusal's party have lied, the certificate can still come. `false` if it has come.
    pub(crate) async fn set_aside(&self, refusal: &Refusal) -> Result<bool, WalletError> {
        let session = refusal.session();
        if let Some(Made::Renewed { setup, .. }) =
            self.waiting_of(&session).as_ref().map(|waiting| &waiting.made)
        {
            return self.set_renewal_aside(&setup.origin, refusal).await;
        }
        let _one_at_a_time = self.deciding.lock().await;
        if self.of_session(&session).is_some() {
            return Ok(false);
        }
        if refusal_of(&self.store, &session).is_some() {
            return Ok(true);
        }
        let waiting = self.waiting_of(&session);
        let invalid = |detail: String| WalletError::Invalid { wallet: "?".into(), detail };
        let bytes = refusal.to_wire().map_err(|error| invalid(error.to_string()))?;
        let mut batch = Batch::new().put(Table::Meta, refusal_key(&session), 0, Secret::new(bytes));
        let name = match &waiting {
            Some(waiting) => Some(name_key(&waiting.wallet)),
            None => self.name_of_unreadable(&session)?,
        };
        if let Some(name) = name
            && self.holder(&name)? == Name::HeldBy(session)
        {
            batch = batch.delete(Table::Meta, name);
        }
        self.store.commit(batch).await?;
        if let Some(waiting) = waiting {
            let waiting = Waiting { set_aside: Some(refusal.clone()), ..Waiting::clone(&waiting) };
            self.pending.write().unwrap_or_else(PoisonError::into_inner).insert(waiting);
        }
        Ok(true)
    }

    /// The name that a pending share holds which can't be read: its row is all that tells.
    fn name_of_unreadable(&self, session: &SessionId) -> Result<Option<String>, StoreError> {
        if !self.store.contains(Table::Pending, session.as_bytes())? {
            return Ok(None);
        }
        let names = self.store.scan(Table::Meta, NAME)?.records.into_iter();
        let mut names = names.filter(|(_, holder)| holder.value.expose() == session.as_bytes());
        Ok(names.next().and_then(|(name, _)| String::from_utf8(name).ok()))
    }

    /// Gives a wallet its name, unless another one has it.
    pub(super) fn take_name(
        &self,
        batch: Batch,
        name: &str,
        session: &SessionId,
    ) -> Result<Batch, StoreError> {
        let key = name_key(name);
        Ok(match self.holder(&key)? {
            Name::Free => batch.insert(Table::Meta, key, 0, Secret::new(session.as_bytes().to_vec())),
            Name::HeldBy(_) => batch,
            Name::Damaged => {
                tracing::error!(
                    wallet = name,
                    "the record of whose name this is is damaged: it stays as it is"
                );
                batch
            }
        })
    }

    fn holder(&self, name: &str) -> Result<Name, StoreError> {
        Ok(match self.store.get(Table::Meta, name) {
            Ok(None) => Name::Free,
            Ok(Some(holder)) => {
                SessionId::try_from_slice(holder.value.expose()).map_or(Name::Damaged, Name::HeldBy)
            }
            Err(StoreError::DamagedRecord { .. }) => Name::Damaged,
            Err(error) => return Err(error),
        })
    }
}

/// The sessions of which a refusal is known: for itself, or from the evidence against a member that acknowledged all the
/// same.
pub(super) fn refused(store: &Store) -> Result<HashSet<SessionId>, StoreError> {
    let kept = store.scan(Table::Evidence, "")?.records.into_iter();
    let shown = kept.filter_map(|(_, record)| refusal_in(&record)).map(|refusal| refusal.session());
    let mut sessions: HashSet<_> = shown.collect();
    for key in store.keys(Table::Meta, REFUSAL)? {
        let session = key.strip_prefix(REFUSAL.as_bytes()).and_then(|session| hex::decode(session).ok());
        sessions.extend(session.and_then(|session| SessionId::try_from_slice(&session).ok()));
    }
    Ok(sessions)
}

/// The same for the session of one certificate.
pub(super) fn is_refused(store: &Store, certificate: &Certificate) -> Result<bool, StoreError> {
    let session = certificate.session();
    if store.contains(Table::Meta, refusal_key(&session))? {
        return Ok(true);
    }
    for member in certificate.agreement().committee().members() {
        // As `engine/exclusion.rs` keeps it.
        let kept = store.get(Table::Evidence, format!("{}/{session}", member.identity));
        if kept.ok().flatten().is_some_and(|record| refusal_in(&record).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn refusal_in(evidence: &Record) -> Option<Refusal> {
    Refusal::shown_by(&Evidence::from_wire(evidence.value.expose()).ok()?)
}

/// The refusal that is known of a key generation, if it can be read.
pub(super) fn refusal_of(store: &Store, session: &SessionId) -> Option<Refusal> {
    let record = store.get(Table::Meta, refusal_key(session)).ok().flatten()?;
    Refusal::from_wire(record.value.expose()).ok()
}

/// Rows of who has a wallet's name.
const NAME: &str = "name/";
/// Rows of what is known of sessions that a member refused.
const REFUSAL: &str = "refusal/";

fn name_key(wallet: &str) -> String {
    format!("{NAME}{wallet}")
}

fn refusal_key(session: &SessionId) -> String {
    format!("{REFUSAL}{session}")
}
