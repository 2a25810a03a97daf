//! The wallets that a node knows: of those it holds a share of, the encrypted share is in the store.
//!
//! A wallet is its key; the name is the client's word for it. Two keys can be certified under one name, by committees that
//! have no honest member in common, or through a member that refuses a key generation and acknowledges it all the same.
//! Then both are kept. A wallet that came though a refusal of it was known gives the name up to the other one; without such a
//! reason the name alone means neither of them.

mod census;
mod pending;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_chains::AddressKind;
use quorate_keygen::Certificate;
use quorate_keys::{Identity, PublicKey, Scheme, Secret};
use quorate_request::{
    AddressView, Body, ErrorBody, ErrorCode, KeygenRequest, SignedRequest, WalletId, WalletRef,
};
use quorate_session::{Evidence, SessionId, Wire};
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
    /// Held while a wallet is activated, or its share set aside: the same certificate comes from several sides at once.
    activating: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, Vec<Named>>,
    by_key: HashMap<Vec<u8>, Arc<Wallet>>,
    by_session: HashMap<SessionId, Arc<Wallet>>,
    by_bucket: HashMap<u8, Vec<Arc<Wallet>>>,
    census: Census,
}

/// A wallet among those of its name.
struct Named {
    wallet: Arc<Wallet>,
    /// Whether a refusal of it was known before it came.
    refused: bool,
}

impl Known {
    fn insert(&mut self, wallet: Arc<Wallet>, refused: bool) {
        let session = wallet.session();
        self.by_key.insert(wallet.public_key.as_bytes().to_vec(), Arc::clone(&wallet));
        self.by_session.insert(session, Arc::clone(&wallet));
        self.by_bucket.entry(Census::bucket_of(&session)).or_default().push(Arc::clone(&wallet));
        self.census.add(&session);
        self.by_id.entry(wallet.id.as_str().to_owned()).or_default().push(Named { wallet, refused });
    }
}

/// Several wallets have one name.
#[derive(Debug)]
pub(crate) struct Contested {
    name: String,
    keys: Vec<String>,
}

impl Contested {
    pub(crate) fn new(name: &WalletId, wallets: &[Arc<Wallet>]) -> Self {
        let keys = wallets.iter().map(|wallet| wallet.public_key.to_string()).collect();
        Self { name: name.to_string(), keys }
    }
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
        let refused: HashSet<_> = store.keys(Table::Meta, "refusal/")?.into_iter().collect();
        let scan = store.scan(Table::Wallets, "")?;
        for damaged in scan.damaged {
            tracing::error!(record = %damaged, "a wallet's record is damaged: restore this node from a backup");
        }
        for (session, record) in scan.records {
            let decoded = WalletRecord::from_wire(record.value.expose())
                .map_err(|error| WalletError::Invalid { wallet: "?".into(), detail: error.to_string() })
                .and_then(Wallet::new);
            match decoded {
                Ok(wallet) => {
                    let refused = refused.contains(pending::refusal_key(&wallet.session()).as_bytes());
                    known.insert(Arc::new(wallet), refused);
                }
                Err(error) => {
                    tracing::error!(session = hex::encode(session), %error, "a wallet's record can't be read");
                }
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
        all.sort_by_key(|wallet| (wallet.id.to_string(), wallet.session()));
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
                several => Err(Contested::new(id, several)),
            },
            _ => Ok(None),
        }
    }

    /// The wallets that this name means: one, except after a fault of others.
    pub(crate) fn named(&self, id: &WalletId) -> Vec<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let named = known.by_id.get(id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let refused = named.iter().all(|named| named.refused);
        let meant = named.iter().filter(|named| named.refused == refused);
        meant.map(|named| Arc::clone(&named.wallet)).collect()
    }

    /// Evidence against a member that refused the key generation of an active wallet, if one is known to have done so.
    pub(crate) fn contradiction(&self, session: &SessionId) -> Option<Evidence> {
        let refusal = pending::refusal_of(&self.store, session)?;
        refusal.contradiction(&self.of_session(session)?.record.certificate)
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
            .get(Table::Shares, wallet.session().as_bytes())?
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
    /// A certificate that does not certify this key, or the store's.
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
        certificate.certifies(public).map_err(|error| invalid(error.to_string()))?;
        let _one_at_a_time = self.activating.lock().await;
        if let Some(known) = self.of_session(&session) {
            let same = known.record.public == *public && known.record.request == wallet.record.request;
            return if same {
                Ok(known)
            } else {
                Err(invalid("another wallet is certified by this session".into()))
            };
        }
        let held = self.pending_of(&session)?;
        match &held {
            Some(pending) if pending.share.public() != public => {
                return Err(invalid("the certificate is for another key than this node's share".into()));
            }
            // It acknowledged, so it had one.
            None if public.committee.index_of(me).is_some()
                && !self.store.contains(Table::Shares, session.as_bytes())? =>
            {
                tracing::error!(wallet = name, "this node's share is gone: restore it from a backup");
            }
            _ => {}
        }
        let mut batch = self.record_new(Batch::new(), &wallet)?;
        if let Some(pending) = &held {
            let share = pending.share.to_wire().map_err(|error| invalid(error.to_string()))?;
            let (epoch, share) = (wallet.record.public.epoch, Secret::new(share));
            batch = batch
                .insert(Table::Shares, session.as_bytes(), epoch, share)
                .delete(Table::Pending, session.as_bytes());
        }
        batch = self.take_name(batch, &name, &session)?;
        let refused = self.store.contains(Table::Meta, pending::refusal_key(&session))?;
        self.store.commit(batch).await?;
        let wallet = Arc::new(wallet);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(&wallet), refused);
        self.pending.write().unwrap_or_else(PoisonError::into_inner).remove(&session);
        let meant = self.named(&wallet.id);
        if meant.len() != 1 || meant.iter().any(|meant| meant.session() != session) {
            tracing::error!(wallet = name, key = %wallet.public_key, "there is another wallet of this name: use the public key");
        }
        tracing::info!(wallet = %wallet.id, key = %wallet.public_key, "the wallet is active");
        Ok(wallet)
    }
}

impl Wallets {
    /// Adds a new wallet's record to a batch. A damaged record of it is replaced: peers have told what it was.
    fn record_new(&self, batch: Batch, wallet: &Wallet) -> Result<Batch, WalletError> {
        let bytes = wallet.record.to_wire().map_err(|error| WalletError::Invalid {
            wallet: wallet.id.to_string(),
            detail: error.to_string(),
        })?;
        let (session, epoch, bytes) = (wallet.session(), wallet.record.public.epoch, Secret::new(bytes));
        Ok(match self.store.get(Table::Wallets, session.as_bytes()) {
            Err(StoreError::DamagedRecord { .. }) => {
                batch.put(Table::Wallets, session.as_bytes(), epoch, bytes)
            }
            Err(error) => return Err(error.into()),
            Ok(_) => batch.insert(Table::Wallets, session.as_bytes(), epoch, bytes),
        })
    }

    /// What this node holds, in short.
    pub(crate) fn census(&self) -> Census {
        self.known.read().unwrap_or_else(PoisonError::into_inner).census.clone()
    }

    /// The wallets in one bucket of the census.
    pub(crate) fn bucket(&self, bucket: u8) -> Vec<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by_bucket.get(&bucket).cloned().unwrap_or_default()
    }
}

impl Wallet {
    /// The wallet's own addresses on the main networks whose signatures it makes.
    pub(crate) fn addresses(&self) -> Vec<AddressView> {
        let address = |chain: quorate_chains::Chain| {
            let net = chain.net();
            let address = chain.address(&self.public_key, AddressKind::Default).ok()?;
            Some(AddressView { chain: net.id.into(), name: net.name.into(), address })
        };
        quorate_chains::chains().filter(|chain| !chain.net().test).filter_map(address).collect()
    }

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
        Ok(Self { id, scheme, public_key, fingerprint, record })
    }

    /// The key generation that made it: its row in the store.
    pub(crate) fn session(&self) -> SessionId {
        self.record.certificate.session()
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
