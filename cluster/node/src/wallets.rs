//! The wallets that a node knows: of those it holds a share of, the encrypted share is in the store.
//!
//! A wallet is its key; the name is the client's word for it. Two keys can be certified under one name, by committees that
//! have no honest member in common, or through a member that refuses a key generation and acknowledges it all the same.
//! Then both are kept. A wallet that a member refused gives the name up to the other one, if that one's committee is as large
//! as its threshold, and so not corrupted as a whole; without such a reason the name alone means neither of them. Two wallets of one key are told apart in [`known`].

mod census;
mod epochs;
mod known;
mod pending;

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_chains::AddressKind;
use quorate_keygen::Certificate;
use quorate_keys::{Identity, PublicKey, Scheme, Secret, wiping_stack};
use quorate_request::{
    AddressView, Body, ErrorBody, ErrorCode, KeygenRequest, SignedRequest, WalletId, WalletRef,
};
use quorate_reshare::{Link, Occasion, Setup};
use quorate_session::{Evidence, SessionId, Wire};
use quorate_sharing::{Committee, KeyShare, PartyIndex, PublicShares};

use crate::clock::millis;
use crate::frame::Certified;
use crate::job;
use crate::protocols::{self, Method};
use crate::store::{Batch, Store, StoreError, Table};
pub(crate) use census::{Census, Has};
pub(crate) use epochs::Epoch;
use known::Known;
use pending::Pending;
pub(crate) use pending::{Inquiry, PendingShare, Proof, Waiting};

/// What is public of an active wallet, with the proof that all its holders stored their shares.
#[derive(Debug, Clone)]
pub(crate) struct Wallet {
    pub(crate) id: WalletId,
    pub(crate) scheme: Scheme,
    pub(crate) method: Method,
    pub(crate) public_key: PublicKey,
    /// Fingerprint of the request that made it.
    pub(crate) fingerprint: [u8; 32],
    /// As it was made.
    pub(crate) record: WalletRecord,
    /// As it is shared at the epoch that this node goes by.
    pub(crate) public: PublicShares,
    /// What made that epoch, if it is not the first.
    pub(crate) renewed: Option<Renewed>,
    /// Who held its shares before the present holders, if others did, or another number of them signed.
    pub(crate) former: Option<Committee>,
    /// When it was asked for, in unix milliseconds.
    asked_ms: u64,
}

/// The resharing that made an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Renewed {
    pub(crate) session: SessionId,
    pub(crate) occasion: Occasion,
    /// Whether the epoch before was given up for it.
    pub(crate) from_kept: bool,
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

/// Wallets of one request that are kept if this node holds no share of them. An honest member acknowledges a second one only
/// when it knows a refusal of the first: so many only come about when most of their members are corrupted, or cut off
/// from each other again and again. A committee is as large as the request says, so that who has none but corrupted members
/// at hand can only crowd out wallets that are all theirs.
const MOST_OF_ONE_REQUEST: usize = 8;

/// Why something about wallets did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalletError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record that was authentic, but is not what it must be.
    #[error("wallet {wallet}: {detail}")]
    Invalid { wallet: String, detail: String },
    /// A share that is not to be stored, for what became of this or another key generation meanwhile. Nobody's fault.
    #[error("wallet {wallet}: {detail}")]
    TooLate { wallet: String, detail: String },
}

/// The wallets by name and by public key.
pub(crate) struct Wallets {
    store: Arc<Store>,
    /// Whether shares of the epoch before are kept until the next resharing.
    keeps: bool,
    known: RwLock<Known>,
    pending: RwLock<Pending>,
    /// Held while it is written down what becomes of a key generation here: its share stored, set aside, or activated. The same
    /// certificate comes from several sides at once, and a refusal may come with it.
    deciding: tokio::sync::Mutex<()>,
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
        let refused = pending::refused(&store)?;
        let held: HashSet<_> = store.keys(Table::Shares, "")?.into_iter().collect();
        let mut epochs = epochs::load(&store)?;
        let mut pending = pending::load(&store)?;
        let scan = store.scan(Table::Wallets, "")?;
        for damaged in scan.damaged {
            tracing::error!(record = %damaged, "a wallet's record is damaged: restore this node from a backup");
        }
        for (session, record) in scan.records {
            let decoded = WalletRecord::from_wire(record.value.expose())
                .map_err(|error| WalletError::Invalid { wallet: "?".into(), detail: error.to_string() })
                .and_then(Wallet::new);
            match decoded {
                Ok(mut wallet) => {
                    let session = wallet.session();
                    if let Some(keeper) = epochs.remove(&session) {
                        if let Some(link) = keeper.link() {
                            wallet = wallet.at(link);
                        }
                        pending.insert_all(&wallet, &keeper);
                    }
                    let held = held.contains(session.as_bytes().as_slice());
                    known.insert(Arc::new(wallet), held, refused.contains(&session));
                }
                Err(error) => {
                    tracing::error!(session = hex::encode(session), %error, "a wallet's record can't be read");
                }
            }
        }
        for wallet in epochs.keys() {
            tracing::error!(%wallet, "shares of a wallet are here of which nothing else is known: restore this node from a backup");
        }
        Ok(Self {
            store,
            keeps: false,
            known: RwLock::new(known),
            pending: RwLock::new(pending),
            deciding: tokio::sync::Mutex::default(),
        })
    }

    /// Keeps shares of the epoch before until the next resharing, if that is wanted.
    #[must_use]
    pub(crate) const fn keeping(mut self, keeps: bool) -> Self {
        self.keeps = keeps;
        self
    }

    /// All wallets, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.all().cloned().collect();
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
                Ok(known.of_key(key).cloned())
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
        self.known.read().unwrap_or_else(PoisonError::into_inner).named(id)
    }

    /// Evidence against a member that refused the key generation of an active wallet, if one is known to have done so.
    pub(crate) fn contradiction(&self, session: &SessionId) -> Option<Evidence> {
        let refusal = pending::refusal_of(&self.store, session)?;
        refusal.contradiction(&self.of_session(session)?.record.certificate, &())
    }

    /// The wallet whose shares a session made: those that this node goes by.
    pub(crate) fn of_generation(&self, session: &SessionId) -> Option<Arc<Wallet>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).of_generation(session).cloned()
    }

    /// The wallet that a key generation made.
    pub(crate) fn of_session(&self, session: &SessionId) -> Option<Arc<Wallet>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).of_session(session).cloned()
    }

    /// This node's share.
    ///
    /// # Errors
    /// Missing, damaged, or of another epoch.
    pub(crate) fn share(&self, wallet: &Wallet) -> Result<KeyShare, WalletError> {
        let invalid =
            |detail: &str| WalletError::Invalid { wallet: wallet.id.to_string(), detail: detail.into() };
        let record = self
            .store
            .get(Table::Shares, wallet.session().as_bytes())?
            .ok_or_else(|| invalid("this node has no share of it"))?;
        if record.epoch != wallet.public.epoch {
            return Err(invalid("this node's share is of another epoch"));
        }
        let share = wiping_stack(|| KeyShare::from_wire(record.value.expose()));
        share.map_err(|error| invalid(&format!("this node's share can't be read: {error}")))
    }

    /// This node's share of the present epoch, or that which it has kept of the one before.
    ///
    /// # Errors
    /// As for [`share`](Self::share).
    pub(crate) fn share_at(&self, wallet: &Wallet, epoch: &PublicShares) -> Result<KeyShare, WalletError> {
        if *epoch == wallet.public { self.share(wallet) } else { self.kept_share(wallet, epoch) }
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
        quorate_keygen::certifies(certificate, public).map_err(|error| invalid(error.to_string()))?;
        let _one_at_a_time = self.deciding.lock().await;
        if let Some(known) = self.of_session(&session) {
            let same = known.record.public == *public && known.record.request == wallet.record.request;
            return if same {
                Ok(known)
            } else {
                Err(invalid("another wallet is certified by this session".into()))
            };
        }
        let pending = self.pending_of(&session)?;
        if pending.as_ref().is_some_and(|pending| pending.share.public() != public) {
            return Err(invalid("the certificate is for another key than this node's share".into()));
        }
        let held = pending.is_some() || self.store.contains(Table::Shares, session.as_bytes())?;
        if !held && public.committee.index_of(me).is_some() {
            // It acknowledged, so it had one.
            tracing::error!(wallet = name, "this node's share is gone: restore it from a backup");
        }
        let of_one_request =
            || self.known.read().unwrap_or_else(PoisonError::into_inner).made_by(&wallet.fingerprint);
        if !held && of_one_request() >= MOST_OF_ONE_REQUEST {
            return Err(invalid(format!("{MOST_OF_ONE_REQUEST} wallets of its request are known already")));
        }
        let mut batch = self.record_new(Batch::new(), &wallet)?;
        if let Some(pending) = &pending {
            let share = pending.share.to_wire().map_err(|error| invalid(error.to_string()))?;
            let (epoch, share) = (wallet.record.public.epoch, Secret::new(share));
            batch = batch
                .insert(Table::Shares, session.as_bytes(), epoch, share)
                .delete(Table::Pending, session.as_bytes());
        }
        batch = self.take_name(batch, &name, &session)?;
        let refused = pending::is_refused(&self.store, &wallet.record.certificate)?;
        self.store.commit(batch).await?;
        let wallet = Arc::new(wallet);
        let rival = self.known.write().unwrap_or_else(PoisonError::into_inner).insert(
            Arc::clone(&wallet),
            held,
            refused,
        );
        if let Some(rival) = rival {
            let sessions = format!("{session} and {}", rival.session());
            tracing::error!(key = %wallet.public_key, sessions, "two wallets have this key: the committee of one has no honest member");
        }
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
    /// Notes that a member refused the key generation of a wallet, as kept evidence shows: a wallet of the same name that
    /// nobody refused is the one that is meant, if its committee is large enough.
    pub(crate) async fn note_refused(&self, session: &SessionId) {
        // Who activates it looks for the evidence first: not in between.
        let _one_at_a_time = self.deciding.lock().await;
        self.known.write().unwrap_or_else(PoisonError::into_inner).refuse(session);
    }

    /// Adds a new wallet's record to a batch. One of it that can't be read is replaced: peers have told what it was.
    fn record_new(&self, batch: Batch, wallet: &Wallet) -> Result<Batch, WalletError> {
        let bytes = wallet.record.to_wire().map_err(|error| WalletError::Invalid {
            wallet: wallet.id.to_string(),
            detail: error.to_string(),
        })?;
        let (session, epoch, bytes) = (wallet.session(), wallet.record.public.epoch, Secret::new(bytes));
        Ok(match self.store.get(Table::Wallets, session.as_bytes()) {
            Ok(None) => batch.insert(Table::Wallets, session.as_bytes(), epoch, bytes),
            Ok(Some(_)) | Err(StoreError::DamagedRecord { .. }) => {
                batch.put(Table::Wallets, session.as_bytes(), epoch, bytes)
            }
            Err(error) => return Err(error.into()),
        })
    }

    /// What this node holds, in short.
    pub(crate) fn census(&self) -> Census {
        self.known.read().unwrap_or_else(PoisonError::into_inner).census().clone()
    }

    /// The wallets in one bucket of the census.
    pub(crate) fn bucket(&self, bucket: u8) -> Vec<Arc<Wallet>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.bucket(bucket).to_vec()
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
        let (scheme, method) = protocols::scheme(&body.curve, body.protocol.as_deref())
            .map_err(|error| invalid(id.as_str(), error.message))?;
        let public_key = record
            .public
            .group_key
            .public_key(scheme)
            .map_err(|error| invalid(id.as_str(), error.to_string()))?;
        let (public, asked_ms) = (record.public.clone(), millis(request.created()));
        Ok(Self {
            id,
            scheme,
            method,
            public_key,
            fingerprint,
            record,
            public,
            renewed: None,
            former: None,
            asked_ms,
        })
    }

    /// The same wallet at another epoch.
    fn at(&self, link: &Link) -> Self {
        let Setup { occasion, from_kept, .. } = link.setup;
        let renewed = Some(Renewed { session: link.session(), occasion, from_kept });
        Self {
            public: link.public.clone(),
            renewed,
            former: link.former().cloned(),
            record: self.record.clone(),
            id: self.id.clone(),
            ..*self
        }
    }

    /// The nodes that hold shares of it.
    pub(crate) fn holders(&self) -> BTreeSet<Identity> {
        self.public.committee.members().iter().map(|member| member.identity).collect()
    }

    /// The indices of some of its holders.
    pub(crate) fn indices(&self, holders: &BTreeSet<Identity>) -> BTreeSet<PartyIndex> {
        holders.iter().filter_map(|holder| self.public.committee.index_of(holder)).collect()
    }

    /// The holders of these indices.
    pub(crate) fn members(&self, indices: &BTreeSet<PartyIndex>) -> BTreeSet<Identity> {
        let members = indices.iter().filter_map(|index| self.public.committee.member(*index));
        members.map(|member| member.identity).collect()
    }

    /// The key generation that made it: its name among nodes, and its row in the store.
    pub(crate) fn session(&self) -> SessionId {
        self.record.certificate.session()
    }

    /// Whether its epoch is what this led to.
    pub(crate) fn is_renewed_by(&self, occasion: &[u8; 32]) -> bool {
        self.renewed.is_some_and(|renewed| renewed.occasion.id == *occasion)
    }

    /// When the shares of its epoch were asked for, in unix milliseconds.
    pub(crate) fn shared_ms(&self) -> u64 {
        self.renewed.map_or(self.asked_ms, |renewed| renewed.occasion.asked_ms)
    }

    /// The session that made the shares of its epoch: what is made for these shares alone, such as presignatures, goes by this name.
    pub(crate) fn generation(&self) -> SessionId {
        self.renewed.map_or_else(|| self.session(), |renewed| renewed.session)
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
