//! Direct connections between nodes: gRPC over mutual TLS 1.3, certificates pinned to node identities.
//!
//! # Trust
//!
//! The TLS key of a node **is** its Ed25519 identity. Its certificate is self-signed and the same at every start;
//! peers look at nothing in it but the key. Whoever dials accepts exactly the identity configured for the address
//! it dials ([`LinkFailure::WrongIdentity`] names what answers instead); whoever listens accepts exactly the
//! identities of its peers ([`Refusal`] names everybody else). Both sides prove their key in every handshake:
//! there is no resumption, no early data, no TLS 1.2 and no certificate authority. Losing an identity key lets its
//! thief impersonate that node from then on, but not read traffic recorded before (ephemeral keys only).
//!
//! # Connections
//!
//! Every node dials all of its peers and sends its own frames on the connection it dialled, on one gRPC stream
//! (`proto/peer.proto`); it receives a peer's frames on the connection which that peer dialled. A stream counts
//! as connected when the peer has answered, and only then do frames leave the queue. A connection that fails is
//! dialled again after 50 ms to 5 s (doubling, with jitter), or at once when the peer dials us. HTTP/2 keepalives
//! find a peer that vanished without a word.
//!
//! # Hostile input
//!
//! Until a handshake is complete, a connection costs a socket and a little memory: handshakes under way are
//! capped and timed, and when there are too many the oldest is ended, so that a newcomer is always served. After
//! it, a peer has one connection and one stream, a frame size that is checked before anything is buffered, and a
//! queue that stops being read when it is full.

mod dial;
mod heard_stream;
mod http2;
mod listen;
mod options;
mod peer;
mod proto;
mod refusal;
mod service;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use quorate_keys::{Identity, SigningIdentity};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::dial::Dialler;
use self::listen::Listener;
pub use self::options::Options;
use self::peer::Peer;
use self::refusal::Ledger;
pub use self::refusal::{Refusal, RefusalReason, Refusals};
use self::tls::{Credentials, KeyLogFile, TlsError};
use crate::incoming::{Inbox, Incoming};
use crate::limits::LimitsError;
use crate::outbox::Outbox;
use crate::phase::Phase;
#[cfg(doc)]
use crate::transport::LinkFailure;
use crate::transport::{PeerState, SendError, Transport};

/// A peer and where it listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Who must answer.
    pub identity: Identity,
    /// `host:port`; a name is resolved anew whenever it is dialled.
    pub address: String,
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
    /// The listener is not usable.
    #[error("the listening socket is not usable")]
    Listener(#[source] io::Error),
    /// The TLS key log that was asked for cannot be written.
    #[error("the TLS key log {} cannot be written", path.display())]
    KeyLog {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// TLS could not be set up: a fault of this program.
    #[error("TLS could not be set up: {0}")]
    Tls(String),
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error.to_string())
    }
}

/// What the tasks of one transport share.
#[derive(Debug)]
struct Shared {
    peers: BTreeMap<Identity, Arc<Peer>>,
    inbox: Arc<Inbox>,
    options: Options,
    refusals: Ledger,
}

/// A node's direct connections with its peers.
///
/// Dropping it without [`close`](Transport::close) ends the connections at once; what is queued is lost.
#[derive(Debug)]
pub struct Direct {
    shared: Arc<Shared>,
    local_address: SocketAddr,
    /// Owned here and by a closing task only: when both are gone, every other task ends.
    phase: Arc<watch::Sender<Phase>>,
    tasks: Mutex<Tasks>,
    runtime: tokio::runtime::Handle,
}

#[derive(Debug, Default)]
struct Tasks {
    diallers: Vec<JoinHandle<()>>,
    listener: Option<JoinHandle<()>>,
}

impl Direct {
    /// Starts to listen for the peers and to dial them.
    ///
    /// `listener` is bound already, so that a caller can let the system choose a port. An entry of this node
    /// itself among `peers` is passed over: the whole list of a cluster may be given.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`], before anything was started. A peer that cannot be reached is not an error: it is dialled
    /// until it can.
    pub fn start(
        signer: Arc<SigningIdentity>,
        listener: TcpListener,
        peers: impl IntoIterator<Item = PeerAddress>,
        options: Options,
    ) -> Result<(Arc<Self>, Incoming), StartError> {
        options.limits.check()?;
        let local_address = listener.local_addr().map_err(StartError::Listener)?;
        let me = signer.identity();
        let peers: Vec<PeerAddress> = peers.into_iter().filter(|peer| peer.identity != me).collect();
        let mut identities = BTreeSet::new();
        for peer in &peers {
            if !identities.insert(peer.identity) {
                return Err(StartError::DuplicatePeer(peer.identity));
            }
        }
        let credentials = Credentials::new(signer, key_log(&options)?)?;
        let acceptor = TlsAcceptor::from(credentials.server(identities)?);
        let (inbox, incoming) =
            Inbox::new(peers.iter().map(|peer| peer.identity), options.limits.inbox_bytes);
        let peers = peers.into_iter().enumerate().map(|(lane, peer)| {
            let outbox = Outbox::new(options.limits.queue_bytes, options.limits.queue_age);
            (peer.identity, Arc::new(Peer::new(peer.identity, peer.address, lane, outbox)))
        });
        let peers: BTreeMap<_, _> = peers.collect();
        let shared = Arc::new(Shared { peers, inbox, options, refusals: Ledger::default() });

        let phase = watch::Sender::new(Phase::Running);
        let mut diallers = Vec::new();
        for peer in shared.peers.values() {
            let connector = TlsConnector::from(credentials.client(peer.identity)?);
            diallers.push(Dialler::new(Arc::clone(peer), connector, &shared.options, phase.subscribe()));
        }
        let diallers = diallers.into_iter().map(|dialler| tokio::spawn(dialler.run())).collect();
        let listener = Listener::new(listener, acceptor, Arc::clone(&shared), phase.subscribe());
        let listener = Some(tokio::spawn(listener.run()));
        let direct = Self {
            shared,
            local_address,
            phase: Arc::new(phase),
            tasks: Mutex::new(Tasks { diallers, listener }),
            runtime: tokio::runtime::Handle::current(),
        };
        Ok((Arc::new(direct), incoming))
    }

    /// The address this node listens on.
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// A peer may listen at this address now: it is dialled there when it is not connected, and where it was configured to be
    /// when nobody answers as that peer. A connection that stands stays.
    pub fn redirect(&self, peer: &Identity, address: &str) {
        if let Some(peer) = self.shared.peers.get(peer) {
            peer.redirect(address);
        }
    }

    /// The connections that were refused before a peer was authenticated.
    pub fn refusals(&self) -> Refusals {
        self.shared.refusals.snapshot()
    }
}

fn key_log(options: &Options) -> Result<Option<Arc<KeyLogFile>>, StartError> {
    let Some(path) = &options.key_log else { return Ok(None) };
    tracing::warn!(path = %path.display(), "TLS secrets are being logged: whoever reads the log reads the traffic");
    match KeyLogFile::create(path) {
        Ok(file) => Ok(Some(Arc::new(file))),
        Err(source) => Err(StartError::KeyLog { path: path.clone(), source }),
    }
}

impl Transport for Direct {
    fn send(&self, to: &Identity, frame: Bytes) -> Result<(), SendError> {
        let peer = self.shared.peers.get(to).ok_or(SendError::UnknownPeer(*to))?;
        peer.outbox.queue(to, frame, self.shared.options.limits.max_frame)
    }

    fn peers(&self) -> Vec<PeerState> {
        self.shared.peers.values().map(|peer| peer.state()).collect()
    }

    fn close(&self) -> BoxFuture<'static, ()> {
        if Phase::advance(&self.phase, Phase::Draining) {
            self.shared.peers.values().for_each(|peer| peer.outbox.close());
            let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
            let shared = Arc::clone(&self.shared);
            let phase = Arc::clone(&self.phase);
            // A task of its own, so that closing goes on when the caller stops waiting for it.
            self.runtime.spawn(async move {
                let aborts: Vec<_> = tasks.diallers.iter().map(JoinHandle::abort_handle).collect();
                let drained = futures_util::future::join_all(tasks.diallers);
                if tokio::time::timeout(shared.options.limits.close_timeout, drained).await.is_err() {
                    tracing::warn!("closed with frames still queued");
                    aborts.iter().for_each(tokio::task::AbortHandle::abort);
                }
                Phase::advance(&phase, Phase::Stopping);
                if let Some(listener) = tasks.listener {
                    // It bounds its own end; a panic in it has been reported by the runtime.
                    let _ended = listener.await;
                }
                shared.inbox.close();
                Phase::advance(&phase, Phase::Closed);
            });
        }
        Box::pin(Phase::reached(self.phase.subscribe(), Phase::Closed))
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        // While a close is under way it owns the tasks and finishes by itself.
        if *self.phase.borrow() == Phase::Running {
            let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
            tasks.diallers.iter().chain(&tasks.listener).for_each(JoinHandle::abort);
            self.shared.inbox.close();
        }
    }
}

#[cfg(test)]
mod tests;
