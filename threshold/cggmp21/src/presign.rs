//! Presigning: three rounds that make presignatures, and a fourth that finds out who made them fail.
//!
//! # Protocol
//! ePrint 2021/060 (revision of October 2024), figure 8, after the shares of exactly these signers were made additive.
//!
//! 1. Broadcast and echoed: K = enc(k), G = enc(γ), a point Y, the ElGamal commitments A = (a·G, a·Y + k·G) and B = (b·G, b·Y + γ·G); to each
//!    party two Π^enc-elg.
//! 2. Broadcast and echoed: Γᵢ = γᵢ·G with Π^elog against B; for each other party j the ciphertexts D, F of γᵢ·kⱼ and D̂, F̂ of xᵢ·kⱼ; to
//!    each party two Π^aff-g.
//! 3. Broadcast and confirmed: δᵢ, Δᵢ = kᵢ·Γ with Π^elog against A, and Sᵢ = χᵢ·Γ. Then δ·G = ΣΔᵢ and δ·X = ΣSᵢ must hold.
//! 4. Only if one of them does not: to each party Π^dec of what went into δᵢ or χᵢ, and Π^aff-g of the ciphertexts for all others (figure 9).
//!
//! A session makes several presignatures side by side, in messages that are shared. If one fails, all are given up.

mod first;
mod identify;
mod judge;
mod message;
mod parties;
mod protocol;
mod second;
mod setup;
mod stock;
mod third;

pub use message::{
    Encrypted, Encryption, Fault, Identification, Message, Pair, Product, Products, Sum, Sums,
};
pub use protocol::{Contribution, Presign};
pub use setup::{MAX_PRESIGNATURES, PresignSecret, PresignSetup};
pub use stock::NonceStock;
