//! Requests and results over NATS JetStream.
//!
//! A request waits in a stream until a node has answered it, and its result waits in another until the client has taken it:
//! neither has to be there when the other is. Each is delivered at least once. That a request takes effect once is the
//! nodes' doing, who know it by its id; that a result counts once, the client's, who knows which request it is for.
//!
//! - [`Requester`]: the side of the client.
//! - [`serve`]: the side of a node.
//! - [`subjects`], [`streams`]: where they are kept.
//! - [`sealing`]: what the broker sees of them.
//!
//! # What the broker can do
//! It can lose, hold back, repeat and reorder. It can't read or forge: a request is signed by its initiator and encrypted to the
//! nodes; a result is signed by a node, for that very request, and encrypted to the client; and what nodes are encrypted to is
//! signed by each. It learns which client asks for what operation, when, under which id, and how long request and result are.

pub mod sealing;
pub mod streams;
pub mod subjects;

mod announcing;
mod requester;
mod serving;

pub use announcing::sealing_identity;
pub use requester::{Failure, Requester};
pub use serving::{Answer, Answers, Counts, MAX_DELIVERIES, serve};
