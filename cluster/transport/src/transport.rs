//! The joint that every transport implements, and the state it reports.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use quorate_keys::Identity;

/// Carries opaque frames to the configured peers of one node.
///
/// What is promised, by every implementation alike (the conformance suite checks it):
///
/// - a frame arrives whole, unchanged and named with the identity of the peer that sent it, or not at all;
/// - within one connection, frames of one peer arrive in the order they were sent, none twice;
/// - frames may be **lost** when a connection breaks, and across a reconnect nothing is retransmitted, so
///   that nothing is ever delivered twice; what must arrive is asked for again by the layer above;
/// - a peer that is slow, silent or gone costs the others nothing: queues are bounded and per peer.
pub trait Transport: Send + Sync + 'static {
    /// Queues a frame for a peer; never blocks.
    ///
    /// `Ok` means queued, not delivered. A frame that waits longer than the transport's limit, because its
    /// peer is away or does not read, is dropped.
    ///
    /// # Errors
    /// [`SendError::UnknownPeer`] and [`SendError::TooLarge`] are the caller's mistake,
    /// [`SendError::Full`] is a peer that takes frames more slowly than they are sent, and
    /// [`SendError::Closed`] follows [`close`](Self::close).
    fn send(&self, to: &Identity, frame: Bytes) -> Result<(), SendError>;

    /// The state of every configured peer, ordered by identity.
    fn peers(&self) -> Vec<PeerState>;

    /// Closes the transport gracefully: refuses further frames at once, hands what is queued to the peers
    /// that are connected (for a bounded time), then ends every connection.
    ///
    /// Closing begins with the call; the future resolves when it is done. Closing twice is harmless. The
    /// [`Incoming`](crate::Incoming) side ends after what has already arrived.
    fn close(&self) -> BoxFuture<'static, ()>;
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The identity is not among the configured peers.
    #[error("{0} is not a configured peer")]
    UnknownPeer(Identity),
    /// The queue of this peer is full: it is away, or reads more slowly than frames are sent.
    #[error("the queue to peer {0} is full")]
    Full(Identity),
    /// The frame is larger than frames may be.
    #[error("a frame of {length} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// The length of the frame, in bytes.
        length: usize,
        /// The largest length allowed, in bytes.
        limit: usize,
    },
    /// The transport is closing or closed.
    #[error("the transport is closed")]
    Closed,
}

/// What a transport knows of one configured peer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PeerState {
    /// The peer.
    pub identity: Identity,
    /// Where the peer is dialled, where a transport has addresses.
    pub address: Option<String>,
    /// Frames to the peer: open when the peer has accepted our stream.
    pub outgoing: Direction,
    /// Frames from the peer: open while it has a stream to us.
    pub incoming: Direction,
    /// When anything last arrived from the peer, keepalives included, on an authenticated connection.
    pub last_heard: Option<Instant>,
    /// Frames waiting to be sent to the peer.
    pub queued_frames: usize,
    /// Bytes waiting to be sent to the peer.
    pub queued_bytes: usize,
    /// Frames dropped so far because they had waited too long.
    pub expired_frames: u64,
}

/// One direction of a link.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Direction {
    /// Whether frames can pass now.
    pub open: bool,
    /// How many connections for this direction failed, were refused, or broke, so far.
    pub failures: u64,
    /// The latest of those failures.
    pub last_failure: Option<LinkFailure>,
}

impl Direction {
    pub(crate) fn fail(&mut self, peer: &Identity, failure: LinkFailure) {
        // A failure that merely repeats, for a peer that is down, is not worth a warning each time.
        if self.last_failure.as_ref() == Some(&failure) {
            tracing::debug!(%peer, reason = %failure, "a connection failed again");
        } else {
            tracing::warn!(%peer, reason = %failure, "a connection failed");
        }
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(failure);
    }
}

impl PeerState {
    /// Whether frames can pass in both directions.
    pub fn is_connected(&self) -> bool {
        self.outgoing.open && self.incoming.open
    }
}

/// Why a connection with a configured peer failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFailure {
    /// Nothing answers at the peer's address.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// The configured address.
        address: String,
        /// What the operating system said.
        reason: String,
    },
    /// The connection was not ready within the time a handshake may take.
    #[error("{address} did not complete the handshake in time")]
    TimedOut {
        /// The configured address.
        address: String,
    },
    /// Another node answers at the peer's address.
    #[error("{address} is not {expected}: it presents the identity {presented}; correct the peer's address")]
    WrongIdentity {
        /// The configured address.
        address: String,
        /// The identity configured for this address.
        expected: Identity,
        /// The identity that answered.
        presented: Identity,
    },
    /// What answers at the peer's address does not speak as a node does: no TLS 1.3, no certificate of an
    /// Ed25519 key, a wrong handshake signature, another application.
    #[error("{address} does not speak as a node: {reason}")]
    NotANode {
        /// The configured address.
        address: String,
        /// What was wrong.
        reason: String,
    },
    /// The peer does not accept us.
    #[error("{address} refused this node's identity: {reason}; is this node in the peer's list?")]
    Refused {
        /// The configured address.
        address: String,
        /// What the peer answered.
        reason: String,
    },
    /// An established connection ended.
    #[error("the connection to {address} ended: {reason}")]
    Lost {
        /// The configured address, or where the peer connected from.
        address: String,
        /// How it ended.
        reason: String,
    },
    /// The peer, though authenticated, broke the rules of the stream, for instance with an oversized frame.
    #[error("the peer at {address} broke the protocol: {reason}")]
    Misbehaved {
        /// Where the peer connected from.
        address: String,
        /// What it did.
        reason: String,
    },
}
