//! Frames over NATS: each pair of nodes has a [link](quorate_link) across the broker, which is trusted with nothing.
//!
//! # Subjects
//!
//! What node `from` says to node `to` goes to `{prefix}.{cluster}.{to}.{from}`, the cluster and the identities as 64 hex
//! digits, by core NATS: nothing of it is stored. A node needs the permission to publish to `{prefix}.{cluster}.*.{itself}` and to
//! subscribe to `{prefix}.{cluster}.{itself}.*`, and nobody else does. Whoever has more can hold frames up, as the broker
//! can, and read or forge none.
//!
//! # When the broker is away
//!
//! The links outlive it: what was lost is sent again when it is back, unless that takes longer than a link lives in silence.
//! Meanwhile no peer counts as connected.

mod peer;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use quorate_broker::Broker;
use quorate_keys::{Identity, SigningIdentity};
use quorate_link::{Link, Local, Settings};
use rand_core::OsRng;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::peer::Peer;
use self::task::Task;
use crate::incoming::{Inbox, Incoming};
use crate::limits::{Limits, LimitsError};
use crate::outbox::Outbox;
use crate::phase::Phase;
use crate::transport::{PeerState, SendError, Transport};

/// How frames go over NATS.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What is held for the peers at most, and for how long.
    pub limits: Limits,
    /// How links are kept. The largest frame is that of the limits.
    pub link: Settings,
    /// With what subjects begin: `mpc.rounds`.
    pub prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { limits: Limits::default(), link: Settings::default(), prefix: "mpc.rounds".to_owned() }
    }
}

/// Why a transport did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The limits contradict each other.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// The list of peers names an identity twice.
    #[error("the identity {0} is listed twice among the peers")]
    DuplicatePeer(Identity),
    /// What subjects begin with.
    #[error("{0:?} can't begin a subject: names of A-Z a-z 0-9 - _ with dots between them")]
    Prefix(String),
    /// The library refused a subscription.
    #[error("can't subscribe to {subject}: {detail}")]
    Subscription {
        /// To what.
        subject: String,
        /// What it said.
        detail: String,
    },
}

#[derive(Debug)]
struct Shared {
    peers: BTreeMap<Identity, Arc<Peer>>,
    inbox: Arc<Inbox>,
    limits: Limits,
    broker: Broker,
}

/// A node's links over NATS.
///
/// Dropping it without [`close`](Transport::close) ends the links at once; what is queued is lost. The broker's connection is
/// its owner's, and stays.
#[derive(Debug)]
pub struct Nats {
    shared: Arc<Shared>,
    phase: Arc<watch::Sender<Phase>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    runtime: tokio::runtime::Handle,
}

impl Nats {
    /// Starts to link with the peers. An entry of this node itself among `peers` is passed over: the whole list of a
    /// cluster may be given.
    ///
    /// # Errors
    /// [`StartError`], before anything was started. That the broker or a peer can't be reached is no error.
    pub async fn start(
        signer: Arc<SigningIdentity>,
        cluster: [u8; 32],
        broker: Broker,
        peers: impl IntoIterator<Item = Identity>,
        options: Options,
    ) -> Result<(Arc<Self>, Incoming), StartError> {
        options.limits.check()?;
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !options.prefix.split('.').all(is_name) {
            return Err(StartError::Prefix(options.prefix));
        }
        let me = signer.identity();
        let peers: Vec<Identity> = peers.into_iter().filter(|peer| *peer != me).collect();
        let mut seen = BTreeSet::new();
        if let Some(twice) = peers.iter().find(|peer| !seen.insert(**peer)) {
            return Err(StartError::DuplicatePeer(*twice));
        }
        let boot = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let boot = u64::try_from(boot).unwrap_or(u64::MAX);
        let local = Arc::new(Local::new(signer, cluster, boot, &mut OsRng));
        let (inbox, incoming) = Inbox::new(peers.iter().copied(), options.limits.inbox_bytes);
        let start = Instant::now();
        let phase = watch::Sender::new(Phase::Running);
        let mut settings = options.link;
        settings.max_frame = options.limits.max_frame;
        let subject = |to: &Identity, from: &Identity| {
            let [cluster, to, from] = [&cluster, to.as_bytes(), from.as_bytes()].map(hex);
            format!("{}.{cluster}.{to}.{from}", options.prefix)
        };
        let mut all = BTreeMap::new();
        let mut tasks = Vec::new();
        for (lane, identity) in peers.into_iter().enumerate() {
            let heard_on = subject(&me, &identity);
            let subscriber =
                broker.client().subscribe(heard_on.clone()).await.map_err(|error| {
                    StartError::Subscription { subject: heard_on, detail: error.to_string() }
                })?;
            let outbox = Outbox::new(options.limits.queue_bytes, options.limits.queue_age);
            let peer = Arc::new(Peer::new(identity, outbox));
            let now = start.elapsed();
            tasks.push(Task {
                link: Link::new(Arc::clone(&local), identity, settings.clone(), now, &mut OsRng),
                peer: Arc::clone(&peer),
                lane,
                subscriber,
                subject: subject(&identity, &me).into(),
                broker: broker.clone(),
                connection: broker.connection(),
                inbox: Arc::clone(&inbox),
                phase: phase.subscribe(),
                start,
                lease: None,
                arrived: None,
            });
            all.insert(identity, peer);
        }
        let tasks = tasks.into_iter().map(|task| tokio::spawn(task.run())).collect();
        let nats = Self {
            shared: Arc::new(Shared { peers: all, inbox, limits: options.limits, broker }),
            phase: Arc::new(phase),
            tasks: Mutex::new(tasks),
            runtime: tokio::runtime::Handle::current(),
        };
        Ok((Arc::new(nats), incoming))
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Transport for Nats {
    fn send(&self, to: &Identity, frame: Bytes) -> Result<(), SendError> {
        let peer = self.shared.peers.get(to).ok_or(SendError::UnknownPeer(*to))?;
        peer.outbox.queue(to, frame, self.shared.limits.max_frame)
    }

    fn peers(&self) -> Vec<PeerState> {
        let connection = self.shared.broker.connection();
        let connection = connection.borrow();
        self.shared.peers.values().map(|peer| peer.state(&connection, self.shared.broker.servers())).collect()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        if Phase::advance(&self.phase, Phase::Draining) {
            self.shared.peers.values().for_each(|peer| peer.outbox.close());
            let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
            let shared = Arc::clone(&self.shared);
            let phase = Arc::clone(&self.phase);
            self.runtime.spawn(async move {
                let aborts: Vec<_> = tasks.iter().map(JoinHandle::abort_handle).collect();
                let drained = futures_util::future::join_all(tasks);
                if tokio::time::timeout(shared.limits.close_timeout, drained).await.is_err() {
                    tracing::warn!("closed with frames still queued");
                    aborts.iter().for_each(tokio::task::AbortHandle::abort);
                }
                if shared.broker.is_open() {
                    let flushed = shared.broker.client().flush();
                    // What can't leave is not waited for.
                    let _left = tokio::time::timeout(shared.limits.close_timeout, flushed).await;
                }
                shared.inbox.close();
                Phase::advance(&phase, Phase::Closed);
            });
        }
        Box::pin(Phase::reached(self.phase.subscribe(), Phase::Closed))
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // While a close is under way it owns the tasks and finishes by itself.
        if *self.phase.borrow() == Phase::Running {
            let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
            tasks.iter().for_each(JoinHandle::abort);
            self.shared.inbox.close();
        }
    }
}
