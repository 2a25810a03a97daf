//! CGGMP21 threshold ECDSA with identifiable abort.
//!
//! # Protocol
//! Canetti, Gennaro, Goldfeder, Makriyannis and Peled, "UC Non-Interactive, Proactive, Threshold ECDSA with Identifiable Aborts", ePrint
//! 2021/060, revision of October 2024. Three protocols:
//!
//! - [`auxiliary`]: once for a committee, each party makes a Paillier modulus and ring-Pedersen parameters, and proves to all others that
//!   they are well made. All wallets of the committee share them.
//! - [`presign`]: any `threshold` of a wallet's holders make presignatures ahead of the messages, in three rounds.
//! - [`sign`]: one message from each signer makes a signature of a presignature and a digest.
//!
//! Keys come from `quorate-keygen`. Whoever cheats is named, with evidence that can be judged offline.
//!
//! What differs from the paper, and why that is sound, stands in `DEVIATIONS.md`, and for the proofs in that of `quorate-paillier`.

pub mod auxiliary;
mod parallel;
pub mod presign;
mod presignature;
pub mod sign;

pub use presignature::{Check, Presignature, Presignatures, PublicPresignature};
pub use quorate_ecdsa::{PresignatureId, Suite};

/// The most signers of one signature: what they broadcast while presigning must fit into evidence.
pub const MAX_SIGNERS: usize = 16;
