//! The wallets that a node knows: of those it holds a share of, the encrypted share is in the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keygen::Certificate;
use quorate_keys::{Identity, PublicKey, Scheme, Secret};
use quorate_request::{Body, KeygenRequest, SignedRequest, WalletId, WalletRef};
use quorate_session::{Agreement, Envelope, SessionId, Wire};
use quorate_sharing::{KeyShare, PublicShares};

use crate::frame::Certified;
use crate::job;
use crate::protocols;
use crate::store::{Batch, Precondition, Store, StoreError, Table};

/// What is public of an active wallet, with the proof that all its holders stored their shares.
#[derive(Debug, Clone)]
pub(crate) struct Wallet {
    pub(crate) id: WalletId,
    pub(crate) scheme: Scheme,
    pub(crate) public_key: PublicKey,
    /// Fingerprint of the request that made it.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) record: WalletRecord,
}

/// [`Wallet`] as it stands in the store. Everything else follows from it.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct WalletRecord {
    /// The client's request that made it, as it was signed.
    pub(crate) request: Vec<u8>,
    pub(crate) public: PublicShares,
    pub(crate) certificate: Certificate,
}

impl Wire for WalletRecord {
    const MAX_BYTES: usize = 256 * 1024;
}

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

impl PendingShare {
    /// The wallet, once there is a certificate.
    pub(crate) fn certified(self, certificate: Certificate) -> Certified {
        Certified { request: self.request, public: self.share.public().clone(), certificate }
    }
}

/// Why something about wallets did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalletError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record that was authentic, but is not what it must be.
    #[error("wallet {wallet}: {detail}")]
    Invalid { wallet: String, detail: String },
}

/// The wallets by name and by public key.
pub(crate) struct Wallets {
    store: Arc<Store>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, Arc<Wallet>>,
    by_key: HashMap<Vec<u8>, Arc<Wallet>>,
    by_session: HashMap<SessionId, Arc<Wallet>>,
}

impl Known {
    fn insert(&mut self, wallet: Arc<Wallet>) {
        self.by_key.insert(wallet.public_key.as_bytes().to_vec(), Arc::clone(&wallet));
        self.by_session.insert(wallet.record.certificate.session(), Arc::clone(&wallet));
        self.by_id.insert(wallet.id.as_str().to_owned(), wallet);
    }
}

impl Wallets {
    /// Loads what is public of all wallets.
    ///
    /// # Errors
    /// The store's; damaged records are left out and logged, they don't keep the node from serving the others.
    pub(crate) fn load(store: Arc<Store>) -> Result<Self, StoreError> {
        let mut known = Known::default();
        let scan = store.scan(Table::Wallets, "")?;
        for damaged in scan.damaged {
            tracing::error!(record = %damaged, "a wallet's record is damaged: restore this node from a backup");
        }
        for (key, record) in scan.records {
            let name = String::from_utf8_lossy(&key).into_owned();
            let decoded = WalletRecord::from_wire(record.value.expose())
                .map_err(|error| WalletError::Invalid { wallet: name.clone(), detail: error.to_string() })
                .and_then(Wallet::new);
            match decoded {
                Ok(wallet) => known.insert(Arc::new(wallet)),
                Err(error) => tracing::error!(record = name, %error, "a wallet's record can't be read"),
            }
        }
        Ok(Self { store, known: RwLock::new(known) })
    }

    /// All wallets, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.by_id.values().cloned().collect();
        all.sort_by(|left, right| left.id.as_str().cmp(right.id.as_str()));
        all
    }

    /// The wallet with this name or public key.
    pub(crate) fn find(&self, reference: WalletRef<'_>) -> Option<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match reference {
            WalletRef::Id(id) => known.by_id.get(id.as_str()).cloned(),
            WalletRef::PublicKey(key) => known.by_key.get(key).cloned(),
            _ => None,
        }
    }

    /// The wallet that a key generation made.
    pub(crate) fn of_session(&self, session: &SessionId) -> Option<Arc<Wallet>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).by_session.get(session).cloned()
    }

    /// This node's share.
    ///
    /// # Errors
    /// Missing, damaged, or of another epoch.
    pub(crate) fn share(&self, wallet: &Wallet) -> Result<Secret<Vec<u8>>, WalletError> {
        let invalid =
            |detail: &str| WalletError::Invalid { wallet: wallet.id.to_string(), detail: detail.into() };
        let record = self
            .store
            .get(Table::Shares, wallet.id.as_str())?
            .ok_or_else(|| invalid("this node has no share of it"))?;
        if record.epoch != wallet.record.public.epoch {
            return Err(invalid("this node's share is of another epoch"));
        }
        Ok(record.value)
    }

    /// The shares that wait for a certificate.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn pending(&self) -> Result<Vec<PendingShare>, StoreError> {
        let mut waiting = Vec::new();
        for (_, record) in self.store.scan(Table::Pending, "")?.records {
            let Ok(pending) = PendingShare::from_wire(record.value.expose()) else { continue };
            if !self.store.contains(Table::Meta, set_aside_key(&pending.agreement.session()))? {
                waiting.push(pending);
            }
        }
        Ok(waiting)
    }

    /// The pending share of a session.
    ///
    /// # Errors
    /// The store's.
    pub(crate) fn pending_of(&self, session: &SessionId) -> Result<Option<PendingShare>, StoreError> {
        let record = self.store.get(Table::Pending, session.as_bytes())?;
        Ok(record.and_then(|record| PendingShare::from_wire(record.value.expose()).ok()))
    }

    /// Stores a share before it is acknowledged. Fails if this node has promised never to acknowledge the session.
    pub(crate) async fn store_pending(
        &self,
        batch: Batch,
        pending: &PendingShare,
    ) -> Result<(), WalletError> {
        let session = pending.agreement.session();
        let value = pending.to_wire().map_err(|error| WalletError::Invalid {
            wallet: pending.wallet.clone(),
            detail: error.to_string(),
        })?;
        let batch = batch
            .require(Table::Meta, refusal_key(&session), Precondition::Absent)
            .require(Table::Wallets, &pending.wallet, Precondition::Absent)
            .put(Table::Pending, session.as_bytes(), pending.agreement.epoch(), Secret::new(value));
        Ok(self.store.commit(batch).await?)
    }

    /// Promises durably never to acknowledge a session; impossible once its share is pending.
    pub(crate) async fn refuse(&self, session: &SessionId) -> Result<(), StoreError> {
        let batch = Batch::new().require(Table::Pending, session.as_bytes(), Precondition::Absent).put(
            Table::Meta,
            refusal_key(session),
            0,
            Secret::new(vec![1]),
        );
        self.store.commit(batch).await
    }

    /// Waits no longer for the certificate of a pending share, after a signed refusal. The share stays: should its
    /// party have lied, the certificate can still come.
    pub(crate) async fn set_aside(&self, session: &SessionId) -> Result<(), StoreError> {
        let batch = Batch::new().require(Table::Pending, session.as_bytes(), Precondition::Present).put(
            Table::Meta,
            set_aside_key(session),
            0,
            Secret::new(vec![1]),
        );
        self.store.commit(batch).await
    }

    /// Activates a wallet: its public record, and the pending share if this node has one. Repeating it changes
    /// nothing.
    ///
    /// # Errors
    /// A certificate that does not certify this key, a name that is taken, or the store's.
    pub(crate) async fn activate(
        &self,
        certified: Certified,
        me: &Identity,
    ) -> Result<Arc<Wallet>, WalletError> {
        let Certified { request, public, certificate } = certified;
        let session = certificate.session();
        let wallet = Wallet::new(WalletRecord { request, public, certificate })?;
        let name = wallet.id.as_str().to_owned();
        let invalid = |detail: String| WalletError::Invalid { wallet: name.clone(), detail };
        let WalletRecord { public, certificate, .. } = &wallet.record;
        if let Some(known) = self.of_session(&session) {
            let same = known.record.public == *public && known.record.request == wallet.record.request;
            return if same {
                Ok(known)
            } else {
                Err(invalid("another wallet is certified by this session".into()))
            };
        }
        certificate.certifies(public).map_err(|error| invalid(error.to_string()))?;
        let bytes = wallet.record.to_wire().map_err(|error| invalid(error.to_string()))?;
        let epoch = wallet.record.public.epoch;
        let mut batch = Batch::new().insert(Table::Wallets, &name, epoch, Secret::new(bytes));
        if wallet.record.public.committee.index_of(me).is_some() {
            let pending = self
                .pending_of(&session)?
                .ok_or_else(|| invalid("this node has not stored the share that it acknowledged".into()))?;
            if pending.share.public() != public {
                return Err(invalid("the certificate is for another key than this node's share".into()));
            }
            let share = pending.share.to_wire().map_err(|error| invalid(error.to_string()))?;
            batch = batch
                .put(Table::Shares, &name, epoch, Secret::new(share))
                .delete(Table::Pending, session.as_bytes())
                .delete(Table::Meta, set_aside_key(&session));
        }
        match self.store.commit(batch).await {
            Ok(()) => {}
            // A concurrent activation of the same wallet came first.
            Err(error) => match self.of_session(&session) {
                Some(wallet) => return Ok(wallet),
                None => return Err(error.into()),
            },
        }
        let wallet = Arc::new(wallet);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(&wallet));
        tracing::info!(wallet = %wallet.id, key = %wallet.public_key, "the wallet is active");
        Ok(wallet)
    }
}

impl Wallet {
    /// The wallet that a record is of.
    ///
    /// # Errors
    /// A request that is none for this key, or not the one that the certificate's agreement names.
    fn new(record: WalletRecord) -> Result<Self, WalletError> {
        let invalid = |wallet: &str, detail: String| WalletError::Invalid { wallet: wallet.into(), detail };
        let unnamed = |error: &dyn std::fmt::Display| invalid("?", error.to_string());
        let request = SignedRequest::decode(&record.request).map_err(|error| unnamed(&error))?;
        if request.digest() != record.certificate.agreement().proposal().request {
            return Err(unnamed(&"the request is not the one that the parties agreed upon"));
        }
        let body = KeygenRequest::from_json(request.body(), request.request_id())
            .map_err(|error| unnamed(&error))?;
        let fingerprint = request.fingerprint();
        let id = job::wallet_id(&body, &fingerprint).map_err(|error| unnamed(&error.message))?;
        let scheme = protocols::scheme(&body.curve, body.protocol.as_deref())
            .map_err(|error| invalid(id.as_str(), error.message))?;
        let public_key = record
            .public
            .group_key
            .public_key(scheme)
            .map_err(|error| invalid(id.as_str(), error.to_string()))?;
        Ok(Self { id, scheme, public_key, fingerprint, record })
    }

    /// The wallet as nodes tell each other.
    pub(crate) fn certified(&self) -> Certified {
        let WalletRecord { request, public, certificate } = self.record.clone();
        Certified { request, public, certificate }
    }

    /// The client's id of the request that made it.
    pub(crate) fn request_id(certified: &Certified) -> Option<String> {
        let request = SignedRequest::decode(&certified.request).ok()?;
        Some(request.request_id().as_str().to_owned())
    }
}

fn refusal_key(session: &SessionId) -> String {
    format!("refused/{session}")
}

fn set_aside_key(session: &SessionId) -> String {
    format!("set-aside/{session}")
}
