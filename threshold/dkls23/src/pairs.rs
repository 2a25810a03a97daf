//! What every pair of a key's holders needs to multiply secrets: seeds for both directions, made once for a key, by all its holders or by those of
//! them that are there, as many as sign together or more.
//!
//! # Protocol
//! 1. To each party: the choices of the base transfers of one direction, the offer for those of the other, and a facing key.
//! 2. To each party: the corrections of the one direction's seeds, and, encrypted, half of a seed for shares of zero.
//! 3. To each party: a digest of what both have said and of the seed for zero, after all was stored.
//!
//! Who has all digests has what all others have, too.

mod message;
mod protocol;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_ecdsa::key_digest;
use quorate_keys::Secret;
use quorate_oblivious::pprf::{PuncturedSeeds, WholeSeeds};
use quorate_session::{SessionId, Wire};
use quorate_sharing::{MAX_PARTIES, PartyIndex, PublicShares};

pub use message::{Begin, Fault, Grow, Message};
pub use protocol::{Acknowledging, Beginning, Contribution, Growing, PairsProtocol, Setup};
pub use shared::SharedPairs;
pub(crate) use shared::Unchecked;

/// What one holder of a key has for multiplying with the others. Erased on drop.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub struct Pairs {
    public: PublicPairs,
    party: PartyIndex,
    pairs: BTreeMap<PartyIndex, Pair>,
}

/// What all who have made it know of it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PublicPairs {
    /// The session that made it.
    pub session: [u8; 32],
    /// Digest of the key's public side, epoch and holders included.
    pub key: [u8; 32],
}

/// What one party has for multiplying with another.
pub(crate) struct Pair {
    /// This party's side when its own scalars are multiplied.
    pub(crate) sending: PuncturedSeeds,
    /// This party's side when the other's are.
    pub(crate) receiving: WholeSeeds,
    /// What both make shares of zero of.
    pub(crate) zero: Box<Secret<[u8; 32]>>,
}

impl PublicPairs {
    /// What a session has made for a key.
    #[must_use]
    pub fn new(session: SessionId, key: &PublicShares) -> Self {
        Self { session: *session.as_bytes(), key: key_digest(key) }
    }
}

impl Pairs {
    /// What all who have made it know of it.
    #[must_use]
    pub const fn public(&self) -> &PublicPairs {
        &self.public
    }

    /// Whose it is.
    #[must_use]
    pub const fn party(&self) -> PartyIndex {
        self.party
    }

    /// With whom it can multiply.
    pub fn peers(&self) -> impl Iterator<Item = PartyIndex> + '_ {
        self.pairs.keys().copied()
    }
}

impl Wire for Pairs {
    const MAX_BYTES: usize = 128 + MAX_PARTIES as usize * (17 * 1024);
}

impl Wire for PublicPairs {
    const MAX_BYTES: usize = 64;
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair([redacted])")
    }
}

/// The encoding holds the secrets: whoever stores it encrypts it.
impl BorshSerialize for Pair {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.sending.serialize(writer)?;
        self.receiving.serialize(writer)?;
        writer.write_all(self.zero.expose())
    }
}

impl BorshDeserialize for Pair {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let sending = PuncturedSeeds::deserialize_reader(reader)?;
        let receiving = WholeSeeds::deserialize_reader(reader)?;
        let mut zero = Box::new(Secret::new([0; 32]));
        reader.read_exact(zero.expose_mut())?;
        Ok(Self { sending, receiving, zero })
    }
}
