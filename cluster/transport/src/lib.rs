//! Node to node transports: opaque frames between the nodes of a cluster, over [`direct`] connections of mutual
//! TLS 1.3, or in [`memory`] for tests.
//!
//! A transport knows identities and bytes. It does not know sessions, protocols or wallets: what is in a frame is
//! signed, and where needed encrypted, by the layers above, which trust no transport.
//!
//! # What is promised
//!
//! Every [`Transport`] keeps the same promises, checked by one suite (`tests/conformance.rs`):
//!
//! - **Authentic.** A frame is handed out with the identity of the peer that sent it. Only configured peers can
//!   send, and only they are sent to.
//! - **Ordered, without duplicates, within a connection.** The frames of one peer arrive in the order in which
//!   they were given to [`Transport::send`]. No frame is ever delivered twice, because none is ever sent twice.
//! - **Lossy across connections.** When a connection breaks, the frames that had left the queue but not reached
//!   the other side are lost, and there may be a gap after a reconnect. What is still queued survives it, for up
//!   to [`Limits::queue_age`]. Layers above time out and ask again; sessions start a new attempt.
//! - **Bounded and fair.** One bounded queue per peer in each direction; the queues of arrived frames are served in
//!   turn ([`Incoming`]). A peer that floods, is slow, or never reads fills its own queues and nobody else's.
//! - **Not confidential by itself** beyond the connection: private parts of protocol messages are encrypted end to
//!   end by the protocols, because a transport may have a broker in its middle.
//!
//! # Trust
//!
//! For [`direct`] connections, see there. In short: a peer is whoever proves possession of the Ed25519 key that is
//! its identity in the peers file, in both directions and on every connection. There is no certificate authority,
//! no expiry and no resumption.
//!
//! # Adding a transport
//!
//! Implement [`Transport`] in a file of its own, feed an [`Incoming`], and add one line to `tests/conformance.rs`.

pub mod direct;
mod heard;
mod incoming;
mod limits;
pub mod memory;
pub mod nats;
mod outbox;
mod phase;
#[cfg(test)]
mod testing;
mod transport;

pub use incoming::Incoming;
pub use limits::{Limits, LimitsError};
pub use transport::{Direction, LinkFailure, PeerState, SendError, Transport};
