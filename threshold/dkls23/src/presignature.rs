//! What presigning leaves at each signer: everything of one signature but the message.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::{PresignatureId, Suite};
use quorate_keys::{Secret, Transcript};
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

/// One signer's part of a presignature: of φ, which hides, and of φ·r and φ·x, where r is the nonce and x the key.
///
/// # Security
/// For one signature. Two of them under one presignature give the key away, so it has no `Clone`, and signing takes it by value. Whoever
/// stores it deletes it durably before it signs. Erased on drop.
pub struct Presignature {
    public: PublicPresignature,
    party: PartyIndex,
    /// φᵢ, uᵢ and vᵢ.
    secret: Box<Secret<[[u8; 32]; 3]>>,
    /// Of all that, made when it was made.
    checksum: Zeroizing<[u8; 32]>,
}

/// φᵢ, uᵢ and vᵢ.
pub(crate) type Parts<C> = Zeroizing<[<C as quorate_sharing::Curve>::Scalar; 3]>;

impl Presignature {
    pub(crate) fn new<C: Suite>(public: PublicPresignature, party: PartyIndex, parts: &Parts<C>) -> Self {
        let mut secret = Box::new(Secret::new([[0; 32]; 3]));
        for (to, part) in secret.expose_mut().iter_mut().zip(parts.iter()) {
            *to = C::scalar_to_bytes(part);
        }
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

    /// φᵢ, uᵢ and vᵢ, if they are scalars.
    pub(crate) fn parts<C: Suite>(&self) -> Option<Parts<C>> {
        let [phi, u, v] = self.secret.expose();
        Some(Zeroizing::new([C::scalar_from_bytes(phi)?, C::scalar_from_bytes(u)?, C::scalar_from_bytes(v)?]))
    }

    /// Whether it is what was made: one that was damaged since spoils a signature, and nobody could say by whose fault.
    pub(crate) fn is_whole(&self) -> bool {
        self.checksum == self.sum()
    }

    fn sum(&self) -> Zeroizing<[u8; 32]> {
        let public = borsh::to_vec(&self.public).unwrap_or_default();
        let checksum = Transcript::new(b"quorate/dkls23/presignature/checksum/v1")
            .field("public", &public)
            .field("party", &self.party.get().to_le_bytes())
            .field("secret", self.secret.expose().as_flattened())
            .digest();
        Zeroizing::new(checksum)
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
        let mut secret = Box::new(Secret::new([[0; 32]; 3]));
        for part in secret.expose_mut() {
            reader.read_exact(part)?;
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
    const MAX_BYTES: usize = 320 + MAX_SIGNERS * 2;
}

/// The encoding holds secrets: it goes nowhere.
impl Wire for Presignatures {
    const MAX_BYTES: usize = 16 + MAX_SIGNATURES * Presignature::MAX_BYTES;
}
