//! Committees, polynomials, Feldman commitments and verifiably encrypted shares.
//!
//! Shamir's secret sharing as dealerless protocols use it, generic over the [`Curve`]:
//!
//! - **Who**: [`PartyIndex`], [`Threshold`] (always the number of signers), [`Committee`].
//! - **Secrets**: a dealer's [`Polynomial`], a party's [`SecretShare`] of it, a wallet's [`KeyShare`].
//! - **What is published of them**: [`Commitment`] (Feldman), [`KnowledgeProof`] that the dealers know the polynomials.
//! - **Delivery**: [`FacingKeys`] make a [`Channel`] for every pair; a [`Disclosure`] of its key lets anybody judge what
//!   came through it.
//!
//! Where the constructions differ from their papers, and why that is sound, stands in `DEVIATIONS.md`.
//!
//! # Security
//! Randomness is handed in. Functions that touch secrets say that they are constant time; all others take public values.

mod commitment;
mod committee;
mod curve;
mod curves;
mod delivery;
mod key_share;
mod party;
mod polynomial;
mod proof;
mod share;
#[cfg(test)]
mod testing;

pub use commitment::{Commitment, InvalidCommitment, SumError};
pub use committee::{Committee, CommitteeError, Member};
pub use curve::Curve;
pub use curves::{Ed25519, P256, Secp256k1};
pub use delivery::{Channel, DeliveryError, DisclosedChannel, Disclosure, FacingKeys, InvalidDisclosure};
pub use key_share::{KeyShare, KeyShareError, PublicShares};
pub use party::{InvalidPartyIndex, InvalidThreshold, MAX_PARTIES, PartyIndex, Threshold};
pub use polynomial::{LagrangeError, Polynomial, lagrange_at_zero};
pub use proof::{Challenge, InvalidProof, KnowledgeProof, ProofNonce};
pub use share::{InvalidShare, SecretShare};
