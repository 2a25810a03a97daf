//! Deterministic adversarial scheduler for protocol tests.
//!
//! A [`Simulation`] runs real [`Session`](quorate_session::Session)s of one protocol, after a real agreement, in one
//! thread and in an order that its seed alone decides. Messages are always reordered; they can be duplicated and
//! dropped; parties can be silent, crash at any message, cheat in their protocol messages ([`Cheat`]) or with the
//! envelopes around them ([`Simulation::tamper`]).
//!
//! Development only: nothing here belongs into a node that holds money.

// A harness of tests: what is wrong with a test ends it on the spot.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod cast;
mod cheat;
pub mod judges;
pub mod lockstep;
mod simulation;

pub use cast::Cast;
pub use cheat::{Cheat, Rewrite};
pub use simulation::{Faults, Outcome, Outcomes, Simulation, Tamper};
