//! Presigning: signers make everything of their signatures but the messages, in two rounds.
//!
//! # Protocol
//! Protocol 3.6 of ePrint 2023/765, up to its last message. Party i has λᵢ·xᵢ of the key x, to which a fresh share of zero is added: xᵢ.
//!
//! 1. Each draws rᵢ and φᵢ, commits to Rᵢ = rᵢ·G and Xᵢ = xᵢ·G before all, and extends the transfers of each pair: this gives it a random factor
//!    χᵢⱼ for each other party j.
//! 2. Each opens Rᵢ and Xᵢ before all, and multiplies rᵢ and xᵢ with χⱼᵢ. Of the products, i has cᵘᵢⱼ and cᵛᵢⱼ, j has dᵘⱼᵢ and dᵛⱼᵢ. With it go
//!    Γᵘ = cᵘ·G, Γᵛ = cᵛ·G, and ψᵢⱼ = φᵢ − χᵢⱼ.
//!
//! Then each checks of each other that what was multiplied is what was opened, χᵢⱼ·Rⱼ = dᵘᵢⱼ·G + Γᵘⱼᵢ and χᵢⱼ·Xⱼ = dᵛᵢⱼ·G + Γᵛⱼᵢ, and of all that
//! ΣXⱼ is the key. It keeps φᵢ, uᵢ = rᵢ·(φᵢ + Σψⱼᵢ) + Σ(cᵘᵢⱼ + dᵘᵢⱼ), and vᵢ, the same of xᵢ: Σuᵢ = φ·r and Σvᵢ = φ·x for the nonce R = ΣRᵢ.
//!
//! A session makes several presignatures side by side, in messages that are shared. If one fails, all are given up.

mod first;
mod message;
mod protocol;
mod second;
mod setup;

pub use message::{Fault, Message, Opening, Product};
pub(crate) use protocol::judge;
pub use protocol::{Contribution, Extending, Multiplying, Presign};
pub use setup::{PresignSecret, PresignSetup};
