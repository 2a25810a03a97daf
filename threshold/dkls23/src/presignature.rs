//! What presigning leaves at each signer: everything of one signature but the message.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{PresignatureId, PublicPart};
use quorate_session::Wire;
use quorate_sharing::PartyIndex;
use zeroize::Zeroizing;

use crate::{MAX_SIGNATURES, MAX_SIGNERS};

/// What all signers know of one presignature.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PublicPresignature {
    /// Its name.
    pub id: PresignatureId,
    /// Digest of the wallet's public side for which it was made, epoch and holders included.
    pub key: [u8; 32],
    /// R, as a point.
    pub nonce: Vec<u8>,
    /// The signers.
    pub signers: BTreeSet<PartyIndex>,
}

impl PublicPart for PublicPresignature {
    const DOMAIN: &'static [u8] = b"quorate/dkls23/presignature/checksum/v1";
    const MAX_BYTES: usize = 320 + MAX_SIGNERS * 2;
}

/// One signer's part of a presignature: of φ, which hides, and of φ·r and φ·x, where r is the nonce and x the key.
pub type Presignature = quorate_ecdsa::Presignature<PublicPresignature, 3>;

/// φᵢ, uᵢ and vᵢ.
pub(crate) type Parts<C> = Zeroizing<[<C as quorate_sharing::Curve>::Scalar; 3]>;

/// One signer's presignatures: as a session has made them, or in the order of the signatures that use them up. For signing, the caller has
/// deleted them durably where they were stored, if they were.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Presignatures(pub Vec<Presignature>);

/// The encoding holds secrets: it goes nowhere.
impl Wire for Presignatures {
    const MAX_BYTES: usize = 16 + MAX_SIGNATURES * Presignature::MAX_BYTES;
}
