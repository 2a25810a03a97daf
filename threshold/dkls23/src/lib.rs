//! DKLS23 threshold ECDSA, from oblivious transfer.
//!
//! # Protocol
//! Doerner, Kondi, Lee and shelat, "Threshold ECDSA in Three Rounds", ePrint 2023/765. Keys come from `quorate-keygen`; then
//! [`pairs`] gives every pair of a key's holders the seeds with which it multiplies secrets.
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
