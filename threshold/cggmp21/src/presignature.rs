//! What presigning leaves at each signer: everything of one signature but the message.
//!
//! In terms of the paper: R = Γ, and of every party k̃ = k/δ and χ̃ = χ/δ, of which Δ̃ = k̃·Γ and S̃ = χ̃·Γ are public.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{PresignatureId, PublicPart};
use quorate_session::{MAX_SIGNATURES, Wire};
use quorate_sharing::PartyIndex;

/// What all signers know of one presignature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PublicPresignature {
    /// Its name.
    pub id: PresignatureId,
    /// Digest of the wallet's public side for which it was made, epoch and holders included.
    pub key: [u8; 32],
    /// R, as a point.
    pub nonce: Vec<u8>,
    /// What checks a signer's partial signature, by signer.
    pub checks: BTreeMap<PartyIndex, Check>,
}

/// Δ̃ and S̃ of one signer.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Check {
    /// Δ̃ = k̃·R.
    pub nonce: Vec<u8>,
    /// S̃ = χ̃·R.
    pub key: Vec<u8>,
}

impl PublicPresignature {
    /// The signers.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = PartyIndex> + '_ {
        self.checks.keys().copied()
    }
}

impl PublicPart for PublicPresignature {
    const DOMAIN: &'static [u8] = b"quorate/cggmp21/presignature/checksum/v1";
    const MAX_BYTES: usize = 256 + crate::MAX_SIGNERS * 80;
}

/// One signer's part of a presignature: k̃ and χ̃.
pub type Presignature = quorate_ecdsa::Presignature<PublicPresignature, 2>;

/// One signer's presignatures: as a session has made them, or in the order of the signatures that use them up. For signing, the caller has
/// deleted them durably where they were stored, if they were.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Presignatures(pub Vec<Presignature>);

/// The encoding holds secrets: it goes nowhere.
impl Wire for Presignatures {
    const MAX_BYTES: usize = 16 + MAX_SIGNATURES * Presignature::MAX_BYTES;
}
