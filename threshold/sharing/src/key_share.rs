//! A wallet's key as one party keeps it: what is public of it, and the party's share.

use std::collections::BTreeMap;
use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_keys::{ChainCode, GroupKey, Secret};

use crate::committee::Committee;
use crate::curve::Curve;
use crate::party::{PartyIndex, invalid_data};
use crate::share::SecretShare;

/// The public side of a shared key, the same at every party.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize)]
pub struct PublicShares {
    /// The key.
    pub group_key: GroupKey,
    /// What its children are derived with.
    pub chain_code: ChainCode,
    /// The generation of the shares: 0 at key generation, more after each resharing.
    pub epoch: u64,
    /// Who holds shares, and how many sign.
    pub committee: Committee,
    /// Each party's share times the generator, in standard encoding.
    pub verifying_shares: BTreeMap<PartyIndex, Vec<u8>>,
}

/// One party's share of a key, with the public side. The share is erased on drop.
#[derive(Debug)]
pub struct KeyShare {
    public: PublicShares,
    index: PartyIndex,
    secret: Secret<[u8; 32]>,
}

/// Why a key share cannot be used. It was stored or restored wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyShareError {
    /// The verifying shares are not one for each member of the committee.
    #[error("the verifying shares are not one for each member of the committee")]
    Incomplete,
    /// The share is of a party outside the committee.
    #[error("party {0} is not in the committee of the key")]
    NotAMember(PartyIndex),
    /// The key is on another curve.
    #[error("the key is on {found}, not on {expected}")]
    Curve {
        /// The curve asked for.
        expected: quorate_keys::Curve,
        /// The curve of the key.
        found: quorate_keys::Curve,
    },
    /// The secret is no scalar of the curve, or not the one behind the party's verifying share.
    #[error("the share of party {0} does not fit its verifying share: restore it from a backup")]
    Mismatch(PartyIndex),
}

impl PublicShares {
    /// Checks that there is one verifying share for each member.
    fn check(self) -> Result<Self, KeyShareError> {
        let complete = self.committee.indices().eq(self.verifying_shares.keys().copied());
        if complete { Ok(self) } else { Err(KeyShareError::Incomplete) }
    }
}

impl KeyShare {
    /// The share `secret` (a canonical scalar) of party `index`.
    #[must_use]
    pub const fn new(public: PublicShares, index: PartyIndex, secret: Secret<[u8; 32]>) -> Self {
        Self { public, index, secret }
    }

    /// The public side.
    #[must_use]
    pub const fn public(&self) -> &PublicShares {
        &self.public
    }

    /// The party that holds the share.
    #[must_use]
    pub const fn index(&self) -> PartyIndex {
        self.index
    }

    /// The share on curve `C`, checked against the party's verifying share. Constant time in the share.
    ///
    /// # Errors
    /// When the key is on another curve, or the share is not what the public side says: a wrong share that signs would
    /// make this party look like a cheater.
    pub fn secret_share<C: Curve>(&self) -> Result<SecretShare<C>, KeyShareError> {
        let found = self.public.group_key.curve();
        if found != C::ID {
            return Err(KeyShareError::Curve { expected: C::ID, found });
        }
        let mismatch = KeyShareError::Mismatch(self.index);
        let expected = self.public.verifying_shares.get(&self.index);
        let expected = expected.ok_or(KeyShareError::NotAMember(self.index))?;
        let share = SecretShare::<C>::from_bytes(self.index, self.secret.expose()).map_err(|_| mismatch)?;
        if C::encode(&share.public()) == *expected { Ok(share) } else { Err(mismatch) }
    }
}

impl BorshDeserialize for PublicShares {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let shares = Self {
            group_key: GroupKey::deserialize_reader(reader)?,
            chain_code: ChainCode::deserialize_reader(reader)?,
            epoch: u64::deserialize_reader(reader)?,
            committee: Committee::deserialize_reader(reader)?,
            verifying_shares: BTreeMap::deserialize_reader(reader)?,
        };
        shares.check().map_err(invalid_data)
    }
}

/// The encoding holds the secret: it goes into an encrypted record and nowhere else.
impl BorshSerialize for KeyShare {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.public.serialize(writer)?;
        self.index.serialize(writer)?;
        writer.write_all(self.secret.expose())
    }
}

impl BorshDeserialize for KeyShare {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let public = PublicShares::deserialize_reader(reader)?;
        let index = PartyIndex::deserialize_reader(reader)?;
        if !public.committee.contains(index) {
            return Err(invalid_data(KeyShareError::NotAMember(index)));
        }
        let mut secret = Secret::new([0; 32]);
        reader.read_exact(secret.expose_mut())?;
        Ok(Self { public, index, secret })
    }
}
