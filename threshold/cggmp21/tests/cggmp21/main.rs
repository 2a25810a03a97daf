//! CGGMP21 among simulated parties, with moduli that protect nothing: honest runs, cheaters, evidence.

#![cfg(debug_assertions)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod auxiliary;
mod committed;
mod framing;
mod judges;
mod presign;
mod scene;
mod setup;
mod sign;
mod simulations;
