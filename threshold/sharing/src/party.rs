//! Party indices and thresholds: small numbers that are never out of range.

use std::fmt;
use std::io;
use std::num::NonZeroU16;

use borsh::{BorshDeserialize, BorshSerialize};

/// The most parties that a committee has, and the largest index of a party.
pub const MAX_PARTIES: u16 = 100;

/// The place at which a party's share is evaluated, 1 ..= [`MAX_PARTIES`].
///
/// Never zero, where the secret itself lies, and never equal to another modulo the order of any curve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct PartyIndex(NonZeroU16);

/// A number that is no party index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no party index: expected 1 to {MAX_PARTIES}")]
pub struct InvalidPartyIndex(pub u16);

impl PartyIndex {
    /// The index with this number.
    ///
    /// # Errors
    /// When it is zero or above [`MAX_PARTIES`].
    pub const fn new(index: u16) -> Result<Self, InvalidPartyIndex> {
        match NonZeroU16::new(index) {
            Some(number) if index <= MAX_PARTIES => Ok(Self(number)),
            _ => Err(InvalidPartyIndex(index)),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl TryFrom<u16> for PartyIndex {
    type Error = InvalidPartyIndex;

    fn try_from(index: u16) -> Result<Self, InvalidPartyIndex> {
        Self::new(index)
    }
}

impl From<PartyIndex> for u16 {
    fn from(index: PartyIndex) -> Self {
        index.get()
    }
}

impl fmt::Display for PartyIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl BorshDeserialize for PartyIndex {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Self::new(u16::deserialize_reader(reader)?).map_err(invalid_data)
    }
}

/// The number of parties that sign together, 2 ..= [`MAX_PARTIES`]: exactly this many are needed and enough.
///
/// The polynomial behind it has this many coefficients, so its degree is one less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct Threshold(NonZeroU16);

/// A number that is no threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no threshold: expected 2 to {MAX_PARTIES} signers")]
pub struct InvalidThreshold(pub u16);

impl Threshold {
    /// The threshold of this many signers.
    ///
    /// # Errors
    /// When there are fewer than two or more than [`MAX_PARTIES`].
    pub const fn new(signers: u16) -> Result<Self, InvalidThreshold> {
        match NonZeroU16::new(signers) {
            Some(number) if signers >= 2 && signers <= MAX_PARTIES => Ok(Self(number)),
            _ => Err(InvalidThreshold(signers)),
        }
    }

    /// The number of signers.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The number of signers as a length.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0.get() as usize
    }
}

impl TryFrom<u16> for Threshold {
    type Error = InvalidThreshold;

    fn try_from(signers: u16) -> Result<Self, InvalidThreshold> {
        Self::new(signers)
    }
}

impl From<Threshold> for u16 {
    fn from(threshold: Threshold) -> Self {
        threshold.get()
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl BorshDeserialize for Threshold {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Self::new(u16::deserialize_reader(reader)?).map_err(invalid_data)
    }
}

pub(crate) fn invalid_data(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_from_one_to_the_largest() {
        for number in [1, 2, MAX_PARTIES] {
            let index = PartyIndex::new(number).unwrap();
            assert_eq!(index.get(), number);
            assert_eq!(index.to_string(), number.to_string());
            assert_eq!(PartyIndex::try_from_slice(&borsh::to_vec(&index).unwrap()).unwrap(), index);
        }
        for number in [0, MAX_PARTIES + 1, u16::MAX] {
            assert_eq!(PartyIndex::new(number), Err(InvalidPartyIndex(number)));
            assert!(PartyIndex::try_from_slice(&number.to_le_bytes()).is_err());
        }
    }

    #[test]
    fn a_threshold_is_from_two_to_the_largest() {
        for number in [2, 3, MAX_PARTIES] {
            let threshold = Threshold::new(number).unwrap();
            assert_eq!(threshold.count(), usize::from(number));
            assert_eq!(Threshold::try_from_slice(&borsh::to_vec(&threshold).unwrap()).unwrap(), threshold);
        }
        for number in [0, 1, MAX_PARTIES + 1, u16::MAX] {
            assert_eq!(Threshold::new(number), Err(InvalidThreshold(number)));
            assert!(Threshold::try_from_slice(&number.to_le_bytes()).is_err());
        }
    }
}
