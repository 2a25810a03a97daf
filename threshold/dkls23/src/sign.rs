//! Signing: presigning and one more message, or that message alone for presignatures that were made before.
//!
//! # Protocol
//! Protocol 3.6 of ePrint 2023/765, with nonces that are re-randomised when the digest is known: with ρ, a hash of everything that is signed and of fresh
//! bytes of every signer, the nonce is ρ·R instead of R. To the aggregator, each signer sends uᵢ and wᵢ = φᵢ·m + r·(vᵢ + τ·φᵢ), where r is the
//! x-coordinate of ρ·R and τ leads from the wallet's key to the child that signs. Then s = Σwᵢ / (ρ·Σuᵢ).
//!
//! - [`Sign`] does all in one session of three rounds: there is nothing to keep between signatures.
//! - [`Online`] uses presignatures up that [`Presign`](crate::presign::Presign) has made, in one round.
//!
//! The aggregator verifies each signature before it gives it out. If one is wrong, nobody can say by whose fault: of the last message there is no
//! check.

mod finish;
mod message;
mod online;
mod protocol;
mod setup;

pub use finish::Aggregating;
pub use message::{Fault, Message, Share};
pub use online::{Online, OnlineContribution};
pub use protocol::{Contribution, Presigning, Sign};
pub use setup::{OnlineSetup, OnlineTask, SignSetup, SignTask};
