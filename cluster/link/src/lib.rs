//! A link between two nodes across a network that may do whatever it likes: a broker, a relay, datagrams.
//!
//! What passes is readable by the two nodes alone, arrives whole, in order and once, and comes from the node that it
//! claims to come from. Whoever is in between can delay it or drop it, and learns how much is said, when, and between
//! whom.
//!
//! [`Link`] is a pure state machine: packets and the time go in, packets and frames come out. Its caller owns the
//! clock, the network and the randomness.
//!
//! # Who is at the other end
//!
//! A handshake is `Noise_XX_25519_ChaChaPoly_SHA256` (The Noise Protocol Framework, revision 34). The X25519 keys in it are
//! made at each start of a node. In its message each side certifies its key with its Ed25519 identity: a signature over the
//! cluster, both identities, the key, and all that was said in the handshake so far. A certificate is therefore worth
//! nothing in any other handshake, and a stolen X25519 key nothing without the identity. Traffic recorded today stays
//! sealed when either key is stolen tomorrow (ephemeral keys on both sides).
//!
//! There is one handshake per pair of nodes and start of either of them, and another one when the two have heard nothing
//! of each other for [`Settings::silence`]. The node whose identity is smaller begins; the other asks it to with a *hello*,
//! signed, and heeded only if it is of a later start than the one that the link is with.
//!
//! # What is promised of frames
//!
//! Within one handshake frames arrive in the order in which they were given to [`Link::push`], none twice and none
//! missing: what was lost on the way is sent again. With the handshake ends what was on the way: a frame either had arrived, and
//! can still be taken, or never will, so that nothing that was said to a node reaches a later start of it.
//!
//! # On the wire
//!
//! | kind | then | meaning |
//! |---|---|---|
//! | 0 | boot (8), signature (64) | hello: please begin |
//! | 1, 2, 3 | link (8), Noise message | the handshake |
//! | 4 | link (8), number (8), Noise transport message | sealed: see below |
//!
//! `link` is a random name chosen by whoever begins, `number` the nonce: each packet has its own, and one is accepted once
//! ([`RFC 6479`](https://www.rfc-editor.org/rfc/rfc6479) shows the window). Integers are little-endian. In a sealed packet:
//! flags (1), the segment expected next (8), the segments taken (8), the number of the first segment that follows (8), then
//! segments, each with its length (4, the highest bit set if the frame goes on in the next) and its bytes. Segments that are
//! not acknowledged are sent again in new packets, after a time that follows the round trip (RFC 6298). The receiver holds
//! at most [`Settings::window`] bytes and one frame that were not taken; a sender that sends more ends the link.

mod channel;
mod handshake;
mod link;
mod packet;
mod receiving;
mod replay;
mod sending;
mod settings;
#[cfg(test)]
mod tests;

pub use handshake::Local;
pub use link::{Down, Event, Link};
pub use packet::{MAX_PACKET, Misbehaviour};
pub use settings::Settings;
