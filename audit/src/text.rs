//! Bytes in text, and values whose JSON is their text.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

/// serde as a string, by `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text =
                    <std::borrow::Cow<'de, str> as serde::Deserialize<'de>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// What a log is about, such as the id of a cluster: 32 bytes, `0x` and 64 hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Scope(pub [u8; 32]);

/// The hash of an entry, and through it of all entries before it: 64 hex digits in text, as in the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct EntryHash(pub [u8; 32]);

/// An Ed25519 signature: `0x` and 128 hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct HeadSignature(pub [u8; 64]);

/// Not the text of a value of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {digits} hex digits in lower case{}", if prefix.is_empty() { "" } else { " after 0x" })]
pub struct InvalidHex {
    prefix: &'static str,
    digits: usize,
}

macro_rules! hex_text {
    ($type:ty, $bytes:literal, $prefix:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $type {
            type Err = InvalidHex;

            fn from_str(text: &str) -> Result<Self, InvalidHex> {
                text.strip_prefix($prefix)
                    .and_then(|digits| lower_hex::<$bytes>(digits.as_bytes()))
                    .map(Self)
                    .ok_or(InvalidHex { prefix: $prefix, digits: 2 * $bytes })
            }
        }

        serde_as_text!($type);
    };
}

hex_text!(Scope, 32, "0x");
hex_text!(EntryHash, 32, "");
hex_text!(HeadSignature, 64, "0x");

/// The bytes that exactly these digits encode, in lower case: a value has one text.
pub(crate) fn lower_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if digits.len() != N * 2 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(bytes)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_text() {
        let hash = EntryHash([0xab; 32]);
        assert_eq!(hash.to_string(), "ab".repeat(32));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("AB".repeat(32).parse::<EntryHash>().is_err());
        assert!("ab".repeat(31).parse::<EntryHash>().is_err());
        assert!(format!("0x{hash}").parse::<EntryHash>().is_err());
        let scope = Scope([7; 32]);
        assert_eq!(serde_json::from_str::<Scope>(&serde_json::to_string(&scope).unwrap()).unwrap(), scope);
        assert!("07".repeat(32).parse::<Scope>().is_err());
        let signature = HeadSignature([9; 64]);
        assert_eq!(signature.to_string().parse(), Ok(signature));
        assert_eq!(
            "0x00".parse::<HeadSignature>().unwrap_err().to_string(),
            "expected 128 hex digits in lower case after 0x"
        );
    }
}
