//! DKLS23 threshold ECDSA, from oblivious transfer.
//!
//! # Protocol
//! Doerner, Kondi, Lee and shelat, "Threshold ECDSA in Three Rounds", ePrint 2023/765. Keys come from `quorate-keygen`; then
//! [`pairs`] gives every pair of a key's holders the seeds with which it multiplies secrets.
//!
//! # Use
//! - Once for a key, all its holders make pairs: [`pairs::PairsProtocol`]. Each stores its own, and shares them among all sessions of its process as one
//!   [`pairs::SharedPairs`], together with whom it has banned.
//! - Signers sign in one session, [`sign::Sign`]; or they presign, [`presign::Presign`], and sign when they know what, [`sign::Online`].
//! - When a session ends with [`Abort::Witnessed`](quorate_session::Abort::Witnessed), those in its `lasting` are banned: the caller stores them before it
//!   takes the session's next action, and hands them to [`pairs::SharedPairs::new`] after each start.
//!
//! The curves are those of `quorate-sharing`, [`Secp256k1`](quorate_sharing::Secp256k1) and [`P256`](quorate_sharing::P256). `examples/sign.rs` does all of
//! that with messages that it carries itself: `cargo run --release -p quorate-dkls23 --example sign`.
//!
//! # Blame
//! Whoever cheats in what two parties do with each other is named by its victim, and can't be shown to anybody else: a judge would have to
//! see the victim's secrets. So sessions of this crate end witnessed where those of `quorate-cggmp21` end proven, but for what the form of a message alone
//! shows, and for openings that don't fit their commitments.
//!
//! # Security
//! A message that fails a consistency check ([`presign::Fault::Inconsistent`]) was a guess at a secret, and failed. Another may succeed: nothing
//! may be done with the seeds of that pair any more. [`pairs::SharedPairs`] sees to that within a process; that it is so after a restart is for
//! the caller. What differs from the paper stands in `DEVIATIONS.md`.

pub mod pairs;
pub mod presign;
mod presignature;
pub mod sign;

pub use presignature::{Presignature, Presignatures, PublicPresignature};
pub use quorate_ecdsa::{PresignatureId, Suite};
pub use quorate_oblivious::vole::Multiplied;

/// The most signers of one signature.
pub const MAX_SIGNERS: usize = 16;

/// The most signatures that one session makes: what one signer sends to another fits into one message.
pub const MAX_SIGNATURES: usize = 16;
