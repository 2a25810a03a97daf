//! The wire encoding: one version byte, then [borsh](https://borsh.io), with a size cap per type.
//!
//! Borsh is canonical (one encoding per value; of maps, with its feature `de_strict_order`) and refuses trailing bytes, so
//! bytes that were signed can be compared as bytes.

use borsh::{BorshDeserialize, BorshSerialize};
use quorate_sharing::{KeyShare, PublicShares};

/// Version of the encoding that this release writes and the only one that it reads.
pub const WIRE_VERSION: u8 = 1;

/// A value that crosses the wire, or is stored, in the versioned compact encoding.
pub trait Wire: BorshSerialize + BorshDeserialize {
    /// Largest encoding that is written or read, in bytes, version byte included.
    const MAX_BYTES: usize;

    /// Encodes the value.
    ///
    /// # Errors
    /// [`WireError::TooLarge`] when the value exceeds [`Wire::MAX_BYTES`].
    fn to_wire(&self) -> Result<Vec<u8>, WireError> {
        let malformed = |error: std::io::Error| WireError::Malformed(error.to_string());
        let length = borsh::object_length(self).map_err(malformed)?.saturating_add(1);
        if length > Self::MAX_BYTES {
            return Err(WireError::TooLarge { bytes: length, limit: Self::MAX_BYTES });
        }
        // Of the full size from the start: a vector that grows would leave copies of secrets behind.
        let mut bytes = Vec::with_capacity(length);
        bytes.push(WIRE_VERSION);
        self.serialize(&mut bytes).map_err(malformed)?;
        Ok(bytes)
    }

    /// Decodes a value; the sender is to blame for every error.
    ///
    /// # Errors
    /// Oversized, of an unknown version, truncated, with trailing bytes, or with a field out of its range.
    fn from_wire(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(WireError::TooLarge { bytes: bytes.len(), limit: Self::MAX_BYTES });
        }
        match bytes.split_first() {
            None => Err(WireError::Malformed("empty".into())),
            Some((&WIRE_VERSION, body)) => {
                Self::try_from_slice(body).map_err(|error| WireError::Malformed(error.to_string()))
            }
            Some((&version, _)) => Err(WireError::UnknownVersion(version)),
        }
    }
}

impl Wire for PublicShares {
    const MAX_BYTES: usize = 16 * 1024;
}

/// The encoding holds the secret: it goes into an encrypted record and nowhere else.
impl Wire for KeyShare {
    const MAX_BYTES: usize = PublicShares::MAX_BYTES + 64;
}

impl Wire for () {
    const MAX_BYTES: usize = 1;
}

/// Why bytes are not a value of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// More bytes than the type may take.
    #[error("{bytes} bytes exceed the limit of {limit}")]
    TooLarge {
        /// Size of the encoding.
        bytes: usize,
        /// [`Wire::MAX_BYTES`] of the type.
        limit: usize,
    },
    /// Written by a release that this one does not understand.
    #[error("unknown encoding version {0}, this release reads {WIRE_VERSION}")]
    UnknownVersion(u8),
    /// Not an encoding of the type.
    #[error("malformed encoding: {0}")]
    Malformed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, BorshSerialize, BorshDeserialize)]
    struct Small(Vec<u8>);
    impl Wire for Small {
        const MAX_BYTES: usize = 16;
    }

    #[test]
    fn round_trips_and_refuses_every_other_form() {
        let bytes = Small(vec![1, 2, 3]).to_wire().unwrap();
        assert_eq!(Small::from_wire(&bytes).unwrap(), Small(vec![1, 2, 3]));
        assert!(matches!(Small(vec![0; 12]).to_wire(), Err(WireError::TooLarge { bytes: 17, limit: 16 })));
        assert!(matches!(Small::from_wire(&[0; 17]), Err(WireError::TooLarge { .. })));
        assert!(matches!(Small::from_wire(&[]), Err(WireError::Malformed(_))));
        assert!(matches!(Small::from_wire(&[2, 0, 0, 0, 0]), Err(WireError::UnknownVersion(2))));
        for length in 1..bytes.len() {
            assert!(matches!(Small::from_wire(&bytes[..length]), Err(WireError::Malformed(_))));
        }
        let mut trailing = bytes;
        trailing.push(0);
        assert!(matches!(Small::from_wire(&trailing), Err(WireError::Malformed(_))));
        // A length prefix that promises more than there is must not allocate it.
        assert!(matches!(Small::from_wire(&[1, 255, 255, 255, 255]), Err(WireError::Malformed(_))));
    }
}
