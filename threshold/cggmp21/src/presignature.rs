//! What presigning leaves at each signer: everything of one signature but the message.
//!
//! In terms of the paper: R = Γ, and of every party k̃ = k/δ and χ̃ = χ/δ, of which Δ̃ = k̃·Γ and S̃ = χ̃·Γ are public.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{PresignatureId, Suite};
use quorate_keys::{Secret, Transcript};
use quorate_session::{MAX_SIGNATURES, Wire};
use quorate_sharing::PartyIndex;
use zeroize::Zeroizing;

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

/// One signer's part of a presignature.
///
/// # Security
/// For one signature. Two of them under one presignature give the key away, so it has no `Clone`, and signing takes it by value. Whoever
/// stores it deletes it durably before it signs. Erased on drop.
pub struct Presignature {
    public: PublicPresignature,
    party: PartyIndex,
    /// k̃ and χ̃.
    secret: Box<Secret<[[u8; 32]; 2]>>,
    /// Of all that, made when it was made.
    checksum: Zeroizing<[u8; 32]>,
}

impl Presignature {
    pub(crate) fn new(public: PublicPresignature, party: PartyIndex, secret: [[u8; 32]; 2]) -> Self {
        let secret = Box::new(Secret::new(secret));
        let mut made = Self { public, party, secret, checksum: Zeroizing::new([0; 32]) };
        made.checksum = made.sum();
        made
    }

    /// What all signers know of it.
    #[must_use]
    pub const fn public(&self) -> &PublicPresignature {
        &self.public
    }

    /// Whose part it is.
    #[must_use]
    pub const fn party(&self) -> PartyIndex {
        self.party
    }

    /// k̃ and χ̃, if they are scalars.
    pub(crate) fn scalars<C: Suite>(&self) -> Option<Zeroizing<[C::Scalar; 2]>> {
        let [k, chi] = self.secret.expose();
        Some(Zeroizing::new([C::scalar_from_bytes(k)?, C::scalar_from_bytes(chi)?]))
    }

    /// Whether it is what was made: with one that was damaged since, its honest owner would look like a cheater.
    pub(crate) fn is_whole(&self) -> bool {
        self.checksum == self.sum()
    }

    fn sum(&self) -> Zeroizing<[u8; 32]> {
        let public = borsh::to_vec(&self.public).unwrap_or_default();
        let checksum = Transcript::new(b"quorate/cggmp21/presignature/checksum/v1")
            .field("public", &public)
            .field("party", &self.party.get().to_le_bytes())
            .field("secret", self.secret.expose().as_flattened())
            .digest();
        Zeroizing::new(checksum)
    }
}

impl PublicPresignature {
    /// The signers.
    pub fn signers(&self) -> impl ExactSizeIterator<Item = PartyIndex> + '_ {
        self.checks.keys().copied()
    }
}

impl fmt::Debug for Presignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presignature").field("public", &self.public).field("party", &self.party).finish()
    }
}

/// The encoding holds the secrets: whoever stores it encrypts it.
impl BorshSerialize for Presignature {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.public.serialize(writer)?;
        self.party.serialize(writer)?;
        self.secret.expose().serialize(writer)?;
        self.checksum.serialize(writer)
    }
}

impl BorshDeserialize for Presignature {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let public = PublicPresignature::deserialize_reader(reader)?;
        let party = PartyIndex::deserialize_reader(reader)?;
        let mut secret = Box::new(Secret::new([[0; 32]; 2]));
        for scalar in secret.expose_mut() {
            reader.read_exact(scalar)?;
        }
        let mut checksum = Zeroizing::new([0; 32]);
        reader.read_exact(checksum.as_mut_slice())?;
        Ok(Self { public, party, secret, checksum })
    }
}

/// One signer's presignatures: as a session has made them, or in the order of the signatures that use them up. For signing, the caller has
/// deleted them durably where they were stored, if they were.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Presignatures(pub Vec<Presignature>);

impl Wire for Presignature {
    const MAX_BYTES: usize = 256 + crate::MAX_SIGNERS * 80;
}

/// The encoding holds secrets: it goes nowhere.
impl Wire for Presignatures {
    const MAX_BYTES: usize = 16 + MAX_SIGNATURES * Presignature::MAX_BYTES;
}
