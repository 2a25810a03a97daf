//! What presigning leaves at each signer: everything of one signature but the message.

use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use ff::Field;
use quorate_keys::{Secret, Transcript};
use quorate_session::{SessionId, Wire};
use quorate_sharing::PartyIndex;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Suite;

/// The name of a presignature: a digest of the session that made it and its place there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PresignatureId(pub [u8; 32]);

impl PresignatureId {
    /// The name of what a session makes in a place.
    #[must_use]
    pub fn new(session: &SessionId, place: usize) -> Self {
        let name = Transcript::new(b"quorate/ecdsa/presignature/v1")
            .field("session", session.as_bytes())
            .field("place", &(place as u64).to_le_bytes());
        Self(name.digest())
    }
}

impl fmt::Debug for PresignatureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for PresignatureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What all signers know of a presignature, as a protocol puts it.
pub trait PublicPart: BorshSerialize + BorshDeserialize + fmt::Debug {
    /// Tells the checksums of one protocol from those of others.
    const DOMAIN: &'static [u8];
    /// The largest encoding of a signer's part of a presignature, in bytes.
    const MAX_BYTES: usize;
}

/// One signer's part of a presignature, of `N` secret scalars.
///
/// # Security
/// For one signature. Two of them under one presignature give the key away, so it has no `Clone`, and signing takes it by value. Whoever
/// stores it deletes it durably before it signs. Erased on drop.
pub struct Presignature<P, const N: usize> {
    public: P,
    party: PartyIndex,
    secret: Box<Secret<[[u8; 32]; N]>>,
    /// Of all that, made when it was made.
    checksum: Zeroizing<[u8; 32]>,
}

impl<P: PublicPart, const N: usize> Presignature<P, N> {
    /// A signer's part, as presigning has made it.
    #[must_use]
    pub fn new<C: Suite>(public: P, party: PartyIndex, scalars: &Zeroizing<[C::Scalar; N]>) -> Self {
        let mut secret = Box::new(Secret::new([[0; 32]; N]));
        for (to, scalar) in secret.expose_mut().iter_mut().zip(scalars.iter()) {
            *to = C::scalar_to_bytes(scalar);
        }
        let mut made = Self { public, party, secret, checksum: Zeroizing::new([0; 32]) };
        made.checksum = made.sum();
        made
    }

    /// What all signers know of it.
    #[must_use]
    pub const fn public(&self) -> &P {
        &self.public
    }

    /// Whose part it is.
    #[must_use]
    pub const fn party(&self) -> PartyIndex {
        self.party
    }

    /// The secrets, to sign with, which uses it up; nothing if one is no scalar of this curve.
    #[must_use]
    pub fn into_scalars<C: Suite>(self) -> Option<Zeroizing<[C::Scalar; N]>> {
        let mut scalars = Zeroizing::new([C::Scalar::ZERO; N]);
        for (to, bytes) in scalars.iter_mut().zip(self.secret.expose()) {
            *to = C::scalar_from_bytes(bytes)?;
        }
        Some(scalars)
    }

    /// Whether it is what was made. One that was damaged since spoils a signature: its honest owner would look like a cheater, or nobody could say
    /// by whose fault it is.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.checksum.ct_eq(&*self.sum()).into()
    }

    fn sum(&self) -> Zeroizing<[u8; 32]> {
        let public = borsh::to_vec(&self.public).unwrap_or_default();
        let checksum = Transcript::new(P::DOMAIN)
            .field("public", &public)
            .field("party", &self.party.get().to_le_bytes())
            .field("secret", self.secret.expose().as_flattened())
            .digest();
        Zeroizing::new(checksum)
    }
}

impl<P: fmt::Debug, const N: usize> fmt::Debug for Presignature<P, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presignature").field("public", &self.public).field("party", &self.party).finish()
    }
}

/// The encoding holds the secrets: whoever stores it encrypts it.
impl<P: BorshSerialize, const N: usize> BorshSerialize for Presignature<P, N> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.public.serialize(writer)?;
        self.party.serialize(writer)?;
        writer.write_all(self.secret.expose().as_flattened())?;
        self.checksum.serialize(writer)
    }
}

impl<P: BorshDeserialize, const N: usize> BorshDeserialize for Presignature<P, N> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let public = P::deserialize_reader(reader)?;
        let party = PartyIndex::deserialize_reader(reader)?;
        let mut secret = Box::new(Secret::new([[0; 32]; N]));
        reader.read_exact(secret.expose_mut().as_flattened_mut())?;
        let mut checksum = Zeroizing::new([0; 32]);
        reader.read_exact(checksum.as_mut_slice())?;
        Ok(Self { public, party, secret, checksum })
    }
}

impl<P: PublicPart, const N: usize> Wire for Presignature<P, N> {
    const MAX_BYTES: usize = P::MAX_BYTES;
}
