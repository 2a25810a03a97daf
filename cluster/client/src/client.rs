//! Typed, signed calls.

mod approving;
mod initiators;
mod presigning;
mod resharing;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use quorate_identity::envelope::Passphrase;
use quorate_keys::Principal;
use quorate_request::{
    ClusterId, ErrorBody, ErrorCode, Health, KeygenRequest, KeygenResponse, NodeView, Operation, Readiness,
    RequestId, SessionView, SignRequest, SignResponse, Taken, UnsignedRequest, WalletId, WalletView, paths,
};
use rand_core::OsRng;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::ClientBuilder;
use crate::error::{ClientError, SetupError};
use crate::events::SessionEvents;
use crate::exchange::{Answer, Exchange, Opened, Outgoing};
use crate::signer::{RequestSigner, SignerError};
use crate::verification::{InvalidWallet, PinnedWallet};

/// How long nodes may take to hear of a wallet that was made, until it is said that they don't confirm it.
const CONFIRMATION: Duration = Duration::from_secs(5);
const CONFIRMATION_PAUSE: Duration = Duration::from_millis(200);

/// More than any cluster has.
const MAX_WALLETS: usize = 4_000_000;

/// How long a request is valid beyond the deadline of the call: room for clocks that differ.
const MARGIN: Duration = Duration::from_secs(180);

/// A client of one cluster. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    signer: Option<Arc<Signer>>,
    exchange: Exchange,
}

/// Whose requests these are, and for which cluster.
pub(crate) struct Signer {
    pub(crate) cluster: ClusterId,
    pub(crate) initiator: Box<dyn RequestSigner>,
}

impl Client {
    /// A client of these nodes (`http://host:port`, or `https://` for a proxy in front of one) that signs with this initiator key.
    ///
    /// # Errors
    /// The caller's misuse: no endpoint, or one that is none.
    pub fn new(
        endpoints: Vec<Uri>,
        cluster: ClusterId,
        initiator: impl RequestSigner,
    ) -> Result<Self, SetupError> {
        Self::builder(endpoints).signing(cluster, initiator)
    }

    /// A client of these nodes that signs with the key in the file of `quorate initiator generate`, for the cluster of
    /// this peers file. See [`ClientBuilder::signing_from`].
    ///
    /// # Errors
    /// As [`Client::new`]; a file that is missing, damaged or another one; a wrong passphrase. Each names its file.
    pub fn from_files(
        endpoints: Vec<Uri>,
        initiator: impl AsRef<Path>,
        peers: impl AsRef<Path>,
        passphrase: &Passphrase,
    ) -> Result<Self, SetupError> {
        Self::builder(endpoints).signing_from(initiator, peers, passphrase)
    }

    /// A client of a gateway, which signs for its callers: nothing here is signed.
    ///
    /// # Errors
    /// The caller's misuse: an endpoint that is none.
    pub fn gateway(endpoint: Uri) -> Result<Self, SetupError> {
        Self::builder(vec![endpoint]).gateway()
    }

    /// A client to be made in another way: with its own idea of patience, for example.
    #[must_use]
    pub fn builder(endpoints: Vec<Uri>) -> ClientBuilder {
        ClientBuilder::new(endpoints)
    }

    /// A client like this one for other nodes of the cluster, or for the same ones in another order. It has connections of
    /// its own.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn with_endpoints(&self, endpoints: Vec<Uri>) -> Result<Self, SetupError> {
        let Inner { signer, exchange } = &*self.inner;
        let exchange = exchange.with_endpoints(endpoints)?;
        Ok(Self { inner: Arc::new(Inner { signer: signer.clone(), exchange }) })
    }

    pub(crate) fn assemble(signer: Option<Signer>, exchange: Exchange) -> Self {
        Self { inner: Arc::new(Inner { signer: signer.map(Arc::new), exchange }) }
    }

    /// The public key with which this client signs its requests; none if a gateway signs them.
    pub fn initiator(&self) -> Option<Principal> {
        self.inner.signer.as_ref().map(|signer| signer.initiator.principal())
    }

    /// Makes a wallet. Without `session_id` the request gets a fresh one. The answer is held against the request; that the
    /// wallet is the one that the nodes made, [`Client::pin`] asks them.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn keygen(&self, mut request: KeygenRequest) -> Result<KeygenResponse, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let answer = self.post(paths::KEYGEN, Operation::Keygen, id, to_json(&request)?).await?;
        let made = typed(&answer)?;
        as_asked(&request, &made, answer.status)?;
        Ok(made)
    }

    /// What to remember of a wallet that was made, so that every answer can be held against it.
    ///
    /// Every endpoint is asked for the wallet of this name, and asked again for a few seconds if it has not heard of it. All that
    /// answer must know it, as it was made and as the others describe it, and where there are several endpoints at least two
    /// must answer: so one honest node among them is enough to catch a lie about the wallet.
    ///
    /// # Errors
    /// See [`ClientError`]: [`ClientError::InvalidWallet`] when an answer contradicts itself, another or what was made, or
    /// too few confirm it. The wallet exists all the same.
    pub async fn pin(&self, made: &KeygenResponse) -> Result<PinnedWallet, ClientError> {
        let invalid = |reason| ClientError::InvalidWallet { wallet: made.wallet_id.clone(), reason };
        let until = Instant::now() + CONFIRMATION;
        loop {
            let reading = self.reading(&paths::wallet(&made.wallet_id)).await?;
            let answers = self.inner.exchange.ask_each(&reading).await;
            let of = answers.len();
            let (mut pinned, mut by, mut unknown, mut failed) = (None, 0, 0, None);
            for answer in answers {
                match answer.and_then(|answer| typed::<WalletView>(&answer)) {
                    Ok(view) => {
                        let described = PinnedWallet::as_made(&view, made).map_err(invalid)?;
                        if pinned.as_ref().is_some_and(|pinned| *pinned != described) {
                            return Err(invalid(InvalidWallet::Disputed));
                        }
                        pinned = Some(described);
                        by += 1;
                    }
                    Err(error) => match error.api().map(|body| body.code) {
                        Some(ErrorCode::AmbiguousWallet) => return Err(invalid(InvalidWallet::Disputed)),
                        Some(ErrorCode::UnknownWallet) => unknown += 1,
                        _ => failed = Some(error),
                    },
                }
            }
            match (pinned, failed) {
                (Some(pinned), _) if unknown == 0 && by >= of.min(2) => return Ok(pinned),
                _ if Instant::now() < until => tokio::time::sleep(CONFIRMATION_PAUSE).await,
                (None, Some(error)) if unknown == 0 => return Err(error),
                _ => return Err(invalid(InvalidWallet::Unconfirmed { by, of })),
            }
        }
    }

    /// Signs with a wallet that the caller has pinned, and verifies the answer: what is given back is of that wallet, whoever
    /// answered. A request that names no wallet is for this one.
    ///
    /// # Errors
    /// See [`ClientError`]: [`ClientError::Unverified`] when the answer is not what it must be.
    pub async fn sign_with(
        &self,
        wallet: &PinnedWallet,
        mut request: SignRequest,
    ) -> Result<SignResponse, ClientError> {
        request.session_id.get_or_insert_with(fresh_id);
        if request.wallet_id.is_none() && request.public_key.is_none() {
            request.public_key = Some(wallet.public_key().as_bytes().into());
        }
        let expected =
            wallet.expect(&request).map_err(|error| ClientError::InvalidRequest(error.to_string()))?;
        let answer = self.sign(request).await?;
        expected.check(&answer)?;
        Ok(answer)
    }

    /// Signs with a wallet. Without `session_id` the request gets a fresh one. The answer is not verified:
    /// [`Client::sign_with`] does that.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sign(&self, mut request: SignRequest) -> Result<SignResponse, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        typed(&self.post(paths::SIGN, Operation::Sign, id, to_json(&request)?).await?)
    }

    /// Has a wallet made, and does not wait for it: [`Client::watch`] or [`Client::session`] tell what becomes of it.
    /// Repeated over nodes and by the caller as [`Client::keygen`] is. A node that dies may have forgotten a request that
    /// was only taken: repeat it under its id, which does no harm.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn begin_keygen(
        &self,
        mut request: KeygenRequest,
    ) -> Result<Begun<KeygenResponse>, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let target = paths::without_waiting(paths::KEYGEN);
        let answer = self.post(&target, Operation::Keygen, id, to_json(&request)?).await?;
        let begun = begun(&answer)?;
        if let Begun::Completed(made) = &begun {
            as_asked(&request, made, answer.status)?;
        }
        Ok(begun)
    }

    /// Has something signed, and does not wait for it, as [`Client::begin_keygen`] does not. What comes of it is not verified:
    /// [`PinnedWallet::expect`] says what it must be.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn begin_sign(&self, mut request: SignRequest) -> Result<Begun<SignResponse>, ClientError> {
        let id = request.session_id.get_or_insert_with(fresh_id).clone();
        let target = paths::without_waiting(paths::SIGN);
        begun(&self.post(&target, Operation::Sign, id, to_json(&request)?).await?)
    }

    /// All wallets.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wallets(&self) -> Result<Vec<WalletView>, ClientError> {
        let mut all: Vec<WalletView> = Vec::new();
        let mut target = paths::WALLETS.to_owned();
        loop {
            let answer = self.read(&target).await?;
            let page: Vec<WalletView> = typed(&answer)?;
            // A node that repeats itself, or invents names, would keep its caller for ever.
            let goes_on =
                all.last().zip(page.first()).is_none_or(|(last, next)| next.wallet_id > last.wallet_id);
            if !goes_on || all.len() > MAX_WALLETS {
                let reason = format!("wallets without end, after {} of them", all.len());
                return Err(ClientError::UnexpectedAnswer { status: answer.status, reason });
            }
            let next = page.last().map(|last| paths::wallets_after(&last.wallet_id));
            let whole = page.len() >= paths::WALLETS_PAGE;
            all.extend(page);
            match next {
                Some(next) if whole => target = next,
                _ => return Ok(all),
            }
        }
    }

    /// One wallet.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wallet(&self, id: &WalletId) -> Result<WalletView, ClientError> {
        typed(&self.read(&paths::wallet(id)).await?)
    }

    /// The wallet with this public key, as key generation returned it.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn wallet_of_key(&self, public_key: &[u8]) -> Result<WalletView, ClientError> {
        let target = paths::wallets_of_key(public_key);
        let found: Vec<WalletView> = typed(&self.read(&target).await?)?;
        found.into_iter().next().ok_or_else(|| {
            let error = ErrorBody::new(ErrorCode::UnknownWallet, "no wallet has this public key");
            ClientError::Api { status: error.code.status(), error: Box::new(error) }
        })
    }

    /// What became of a request.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn session(&self, id: &RequestId) -> Result<SessionView, ClientError> {
        typed(&self.read(&paths::session(id)).await?)
    }

    /// Follows a request: its view of now, and each time it changes, until it has ended. Ask the node that took the
    /// request: others learn of it only when it has ended.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn watch(&self, id: &RequestId) -> Result<SessionEvents, ClientError> {
        match self.open(&paths::session(id)).await? {
            Opened::Events(body) => Ok(SessionEvents::new(body)),
            Opened::Answer(answer) => {
                let status = answer.status;
                let view: SessionView = typed(&answer)?;
                let reason = format!("session {} as one answer, not as events", view.session_id);
                Err(ClientError::UnexpectedAnswer { status, reason })
            }
        }
    }

    /// The nodes of the cluster, as the answering node sees them.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn nodes(&self) -> Result<Vec<NodeView>, ClientError> {
        typed(&self.read(paths::NODES).await?)
    }

    /// Does a node run?
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn health(&self) -> Result<Health, ClientError> {
        typed(&self.read_unsigned(paths::HEALTH).await?)
    }

    /// Can a node serve requests? A node that can't is no error; none that answers is.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ready(&self) -> Result<Readiness, ClientError> {
        let answer = self.read_unsigned(paths::READY).await?;
        match serde_json::from_slice(&answer.body) {
            Ok(readiness) if answer.status == StatusCode::SERVICE_UNAVAILABLE => Ok(readiness),
            _ => typed(&answer),
        }
    }

    /// Signs a body as it is and sends it: the untyped call behind [`Client::keygen`], [`Client::sign`] and their like.
    /// `target` is the path of the operation, with a query if any. A gateway signs the body under the `session_id` in it,
    /// and knows no other `id`.
    ///
    /// # Errors
    /// Any answer of a node is `Ok`, whatever its status.
    pub async fn post(
        &self,
        target: &str,
        operation: Operation,
        id: RequestId,
        body: impl Into<Bytes>,
    ) -> Result<Answer, ClientError> {
        let body = body.into();
        let (timeout, deadline) = self.inner.exchange.policy().patience(&operation);
        let outgoing = Outgoing {
            method: Method::POST,
            target: target.to_owned(),
            headers: self.signature(operation, id, &body, deadline).await?,
            body,
            timeout,
            deadline,
        };
        self.inner.exchange.ask(&outgoing).await
    }

    /// Reads a path of the API (with a query if any), signed: the untyped call behind the views.
    ///
    /// # Errors
    /// Any answer of a node is `Ok`, whatever its status.
    pub async fn read(&self, target: &str) -> Result<Answer, ClientError> {
        self.inner.exchange.ask(&self.reading(target).await?).await
    }

    /// Reads a path that needs no signature.
    ///
    /// # Errors
    /// Any answer of a node is `Ok`, whatever its status.
    pub async fn read_unsigned(&self, target: &str) -> Result<Answer, ClientError> {
        self.inner.exchange.ask(&self.getting(target, HeaderMap::new())).await
    }

    /// Reads a path of the API, signed, as events.
    pub(crate) async fn open(&self, target: &str) -> Result<Opened, ClientError> {
        let mut outgoing = self.reading(target).await?;
        outgoing.headers.insert(http::header::ACCEPT, HeaderValue::from_static(paths::EVENTS));
        self.inner.exchange.open(&outgoing).await
    }

    /// A signed read.
    async fn reading(&self, target: &str) -> Result<Outgoing, ClientError> {
        let operation =
            Operation::read(target).map_err(|_| ClientError::InvalidRequest(format!("path {target:?}")))?;
        let deadline = self.inner.exchange.policy().deadline;
        let headers = self.signature(operation, fresh_id(), &Bytes::new(), deadline).await?;
        Ok(self.getting(target, headers))
    }

    fn getting(&self, target: &str, headers: HeaderMap) -> Outgoing {
        let policy = self.inner.exchange.policy();
        let (timeout, deadline) = (policy.read_timeout, policy.deadline);
        let (target, body) = (target.to_owned(), Bytes::new());
        Outgoing { method: Method::GET, target, headers, body, timeout, deadline }
    }

    /// Signs once; what is repeated is the identical request. Nothing for a gateway, which signs itself.
    async fn signature(
        &self,
        operation: Operation,
        id: RequestId,
        body: &Bytes,
        deadline: Duration,
    ) -> Result<HeaderMap, ClientError> {
        let Some(Signer { cluster, initiator }) = self.inner.signer.as_deref() else {
            return Ok(HeaderMap::new());
        };
        let now = SystemTime::now();
        let lifetime = deadline.saturating_add(MARGIN).min(quorate_request::MAX_LIFETIME);
        let expires = now + lifetime;
        let principal = initiator.principal();
        let unsigned = UnsignedRequest::new(principal, *cluster, operation, id, now, expires, body.clone())?;
        let signature = initiator.sign(unsigned.signature_base()).await?;
        if initiator.is_verified() && !principal.verify(unsigned.signature_base(), &signature) {
            return Err(SignerError::OtherKey { principal }.into());
        }
        Ok(unsigned.with_signature(signature).to_http())
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("cluster", &self.inner.signer.as_ref().map(|signer| signer.cluster))
            .field("initiator", &self.initiator())
            .finish_non_exhaustive()
    }
}

/// A request id for a caller who brings none.
pub(crate) fn fresh_id() -> RequestId {
    RequestId::generate(&mut OsRng)
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(body).map_err(|error| ClientError::InvalidRequest(error.to_string()))
}

/// A request that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun<T> {
    /// It is being worked on, under this id.
    Running(RequestId),
    /// It had its result already.
    Completed(T),
}

/// Whether the wallet that was made is the one that was asked for, as far as the request says.
fn as_asked(request: &KeygenRequest, made: &KeygenResponse, status: StatusCode) -> Result<(), ClientError> {
    let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    let other = [
        ("session_id", request.session_id.as_ref().is_some_and(|id| *id != made.session_id)),
        ("wallet_id", request.wallet_id.as_ref().is_some_and(|id| *id != made.wallet_id)),
        ("threshold", request.threshold != made.threshold),
        ("total", sorted(&made.parties).len() != usize::from(request.total)),
        ("parties", request.parties.as_ref().is_some_and(|asked| sorted(asked) != sorted(&made.parties))),
    ];
    match other.iter().find(|(_, other)| *other) {
        None => Ok(()),
        Some((field, _)) => {
            let reason = format!("a wallet with another {field} than was asked for");
            Err(ClientError::UnexpectedAnswer { status, reason })
        }
    }
}

fn begun<T: DeserializeOwned>(answer: &Answer) -> Result<Begun<T>, ClientError> {
    if answer.status == StatusCode::ACCEPTED {
        return typed(answer).map(|taken: Taken| Begun::Running(taken.session_id));
    }
    typed(answer).map(Begun::Completed)
}

/// What an answer says: the value of a success, or the reason of a refusal.
fn typed<T: DeserializeOwned>(answer: &Answer) -> Result<T, ClientError> {
    let status = answer.status;
    let unexpected =
        |error: serde_json::Error| ClientError::UnexpectedAnswer { status, reason: error.to_string() };
    if status.is_success() {
        return serde_json::from_slice(&answer.body).map_err(unexpected);
    }
    let error: ErrorBody = serde_json::from_slice(&answer.body).map_err(unexpected)?;
    Err(ClientError::Api { status, error: Box::new(error) })
}

fn first_other(what: &str, status: StatusCode, fields: &[(&str, bool)]) -> Result<(), ClientError> {
    match fields.iter().find(|(_, other)| *other) {
        None => Ok(()),
        Some((field, _)) => {
            let reason = format!("{what} with other {field} than was asked for");
            Err(ClientError::UnexpectedAnswer { status, reason })
        }
    }
}
