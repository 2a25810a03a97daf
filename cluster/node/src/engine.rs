//! The node's state, and the dispatch of frames to where they belong.

mod attempt;
mod doubts;
mod early;
mod exchange;
mod exclusion;
mod lingering;
mod machine;
mod member;
mod pace;
mod pairing;
mod places;
mod presigning;
mod proposer;
mod provisions;
mod recovery;
mod run;
mod signatures;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use quorate_keys::{Identity, SigningIdentity};
#[cfg(test)]
use quorate_request::SignedRequest;
use quorate_request::{ErrorBody, ErrorCode, Operation, RequestId, SessionResult, Verified};
use quorate_session::{IdentityVerifier, Keyring, Registry, SessionId, Wire};
use quorate_transport::{Incoming, SendError, Transport};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use crate::authority::Authority;
use crate::auxiliary::Auxiliaries;
use crate::barrier::Barrier;
use crate::config::Config;
use crate::frame::Frame;
use crate::ledger::{Admission, Ending, Ledger};
use crate::metrics::{Metrics, count};
use crate::pairings::Pairings;
use crate::presignatures::PresignaturePool;
use crate::primes::PrimePool;
use crate::store::Store;
use crate::wallets::Wallets;
use crate::work::Workers;
use attempt::Answer;
pub(crate) use attempt::OUTCOMES;
use doubts::Doubts;
use early::EarlyFrames;
use exclusion::Exclusions;
use lingering::{Known, Lingering};
use member::{Promise, TakenPart};
use places::Places;
use quorate_identity::peers::Peers;
use run::Inbox;
use signatures::Signatures;
use upkeep::Demand;

/// Frames of one peer, other than envelopes of running sessions, that may be worked on at a time.
const PEER_TASKS: usize = 256;
/// How much longer a client waits than the request may take: for the reason why it failed.
const LAST_WORD: Duration = Duration::from_secs(1);
/// How long a client may wait for what nodes make ahead: a presignature takes a second.
const LONG_WORK: Duration = Duration::from_secs(1800);
/// How often expired requests are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// What a request for which nobody waits takes of [`UNWAITED`] for each begun so many bytes of its body.
const UNWAITED_UNIT: usize = 16 * 1024;
/// Places for requests for which nobody waits, who therefore hold no connection: so many, or 16 MiB of bodies.
const UNWAITED: usize = 1024;
/// Event streams at a time: each holds one of the connections of the API.
const WATCHERS: usize = 128;

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) identity: Arc<SigningIdentity>,
    pub(crate) config: Config,
    pub(crate) peers: Peers,
    pub(crate) registry: Registry,
    pub(crate) barrier: Arc<dyn Barrier>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) store: Arc<Store>,
    pub(crate) wallets: Wallets,
    pub(crate) auxiliaries: Auxiliaries,
    pub(crate) pairings: Pairings,
    pub(crate) foreground: Workers,
    pub(crate) background: Workers,
    /// For the search of primes.
    pub(crate) searchers: Workers,
}

/// One node: proposer, member of committees, and keeper of wallets and requests.
pub(crate) struct Engine {
    pub(crate) me: Identity,
    pub(crate) config: Config,
    pub(crate) peers: Peers,
    pub(crate) authority: Authority,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) store: Arc<Store>,
    pub(crate) wallets: Wallets,
    pub(crate) auxiliaries: Auxiliaries,
    pub(crate) pairings: Pairings,
    pub(crate) presignatures: Arc<PresignaturePool>,
    pub(crate) primes: Arc<PrimePool>,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
    identity: Arc<SigningIdentity>,
    signatures: Signatures,
    registry: Arc<Registry>,
    barrier: Arc<dyn Barrier>,
    exclusions: Exclusions,
    /// Requests that this node proposes: where answers go, by request id.
    proposals: Mutex<HashMap<String, Proposed>>,
    /// Proposals that this node accepted and that have not started, by digest.
    promises: Mutex<HashMap<[u8; 32], Promise>>,
    /// The latest attempt of each request that this node takes or took part in, by request id.
    taken: Mutex<HashMap<String, TakenPart>>,
    /// Those that run.
    sessions: Mutex<HashMap<SessionId, Inbox>>,
    /// To be locked after the ones that run.
    lingering: Mutex<Lingering>,
    early: Mutex<EarlyFrames>,
    doubts: Mutex<Doubts>,
    /// Whether the store took a write, and when that was tried.
    pub(crate) probed: tokio::sync::Mutex<Option<(Instant, Option<String>)>>,
    keygens: Places,
    signings: Places,
    /// For presignatures and auxiliary information that clients ask for.
    provisions: Places,
    foreground: Workers,
    background: Workers,
    demand: Demand,
    unwaited: Arc<Semaphore>,
    pub(crate) watchers: Arc<Semaphore>,
    /// Whether the node closes its API: event streams end then.
    closing: watch::Sender<bool>,
    draining: AtomicBool,
    /// Requests and sessions in progress.
    busy: AtomicUsize,
}

/// A request that has been taken.
enum Begun {
    /// It has its result.
    Done(Box<SessionResult>),
    /// It is being worked on.
    Running(watch::Receiver<Option<Ending>>),
}

/// The live attempt of a request that this node proposes.
struct Proposed {
    digest: [u8; 32],
    /// Fingerprint of the request: another node may know another request of this id.
    fingerprint: [u8; 32],
    sender: mpsc::Sender<(Identity, Answer)>,
}

/// A lock whose holder panicked is as good as any: every change under it is complete in itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Result<Arc<Self>, crate::store::StoreError> {
        let Parts {
            identity,
            config,
            peers,
            registry,
            barrier,
            transport,
            store,
            wallets,
            auxiliaries,
            pairings,
            foreground,
            background,
            searchers,
        } = parts;
        let primes = PrimePool::new(searchers, config.prime_pool);
        Ok(Arc::new(Self {
            me: identity.identity(),
            auxiliaries,
            pairings,
            presignatures: Arc::default(),
            primes: Arc::new(primes),
            foreground,
            background,
            demand: Demand::new(config.max_concurrent_presign),
            provisions: Places::new(config.max_concurrent_presign, config.max_waiting),
            authority: Authority::new(*peers.cluster(), config.initiators.clone()),
            ledger: Ledger::new(Arc::clone(&store)),
            metrics: Metrics::default(),
            exclusions: Exclusions::load(Arc::clone(&store), config.data_dir.join("evidence"))?,
            keygens: Places::new(config.max_concurrent_keygen, config.max_waiting),
            signings: Places::new(config.max_concurrent_signing, config.max_waiting),
            unwaited: Arc::new(Semaphore::new(UNWAITED)),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
            closing: watch::Sender::new(false),
            config,
            peers,
            transport,
            store,
            wallets,
            identity,
            signatures: Signatures::default(),
            registry: Arc::new(registry),
            barrier,
            proposals: Mutex::default(),
            promises: Mutex::default(),
            taken: Mutex::default(),
            sessions: Mutex::default(),
            lingering: Mutex::default(),
            early: Mutex::default(),
            doubts: Mutex::default(),
            probed: tokio::sync::Mutex::default(),
            draining: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
        }))
    }

    /// Answers a client's request: with its first result, however often it is repeated, where this node or one of those
    /// that it invites knows it.
    ///
    /// # Errors
    /// What the client is told.
    #[cfg(test)]
    pub(crate) async fn submit(self: &Arc<Self>, request: &SignedRequest) -> Ending {
        let verified = self.authority.verify(request).map_err(|error| crate::authority::refusal(&error))?;
        self.submit_verified(verified).await
    }

    /// [`Engine::submit`], for a request that has been verified.
    ///
    /// # Errors
    /// What the client is told.
    pub(crate) async fn submit_verified(self: &Arc<Self>, verified: Verified) -> Ending {
        let id = verified.request_id().clone();
        let patience = match verified.operation() {
            Operation::Presign | Operation::Auxiliary => LONG_WORK,
            _ => self.config.request_timeout.saturating_add(LAST_WORD),
        };
        let mut running = match self.begin(verified, None)? {
            Begun::Done(result) => return Ok(*result),
            Begun::Running(running) => running,
        };
        let ended = tokio::time::timeout(patience, running.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(ending)) => match ending.clone() {
                Some(ending) => ending.map_err(|error| error.with_session(id)),
                None => Err(ErrorBody::new(ErrorCode::Internal, "the request was lost").with_session(id)),
            },
            Ok(Err(_)) => Err(ErrorBody::new(ErrorCode::Internal, "the request was lost").with_session(id)),
            Err(_) => Err(ErrorBody::new(
                ErrorCode::TimedOut,
                "there is no result yet; repeat the same request to learn it",
            )
            .with_session(id)),
        }
    }

    /// Takes a client's request without waiting for its result. Gives the result if it is there already.
    ///
    /// # Errors
    /// What the client is told: also that too many requests are in progress for which nobody waits.
    pub(crate) fn submit_unwaited(
        self: &Arc<Self>,
        verified: Verified,
    ) -> Result<Option<SessionResult>, ErrorBody> {
        let id = verified.request_id().clone();
        let size = verified.request().body().len().div_ceil(UNWAITED_UNIT).max(1);
        // A body that does not fit a u32 was refused long before.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.unwaited).try_acquire_many_owned(size).ok();
        let running = match self.begin(verified, Some(place))? {
            Begun::Done(result) => return Ok(Some(*result)),
            Begun::Running(running) => running,
        };
        let ending = running.borrow().clone();
        ending.transpose().map_err(|error| error.with_session(id))
    }

    /// Admits a request, and works on it if it is new. `unwaited`: nobody will wait for it; it needs a place then.
    fn begin(
        self: &Arc<Self>,
        verified: Verified,
        unwaited: Option<Option<OwnedSemaphorePermit>>,
    ) -> Result<Begun, ErrorBody> {
        let id = verified.request_id().clone();
        match self.ledger.admit(&verified)? {
            Admission::Done(result) => return Ok(Begun::Done(result)),
            Admission::Running(running) => return Ok(Begun::Running(running)),
            Admission::New => {}
        }
        let refused = if self.is_draining() {
            Some(ErrorBody::new(ErrorCode::ShuttingDown, "this node is shutting down; ask another"))
        } else if matches!(unwaited, Some(None)) {
            let message = "as many requests as allowed are in progress for which nobody waits";
            Some(ErrorBody::new(ErrorCode::TooManySessions, message))
        } else {
            None
        };
        if let Some(error) = refused {
            self.ledger.end(&id, Err(error.clone()));
            return Err(error.with_session(id));
        }
        self.work_on(verified, unwaited.flatten());
        match self.ledger.watch(&id) {
            Some(running) => Ok(Begun::Running(running)),
            None => Err(ErrorBody::new(ErrorCode::Internal, "the request was lost").with_session(id)),
        }
    }

    /// Works on a request in a task of its own: a client that goes away changes nothing.
    fn work_on(self: &Arc<Self>, verified: Verified, place: Option<OwnedSemaphorePermit>) {
        let engine = Arc::clone(self);
        let busy = Busy::new(self);
        let working = self.metrics.working(match verified.operation() {
            Operation::Keygen => "keygen",
            Operation::Sign => "sign",
            Operation::Presign => "presign",
            Operation::Auxiliary => "auxiliary",
            _ => "other",
        });
        let answered = Answered { engine: Arc::clone(self), id: Some(verified.request_id().clone()) };
        tokio::spawn(async move {
            let id = verified.request_id().clone();
            let ending: Result<SessionResult, ErrorBody> = engine.see_through(&verified).await;
            if let Err(error) = &ending {
                tracing::warn!(request = id.as_str(), code = %error.code, "{}", error.message);
            }
            engine.metrics.ended(&working, &ending);
            drop(working);
            answered.with(ending);
            drop(busy);
            drop(place);
        });
    }

    /// Takes frames from the transport until it is closed.
    pub(crate) async fn listen(self: Arc<Self>, mut incoming: Incoming) {
        let mut places: HashMap<Identity, Arc<Semaphore>> = HashMap::new();
        let mut dropped: HashMap<Identity, u64> = HashMap::new();
        // A peer that floods this node does not fill its log: the first, second, fourth, eighth… is told.
        let mut drop_frame = |engine: &Self, from: &Identity, reason: &dyn std::fmt::Display| {
            count(&engine.metrics.frames.dropped_receiving);
            let times = dropped.entry(*from).or_default();
            *times = times.saturating_add(1);
            if times.is_power_of_two() {
                tracing::warn!(peer = %engine.name(from), count = *times, "dropped a frame: {reason}");
            }
        };
        while let Some((from, bytes)) = incoming.next().await {
            count(&self.metrics.frames.received);
            let frame = match Frame::from_wire(&bytes) {
                Ok(frame) => frame,
                Err(error) => {
                    drop_frame(&self, &from, &error);
                    continue;
                }
            };
            let frame = match frame {
                Frame::Session { session, envelope } => match self.deliver(from, session, envelope) {
                    Ok(None) => continue,
                    // What a session that has ended has to say is worked out in a task.
                    Ok(Some(envelope)) => Frame::Session { session, envelope },
                    Err(reason) => {
                        drop_frame(&self, &from, &reason);
                        continue;
                    }
                },
                frame => frame,
            };
            let places = places.entry(from).or_insert_with(|| Arc::new(Semaphore::new(PEER_TASKS)));
            let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                drop_frame(&self, &from, &"it sends more than this node can work on");
                continue;
            };
            let engine = Arc::clone(&self);
            tokio::spawn(async move {
                engine.take(from, frame).await;
                drop(place);
            });
        }
    }

    async fn take(self: &Arc<Self>, from: Identity, frame: Frame) {
        match frame {
            Frame::Invite(invite) => {
                self.await_presignatures(&from, &invite.presignatures).await;
                let answer = self.invited(from, *invite);
                self.send(&from, &answer);
            }
            Frame::Start(start) => self.started(from, &start),
            Frame::Accept(acceptance) => {
                self.answer_by_digest(from, acceptance.proposal, Answer::Accepted(acceptance));
            }
            Frame::Decline(decline) => {
                self.answer_by_digest(from, decline.proposal, Answer::Declined(decline.reason));
            }
            Frame::GivenUp(given_up) => {
                self.answer_by_digest(
                    from,
                    given_up.proposal,
                    Answer::GivenUp(given_up.silent, given_up.reason),
                );
            }
            Frame::Session { session, envelope } => self.answer_late(&from, session, &envelope),
            Frame::Signed(signed) => self.signed(from, signed).await,
            Frame::Evidence(evidence) => self.accused(from, *evidence).await,
            Frame::Certified(certified) => self.certified(from, *certified).await,
            Frame::Inquire(agreement) => self.inquired(from, &agreement).await,
            Frame::Acknowledged(envelope) => self.acknowledged(from, *envelope).await,
            Frame::Refused(refusal) => self.refused(from, &refusal).await,
            Frame::PairsWait { wallet, session } => self.pairs_elsewhere(from, wallet, session, true).await,
            Frame::PairsHeld { wallet, session } => self.pairs_elsewhere(from, wallet, session, false).await,
            Frame::Withdrawn(proposal) => self.withdrawn(from, &proposal),
            Frame::AreYouThere(proposal) => self.send(&from, &Frame::Here(proposal)),
            Frame::Here(proposal) => self.answer_by_digest(from, proposal, Answer::Here),
            Frame::Census(census) => self.compared(&from, &census),
            Frame::Missing { bucket, have } => self.missing(&from, bucket, have),
            Frame::Seek(sought) => self.sought(&from, &sought),
            Frame::Presigned { proposal, publics } => {
                self.answer_by_digest(from, proposal, Answer::Presigned(publics));
            }
            Frame::Presignatures(ids) => self.told_presignatures(&from, &ids),
            Frame::LacksPresignatures(ids) => self.lacks_presignatures(&from, &ids),
        }
    }

    /// Hands an envelope to its session; one that comes before the session is kept for a while, one that comes after its
    /// end is dropped. Gives back one for a session that has ended and still answers.
    ///
    /// # Errors
    /// Why the session does not take it.
    fn deliver(
        &self,
        from: Identity,
        session: SessionId,
        envelope: Vec<u8>,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let sessions = lock(&self.sessions);
        if let Some(inbox) = sessions.get(&session) {
            return inbox.deliver(from, envelope).map(|()| None);
        }
        let known = lock(&self.lingering).knows(&session);
        match known {
            Known::Lingers => Ok(Some(envelope)),
            Known::Over => Ok(None),
            Known::Nothing => {
                lock(&self.early).keep(from, session, envelope);
                Ok(None)
            }
        }
    }

    /// Whether a session runs here that has not come to its end.
    fn is_running(&self, session: &SessionId) -> bool {
        lock(&self.sessions).get(session).is_some_and(Inbox::is_running)
    }

    /// Queues a frame for a peer. A frame that can't be queued is lost, as any frame can be.
    fn send(&self, to: &Identity, frame: &Frame) {
        match frame.to_wire() {
            Ok(bytes) => self.send_bytes(to, bytes.into()),
            Err(error) => tracing::error!(%error, "a frame could not be encoded"),
        }
    }

    fn send_bytes(&self, to: &Identity, bytes: Bytes) {
        match self.transport.send(to, bytes) {
            Ok(()) => count(&self.metrics.frames.sent),
            Err(SendError::Closed) => {}
            Err(error) => {
                count(&self.metrics.frames.dropped_sending);
                tracing::debug!(%error, "a frame was not sent");
            }
        }
    }

    /// Queues a frame for all other nodes of the cluster.
    fn send_all(&self, frame: &Frame) {
        for peer in self.peers.all().iter().filter(|peer| peer.identity != self.me) {
            self.send(&peer.identity, frame);
        }
    }

    /// The name of a node, or its identity if it has none here.
    pub(crate) fn name(&self, identity: &Identity) -> String {
        self.peers.by_identity(identity).map_or_else(|| identity.to_string(), |peer| peer.name.to_string())
    }

    /// The names of nodes, sorted.
    pub(crate) fn names<'a>(&self, identities: impl IntoIterator<Item = &'a Identity>) -> Vec<String> {
        let mut names: Vec<_> = identities.into_iter().map(|identity| self.name(identity)).collect();
        names.sort();
        names
    }

    /// Signs proposals and acceptances.
    fn own(&self) -> signatures::Own<'_> {
        signatures::Own { signer: &self.identity, signatures: &self.signatures }
    }

    fn keyring(&self) -> Keyring {
        let signer: Arc<SigningIdentity> = Arc::clone(&self.identity);
        Keyring { signer, verifier: Arc::new(IdentityVerifier) }
    }

    /// How many protocol runs this node takes part in.
    pub(crate) fn sessions_running(&self) -> usize {
        lock(&self.sessions).values().filter(|inbox| inbox.is_running()).count()
    }

    /// Whether a node is left out of committees for good.
    pub(crate) fn is_excluded(&self, node: &Identity) -> bool {
        self.exclusions.contains(node)
    }

    /// How many nodes are left out of committees for good.
    pub(crate) fn culprits_excluded(&self) -> usize {
        self.exclusions.count()
    }

    /// The nodes with which frames can be exchanged now, this one included.
    pub(crate) fn reachable(&self) -> Vec<Identity> {
        let connected = self.transport.peers().into_iter().filter(quorate_transport::PeerState::is_connected);
        connected.map(|peer| peer.identity).chain([self.me]).collect()
    }

    /// Forgets requests whose time is over, until the node stops.
    pub(crate) async fn forget(self: Arc<Self>) {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            match self.ledger.forget_expired(SystemTime::now()).await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(count, "forgot expired requests"),
                Err(error) => tracing::warn!(%error, "expired requests could not be forgotten"),
            }
        }
    }

    /// Refuses new requests and waits until those in progress have ended.
    pub(crate) async fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        while self.busy.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends what would go on for as long as somebody listens.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Becomes true when the node closes its API.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// Sees to it that a request has an ending even if the work on it breaks off.
struct Answered {
    engine: Arc<Engine>,
    /// None once it has its ending: from then on the same id may be that of a repetition, whose work goes on.
    id: Option<RequestId>,
}

impl Answered {
    fn with(mut self, ending: Ending) {
        if let Some(id) = self.id.take() {
            self.engine.ledger.end(&id, ending);
        }
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.engine.ledger.break_off(&id);
        }
    }
}

/// Counts work in progress.
struct Busy(Arc<Engine>);

impl Busy {
    fn new(engine: &Arc<Engine>) -> Self {
        engine.busy.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(engine))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}
