//! Signing: one message from each signer makes a signature of a presignature and a digest.
//!
//! # Protocol
//! ePrint 2021/060 (revision of October 2024), figure 10, with presignatures that are re-randomised when the digest is known: with ρ, a hash
//! of everything that is signed and of fresh bytes of every signer, the nonce is ρ·R instead of R. Each signer sends
//! σᵢ = ρ⁻¹·(k̃·m + r·(χ̃ + τ·k̃)) to the aggregator, where r is the x-coordinate of ρ·R and τ leads from the wallet's key to the child that
//! signs. The sum is s. The aggregator verifies the signature before it gives it out, and if it is wrong, each σᵢ in public:
//! σᵢ·ρ·R = (m + r·τ)·Δ̃ᵢ + r·S̃ᵢ.
//!
//! Why presignatures are never used as they are: who knows R beforehand and chooses a digest or a child to sign forges a signature of
//! another one (Groth and Shoup, ePrint 2021/1330). See `DEVIATIONS.md`.

mod message;
mod protocol;
mod setup;
mod share;

pub use message::{Fault, Message};
pub use protocol::{Aggregating, Contribution, Sign};
pub use setup::{SignSetup, SignTask};
