//! The wallets that a node knows: of those it holds a share of, the encrypted share is in the store.
//!
//! A wallet is its key; the name is the client's word for it. Two keys can be certified under one name: by committees that
//! have no member in common, or through a member that first refuses a key generation and later acknowledges it. Then both
//! are kept, and the name alone means neither of them.

mod census;
mod pending;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keygen::Certificate;
use quorate_keys::{Identity, PublicKey, Scheme, Secret};
use quorate_request::{Body, ErrorBody, ErrorCode, KeygenRequest, SignedRequest, WalletId, WalletRef};
use quorate_session::{SessionId, Wire};
use quorate_sharing::PublicShares;

use crate::frame::Certified;
use crate::job;
use crate::protocols;
use crate::store::{Batch, Store, StoreError, Table};
pub(crate) use census::Census;
pub(crate) use pending::{PendingShare, Waiting};

/// What is public of an active wallet, with the proof that all its holders stored their shares.
#[derive(Debug, Clone)]
pub(crate) struct Wallet {
    pub(crate) id: WalletId,
    pub(crate) scheme: Scheme,
    pub(crate) public_key: PublicKey,
    /// Fingerprint of the request that made it.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) record: WalletRecord,
    /// Its key in the store's tables: the name, and the session after it where the name was taken.
    row: String,
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
    pending: RwLock<HashMap<SessionId, Arc<Waiting>>>,
    /// Held while a wallet is activated: the same certificate comes from several sides at once.
    activating: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, Vec<Arc<Wallet>>>,
    by_key: HashMap<Vec<u8>, Arc<Wallet>>,
    by_session: HashMap<SessionId, Arc<Wallet>>,
    census: Census,
}

impl Known {
    fn insert(&mut self, wallet: Arc<Wallet>) {
        self.by_key.insert(wallet.public_key.as_bytes().to_vec(), Arc::clone(&wallet));
        self.by_session.insert(wallet.record.certificate.session(), Arc::clone(&wallet));
        self.census.add(&wallet.record.certificate.session());
        self.by_id.entry(wallet.id.as_str().to_owned()).or_default().push(wallet);
    }
}

/// Several wallets have one name.
#[derive(Debug)]
pub(crate) struct Contested {
    name: String,
    keys: Vec<String>,
}

impl From<Contested> for ErrorBody {
    fn from(Contested { name, keys }: Contested) -> Self {
        let keys = keys.join(", ");
        let message = format!("the name {name} was given to several wallets; choose by public_key: {keys}");
        Self::new(ErrorCode::AmbiguousWallet, message)
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
                Ok(mut wallet) => {
                    wallet.row = name;
                    known.insert(Arc::new(wallet));
                }
                Err(error) => tracing::error!(record = name, %error, "a wallet's record can't be read"),
            }
        }
        let waiting = pending::load(&store)?.into_iter();
        let pending = waiting.map(|waiting| (waiting.agreement.session(), waiting)).collect();
        Ok(Self {
            store,
            known: RwLock::new(known),
            pending: RwLock::new(pending),
            activating: tokio::sync::Mutex::default(),
        })
    }

    /// All wallets, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.by_session.values().cloned().collect();
        all.sort_by(|left, right| left.row.cmp(&right.row));
        all
    }

    /// The wallet with this name or public key.
    ///
    /// # Errors
    /// [`Contested`]: a name that means several.
    pub(crate) fn find(&self, reference: WalletRef<'_>) -> Result<Option<Arc<Wallet>>, Contested> {
        match reference {
            WalletRef::PublicKey(key) => {
                let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
                Ok(known.by_key.get(key).cloned())
            }
            WalletRef::Id(id) => match self.named(id).as_slice() {
                [] => Ok(None),
                [wallet] => Ok(Some(Arc::clone(wallet))),
                several => Err(Contested {
                    name: id.to_string(),
                    keys: several.iter().map(|wallet| wallet.public_key.to_string()).collect(),
                }),
            },
            _ => Ok(None),
        }
    }

    /// The wallets of this name: one, except after a fault of others.
    pub(crate) fn named(&self, id: &WalletId) -> Vec<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by_id.get(id.as_str()).cloned().unwrap_or_default()
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
            .get(Table::Shares, &wallet.row)?
            .ok_or_else(|| invalid("this node has no share of it"))?;
        if record.epoch != wallet.record.public.epoch {
            return Err(invalid("this node's share is of another epoch"));
        }
        Ok(record.value)
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
        let mut wallet = Wallet::new(WalletRecord { request, public, certificate })?;
        let name = wallet.id.as_str().to_owned();
        let invalid = |detail: String| WalletError::Invalid { wallet: name.clone(), detail };
        let _one_at_a_time = self.activating.lock().await;
        if let Some(known) = self.of_session(&session) {
            let same =
                known.record.public == wallet.record.public && known.record.request == wallet.record.request;
            return if same {
                Ok(known)
            } else {
                Err(invalid("another wallet is certified by this session".into()))
            };
        }
        let WalletRecord { public, certificate, .. } = &wallet.record;
        certificate.certifies(public).map_err(|error| invalid(error.to_string()))?;
        let held = self.pending_of(&session)?;
        match &held {
            Some(pending) if pending.share.public() != public => {
                return Err(invalid("the certificate is for another key than this node's share".into()));
            }
            // It acknowledged, so it had one.
            None if public.committee.index_of(me).is_some()
                && !self.store.contains(Table::Shares, &name)? =>
            {
                tracing::error!(wallet = name, "this node's share is gone: restore it from a backup");
            }
            _ => {}
        }
        let mut batch = self.record_new(Batch::new(), &mut wallet)?;
        if let Some(pending) = &held {
            let share = pending.share.to_wire().map_err(|error| invalid(error.to_string()))?;
            batch = batch.put(Table::Shares, &wallet.row, wallet.record.public.epoch, Secret::new(share));
            batch = self.release(batch, pending)?;
        }
        self.store.commit(batch).await?;
        let wallet = Arc::new(wallet);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(&wallet));
        let waited = self.pending.write().unwrap_or_else(PoisonError::into_inner).remove(&session);
        if let Some(waiting) = waited
            && let Some(refusal) = &waiting.set_aside
            && let Some(liar) = refusal.author(&waiting.agreement)
        {
            tracing::error!(wallet = %wallet.id, "{liar} both acknowledged session {session} and refused it");
        }
        if wallet.row != name {
            tracing::error!(wallet = %wallet.id, key = %wallet.public_key, "there is another wallet of this name: use the public key");
        }
        tracing::info!(wallet = %wallet.id, key = %wallet.public_key, "the wallet is active");
        Ok(wallet)
    }
}

impl Wallets {
    /// Adds a new wallet's record to a batch, under its name or, if that is taken, beside it. A damaged record of that
    /// name is replaced: peers have told what it was.
    fn record_new(&self, batch: Batch, wallet: &mut Wallet) -> Result<Batch, WalletError> {
        let name = wallet.id.as_str();
        let damaged = match self.store.get(Table::Wallets, name) {
            Ok(None) => false,
            // No name has this separator in it.
            Ok(Some(_)) => {
                wallet.row = format!("{name}#{}", wallet.record.certificate.session());
                false
            }
            Err(StoreError::DamagedRecord { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        let bytes = wallet
            .record
            .to_wire()
            .map_err(|error| WalletError::Invalid { wallet: name.to_owned(), detail: error.to_string() })?;
        let (epoch, bytes) = (wallet.record.public.epoch, Secret::new(bytes));
        Ok(if damaged {
            batch.put(Table::Wallets, &wallet.row, epoch, bytes)
        } else {
            batch.insert(Table::Wallets, &wallet.row, epoch, bytes)
        })
    }

    /// What this node holds, in short.
    pub(crate) fn census(&self) -> Census {
        self.known.read().unwrap_or_else(PoisonError::into_inner).census.clone()
    }

    /// The wallets in one bucket of the census.
    pub(crate) fn bucket(&self, bucket: u8) -> Vec<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let inside = |session: &SessionId| Census::bucket_of(session) == bucket;
        known
            .by_session
            .iter()
            .filter(|(session, _)| inside(session))
            .map(|(_, wallet)| wallet.clone())
            .collect()
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
        let committee = &record.public.committee;
        if body.threshold != committee.threshold().get() || usize::from(body.total) != committee.len() {
            return Err(unnamed(&"the request is for another threshold or total"));
        }
        let fingerprint = request.fingerprint();
        let id = job::wallet_id(&body, &fingerprint).map_err(|error| unnamed(&error.message))?;
        let scheme = protocols::scheme(&body.curve, body.protocol.as_deref())
            .map_err(|error| invalid(id.as_str(), error.message))?;
        let public_key = record
            .public
            .group_key
            .public_key(scheme)
            .map_err(|error| invalid(id.as_str(), error.to_string()))?;
        let row = id.to_string();
        Ok(Self { id, scheme, public_key, fingerprint, record, row })
    }

    /// The client's id of the request that made it.
    pub(crate) fn request_id(&self) -> Option<String> {
        let request = SignedRequest::decode(&self.record.request).ok()?;
        Some(request.request_id().as_str().to_owned())
    }

    /// The wallet as nodes tell each other.
    pub(crate) fn certified(&self) -> Certified {
        let WalletRecord { request, public, certificate } = self.record.clone();
        Certified { request, public, certificate }
    }
}
