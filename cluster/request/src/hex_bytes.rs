//! Bytes as `0x…` hexadecimal text, as the API writes and reads them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Bytes of any length, written as `0x` and lower-case hexadecimal digits.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hex(Vec<u8>);

/// Exactly `N` bytes, written as `0x` and lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HexArray<const N: usize>([u8; N]);

/// A transaction: written as `0x` and hexadecimal digits, read in Base64 (RFC 4648 section 4) as well, in which wallets
/// hand many of them over.
#[derive(Clone, PartialEq, Eq)]
pub struct TransactionBytes(Vec<u8>);

/// The text is neither hexadecimal nor Base64.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a transaction is written as 0x and hexadecimal digits, or Base64")]
#[non_exhaustive]
pub struct InvalidTransactionText;

/// Why a text is not the hexadecimal value that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHex {
    /// The text does not begin with `0x`.
    #[error("hexadecimal values begin with 0x")]
    NoPrefix,
    /// A half byte is left over.
    #[error("a hexadecimal value has an even number of digits, this one has {0}")]
    OddLength(usize),
    /// A character that is no hexadecimal digit.
    #[error("a character is not a hexadecimal digit")]
    NotHex,
    /// The value has another length than its meaning asks for.
    #[error("expected {expected} bytes (0x and {} digits), got {got} bytes", expected * 2)]
    Length {
        /// Bytes that were expected.
        expected: usize,
        /// Bytes that were given.
        got: usize,
    },
}

impl Hex {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, by value.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl<const N: usize> HexArray<N> {
    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }

    /// The bytes, by value.
    pub const fn into_bytes(self) -> [u8; N] {
        self.0
    }
}

impl TransactionBytes {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for TransactionBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl FromStr for TransactionBytes {
    type Err = InvalidTransactionText;

    fn from_str(text: &str) -> Result<Self, InvalidTransactionText> {
        if text.starts_with("0x") {
            return text.parse().map(|Hex(bytes)| Self(bytes)).map_err(|_| InvalidTransactionText);
        }
        STANDARD.decode(text).map(Self).map_err(|_| InvalidTransactionText)
    }
}

impl fmt::Debug for TransactionBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(&self.0))
    }
}

impl Serialize for TransactionBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", hex::encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for TransactionBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl From<Vec<u8>> for Hex {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Hex {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for Hex {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes.to_vec())
    }
}

impl<const N: usize> From<[u8; N]> for HexArray<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Hex {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> AsRef<[u8]> for HexArray<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Hex {
    type Err = InvalidHex;

    fn from_str(text: &str) -> Result<Self, InvalidHex> {
        let digits = text.strip_prefix("0x").ok_or(InvalidHex::NoPrefix)?;
        if digits.len() % 2 != 0 {
            return Err(InvalidHex::OddLength(digits.len()));
        }
        hex::decode(digits).map(Self).map_err(|_| InvalidHex::NotHex)
    }
}

impl<const N: usize> FromStr for HexArray<N> {
    type Err = InvalidHex;

    fn from_str(text: &str) -> Result<Self, InvalidHex> {
        let bytes = text.parse::<Hex>()?.0;
        let got = bytes.len();
        bytes.try_into().map(Self).map_err(|_| InvalidHex::Length { expected: N, got })
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(&self.0))
    }
}

impl<const N: usize> fmt::Display for HexArray<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> fmt::Debug for HexArray<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<const N: usize> Serialize for HexArray<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de, const N: usize> Deserialize<'de> for HexArray<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_values_need_their_prefix_an_even_length_and_hexadecimal_digits() {
        assert_eq!("00ff".parse::<Hex>(), Err(InvalidHex::NoPrefix));
        assert_eq!("0X00".parse::<Hex>(), Err(InvalidHex::NoPrefix));
        assert_eq!("0x0".parse::<Hex>(), Err(InvalidHex::OddLength(1)));
        assert_eq!("0x0g".parse::<Hex>(), Err(InvalidHex::NotHex));
        assert_eq!("0x".parse::<Hex>().unwrap().as_bytes(), b"");
        assert_eq!("0xFf01".parse::<Hex>().unwrap().to_string(), "0xff01");
    }

    #[test]
    fn a_value_of_fixed_length_names_the_length_it_wanted() {
        let error = "0x0102".parse::<HexArray<32>>().unwrap_err();
        assert_eq!(error, InvalidHex::Length { expected: 32, got: 2 });
        assert_eq!(error.to_string(), "expected 32 bytes (0x and 64 digits), got 2 bytes");
        assert!("0x".parse::<HexArray<0>>().is_ok());
    }

    #[test]
    fn hexadecimal_values_are_strings_in_json() {
        let value: HexArray<2> = serde_json::from_str("\"0xAb01\"").unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), "\"0xab01\"");
        assert!(serde_json::from_str::<Hex>("\"ab01\"").unwrap_err().to_string().contains("begin with 0x"));
        assert!(serde_json::from_str::<Hex>("[1,2]").is_err());
    }
}
