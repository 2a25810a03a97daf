//! The node's state.

mod affording;
mod approving;
mod attempt;
mod changing;
mod doubts;
mod early;
mod exchange;
mod exclusion;
mod frames;
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
mod refreshing;
mod renewing;
mod requests;
mod run;
mod signatures;
mod standing;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quorate_audit::{Countersignature, SignedHead};
use quorate_keys::{Identity, SigningIdentity};
use quorate_session::{IdentityVerifier, Keyring, Registry, SessionId};
use quorate_transport::Transport;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::approvals::Approvals;
use crate::audit::Audit;
use crate::authority::Authority;
use crate::auxiliary::Auxiliaries;
use crate::backup::Backups;
use crate::barrier::Barrier;
use crate::config::Config;
use crate::initiators::Changes;
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::pairings::Pairings;
use crate::presignatures::PresignaturePool;
use crate::primes::PrimePool;
use crate::spendings::Spendings;
use crate::standing::Standings;
use crate::store::Store;
use crate::wallets::Wallets;
use crate::work::Workers;
use affording::{Afforded, Hearing};
use attempt::Answer;
pub(crate) use attempt::OUTCOMES;
use doubts::Doubts;
use early::EarlyFrames;
use exclusion::Exclusions;
use lingering::Lingering;
use member::{Promise, TakenPart};
use places::Places;
use quorate_identity::peers::Peers;
use run::Inbox;
use signatures::Signatures;
use standing::Noted;
use upkeep::Demand;

/// Places for requests for which nobody waits, who therefore hold no connection: so many, or 16 MiB of bodies.
const UNWAITED: usize = 1024;
/// Event streams at a time: each holds one of the connections of the API.
const WATCHERS: usize = 128;

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) identity: Arc<SigningIdentity>,
    pub(crate) config: Config,
    pub(crate) peers: Peers,
    pub(crate) authority: Authority,
    pub(crate) approvals: Arc<Approvals>,
    pub(crate) changes: Changes,
    pub(crate) audit: Arc<Audit>,
    pub(crate) registry: Registry,
    pub(crate) barrier: Arc<dyn Barrier>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) store: Arc<Store>,
    pub(crate) wallets: Wallets,
    pub(crate) auxiliaries: Auxiliaries,
    pub(crate) pairings: Pairings,
    pub(crate) spendings: Spendings,
    pub(crate) standings: Standings,
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
    pub(crate) approvals: Arc<Approvals>,
    pub(crate) changes: Changes,
    pub(crate) audit: Arc<Audit>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) store: Arc<Store>,
    pub(crate) wallets: Wallets,
    pub(crate) auxiliaries: Auxiliaries,
    pub(crate) pairings: Pairings,
    pub(crate) presignatures: Arc<PresignaturePool>,
    pub(crate) primes: Arc<PrimePool>,
    pub(crate) ledger: Ledger,
    pub(crate) spendings: Arc<Spendings>,
    pub(crate) standings: Standings,
    pub(crate) metrics: Metrics,
    pub(crate) backups: Backups,
    pub(crate) identity: Arc<SigningIdentity>,
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
    /// Sessions that hear their members out about what was spent.
    hearings: Mutex<HashMap<SessionId, Hearing>>,
    /// Those that this node could afford.
    afforded: Mutex<Afforded>,
    doubts: Mutex<Doubts>,
    /// The head of the audit log that the others were told last, and who has countersigned it.
    countersigned: Mutex<Option<(SignedHead, BTreeMap<Identity, Countersignature>)>>,
    /// When each peer's standing was last noted in the audit log, by what was noted.
    noted: Mutex<HashMap<(Identity, Noted), Instant>>,
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

/// The live attempt of a request that this node proposes.
struct Proposed {
    digest: [u8; 32],
    /// Fingerprint of the request: another node may know another request of this id.
    fingerprint: [u8; 32],
    /// Whose refusal was written down.
    refused: BTreeSet<Identity>,
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
            authority,
            approvals,
            changes,
            audit,
            registry,
            barrier,
            transport,
            store,
            wallets,
            auxiliaries,
            pairings,
            spendings,
            standings,
            foreground,
            background,
            searchers,
        } = parts;
        let primes = PrimePool::new(searchers, config.prime_pool);
        Ok(Arc::new(Self {
            me: identity.identity(),
            auxiliaries,
            pairings,
            spendings: Arc::new(spendings),
            standings,
            presignatures: Arc::default(),
            primes: Arc::new(primes),
            foreground,
            background,
            demand: Demand::new(config.max_concurrent_presign),
            provisions: Places::new(config.max_concurrent_presign, config.max_waiting),
            authority,
            changes,
            audit,
            ledger: Ledger::new(Arc::clone(&store), Arc::clone(&approvals)),
            approvals,
            metrics: Metrics::default(),
            backups: Backups::default(),
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
            hearings: Mutex::default(),
            afforded: Mutex::default(),
            doubts: Mutex::default(),
            countersigned: Mutex::default(),
            noted: Mutex::default(),
            probed: tokio::sync::Mutex::default(),
            draining: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
        }))
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
