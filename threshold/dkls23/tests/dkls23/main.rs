//! DKLS23 among simulated parties: honest runs, cheaters, and what becomes of who was caught.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod caught;
mod cheats;
mod framing;
mod guesses;
mod indices;
mod lengths;
mod replays;
mod scene;
mod setup;
mod sign;
mod simulations;
mod table;
mod withdrawals;
