//! Committees, polynomials, Feldman commitments and verifiably encrypted shares.

mod committee;
mod party;

pub use committee::{Committee, CommitteeError, Member};
pub use party::{InvalidPartyIndex, InvalidThreshold, MAX_PARTIES, PartyIndex, Threshold};
