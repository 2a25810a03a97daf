//! The wallets that a node knows: of those it holds a share of, the encrypted share is in the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keygen::Certificate;
use quorate_keys::{Identity, PublicKey, Scheme, Secret};
use quorate_request::{WalletId, WalletRef};
use quorate_session::{Agreement, Envelope, SessionId, Wire};
use quorate_sharing::{KeyShare, PublicShares};

use crate::frame::Certified;
use crate::store::{Batch, Precondition, Store, StoreError, Table};

/// What is public of an active wallet, with the proof that all its holders stored their shares.
#[derive(Debug, Clone)]
pub(crate) struct Wallet {
    pub(crate) id: WalletId,
    pub(crate) public_key: PublicKey,
    pub(crate) record: WalletRecord,
}

/// [`Wallet`] as it stands in the store.
#[derive(Debug, Clone, BorshSerialize, BorshDeserialize)]
pub(crate) struct WalletRecord {
    pub(crate) scheme: Scheme,
    pub(crate) request_id: String,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) public: PublicShares,
    pub(crate) certificate: Certificate,
}

impl Wire for WalletRecord {
    const MAX_BYTES: usize = 128 * 1024;
}

/// A share that this node stored and acknowledged while others may not have.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(crate) struct PendingShare {
    pub(crate) wallet: String,
    pub(crate) scheme: Scheme,
    pub(crate) request_id: String,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) agreement: Agreement,
    /// This node's signed acknowledgement.
    pub(crate) acknowledgement: Envelope,
    pub(crate) share: KeyShare,
}

impl Wire for PendingShare {
    const MAX_BYTES: usize = 64 * 1024;
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
            match decode(&name, record.value.expose()) {
                Ok(wallet) => known.insert(Arc::new(wallet)),
                Err(error) => tracing::error!(%error, "a wallet's record can't be read"),
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
        let invalid = |detail: &str| WalletError::Invalid { wallet: wallet.id.to_string(), detail: detail.into() };
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
        let scan = self.store.scan(Table::Pending, "")?;
        let decode = |(_, record): (_, crate::store::Record)| PendingShare::from_wire(record.value.expose()).ok();
        Ok(scan.records.into_iter().filter_map(decode).collect())
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
    pub(crate) async fn store_pending(&self, batch: Batch, pending: &PendingShare) -> Result<(), WalletError> {
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
        let batch = Batch::new()
            .require(Table::Pending, session.as_bytes(), Precondition::Absent)
            .put(Table::Meta, refusal_key(session), 0, Secret::new(vec![1]));
        self.store.commit(batch).await
    }

    /// Drops a pending share, after proof that its certificate can't exist.
    pub(crate) async fn drop_pending(&self, session: &SessionId) -> Result<(), StoreError> {
        self.store.commit(Batch::new().delete(Table::Pending, session.as_bytes())).await
    }

    /// Activates a wallet: its public record, and the pending share if this node has one. Repeating it changes
    /// nothing.
    ///
    /// # Errors
    /// A certificate that does not certify this key, a name that is taken, or the store's.
    pub(crate) async fn activate(&self, certified: Certified, me: &Identity) -> Result<Arc<Wallet>, WalletError> {
        let Certified { wallet: name, scheme, request_id, fingerprint, public, certificate } = certified;
        let session = certificate.session();
        if let Some(wallet) = self.of_session(&session) {
            return Ok(wallet);
        }
        let invalid = |detail: String| WalletError::Invalid { wallet: name.clone(), detail };
        certificate.certifies(&public).map_err(|error| invalid(error.to_string()))?;
        let record = WalletRecord { scheme, request_id, fingerprint, public, certificate };
        let bytes = record.to_wire().map_err(|error| invalid(error.to_string()))?;
        let wallet = decode(&name, &bytes)?;
        let epoch = wallet.record.public.epoch;
        let mut batch = Batch::new().insert(Table::Wallets, &name, epoch, Secret::new(bytes));
        if wallet.record.public.committee.index_of(me).is_some() {
            let pending = self
                .pending_of(&session)?
                .ok_or_else(|| invalid("this node has not stored the share that it acknowledged".into()))?;
            if *pending.share.public() != wallet.record.public || pending.wallet != name {
                return Err(invalid("the certificate is for another key than this node's share".into()));
            }
            let share = pending.share.to_wire().map_err(|error| invalid(error.to_string()))?;
            batch = batch
                .put(Table::Shares, &name, epoch, Secret::new(share))
                .delete(Table::Pending, session.as_bytes());
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
    /// The wallet as nodes tell each other.
    pub(crate) fn certified(&self) -> Certified {
        let WalletRecord { scheme, request_id, fingerprint, public, certificate } = self.record.clone();
        Certified { wallet: self.id.as_str().to_owned(), scheme, request_id, fingerprint, public, certificate }
    }
}

fn refusal_key(session: &SessionId) -> String {
    format!("refused/{session}")
}

fn decode(name: &str, bytes: &[u8]) -> Result<Wallet, WalletError> {
    let invalid = |detail: String| WalletError::Invalid { wallet: name.to_owned(), detail };
    let record = WalletRecord::from_wire(bytes).map_err(|error| invalid(error.to_string()))?;
    let id: WalletId = name.parse().map_err(|error| invalid(format!("{error}")))?;
    let key = record.public.group_key.public_key(record.scheme).map_err(|error| invalid(error.to_string()))?;
    Ok(Wallet { id, public_key: key, record })
}
